package dev.mobilebert.core.bench

import dev.mobilebert.core.Latency
import dev.mobilebert.core.contract.Json
import dev.mobilebert.core.contract.Signature
import dev.mobilebert.core.model.AcceleratorUse
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
    private val verdicts: Map<Signature, Verdict> = rounds.mapValues { (_, all) -> Verdict.of(all, model.facts.use, device) }

    /** Of all signatures, each reason once. */
    val verdict: Verdict = Verdict(verdicts.values.flatMap { it.invalid }.distinct(), verdicts.values.flatMap { it.warnings }.distinct())

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
        val contract = model.contract
        return mapOf(
            "name" to contract.file.name,
            "sha256" to contract.file.sha256,
            "bytes" to contract.file.bytes,
            "recipe" to contract.recipe,
            "sequence_length" to signature.length,
            "signature" to signature.name,
            "samples_are" to "inferences",
            "configuration" to mapOf(
                "threads" to model.settings.threads,
                "accelerator" to model.settings.accelerator.name.lowercase(Locale.ROOT),
                "tool" to "app",
            ),
            "outputs" to outputs(),
            "validity" to verdicts.getValue(signature).describe(),
            "summary" to mapOf(
                "median" to rounded(latency.p50),
                "p90" to rounded(latency.p90),
                "mean" to rounded(latency.mean),
                "min" to rounded(samples.min()),
                "max" to rounded(samples.max()),
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

    /** What was seen when the model was opened. */
    private fun outputs(): Map<String, Any?> = mapOf(
        "checked" to (model.facts.agreement != null),
        "max_error" to model.facts.agreement?.difference,
        "tolerance" to model.facts.agreement?.tolerance,
        "same_as_cpu" to if (model.facts.use == AcceleratorUse.CPU) null else !model.facts.use.isUsed,
    )

    private companion object {
        fun rounded(value: Double) = (value * 1e4).roundToLong() / 1e4

        /** Without java.time, which needs Android 8. */
        fun iso(date: Date): String =
            SimpleDateFormat("yyyy-MM-dd'T'HH:mm:ss'+00:00'", Locale.ROOT).apply { timeZone = TimeZone.getTimeZone("UTC") }.format(date)
    }
}
