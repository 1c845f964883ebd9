package dev.mobilebert.app

import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.Environment
import com.google.ai.edge.litert.JniHandle
import dev.mobilebert.core.Inputs
import dev.mobilebert.core.contract.Signature
import dev.mobilebert.core.contract.Tensor
import dev.mobilebert.core.model.Accelerator
import dev.mobilebert.core.model.FolderModel
import dev.mobilebert.core.model.ModelException
import dev.mobilebert.core.model.OpenModel
import dev.mobilebert.core.model.OpenRequest
import dev.mobilebert.core.model.Settings
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Before
import org.junit.Test
import java.io.File

/** The order of the calls of LiteRT's CompiledModel, which is a fake here. */
class CompiledModelRuntimeTest {
    private fun signature(length: Int) = Signature(
        "tokens_$length", length, Inputs.NAMES.map { Tensor(it, "int32", listOf(1, length)) },
        listOf(Tensor("logits", "float32", listOf(1, length))),
    )

    private fun open(oneGraph: Boolean, vararg lengths: Int): OpenModel {
        val runtime = CompiledModelRuntime("LiteRT", listOf(Accelerator.CPU), File("cache")) { Environment() }
        val file = FolderModel(File("m.tflite"))
        return runtime.open(OpenRequest(file, "ab", lengths.map(::signature), oneGraph, Settings()))
    }

    private fun run(model: OpenModel, length: Int): List<Float> {
        val ids = IntArray(length) { length + it }
        val inputs = Inputs(ids, IntArray(length) { 1 }, IntArray(length))
        return model.run(signature(length), inputs).getValue("logits").asList()
    }

    private fun wanted(length: Int) = List(length) { (length + it).toFloat() } + length.toFloat()

    @Before
    fun forget() = CompiledModel.resized.clear()

    @After
    fun nothingStaysOpen() = assertEquals(0, JniHandle.open)

    @Test
    fun oneGraphTakesALengthOnlyWhereItChanges() = open(oneGraph = true, 4, 8, 16).use { model ->
        val lengths = listOf(8, 8, 4, 16, 16, 8)
        val opened = ArrayList<Int>()
        for (length in lengths) {
            assertEquals(wanted(length), run(model, length))
            opened += JniHandle.open
        }
        val calls = listOf(8, 4, 16, 8).flatMap { length -> Inputs.NAMES.map { "tokens_$length $it [1, $length]" } }
        assertEquals(calls, CompiledModel.resized)
        // Environment, model, and the buffers of one length: three inputs and an output.
        assertEquals(lengths.map { 6 }, opened)
    }

    @Test
    fun aGraphForEachLengthIsNeverResized() = open(oneGraph = false, 16).use { model ->
        repeat(2) { assertEquals(wanted(16), run(model, 16)) }
        assertEquals(emptyList<String>(), CompiledModel.resized)
    }

    @Test
    fun aLengthThatIsRefusedIsASentenceAndTheNextOneRuns() = open(oneGraph = true, 8, 32).use { model ->
        assertEquals(wanted(8), run(model, 8))
        val error = assertThrows(ModelException::class.java) { run(model, 32) }
        assertEquals(
            "LiteRT refuses m.tflite with these settings (the graph ends at 16); choose another accelerator or variant",
            error.message,
        )
        assertEquals(wanted(8), run(model, 8))
    }

    @Test
    fun theShapesOfOneGraphAreThoseOfTheLength() = open(oneGraph = true, 4, 8).use { model ->
        for (length in listOf(8, 4)) assertEquals(signature(length), model.described(signature(length)))
    }

    @Test
    fun aLiteRtThatCannotResizeIsASentence() {
        assertEquals("resizeInputTensor", resizing(CompiledModel::class.java, "m.tflite").name)
        val error = assertThrows(ModelException::class.java) { resizing(Any::class.java, "m.tflite") }
        assertEquals(
            "m.tflite is one graph for all lengths, which this LiteRT cannot resize; export without --one_graph",
            error.message,
        )
    }
}
