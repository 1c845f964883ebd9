package dev.mobilebert.core.model

import dev.mobilebert.core.Inputs
import dev.mobilebert.core.contract.Signature
import dev.mobilebert.core.contract.Version
import dev.mobilebert.core.contract.Vocabulary
import java.io.FileNotFoundException
import java.nio.ByteBuffer

/** An export of two labels in memory, whose files can be spoiled. */
class SmallExport(changes: Map<String, ByteArray?> = emptyMap()) : ExportFiles {
    override val name = "small"
    private val files: Map<String, ByteArray> = (originals + changes).mapNotNull { (name, content) -> content?.let { name to it } }.toMap()

    override fun list(): List<String> = files.keys.sorted()

    override fun read(file: String): ByteArray = files[file] ?: throw FileNotFoundException(file)

    override fun model(file: String): ModelFile = object : ModelFile {
        override val name = file
        override fun map(): ByteBuffer = ByteBuffer.wrap(read(file))
    }

    companion object {
        private const val VOCABULARY = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n"
        val model = ByteArray(64) { it.toByte() }

        private fun tensors(length: Int) =
            listOf("input_ids", "input_mask", "segment_ids").joinToString { """{"name": "$it", "dtype": "int32", "shape": [1, $length]}""" }

        private fun signature(length: Int) = """{"name": "tokens_$length", "length": $length, "inputs": [${tensors(length)}],
            "outputs": [{"name": "logits", "dtype": "float32", "shape": [1, 2]}]}"""

        /** Outputs of the example are those of [FakeRuntime]. */
        val contract = """
            {"schema": 2, "file": {"name": "m.tflite", "bytes": 64, "sha256": "${Vocabulary.sha256(model)}"}, "recipe": "m",
             "task": "classification", "signatures": [${signature(8)}, ${signature(16)}],
             "text": {"tokenizer": {"kind": "wordpiece", "lower_case": true, "strip_accents": true, "split_cjk": true,
               "max_characters_per_word": 200},
               "vocabulary": {"name": "vocab.txt", "bytes": 36, "sha256": "${Vocabulary.sha256(VOCABULARY.toByteArray())}", "size": 7},
               "special_tokens": {"[CLS]": 2, "[SEP]": 3}, "layout": ["[CLS]", "text", "[SEP]"], "segment_ids": [0, 0, 0],
               "max_ids": 16, "truncation": "longest_first", "windows": null,
               "padding": {"least": 1, "input_ids": 0, "input_mask": 0, "segment_ids": 0}},
             "answer": {"kind": "classes", "output": "logits", "softmax": true, "labels": ["no", "yes"], "temperature": 1,
               "decision": "argmax", "threshold": null},
             "runtime": {"oldest": "2.16", "float16_arithmetic": false, "one_graph": false},
             "tolerance": {"output": 0.5, "scale": 16},
             "examples": [{"text": "a b", "text_b": null, "ids": [2, 5, 6, 3], "segment_ids": [0, 0, 0, 0], "signature": "tokens_8",
               "output": [4, 16]}]}
        """

        /** What stands in SHA256SUMS beside this content of the contract. */
        fun sums(contract: ByteArray): ByteArray {
            val lines = listOf(contract to "m.contract.json", VOCABULARY.toByteArray() to "vocab.txt").map { (content, name) ->
                "${Vocabulary.sha256(content)}  $name\n"
            }
            return "${lines.joinToString("")}# sha256 of the lines above: ab\n".toByteArray()
        }

        /** Without sums: variants by name, with the oldest runtime of each, the later ones the smaller. */
        fun ofVariants(vararg variants: Pair<String, String>): SmallExport {
            val files = variants.flatMapIndexed { place, (name, oldest) ->
                val content = ByteArray(64 - place) { it.toByte() }
                val stated = contract.replace("m.tflite", "$name.tflite").replace("\"oldest\": \"2.16\"", "\"oldest\": \"$oldest\"")
                    .replace("\"bytes\": 64", "\"bytes\": ${content.size}").replace(Vocabulary.sha256(model), Vocabulary.sha256(content))
                listOf("$name.contract.json" to stated.toByteArray(), "$name.tflite" to content)
            }
            return SmallExport(mapOf("m.contract.json" to null, "m.tflite" to null, "SHA256SUMS" to null) + files)
        }

        private val originals = mapOf(
            "m.contract.json" to contract.toByteArray(),
            "vocab.txt" to VOCABULARY.toByteArray(),
            "m.tflite" to model,
            "SHA256SUMS" to sums(contract.toByteArray()),
        )
    }
}

/** Says how many ids there are and what they add up to; counts what is open and who calls. */
class FakeRuntime(
    override val version: Version? = null,
    private val outputs: (Settings, Inputs) -> FloatArray = { _, inputs -> floatArrayOf(inputs.mask.sum().toFloat(), inputs.ids.sum().toFloat()) },
) : Runtime {
    override val name = "Fake"
    override val api = "CompiledModel"
    override val keepsWeights = true
    override val accelerators = Accelerator.entries
    val callers: MutableSet<String> = java.util.Collections.synchronizedSet(HashSet())

    @Volatile var open = 0

    @Volatile var runs = 0

    /** What was asked for last. */
    @Volatile var asked: OpenRequest? = null

    override fun open(request: OpenRequest): OpenModel {
        open++
        asked = request
        callers += Thread.currentThread().name
        return object : OpenModel {
            override fun described(signature: Signature): Signature = request.signatures.first { it.name == signature.name }

            override fun run(signature: Signature, inputs: Inputs): Map<String, FloatArray> {
                runs++
                callers += Thread.currentThread().name
                return mapOf("logits" to outputs(request.settings, inputs))
            }

            override fun close() {
                open--
                callers += Thread.currentThread().name
            }
        }
    }
}
