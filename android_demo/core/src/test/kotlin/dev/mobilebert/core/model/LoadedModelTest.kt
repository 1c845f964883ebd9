package dev.mobilebert.core.model

import dev.mobilebert.core.contract.Version
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.concurrent.CancellationException

class LoadedModelTest {
    private fun open(files: ExportFiles = SmallExport(), runtime: Runtime = FakeRuntime(), settings: Settings = Settings()) =
        LoadedModel.open(files, "m", runtime, settings)

    private fun refusal(change: Pair<String, ByteArray?>): String {
        val runtime = FakeRuntime()
        val error = assertThrows(Exception::class.java) { open(SmallExport(mapOf(change)), runtime) }
        assertEquals(0, runtime.open)
        return error.message.orEmpty()
    }

    /** A contract with the sum that belongs to it. */
    private fun withContract(old: String, new: String): SmallExport {
        assertTrue(old in SmallExport.contract)
        val content = SmallExport.contract.replace(old, new).toByteArray()
        return SmallExport(mapOf("m.contract.json" to content, "SHA256SUMS" to SmallExport.sums(content)))
    }

    @Test
    fun `a text is answered with what it took`() {
        open().use { model ->
            val reply = model.answerer.ask("a b", "")
            val result = reply.result as Result.OneLabel
            assertEquals("yes", result.label)
            assertEquals(listOf("no" to false, "yes" to true), result.shares.map { it.label to it.isChosen })
            assertEquals(Cost(4, "tokens_8", 1, reply.cost.textMs, reply.cost.networkMs), reply.cost)
            assertEquals("tokens_16", model.answerer.ask("a b a b a b a", "").cost.signature)
            assertEquals(listOf(Sample("a b", "")), model.facts.samples)
        }
    }

    @Test
    fun `what is missing or damaged is said in a sentence, and nothing stays open`() {
        assertEquals("m.tflite cannot be read (it is not there); put the export into the app again", refusal("m.tflite" to null))
        assertEquals(
            "m.tflite has 9 bytes, not 64: it is cut off or another file; put the export into the app again",
            refusal("m.tflite" to ByteArray(9)),
        )
        assertEquals(
            "m.tflite is damaged, or another file than its contract means; put the export into the app again",
            refusal("m.tflite" to ByteArray(64)),
        )
        assertEquals(
            "vocab.txt of small is damaged: it is not as it was exported; put the export into the app again",
            refusal("vocab.txt" to ByteArray(3)),
        )
        assertEquals("vocab.txt of small cannot be read (it is not there); put the export into the app again", refusal("vocab.txt" to null))
        assertEquals(
            "SHA256SUMS of small has no sum of vocab.txt: it is cut off, or of another export; put the export into the app again",
            refusal("SHA256SUMS" to SmallExport.sums(SmallExport.contract.toByteArray()).copyOf(90)),
        )
        assertEquals(
            "SHA256SUMS of small has no sum of m.contract.json: it is cut off, or of another export; put the export into the app again",
            refusal("SHA256SUMS" to ByteArray(0)),
        )
        open(SmallExport(mapOf("SHA256SUMS" to null))).close()
        assertEquals(
            "m.contract.json of small is damaged: it is not as it was exported; put the export into the app again",
            refusal("m.contract.json" to SmallExport.contract.replace("\"yes\"", "\"no!\"").toByteArray()),
        )
    }

    @Test
    fun `a runtime that is too old is not tried`() {
        val error = assertThrows(ModelException::class.java) { open(runtime = FakeRuntime(Version.parse("2.15.0"))) }
        assertEquals("m.tflite needs TensorFlow Lite 2.16 and Fake is 2.15.0; choose another variant, or the app with LiteRT", error.message)
        open(runtime = FakeRuntime(Version.parse("2.16.0"))).close()
    }

    @Test
    fun `labels that do not fit the output are refused`() {
        val error = assertThrows(Exception::class.java) { open(withContract("[\"no\", \"yes\"]", "[\"no\", \"yes\", \"so\"]")) }
        assertEquals("m.contract.json: there are 3 labels, but logits has 2 values in tokens_8; export the model again", error.message)
    }

    @Test
    fun `values that are no numbers are said, at once or later`() {
        val never = FakeRuntime { _, _ -> floatArrayOf(Float.NaN, 1f) }
        val error = assertThrows(ModelException::class.java) { open(runtime = never) }
        assertEquals("m.tflite gives values that are not numbers on this device; choose another variant", error.message)
        assertEquals(0, never.open)
        val later = FakeRuntime { _, inputs -> floatArrayOf(if (inputs.mask.sum() > 4) Float.POSITIVE_INFINITY else 4f, 16f) }
        open(runtime = later).use { model ->
            val said = assertThrows(ModelException::class.java) { model.answerer.ask("a b a b", "") }
            assertEquals("m.tflite gave a value in logits that is not a number; choose another variant", said.message)
        }
    }

