package dev.mobilebert.core.bench

import dev.mobilebert.core.Latency

/** How to measure. */
data class Protocol(
    /** The model is opened anew in each. */
    val rounds: Int = 6,
    /** Timed answers of the network for each signature and round. */
    val runs: Int = 50,
    /** Answers before them, the first included. */
    val warmUp: Int = 10,
    /** A round begins when the device is not warm, or after this long. */
    val coolDownSeconds: Int = 60,
) {
    init {
        // Every time is kept until the result is written.
        require(rounds.toLong() * runs <= MOST_TIMES) { "rounds times runs must be at most $MOST_TIMES" }
        require(rounds in 1..1_000 && runs in 1..1_000_000 && warmUp in 1..1_000_000 && coolDownSeconds in 0..3_600) {
            "rounds, runs and warm_up must be at least 1, cool_down_seconds 0 to 3600"
        }
    }

    companion object {
        /** Timed answers of a signature in all rounds together. */
        const val MOST_TIMES = 100_000

        /** For a look; too few rounds to say how sure its figures are. */
        val QUICK = Protocol(rounds = 2, runs = 20, warmUp = 5, coolDownSeconds = 10)
        val FULL = Protocol()
    }
}

/** Where a benchmark is. */
data class BenchProgress(val round: Int, val rounds: Int, val isCooling: Boolean)

/** Figures of one signature. */
data class BenchRow(val signature: String, val length: Int, val latency: Latency)

/** What was measured. [verdict] is ok, warn or invalid, for these [reasons]; [file] has all of it. */
data class BenchSummary(val rows: List<BenchRow>, val verdict: String, val reasons: List<String>, val file: String)

/** What the benchmark screen shows. */
sealed interface BenchState {
    data object NotRun : BenchState

    /** [progress] is null until it has begun. [byIntent]: somebody outside the app asked for it and waits for the result. */
    data class Running(val progress: BenchProgress?, val byIntent: Boolean = false) : BenchState

    data class Done(val summary: BenchSummary) : BenchState

    /** [reason] is a sentence. */
    data class Failed(val reason: String) : BenchState
}
