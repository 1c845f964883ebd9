package dev.mobilebert.core.bench

import dev.mobilebert.core.Latency
import dev.mobilebert.core.model.AcceleratorUse
import kotlin.math.roundToInt

/** Whether figures can be believed, by the rules of `benchmarks/verdict.py`. */
class Verdict(val invalid: List<String>, val warnings: List<String>) {
    val reasons: List<String> get() = invalid + warnings

    val name: String
        get() = when {
            invalid.isNotEmpty() -> "invalid"
            warnings.isNotEmpty() -> "warn"
            else -> "ok"
        }

    /** As results have it. */
    fun describe(): Map<String, Any?> = mapOf("verdict" to name, "reasons" to reasons)

    companion object {
        /** Android's: from here on the system slows itself down. */
        private const val THROTTLED = 3
        private const val LEAST_ROUNDS = 6
        private const val UNSTEADY = 0.5
        private const val SPREAD = 0.1
        private const val PERCENT = 100

        /** Of one signature. */
        fun of(rounds: List<Round>, use: AcceleratorUse, device: Device): Verdict {
            val invalid = ArrayList(device.problems())
            val warnings = ArrayList<String>()
            if (!use.isUsed) invalid += "the ${use.asked} did not run: the outputs are those of the processor, bit for bit"
            val statuses = rounds.flatMap { listOf(it.before, it.after) }.map { it["thermal_status"] as Int? }
            val warmest = statuses.filterNotNull().maxOrNull()
            when {
                warmest == null -> warnings += "the device does not tell its thermal status"
                warmest >= THROTTLED -> invalid += "throttled: thermal status $warmest"
                warmest > 0 -> warnings += "warm: thermal status $warmest"
            }
            val spread = spread(rounds)
            val words = "medians of rounds differ by ${(PERCENT * spread).roundToInt()}%"
            when {
                spread > UNSTEADY -> invalid += words
                spread > SPREAD -> warnings += words
            }
            if (rounds.size < LEAST_ROUNDS) warnings += "${rounds.size} round${if (rounds.size > 1) "s" else ""}, so no interval"
            if (rounds.any { it.before["charging"] == true || it.after["charging"] == true }) warnings += "charging"
            return Verdict(invalid, warnings + device.doubts())
        }

        /** How far the medians of rounds are apart, as a share of the middle one. */
        private fun spread(rounds: List<Round>): Double {
            val medians = rounds.map { Latency.of(it.samples).p50 }
            val middle = Latency.of(medians.toDoubleArray()).p50
            return if (middle > 0) (medians.max() - medians.min()) / middle else 0.0
        }
    }
}