    @Test
    fun `the example of the contract is held to its tolerance`() {
        fun agreement(first: Float) = open(runtime = FakeRuntime { _, _ -> floatArrayOf(first, 16f) }).use { it.facts.agreement }
        assertEquals(Agreement(0.25, 0.5, 16.0), agreement(4.25f))
        assertEquals(listOf(1 / 64.0, 1 / 32.0), agreement(4.25f)?.let { listOf(it.relativeDifference, it.relativeTolerance) })
        assertEquals(Agreement(0.0, 0.5, 16.0), open(withContract(", \"scale\": 16", "")).use { it.facts.agreement }, "the largest of the example")
        assertEquals(true, agreement(4.25f)?.isWithin)
        assertEquals(false, agreement(5f)?.isWithin)
    }

    @Test
    fun `an accelerator whose outputs are those of the processor bit for bit did not compute`() {
        fun use(accelerator: Accelerator, onGpu: Float): AcceleratorUse {
            val runtime = FakeRuntime { settings, _ -> floatArrayOf(4f, if (settings.accelerator == Accelerator.CPU) 16f else onGpu) }
            return open(runtime = runtime, settings = Settings(accelerator = accelerator)).use {
                assertEquals(1, runtime.open, "the control is closed")
                it.facts.use
            }
        }
        assertEquals(AcceleratorUse.NOT_GPU, use(Accelerator.GPU, 16f))
        assertEquals(AcceleratorUse.GPU, use(Accelerator.GPU, Math.nextUp(16f)))
        assertEquals(AcceleratorUse.CPU, use(Accelerator.CPU, 0f))
        assertEquals(AcceleratorUse.NOT_NPU, use(Accelerator.NPU, 16f))
    }

    @Test
    fun `without an example nobody knows what computed`() {
        val files = withContract("\"tokens_8\",\n               \"output\"", "\"tokens_9\",\n               \"output\"")
        val use = open(files, settings = Settings(accelerator = Accelerator.GPU)).use { it.facts.use }
        assertEquals(AcceleratorUse.GPU_NOT_KNOWN, use)
        assertEquals(null, use.isUsed)
        assertEquals(AcceleratorUse.CPU, open(files).use { it.facts.use })
    }

    @Test
    fun `what the runtime cannot compute on is not asked for`() {
        val onProcessor = object : Runtime by FakeRuntime() {
            override val accelerators = listOf(Accelerator.CPU)
        }
        val error = assertThrows(ModelException::class.java) { open(runtime = onProcessor, settings = Settings(accelerator = Accelerator.GPU)) }
        assertEquals("Fake has no GPU here; choose CPU", error.message)
    }

    @Test
    fun `one graph for all lengths is said to the runtime, and computed by the processor alone`() {
        val oneGraph = withContract("\"one_graph\": false", "\"one_graph\": true")
        val before = withContract(", \"one_graph\": false", "")
        for ((files, isOne) in listOf(oneGraph to true, SmallExport() to false, before to false)) {
            val runtime = FakeRuntime()
            open(files, runtime).use { assertEquals(isOne, runtime.asked?.oneGraph) }
        }
        for (accelerator in listOf(Accelerator.GPU, Accelerator.NPU)) {
            val runtime = FakeRuntime()
            val settings = Settings(accelerator = accelerator)
            val error = assertThrows(ModelException::class.java) { open(oneGraph, runtime, settings) }
            assertEquals(
                "m.tflite is one graph for all lengths, which is for the processor alone; " +
                    "choose CPU, or export without --one_graph",
                error.message,
            )
            assertEquals(null, runtime.asked)
        }
    }

    @Test
    fun `an error at the first run closes what was opened`() {
        val runtime = FakeRuntime { _, _ -> throw OutOfMemoryError() }
        assertThrows(OutOfMemoryError::class.java) { open(runtime = runtime) }
        assertEquals(0, runtime.open)
    }

    @Test
    fun `a vector that has not the length one is no vector of a text`() {
        val answer = "\"kind\": \"classes\", \"output\": \"logits\", \"softmax\": true, \"labels\": [\"no\", \"yes\"], \"temperature\": 1,"
        val files = withContract(answer, "\"kind\": \"vector\", \"output\": \"logits\",")
        fun cosine(length: Float) = open(files, FakeRuntime { _, _ -> floatArrayOf(0.6f * length, 0.8f * length) })
            .use { (it.answerer.ask("a", "b").result as Result.Likeness).cosine }
        assertEquals(1.0, cosine(1.005f), 0.02)
        val error = assertThrows(ModelException::class.java) { cosine(0.3f) }
        assertEquals("m.tflite gave a vector whose length is 0.300, not one; choose another variant", error.message)
    }

    @Test
    fun `what is no longer wanted is not run`() {
        val runtime = FakeRuntime()
        open(runtime = runtime).use { model ->
            val before = runtime.runs
            assertThrows(CancellationException::class.java) { model.answerer.ask("a", "") { true } }
            assertEquals(before, runtime.runs)
        }
    }

    @Test
    fun `versions are compared by their numbers`() {
        val versions = listOf("1.9", "1.15.0", "2.9", "2.16", "2.16.1", "2.18").map { Version.parse(it) ?: error(it) }
        assertEquals(versions, versions.sorted())
        assertEquals(Version.parse("2.16"), Version.parse("2.16.0-rc1"))
        assertEquals(null, Version.parse("unknown"))
    }
}
