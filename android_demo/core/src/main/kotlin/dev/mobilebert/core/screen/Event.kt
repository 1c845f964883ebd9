package dev.mobilebert.core.screen

import dev.mobilebert.core.bench.BenchProgress
import dev.mobilebert.core.bench.BenchSummary
import dev.mobilebert.core.bench.Protocol
import dev.mobilebert.core.model.ModelFacts
import dev.mobilebert.core.model.Reply

/** What happened. */
sealed interface Event {
    /** The app was started; [wanted] is what was chosen before, or what [bench] is to measure at once. */
    data class Listed(val shelves: List<Shelf>, val wanted: Choice? = null, val texts: Texts = Texts(), val bench: Protocol? = null) : Event

    data class NotListed(val reason: String) : Event

    /** The app is on the screen again; meanwhile exports may have come or gone. */
    data class ListedAgain(val shelves: List<Shelf>) : Event

    data class Chose(val choice: Choice) : Event

    data class Typed(val texts: Texts) : Event

    data object Asked : Event

    data class Turned(val page: Page) : Event

    /** What was refused is to be opened once more. */
    data object TryAgain : Event

    /** A benchmark that is asked for is to be like this. */
    data class Planned(val protocol: Protocol) : Event

    /** [byIntent]: by somebody outside the app, who waits for the result. */
    data class BenchAsked(val protocol: Protocol, val byIntent: Boolean = false) : Event

    data object BenchStopped : Event

    /** The app is no longer on the screen: what the button started stops, what an intent asked for goes on. */
    data object Left : Event

    /** From the engine, about what it was asked with [ticket]. */
    sealed interface Told : Event {
        val ticket: Int
    }

    data class Opened(override val ticket: Int, val facts: ModelFacts) : Told

    data class Replied(override val ticket: Int, val reply: Reply) : Told

    data class BenchWent(override val ticket: Int, val progress: BenchProgress) : Told

    data class BenchDone(override val ticket: Int, val summary: BenchSummary) : Told

    /** [reason] is a sentence. */
    data class Failed(override val ticket: Int, val reason: String) : Told
}

/** What is to be done because of it, off the main thread. */
sealed interface Effect {
    /** [isUsual]: nobody chose the variant, and another takes its place where the runtime is too old for it. */
    data class Open(val ticket: Int, val choice: Choice, val isUsual: Boolean = false) : Effect

    data class Ask(val ticket: Int, val texts: Texts) : Effect

    data class Bench(val ticket: Int, val protocol: Protocol) : Effect

    /** Whatever is done is no longer wanted. */
    data object Cancel : Effect
}
