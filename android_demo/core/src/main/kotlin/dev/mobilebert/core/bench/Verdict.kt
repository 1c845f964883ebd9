package dev.mobilebert.core.bench

import dev.mobilebert.core.Latency
import dev.mobilebert.core.model.AcceleratorUse
import dev.mobilebert.core.model.Agreement
import dev.mobilebert.core.model.ModelFacts
import java.util.Locale
import kotlin.math.roundToInt

/** Whether figures can be believed, by the rules of `benchmarks/verdict.py` and `benchmarks/android/judged.py`. */
data class Verdict(val invalid: List<String>, val warnings: List<String>) {
    val reasons: List<String> get() = invalid + warnings

    val name: String
        get() = when {
            invalid.isNotEmpty() -> "invalid"
            warnings.isNotEmpty() -> "warn"
            else -> "ok"
        }

    /** Both, each reason once. */
    operator fun plus(other: Verdict) = Verdict((invalid + other.invalid).distinct(), (warnings + other.warnings).distinct())

    /** As results have it. */
    fun describe(): Map<String, Any?> = mapOf("verdict" to name, "reasons" to reasons)

    companion object {
        /** Nothing speaks against the figures. */
        val GOOD = Verdict(emptyList(), emptyList())

        /** Android's: from here on the system slows itself down. */
        private const val THROTTLED = 3

        /** Per cent, below which phones save power. */
        private const val LOW_BATTERY = 20
        private const val LEAST_ROUNDS = 6
        private const val UNSTEADY = 0.5
        private const val SPREAD = 0.1
        private const val PERCENT = 100

        private fun invalid(reason: String) = Verdict(listOf(reason), emptyList())

        private fun doubtful(reason: String) = Verdict(emptyList(), listOf(reason))

        /** Of one signature of the model that [facts] are about. */
        fun of(rounds: List<Round>, facts: ModelFacts, device: Device): Verdict {
            val states = rounds.flatMap { listOf(it.before, it.after) }
            return ofUse(facts.use) + ofOutputs(facts.agreement) + ofScreen(states) + ofHeat(states) + ofTimes(rounds) + ofBattery(states) +
                Verdict(device.problems(), device.doubts())
        }

        private fun ofUse(use: AcceleratorUse) = when (use.isUsed) {
            true -> GOOD
            false -> invalid("the ${use.asked} did not run: the outputs are those of the processor, bit for bit")
            null -> doubtful("it is not known whether the ${use.asked} ran: the contract has no example to compare")
        }

        private fun ofOutputs(agreement: Agreement?) = when {
            agreement == null -> doubtful("outputs on the device are not checked")
            agreement.isWithin -> GOOD
            else -> invalid(
                "outputs on the device are off by %.2g of the largest, %.2g is allowed"
                    .format(Locale.ROOT, agreement.relativeDifference, agreement.relativeTolerance),
            )
        }

        /** Behind another app, or with the screen off, a program gets slow cores or none. */
        private fun ofScreen(states: List<Map<String, Any?>>) = when {
            states.any { it["screen_on"] == false } -> invalid("the screen was off")
            states.any { it["in_front"] == false } -> invalid("the app was in the background")
            else -> GOOD
        }

        private fun ofHeat(states: List<Map<String, Any?>>): Verdict {
            val warmest = states.mapNotNull { it["thermal_status"] as Int? }.maxOrNull()
            return when {
                warmest == null -> doubtful("the device does not tell its thermal status")
                warmest >= THROTTLED -> invalid("throttled: thermal status $warmest")
                warmest > 0 -> doubtful("warm: thermal status $warmest")
                else -> GOOD
            }
        }

        private fun ofTimes(rounds: List<Round>): Verdict {
            val spread = spread(rounds)
            val words = "medians of rounds differ by ${(PERCENT * spread).roundToInt()}%"
            val steady = when {
                spread.isInfinite() -> invalid("the medians of rounds are 0 ms: nothing was measured")
                spread > UNSTEADY -> invalid(words)
                spread > SPREAD -> doubtful(words)
                else -> GOOD
            }
            val few = rounds.size < LEAST_ROUNDS
            return if (few) steady + doubtful("${rounds.size} round${if (rounds.size > 1) "s" else ""}, so no interval") else steady
        }

        private fun ofBattery(states: List<Map<String, Any?>>): Verdict {
            val least = states.mapNotNull { it["battery_percent"] as Int? }.minOrNull()
            val charging = if (states.any { it["charging"] == true }) doubtful("charging") else GOOD
            return if (least != null && least < LOW_BATTERY) charging + doubtful("battery at $least %") else charging
        }

        /** How far the medians of rounds are apart, as a share of the middle one. */
        private fun spread(rounds: List<Round>): Double {
            val medians = rounds.map { Latency.of(it.samples).p50 }
            val middle = Latency.of(medians.toDoubleArray()).p50
            return if (middle > 0) (medians.max() - medians.min()) / middle else Double.POSITIVE_INFINITY
        }
    }
}
