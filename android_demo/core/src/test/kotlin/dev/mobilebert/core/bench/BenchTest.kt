package dev.mobilebert.core.bench

import dev.mobilebert.core.contract.Json
import dev.mobilebert.core.model.Accelerator
import dev.mobilebert.core.model.FakeRuntime
import dev.mobilebert.core.model.LoadedModel
import dev.mobilebert.core.model.Settings
import dev.mobilebert.core.model.SmallExport
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test
import java.util.concurrent.CancellationException

class FakeDevice(private val status: () -> Int? = { 0 }) : Device {
    var slept = 0L

    override fun describe() = mapOf("kind" to "test", "model" to "none")

    override fun state() = mapOf("thermal_status" to status(), "battery_percent" to 80, "charging" to false)

    override fun problems() = emptyList<String>()

    override fun doubts() = emptyList<String>()

    override fun sleep(milliseconds: Long) {
        slept += milliseconds
    }
}

/** A clock that goes on by a millisecond whenever it is read. */
fun steadyClock(): () -> Long = generateSequence(0L) { it + 1_000_000 }.iterator()::next

class BenchTest {
    private val protocol = Protocol(rounds = 6, runs = 4, warmUp = 3, coolDownSeconds = 60)

    private fun measure(
        device: FakeDevice,
        runtime: FakeRuntime = FakeRuntime(),
        settings: Settings = Settings(threads = 2),
    ): Pair<BenchSummary, Map<*, *>> {
        var saved = ""
        val bench = Bench(device, { json -> "r.json".also { saved = json } }, steadyClock())
        val summary = LoadedModel.open(SmallExport(), "m", runtime, settings).use { bench.run(it, protocol, {}) { false } }
        assertEquals(0, runtime.open)
        return summary to Json.parse(saved) as Map<*, *>
    }

    @Test
    fun `the result has the form of all benchmarks`() {
        val runtime = FakeRuntime()
        val (summary, result) = measure(FakeDevice(), runtime)
        assertEquals(listOf("tokens_8", "tokens_16"), summary.rows.map { it.signature })
        assertEquals("ok" to emptyList<String>(), summary.verdict to summary.reasons)
        // One at the start; in each round and signature a first one, two more and the timed ones.
        assertEquals(1 + 6 * 2 * (3 + 4), runtime.runs)
        assertEquals(listOf(2.0, "device latency", "ms", "device"), listOf("schema_version", "kind", "unit", "where").map { result[it] })
        val subject = (result["subjects"] as List<*>).first() as Map<*, *>
        assertEquals(
            mapOf("threads" to 2.0, "accelerator" to "cpu", "api" to "CompiledModel", "tool" to "app", "weight_cache" to "file"),
            subject["configuration"],
        )
        val ones = listOf("median", "p90", "p99", "mean", "min", "max", "low", "high").associateWith { 1.0 }
        assertEquals(ones + ("runs" to 24.0), subject["summary"])
        val outputs = mapOf("checked" to true, "max_relative_error" to 0.0, "tolerance" to 1 / 32.0, "same_as_cpu" to null, "why_not" to null)
        assertEquals(outputs, subject["outputs"])
        val rounds = (subject["rounds"] as List<*>).map { it as Map<*, *> }
        assertEquals(List(6) { List(4) { 1.0 } }, rounds.map { it["samples"] })
        assertEquals(setOf("load_ms", "first_ms", "waited_s", "samples", "before", "after"), rounds[0].keys)
    }

    @Test
    fun `a warm device is waited for, and what was measured on it is doubted`() {
        val device = FakeDevice(ArrayDeque(listOf(2, 1)).let { warm -> { warm.removeFirstOrNull() ?: 0 } })
        assertEquals(emptyList<String>(), measure(device).first.reasons)
        assertEquals(1000, device.slept)
        fun judged(status: Int?) = measure(FakeDevice { status }).first.let { it.verdict to it.reasons }
        assertEquals("invalid" to listOf("throttled: thermal status 3"), judged(3))
        assertEquals("warn" to listOf("warm: thermal status 1"), judged(1))
        assertEquals("warn" to listOf("the device does not tell its thermal status"), judged(null))
    }

    @Test
    fun `an accelerator that did not compute makes figures invalid`() {
        val (summary, result) = measure(FakeDevice(), settings = Settings(accelerator = Accelerator.GPU))
        assertEquals("invalid", summary.verdict)
        assertEquals(listOf("the GPU did not run: the outputs are those of the processor, bit for bit"), summary.reasons)
        val subject = (result["subjects"] as List<*>).first() as Map<*, *>
        assertEquals(true, (subject["outputs"] as Map<*, *>)["same_as_cpu"])
        assertEquals("off", (subject["configuration"] as Map<*, *>)["weight_cache"], "the processor's alone")
    }

    @Test
    fun `three quarters of every input are text, however short the example`() {
        val filled = java.util.Collections.synchronizedSet(HashSet<Pair<Int, Int>>())
        val runtime = FakeRuntime { _, inputs ->
            floatArrayOf(4f, 16f).also { filled += inputs.ids.size to inputs.mask.sum() }
        }
        LoadedModel.open(SmallExport(), "m", runtime, Settings()).use { model ->
            filled.clear()
            Bench(FakeDevice(), { "" }, steadyClock()).run(model, protocol, {}) { false }
        }
        assertEquals(setOf(8 to 6, 16 to 12), filled)
    }

    @Test
    fun `one graph has the length of a signature before that is timed`() {
        var now = 0L
        var length = 0
        val runtime = FakeRuntime { _, inputs ->
            // A change of length takes a tenth of a second, a call a thousandth.
            now += if (inputs.ids.size == length) 1_000_000 else 100_000_000
            length = inputs.ids.size
            floatArrayOf(4f, 16f)
        }
        val contract = SmallExport.contract.replace("\"one_graph\": false", "\"one_graph\": true").toByteArray()
        val files = SmallExport(mapOf("m.contract.json" to contract, "SHA256SUMS" to null))
        var saved = ""
        LoadedModel.open(files, "m", runtime, Settings()).use { model ->
            val briefest = Protocol(rounds = 2, runs = 4, warmUp = 1, coolDownSeconds = 0)
            Bench(FakeDevice(), { json -> "r.json".also { saved = json } }, { now }).run(model, briefest, {}) { false }
        }
        val subjects = (Json.parse(saved) as Map<*, *>)["subjects"] as List<*>
        val rounds = subjects.flatMap { (it as Map<*, *>)["rounds"] as List<*> }.map { it as Map<*, *> }
        assertEquals(List(4) { List(4) { 1.0 } }, rounds.map { it["samples"] })
        // The very first has the length that the check of the example left.
        assertEquals(listOf(1.0, 100.0, 100.0, 100.0), rounds.map { it["first_ms"] }.sortedBy { it as Double })
    }

    @Test
    fun `no more is measured than memory holds`() {
        assertThrows(IllegalArgumentException::class.java) { Protocol(rounds = 1_000, runs = 101) }
        Protocol(rounds = 1_000, runs = 100)
    }

    @Test
    fun `it can be stopped`() {
        val runtime = FakeRuntime()
        LoadedModel.open(SmallExport(), "m", runtime, Settings()).use { model ->
            val until = runtime.runs + 5
            assertThrows(CancellationException::class.java) { Bench(FakeDevice(), { "" }).run(model, protocol, {}) { runtime.runs >= until } }
            assertEquals(until, runtime.runs)
        }
        assertEquals(0, runtime.open)
    }
}
