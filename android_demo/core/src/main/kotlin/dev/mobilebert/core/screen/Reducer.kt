package dev.mobilebert.core.screen

import dev.mobilebert.core.bench.BenchState
import dev.mobilebert.core.bench.Protocol
import dev.mobilebert.core.screen.ScreenState.Chosen
import dev.mobilebert.core.screen.ScreenState.Empty
import dev.mobilebert.core.screen.ScreenState.Opening
import dev.mobilebert.core.screen.ScreenState.Ready
import dev.mobilebert.core.screen.ScreenState.Refused

/** The state that follows, and what is to be done. */
data class Next(val state: ScreenState, val effects: List<Effect> = emptyList())

private const val MOST_TIMES = 50

/** What becomes of [state] by [event]. Has no side effects. */
fun reduce(state: ScreenState, event: Event): Next = when (event) {
    is Event.Listed -> listed(event)
    is Event.NotListed -> Next(Empty(event.reason))
    is Event.ListedAgain -> listedAgain(state, event.shelves)
    else -> if (state is Chosen) chosen(state, event) else Next(state)
}

private fun listed(event: Event.Listed): Next {
    val shelves = event.shelves.filter { it.variants.isNotEmpty() }
    val wanted = event.wanted ?: Choice("", "")
    if (event.bench != null) return benchmarked(shelves, wanted, event.bench) ?: Next(notThere(shelves, wanted))
    val shelf = shelves.firstOrNull { it.export == wanted.export }
    if (shelf != null) return started(shelves, shelf, wanted, event.texts)
    // What was typed was about what is gone.
    return shelves.firstOrNull()?.let { started(shelves, it, Choice(it.export, ""), Texts()) } ?: Next(Empty(null))
}

/** What is open stays open, if it is still there. */
private fun listedAgain(state: ScreenState, all: List<Shelf>): Next {
    if (state !is Chosen) return if (state == Empty(null)) listed(Event.Listed(all)) else Next(state)
    val shelves = all.filter { it.variants.isNotEmpty() }
    val isThere = shelves.any { it.export == state.choice.export && state.choice.variant in it.variants }
    return Next(if (isThere) state.shelved(shelves) else state)
}

/** [wanted] of [shelf] is opened, or the usual variant if it is not there. */
private fun started(shelves: List<Shelf>, shelf: Shelf, wanted: Choice, texts: Texts, page: Page = Page.ANSWER, bench: Protocol? = null): Next {
    val choice = shelf.held(wanted)
    val isUsual = choice != wanted
    return Next(Opening(shelves, choice, texts, page, 1, bench, isUsual = isUsual), listOf(Effect.Open(1, choice, isUsual)))
}

/** A benchmark of just what was asked for, and of nothing in its place; null: it is not there. */
private fun benchmarked(shelves: List<Shelf>, wanted: Choice, protocol: Protocol): Next? {
    val shelf = shelves.firstOrNull { wanted.export.isEmpty() || it.export == wanted.export } ?: return null
    if (wanted.variant.isNotEmpty() && wanted.variant !in shelf.variants) return null
    return started(shelves, shelf, wanted.copy(export = shelf.export), Texts(), Page.BENCHMARK, protocol)
}

private fun notThere(shelves: List<Shelf>, wanted: Choice): ScreenState {
    val there = shelves.joinToString { shelf -> "${shelf.export} (${shelf.variants.joinToString()})" }.ifEmpty { "none" }
    val asked = "${wanted.export.ifEmpty { "any export" }}, ${wanted.variant.ifEmpty { "any variant" }}"
    return Empty("The benchmark was asked for $asked, which is not here. Here: $there.")
}

/** What is opened where nobody chose, unless the runtime is too old for it, which the engine finds out. */
private val Shelf.usual: String get() = variants.firstOrNull { it == "static_int8" } ?: variants.first()

/** [choice], with a variant that is here. */
private fun Shelf.held(choice: Choice) = if (choice.variant in variants) choice else choice.copy(variant = usual)

private fun chosen(state: Chosen, event: Event): Next = when {
    event is Event.Told && event.ticket != state.ticket -> Next(state)
    event is Event.Chose -> chose(state, event.choice)
    event is Event.TryAgain && state is Refused -> opening(state, state.choice, state.isUsual)
    event is Event.Turned -> Next(state.turned(event.page))
    event is Event.Planned -> Next(state.planned(event.protocol))
    event is Event.Typed -> typed(state, event.texts)
    event is Event.Opened && state is Opening -> opened(state, event)
    event is Event.Failed && state is Opening ->
        Next(Refused(state.shelves, state.choice, state.texts, state.page, state.ticket, event.reason, state.protocol, state.isUsual))
    state is Ready -> ready(state, event)
    else -> Next(state)
}

