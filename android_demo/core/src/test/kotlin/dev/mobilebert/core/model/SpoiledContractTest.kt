package dev.mobilebert.core.model

import dev.mobilebert.core.Inputs
import dev.mobilebert.core.contract.ContractException
import dev.mobilebert.core.contract.Json
import dev.mobilebert.core.contract.Signature
import dev.mobilebert.core.contract.Version
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.MethodSource

/** Every field of a contract of every kind, left out or made something else: an answer, or a sentence that says what to do. */
class SpoiledContractTest {
    /** Outputs as the contract states them, of all whose size a model can have. */
    private class StatedRuntime : Runtime {
        override val name = "Stated"
        override val version = Version.parse("2.20")
        override val api = "Interpreter"
        override val keepsWeights = false
        override val accelerators = listOf(Accelerator.CPU)

        override fun open(request: OpenRequest): OpenModel = object : OpenModel {
            override fun described(signature: Signature): Signature? = null

            override fun run(signature: Signature, inputs: Inputs): Map<String, FloatArray> {
                for ((name) in signature.inputs) assertTrue(inputs[name].size == signature.length)
                return signature.outputs.associate { it.name to FloatArray(it.shape.fold(1, Int::times)) { place -> (place % 7).toFloat() } }
            }

            override fun close() = Unit
        }
    }

    private val faults = ArrayList<String>()

    private fun attempt(contract: Any?, what: String) {
        val files = SmallExport(mapOf("m.contract.json" to Json.write(contract).toByteArray(), "SHA256SUMS" to null))
        try {
            LoadedModel.open(files, "m", StatedRuntime(), Settings()).use { model ->
                for (text in listOf("a b", "", "\uD83D b".repeat(60))) model.answerer.ask(text, "b a b $text")
            }
        } catch (error: ContractException) {
            checkSentence(error, what)
        } catch (error: ModelException) {
            checkSentence(error, what)
        } catch (error: Exception) {
            faults += "$what: $error at ${error.stackTrace.take(3)}"
        }
    }

    private fun checkSentence(error: Exception, what: String) {
        val message = error.message.orEmpty()
        val whatToDo = listOf("export the model again", "update the app", "copy it again", "put the export", "choose another")
        val saysWhatToDo = whatToDo.any { it in message }
        if (!saysWhatToDo) faults += "$what: $message"
    }

    /** [value] with every member of it, one after the other, left out and replaced; and what was done. */
    private fun spoiled(value: Any?, place: String): Sequence<Pair<Any?, String>> = sequence {
        for (other in OTHERS) if (other != value) yield(other to "$place = ${other.toString().take(20)}")
        when (value) {
            is Map<*, *> -> for ((name, member) in value) {
                yield(value - name to "$place without $name")
                for ((changed, what) in spoiled(member, "$place.$name")) yield(value + (name to changed) to what)
            }
            is List<*> -> for ((number, member) in value.withIndex()) {
                yield(value.filterIndexed { at, _ -> at != number } to "$place without [$number]")
                for ((changed, what) in spoiled(member, "$place[$number]")) {
                    yield(value.mapIndexed { at, one -> if (at == number) changed else one } to what)
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("kinds")
    fun `what is missing or of another type is said`(kind: String) {
        val contract = contractOf(kind)
        attempt(contract, "$kind as it is").also { LoadedModel.open(small(contract), "m", StatedRuntime(), Settings()).close() }
        var count = 0
        for ((changed, what) in spoiled(contract, kind)) attempt(changed, what).also { count++ }
        assertTrue(count > 1_000, "$count changes")
        assertTrue(faults.isEmpty(), faults.joinToString("\n"))
    }

    private fun small(contract: Any?) = SmallExport(mapOf("m.contract.json" to Json.write(contract).toByteArray(), "SHA256SUMS" to null))

    companion object {
        private val OTHERS = listOf(null, "", "x", -1.0, 0.0, 0.5, 1e18, -1e308, true, false) +
            listOf(emptyList<Any>(), listOf(null), emptyMap<String, Any>(), mapOf("a" to 1.0))

        private const val BOTH = """"layout": ["[CLS]", "text", "[SEP]", "text_b", "[SEP]"], "segment_ids": [0, 0, 0, 1, 1]"""
        private const val CUT = """"truncation": "windows", "windows": {"stride": 2, "most_before": 4}"""
        private val ANSWERS = mapOf(
            "labels" to """{"kind": "labels", "output": "logits", "labels": ["no", "yes"], "decision": "thresholds",
                "thresholds": {"no": 0.5, "yes": 0.5}}""",
            "value" to """{"kind": "value", "output": "logits", "offset": 0, "scale": 2}""",
            "vector" to """{"kind": "vector", "output": "logits"}""",
            "prototypes" to """{"kind": "prototypes", "output": "logits", "labels": ["no", "yes"], "decision": "nearest",
                "centroids": [[1, 0], [0, 1]], "threshold": 0.5, "margin": 0}""",
            "span" to """{"kind": "span", "outputs": {"start": "first", "end": "last"}, "longest": 5, "no_answer": 0.5}""",
            "entities" to """{"kind": "entities", "output": "logits", "labels": ["O", "B-x"], "words": "bert"}""",
        )

        @JvmStatic
        fun kinds() = listOf("classes") + ANSWERS.keys

        private fun contractOf(kind: String): Any? {
            val plain = SmallExport.contract
            val answer = ANSWERS[kind] ?: return Json.parse(plain)
            val classes = plain.substringAfter("\"answer\": ").substringBefore(",\n             \"runtime\"")
            var text = plain.replace(classes, answer)
            if (kind == "span" || kind == "entities") text = text.replace(""""truncation": "longest_first", "windows": null""", CUT)
            if (kind == "span") text = text.replace(""""layout": ["[CLS]", "text", "[SEP]"], "segment_ids": [0, 0, 0]""", BOTH)
            val one = """{"name": "logits", "dtype": "float32", "shape": [1, 2]}"""
            for (length in listOf(8, 16)) {
                val outputs = when (kind) {
                    "span" -> listOf("first", "last").joinToString { """{"name": "$it", "dtype": "float32", "shape": [1, $length]}""" }
                    "entities" -> """{"name": "logits", "dtype": "float32", "shape": [1, $length, 2]}"""
                    "value" -> """{"name": "logits", "dtype": "float32", "shape": [1, 1]}"""
                    else -> one
                }
                val before = text.substringBefore("\"tokens_$length\"")
                text = before + text.removePrefix(before).replaceFirst(one, outputs)
            }
            return Json.parse(text.replace(""""output": [4, 16]""", """"output": 0"""))
        }
    }
}
