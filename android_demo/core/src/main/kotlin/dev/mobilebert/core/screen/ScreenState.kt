package dev.mobilebert.core.screen

import dev.mobilebert.core.Latency
import dev.mobilebert.core.bench.BenchState
import dev.mobilebert.core.bench.Protocol
import dev.mobilebert.core.model.ModelFacts
import dev.mobilebert.core.model.Reply
import dev.mobilebert.core.model.Settings

/** An export that the app holds. */
data class Shelf(val export: String, val variants: List<String>)

/** What is to be opened; an empty name is the usual one. */
data class Choice(val export: String, val variant: String, val settings: Settings = Settings())

/** What stands in the fields. */
data class Texts(val first: String = "", val second: String = "")

/** The halves of the app. */
enum class Page { ANSWER, BENCHMARK }

/** What is on the screen. */
sealed interface ScreenState {
    /** Whether a benchmark runs, or will when the model is open. */
    val isMeasuring: Boolean get() = (this as? Opening)?.bench != null || (this as? Ready)?.bench is BenchState.Running

    /** Whether what is measured, now or when the model is open, is what an intent asked for. */
    val isMeasuringByIntent: Boolean
        get() = (this as? Opening)?.bench != null || ((this as? Ready)?.bench as? BenchState.Running)?.byIntent == true

    /** The app holds no export, or cannot list them. */
    data class Empty(val reason: String?) : ScreenState

    /** An export was chosen. */
    sealed interface Chosen : ScreenState {
        val shelves: List<Shelf>
        val choice: Choice
        val texts: Texts
        val page: Page

        /** Number of the last thing that was asked of the engine; what answers another one is late. */
        val ticket: Int

        /** Of a benchmark that the button starts. */
        val protocol: Protocol

        /** Whether nobody chose the variant, and it may become another one. */
        val isUsual: Boolean
    }

    /** [bench] is what an intent asked for, to be run as soon as the model is open. */
    data class Opening(
        override val shelves: List<Shelf>,
        override val choice: Choice,
        override val texts: Texts,
        override val page: Page,
        override val ticket: Int,
        val bench: Protocol? = null,
        override val protocol: Protocol = Protocol.QUICK,
        override val isUsual: Boolean = false,
    ) : Chosen

    /** The model cannot be used; [reason] is a sentence. */
    data class Refused(
        override val shelves: List<Shelf>,
        override val choice: Choice,
        override val texts: Texts,
        override val page: Page,
        override val ticket: Int,
        val reason: String,
        override val protocol: Protocol = Protocol.QUICK,
        override val isUsual: Boolean = false,
    ) : Chosen

    data class Ready(
        override val shelves: List<Shelf>,
        override val choice: Choice,
        override val texts: Texts,
        override val page: Page,
        override val ticket: Int,
        val facts: ModelFacts,
        val work: Work = Work.Waiting,
        /** Times of the last answers with these settings, newest last. */
        val recentMs: List<Double> = emptyList(),
        val bench: BenchState = BenchState.NotRun,
        override val protocol: Protocol = Protocol.QUICK,
    ) : Chosen {
        /** What is open stays what it is. */
        override val isUsual: Boolean get() = false

        /** null: nothing was asked yet. */
        val latency: Latency? get() = if (recentMs.isEmpty()) null else Latency.of(recentMs.toDoubleArray())

        /** Whether there is something to ask about. */
        val canAsk: Boolean
            get() = bench !is BenchState.Running && texts.first.isNotBlank() && (!facts.kind.hasSecond || texts.second.isNotBlank())
    }
}

/** What is done with the texts. */
sealed interface Work {
    data object Waiting : Work

    data object Running : Work

    /** [isCurrent]: the texts are still those that were asked about. */
    data class Answered(val reply: Reply, val isCurrent: Boolean) : Work

    /** [reason] is a sentence. */
    data class Failed(val reason: String) : Work
}