private fun chose(state: Chosen, choice: Choice): Next {
    val shelf = state.shelves.firstOrNull { it.export == choice.export } ?: return Next(state)
    val held = shelf.held(choice)
    // Whoever chooses another export has not chosen its variant; nor has who chooses threads before anything is open.
    val isOther = choice.export != state.choice.export || held != choice
    val isUsual = isOther || (state.isUsual && choice.variant == state.choice.variant)
    return if (choice == state.choice) Next(state) else opening(state, held, isUsual)
}

/** [choice] in place of what [state] has. */
private fun opening(state: Chosen, choice: Choice, isUsual: Boolean): Next {
    val texts = if (choice.export == state.choice.export) state.texts else Texts()
    val opening = Opening(state.shelves, choice, texts, state.page, state.ticket + 1, protocol = state.protocol, isUsual = isUsual)
    return Next(opening, listOf(Effect.Cancel, Effect.Open(opening.ticket, choice, isUsual)))
}

private fun opened(state: Opening, event: Event.Opened): Next {
    val sample = event.facts.samples.firstOrNull { it.text.isNotBlank() }
    val texts = if (state.texts == Texts() && sample != null) Texts(sample.text, sample.second) else state.texts
    val choice = state.choice.copy(variant = event.facts.variant)
    val ready = Ready(state.shelves, choice, texts, state.page, state.ticket, event.facts, protocol = state.protocol)
    return if (state.bench == null) Next(ready) else reduce(ready, Event.BenchAsked(state.bench, byIntent = true))
}

private fun typed(state: Chosen, texts: Texts): Next = when {
    texts == state.texts -> Next(state)
    state is Opening -> Next(state.copy(texts = texts))
    state is Refused -> Next(state.copy(texts = texts))
    state is Ready -> when (val work = state.work) {
        // The ticket changes, so that an answer that is on its way already is not shown.
        Work.Running -> Next(state.copy(texts = texts, work = Work.Waiting, ticket = state.ticket + 1), listOf(Effect.Cancel))
        is Work.Answered -> Next(state.copy(texts = texts, work = work.copy(isCurrent = false)))
        else -> Next(state.copy(texts = texts, work = Work.Waiting))
    }
    else -> Next(state)
}

private fun ready(state: Ready, event: Event): Next {
    val ticket = state.ticket + 1
    return when (event) {
        is Event.Asked -> if (!state.canAsk) {
            Next(state)
        } else {
            Next(state.copy(work = Work.Running, ticket = ticket), listOf(Effect.Cancel, Effect.Ask(ticket, state.texts)))
        }
        is Event.Replied -> Next(
            state.copy(
                work = Work.Answered(event.reply, isCurrent = true),
                recentMs = (state.recentMs + event.reply.cost.networkMs).takeLast(MOST_TIMES),
            ),
        )
        is Event.BenchAsked -> if (state.work == Work.Running || state.bench is BenchState.Running) {
            Next(state)
        } else {
            Next(state.copy(bench = BenchState.Running(null, event.byIntent), ticket = ticket), listOf(Effect.Bench(ticket, event.protocol)))
        }
        is Event.BenchStopped -> stopped(state, BenchState.NotRun)
        is Event.Left -> if (state.isMeasuringByIntent) {
            Next(state)
        } else {
            stopped(state, BenchState.Failed("The benchmark was stopped, because the app left the screen; start it again."))
        }
        is Event.BenchWent -> Next(state.copy(bench = BenchState.Running(event.progress, state.isMeasuringByIntent)))
        is Event.BenchDone -> Next(state.copy(bench = BenchState.Done(event.summary)))
        is Event.Failed -> if (state.bench is BenchState.Running) {
            Next(state.copy(bench = BenchState.Failed(event.reason)))
        } else {
            Next(state.copy(work = Work.Failed(event.reason)))
        }
        else -> Next(state)
    }
}

private fun stopped(state: Ready, bench: BenchState): Next =
    if (state.bench is BenchState.Running) Next(state.copy(bench = bench, ticket = state.ticket + 1), listOf(Effect.Cancel)) else Next(state)

private fun Chosen.turned(page: Page): ScreenState = when (this) {
    is Opening -> copy(page = page)
    is Refused -> copy(page = page)
    is Ready -> copy(page = page)
}

private fun Chosen.shelved(shelves: List<Shelf>): ScreenState = when (this) {
    is Opening -> copy(shelves = shelves)
    is Refused -> copy(shelves = shelves)
    is Ready -> copy(shelves = shelves)
}

private fun Chosen.planned(protocol: Protocol): ScreenState = when (this) {
    is Opening -> copy(protocol = protocol)
    is Refused -> copy(protocol = protocol)
    is Ready -> copy(protocol = protocol)
}
