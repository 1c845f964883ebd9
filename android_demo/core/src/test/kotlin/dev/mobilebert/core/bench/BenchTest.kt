package dev.mobilebert.core.bench

import dev.mobilebert.core.contract.Json
import dev.mobilebert.core.model.FakeRuntime
import dev.mobilebert.core.model.LoadedModel
import dev.mobilebert.core.model.Settings
import dev.mobilebert.core.model.SmallExport
import java.util.concurrent.CancellationException
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test

class FakeDevice(private val status: () -> Int? = { 0 }) : Device {
    var slept = 0L

    override fun describe() = mapOf("model" to "none", "cores" to 2)

    override fun state() = mapOf("battery_percent" to 80)

    override fun thermalStatus() = status()

    override fun doubts() = emptyList<String>()

    override fun sleep(milliseconds: Long) {
        slept += milliseconds
    }
}

class BenchTest {
    private val protocol = Protocol(rounds = 2, runs = 4, warmUp = 3, coolDownSeconds = 60)

    /** A clock that goes on by a millisecond whenever it is read. */
    private fun clock(): () -> Long = generateSequence(0L) { it + 1_000_000 }.iterator()::next

    private fun measure(device: FakeDevice, runtime: FakeRuntime = FakeRuntime()): Pair<BenchSummary, Map<*, *>> {
        var saved = ""
        val bench = Bench(device, { json -> "r.json".also { saved = json } }, clock())
        val summary = LoadedModel.open(SmallExport(), "m", runtime, Settings(threads = 2)).use { bench.run(it, protocol, {}) { false } }
        assertEquals(0, runtime.open)
        return summary to Json.parse(saved) as Map<*, *>
    }

    @Test
    fun `the result has the form of all benchmarks`() {
        val runtime = FakeRuntime()
        val (summary, result) = measure(FakeDevice(), runtime)
        assertEquals(listOf("tokens_8", "tokens_16"), summary.rows.map { it.signature })
        assertEquals(emptyList<String>(), summary.doubts)
        // One at the start; in each round and signature a first one, two more and the timed ones.
        assertEquals(1 + 2 * 2 * (3 + 4), runtime.runs)
        assertEquals(listOf(1.0, "app latency", "ms"), listOf("schema_version", "kind", "unit").map { result[it] })
        val settings = mapOf(
            "threads" to 2.0, "accelerator" to "cpu", "accelerator_used" to true, "rounds" to 2.0, "runs" to 4.0, "warm_up" to 3.0,
            "cool_down_seconds" to 60.0,
        )
        assertEquals(settings, result["settings"])
        val subject = (result["subjects"] as List<*>).first() as Map<*, *>
        assertEquals(mapOf("median" to 1.0, "p90" to 1.0, "min" to 1.0, "runs" to 8.0), subject["summary"])
        val rounds = (subject["rounds"] as List<*>).map { it as Map<*, *> }
        assertEquals(List(2) { List(4) { 1.0 } }, rounds.map { it["samples"] })
        assertEquals(setOf("load_ms", "samples", "first_ms", "thermal_status_before", "thermal_status_after", "waited_seconds"), rounds[0].keys)
    }

    @Test
    fun `a warm device is waited for, and what was measured on it is doubted`() {
        val device = FakeDevice(ArrayDeque(listOf(2, 1)).let { warm -> { warm.removeFirstOrNull() ?: 0 } })
        assertEquals(emptyList<String>(), measure(device).first.doubts)
        assertEquals(1000, device.slept)
        val hot = FakeDevice { 3 }
        assertEquals(listOf("The device was warm: its processor may have been slowed down."), measure(hot).first.doubts)
        assertEquals(listOf("The device does not tell its thermal status."), measure(FakeDevice { null }).first.doubts)
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
