package dev.mobilebert.core.bench

import dev.mobilebert.core.Latency
import dev.mobilebert.core.contract.Json
import dev.mobilebert.core.contract.Signature
import dev.mobilebert.core.model.Accelerator
import dev.mobilebert.core.model.LoadedModel
import java.text.SimpleDateFormat
import java.util.Date
import java.util.Locale
import java.util.TimeZone
import kotlin.math.roundToLong

/** A benchmark in the form of `benchmarks/schema.json`, version 2. */
class BenchResult(
    private val model: LoadedModel,
    private val protocol: Protocol,
    private val device: Device,
    private val rounds: Map<Signature, List<Round>>,
) {
    private val verdicts: Map<Signature, Verdict> = rounds.mapValues { (_, all) -> Verdict.of(all, model.facts, device) }

    /** Of all signatures, each reason once. */
    val verdict: Verdict = verdicts.values.fold(Verdict.GOOD, Verdict::plus)

    fun json(date: Date = Date()): String = Json.write(
        mapOf(
            "schema_version" to 2,
            "kind" to "device latency",
            "unit" to "ms",
            "where" to "device",
            "made_by" to mapOf("command" to "android_demo, page Benchmark", "date" to iso(date)),
            "settings" to mapOf(
                "rounds" to protocol.rounds,
                "runs" to protocol.runs,
                "warm_up" to protocol.warmUp,
                "cool_down_seconds" to protocol.coolDownSeconds,
            ),
            "runtime" to mapOf(
                "name" to model.runtime.name,
                "version" to model.runtime.version?.toString(),
                "tools" to listOf(mapOf("kind" to "app")),
            ),
            "device" to device.describe(),
            "subjects" to rounds.map { (signature, all) -> subject(signature, all) },
        ),
    )

    private fun subject(signature: Signature, all: List<Round>): Map<String, Any?> {
        val samples = all.flatMap { it.samples.asList() }
        val latency = Latency.of(samples.toDoubleArray())
        val interval = medianInterval(all.map { Latency.of(it.samples).p50 })
        val contract = model.contract
        return mapOf(
            "name" to contract.file.name,
            "sha256" to contract.file.sha256,
            "bytes" to contract.file.bytes,
            "recipe" to contract.recipe,
            "sequence_length" to signature.length,
            "signature" to signature.name,
            "samples_are" to "inferences",
            "configuration" to configuration(),
            "outputs" to outputs(),
            "validity" to verdicts.getValue(signature).describe(),
            "summary" to mapOf(
                "median" to rounded(latency.p50),
                "p90" to rounded(latency.p90),
                "p99" to rounded(latency.p99),
                "mean" to rounded(latency.mean),
                "min" to rounded(samples.min()),
                "max" to rounded(samples.max()),
                "low" to interval?.first?.let(::rounded),
                "high" to interval?.second?.let(::rounded),
                "runs" to latency.count,
            ),
            "rounds" to all.map { round ->
                mapOf(
                    "load_ms" to rounded(round.loadMs),
                    "first_ms" to rounded(round.firstMs),
                    "waited_s" to rounded(round.waitedSeconds),
                    "samples" to round.samples.map(::rounded),
                    "before" to round.before,
                    "after" to round.after,
                )
            },
        )
    }

    private fun configuration(): Map<String, Any?> = mapOf(
        "threads" to model.settings.threads,
        "accelerator" to model.settings.accelerator.name.lowercase(Locale.ROOT),
        "api" to model.runtime.api,
        "tool" to "app",
        // It holds what XNNPACK packs, which computes on the processor alone; it was there before the first round.
        "weight_cache" to if (model.runtime.keepsWeights && model.settings.accelerator == Accelerator.CPU) "file" else "off",
    )

    /** What was seen when the model was opened. */
    private fun outputs(): Map<String, Any?> = mapOf(
        "checked" to (model.facts.agreement != null),
        "max_relative_error" to model.facts.agreement?.relativeDifference,
        "tolerance" to model.facts.agreement?.relativeTolerance,
        "same_as_cpu" to if (model.settings.accelerator == Accelerator.CPU) null else model.facts.use.isUsed?.not(),
        "why_not" to if (model.facts.agreement == null) "the contract has no example to compare" else null,
    )

    private companion object {
        fun rounded(value: Double) = (value * 1e4).roundToLong() / 1e4

        /** Without java.time, which needs Android 8. */
        fun iso(date: Date): String =
            SimpleDateFormat("yyyy-MM-dd'T'HH:mm:ss'+00:00'", Locale.ROOT).apply { timeZone = TimeZone.getTimeZone("UTC") }.format(date)
    }
}
