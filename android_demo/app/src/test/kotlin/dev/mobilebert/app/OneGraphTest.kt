package dev.mobilebert.app

import dev.mobilebert.core.InputMaker
import dev.mobilebert.core.Inputs
import dev.mobilebert.core.contract.Contract
import dev.mobilebert.core.contract.Signature
import dev.mobilebert.core.contract.Tensor
import dev.mobilebert.core.model.FolderExport
import dev.mobilebert.core.model.LoadedModel
import dev.mobilebert.core.model.OpenModel
import dev.mobilebert.core.model.Settings
import dev.mobilebert.core.model.variants
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Assume.assumeTrue
import org.junit.Test
import java.io.File

/** Exports whose lengths share one graph, whichever length comes after which. */
class OneGraphTest {
    private val directory = File(System.getProperty("demo.exports").orEmpty())

    /** An example of the contract, or a window of one, with the outputs that it states. */
    private class Example(val signature: Signature, val inputs: Inputs, val outputs: Map<String, FloatArray>)

    private fun flat(value: Any?): List<Float> = if (value is List<*>) value.flatMap(::flat) else listOf((value as Double).toFloat())

    private fun examples(contract: Contract): List<Example> =
        contract.examples.flatMap { example -> example["windows"] as List<*>? ?: listOf(example) }.map { row ->
            row as Map<*, *>
            fun ids(name: String) = (row[name] as List<*>).map { (it as Double).toInt() }.toIntArray()
            val signature = contract.signatures.first { it.name == row["signature"] }
            val stated = row["outputs"] as Map<*, *>? ?: mapOf(signature.outputs.single().name to row["output"])
            Example(
                signature,
                InputMaker(contract.text).pad(ids("ids"), ids("segment_ids"), signature),
                stated.entries.associate { (name, values) -> name as String to flat(values).toFloatArray() },
            )
        }

    private fun check(contract: Contract, example: Example, model: OpenModel) {
        val outputs = model.run(example.signature, example.inputs)
        for (tensor in example.signature.outputs) {
            val values = outputs.getValue(tensor.name)
            assertEquals(tensor.shape.fold(1, Int::times), values.size)
            // A contract has the rows of the ids, and none of padding.
            val stated = example.outputs.getValue(tensor.name)
            val about = "${contract.file.name}, ${example.signature.name}"
            assertArrayEquals(about, stated, values.copyOf(stated.size), contract.tolerance.toFloat())
        }
    }

    private fun forEachExport(work: (LoadedModel) -> Unit) {
        val exports = directory.listFiles().orEmpty().filter { it.isDirectory }.sorted().map(::FolderExport)
        var tried = 0
        for ((export, variant) in exports.flatMap { export -> export.variants.map { export to it } }) {
            LoadedModel.open(export, variant, JvmRuntime(), Settings()).use { loaded ->
                if (!loaded.contract.oneGraph) return@use
                work(loaded)
                println("${export.name}, $variant: ${loaded.contract.signatures.joinToString { it.name }}")
                tried++
            }
        }
        assumeTrue("no export of one graph in $directory; mobilebert-tf export --one_graph makes one", tried > 0)
    }

    @Test
    fun everyLengthAfterEveryOther() = forEachExport { loaded ->
        val contract = loaded.contract
        val examples = examples(contract)
        val lengths = examples.distinctBy { it.signature }
        assertTrue("examples of ${lengths.size} length", lengths.size > 1)
        loaded.reopen().use { model -> for (example in examples + examples.reversed()) check(contract, example, model) }
        for (first in lengths) {
            loaded.reopen().use { model ->
                for (second in lengths) for (example in listOf(first, second, second)) check(contract, example, model)
            }
        }
    }

    @Test
    fun theFileIsAskedForTheShapesOfEachLength() = forEachExport { loaded ->
        loaded.reopen().use { model ->
            for (signature in loaded.contract.signatures.reversed()) {
                fun List<Tensor>.withoutShapes() = map { it.copy(shape = emptyList()) }
                val names = signature.copy(inputs = signature.inputs.withoutShapes(), outputs = signature.outputs.withoutShapes())
                assertEquals(signature, model.described(names))
            }
        }
    }
}
