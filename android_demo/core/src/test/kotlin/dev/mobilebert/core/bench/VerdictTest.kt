package dev.mobilebert.core.bench

import dev.mobilebert.core.model.AcceleratorUse
import dev.mobilebert.core.model.Agreement
import dev.mobilebert.core.model.Kind
import dev.mobilebert.core.model.ModelFacts
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test

class VerdictTest {
    private val good = mapOf("thermal_status" to 0, "battery_percent" to 80, "charging" to false, "screen_on" to true, "in_front" to true)

    private fun judged(
        state: Map<String, Any?> = emptyMap(),
        times: List<Double> = List(6) { 2.0 },
        agreement: Agreement? = Agreement(0.1, 0.5, 16.0),
        use: AcceleratorUse = AcceleratorUse.CPU,
    ): Pair<String, List<String>> {
        val facts = ModelFacts("m", "classification", Kind.LABELS, 9, emptyList(), "Fake", use, agreement)
        val rounds = times.map { Round(1.0, 1.0, doubleArrayOf(it), good, good + state, 0.0) }
        return Verdict.of(rounds, facts, FakeDevice()).let { it.name to it.reasons }
    }

    @Test
    fun `nothing is said of what is as it should be`() = assertEquals("ok" to emptyList<String>(), judged())

    @Test
    fun `outputs that are not the export's make figures invalid`() {
        assertEquals(
            "invalid" to listOf("outputs on the device are off by 0.19 of the largest, 0.031 is allowed"),
            judged(agreement = Agreement(3.0, 0.5, 16.0)),
        )
        assertEquals("warn" to listOf("outputs on the device are not checked"), judged(agreement = null))
    }

    @Test
    fun `whether an accelerator ran may not be known`() {
        assertEquals(
            "warn" to listOf("it is not known whether the GPU ran: the contract has no example to compare"),
            judged(use = AcceleratorUse.GPU_NOT_KNOWN),
        )
        assertEquals("ok", judged(use = AcceleratorUse.GPU).first)
    }

    @Test
    fun `a phone that nobody looks at gives no figures`() {
        assertEquals("invalid" to listOf("the screen was off"), judged(mapOf("screen_on" to false, "in_front" to false)))
        assertEquals("invalid" to listOf("the app was in the background"), judged(mapOf("in_front" to false)))
        assertEquals("ok", judged(mapOf("screen_on" to null)).first)
    }

    @Test
    fun `an empty battery and a charger are doubts`() {
        assertEquals("warn" to listOf("battery at 19 %"), judged(mapOf("battery_percent" to 19)))
        assertEquals("ok", judged(mapOf("battery_percent" to 20)).first)
        assertEquals("warn" to listOf("charging"), judged(mapOf("charging" to true)))
    }

    @Test
    fun `rounds that differ are doubted, and times of nothing do not count`() {
        assertEquals("warn" to listOf("medians of rounds differ by 15%"), judged(times = listOf(2.0, 2.0, 2.0, 2.0, 2.0, 2.3)))
        assertEquals("invalid" to listOf("medians of rounds differ by 60%"), judged(times = listOf(2.0, 2.0, 2.0, 2.0, 2.0, 3.2)))
        assertEquals("invalid" to listOf("the medians of rounds are 0 ms: nothing was measured"), judged(times = List(6) { 0.0 }))
    }
}
