package dev.mobilebert.core.bench

import dev.mobilebert.core.Latency
import dev.mobilebert.core.contract.Json
import dev.mobilebert.core.contract.Signature
import dev.mobilebert.core.model.LoadedModel
import java.text.SimpleDateFormat
import java.util.Date
import java.util.Locale
import java.util.TimeZone
import kotlin.math.roundToLong

/** A benchmark in the form of `benchmarks/results.py`. */
class BenchResult(
    private val model: LoadedModel,
    private val protocol: Protocol,
    private val device: Device,
    private val stateBefore: Map<String, Any?>,
    private val rounds: Map<Signature, List<Round>>,
) {
    /** Why it should not be believed, each a sentence. */
    val doubts: List<String> = device.doubts() + buildList {
        val all = rounds.values.flatten()
        if (all.any { maxOf(it.thermalBefore ?: 0, it.thermalAfter ?: 0) > 0 }) add("The device was warm: its processor may have been slowed down.")
        if (all.any { it.thermalBefore == null }) add("The device does not tell its thermal status.")
        if (!model.facts.use.isUsed) add("${model.facts.use.asked} was asked for, but the processor computed.")
        if (rounds.values.any { spread(it) > MOST_SPREAD }) add("Rounds differ by more than a tenth: something else was running.")
    }

    fun json(date: Date = Date()): String = Json.write(
        mapOf(
            "schema_version" to 1,
            "kind" to "app latency",
            "unit" to "ms",
            "made_by" to mapOf(
                "command" to "android_demo, screen Benchmark",
                "date" to iso(date),
                "runtime" to model.facts.runtime,
                "machine" to device.describe(),
                "state_before" to stateBefore,
                "state_after" to device.state(),
            ),
            "settings" to mapOf(
                "threads" to model.settings.threads,
                "accelerator" to model.facts.use.asked.name.lowercase(Locale.ROOT),
                "accelerator_used" to model.facts.use.isUsed,
                "rounds" to protocol.rounds,
                "runs" to protocol.runs,
                "warm_up" to protocol.warmUp,
                "cool_down_seconds" to protocol.coolDownSeconds,
            ),
            "doubts" to doubts,
            "subjects" to rounds.map { (signature, all) -> subject(signature, all) },
        ),
    )

    private fun subject(signature: Signature, all: List<Round>): Map<String, Any?> {
        val latency = Latency.of(all.flatMap { it.samples.asList() }.toDoubleArray())
        val file = model.contract.file
        return mapOf(
            "name" to "${file.name} ${signature.name}",
            "sha256" to file.sha256,
            "bytes" to file.bytes,
            "sequence_length" to signature.length,
            "summary" to mapOf(
                "median" to rounded(latency.p50),
                "p90" to rounded(latency.p90),
                "min" to rounded(all.minOf { it.samples.min() }),
                "runs" to latency.count,
            ),
            "rounds" to all.map { round ->
                mapOf(
                    "load_ms" to rounded(round.loadMs),
                    "samples" to round.samples.map(::rounded),
                    "first_ms" to rounded(round.firstMs),
                    "thermal_status_before" to round.thermalBefore,
                    "thermal_status_after" to round.thermalAfter,
                    "waited_seconds" to rounded(round.waitedSeconds),
                )
            },
        )
    }

    private companion object {
        const val MOST_SPREAD = 0.1

        /** Of the medians of rounds: how much the largest lies over the smallest. */
        fun spread(all: List<Round>): Double {
            val medians = all.map { Latency.of(it.samples).p50 }
            return if (medians.min() > 0) medians.max() / medians.min() - 1 else 0.0
        }

        fun rounded(value: Double) = (value * 1e4).roundToLong() / 1e4

        /** Without java.time, which needs Android 8. */
        fun iso(date: Date): String =
            SimpleDateFormat("yyyy-MM-dd'T'HH:mm:ss'+00:00'", Locale.ROOT).apply { timeZone = TimeZone.getTimeZone("UTC") }.format(date)
    }
}
