package dev.mobilebert.core.screen

import dev.mobilebert.core.bench.Protocol
import dev.mobilebert.core.model.Accelerator
import dev.mobilebert.core.model.Settings
import java.util.Locale

/** A benchmark that somebody outside the app asks for. */
data class BenchRequest(val choice: Choice, val protocol: Protocol) {
    companion object {
        private const val MOST_THREADS = 64
        private const val MOST = 1_000_000

        /**
         * The request that [extra] has the values of, as texts by their names; null: left out.
         *
         * @throws IllegalArgumentException a value is none that can be measured with; the message is a sentence
         */
        fun read(extra: (String) -> String?): BenchRequest {
            fun whole(name: String, usual: Int, least: Int, most: Int): Int {
                val said = extra(name) ?: return usual
                return requireNotNull(said.toIntOrNull()?.takeIf { it in least..most }) {
                    "The benchmark was asked for with $name $said; it is a whole number from $least to $most."
                }
            }
            val said = extra("accelerator") ?: Accelerator.CPU.name
            val accelerator = requireNotNull(Accelerator.entries.firstOrNull { it.name == said.uppercase(Locale.ROOT) }) {
                "The benchmark was asked for with accelerator $said; it is ${Accelerator.entries.joinToString(" or ")}."
            }
            val settings = Settings(whole("threads", 1, 1, MOST_THREADS), accelerator)
            val usual = Protocol.FULL
            val rounds = whole("rounds", usual.rounds, 1, 1_000)
            val runs = whole("runs", usual.runs, 1, MOST)
            require(rounds.toLong() * runs <= Protocol.MOST_TIMES) {
                "The benchmark was asked for with $rounds rounds of $runs runs; all together it measures ${Protocol.MOST_TIMES} at most."
            }
            return BenchRequest(
                Choice(extra("export").orEmpty(), extra("variant").orEmpty(), settings),
                Protocol(rounds, runs, whole("warm_up", usual.warmUp, 1, MOST), whole("cool_down_seconds", usual.coolDownSeconds, 0, 3_600)),
            )
        }
    }
}
