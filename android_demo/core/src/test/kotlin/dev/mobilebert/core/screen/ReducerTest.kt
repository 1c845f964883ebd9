package dev.mobilebert.core.screen

import dev.mobilebert.core.bench.BenchProgress
import dev.mobilebert.core.bench.BenchState
import dev.mobilebert.core.bench.BenchSummary
import dev.mobilebert.core.bench.Protocol
import dev.mobilebert.core.model.AcceleratorUse
import dev.mobilebert.core.model.Cost
import dev.mobilebert.core.model.Kind
import dev.mobilebert.core.model.ModelFacts
import dev.mobilebert.core.model.Reply
import dev.mobilebert.core.model.Result
import dev.mobilebert.core.model.Sample
import dev.mobilebert.core.model.Settings
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Test

class ReducerTest {
    private val shelves = listOf(Shelf("films", listOf("float32", "static_int8")), Shelf("names", listOf("float32")), Shelf("none", emptyList()))
    private val samples = listOf(Sample("fine", ""))
    private val facts = ModelFacts("static_int8", "classification", Kind.LABELS, 9, samples, "Fake", AcceleratorUse.CPU, null)

    private fun reply(ms: Double) = Reply(Result.Number(1.0), Cost(4, "t", 1, 0.1, ms))

    /** States and effects after [events], one after the other. */
    private fun after(vararg events: Event, from: ScreenState = ScreenState.Empty(null)): Next {
        val effects = ArrayList<Effect>()
        val last = events.fold(from) { state, event -> reduce(state, event).also { effects += it.effects }.state }
        return Next(last, effects)
    }

    private fun ready(): ScreenState.Ready = after(Event.Listed(shelves), Event.Opened(1, facts)).state as ScreenState.Ready

    @Test
    fun `the first export is opened, and its first example stands in the field`() {
        val choice = Choice("films", "static_int8")
        val opening = after(Event.Listed(shelves))
        assertEquals(listOf(Effect.Open(1, choice, isUsual = true)), opening.effects)
        assertEquals(ScreenState.Opening(shelves.take(2), choice, Texts(), Page.ANSWER, 1, isUsual = true), opening.state)
        assertEquals(Texts("fine"), ready().texts)
        assertEquals(true, ready().canAsk)
    }

    @Test
    fun `exports that come while the app is away can be chosen, and what is open stays`() {
        val more = shelves + Shelf("new", listOf("float16"))
        val before = ready()
        val seen = after(Event.ListedAgain(more), from = before)
        assertEquals(before.copy(shelves = more.filter { it.variants.isNotEmpty() }) to emptyList<Effect>(), seen.state to seen.effects)
        assertEquals(before, after(Event.ListedAgain(shelves.drop(1)), from = before).state, "what is open is gone: it is still open")
        assertInstanceOf(ScreenState.Opening::class.java, after(Event.ListedAgain(more)).state, "there was none before")
        val refused = ScreenState.Empty("The benchmark was asked for what is not here.")
        assertSame(refused, after(Event.ListedAgain(more), from = refused).state, "the sentence stays")
    }

    @Test
    fun `what was chosen and typed before is taken up again`() {
        val wanted = Choice("names", "float32", Settings(threads = 3))
        val next = after(Event.Listed(shelves, wanted, Texts("mine")), Event.Opened(1, facts.copy(variant = "float32")))
        assertEquals(listOf(Effect.Open(1, wanted)), next.effects)
        val ready = next.state as ScreenState.Ready
        assertEquals(wanted, ready.choice)
        assertEquals(Texts("mine"), ready.texts)
        fun listed(wanted: Choice) = after(Event.Listed(shelves, wanted, Texts("mine"))).state as ScreenState.Opening
        val gone = listed(Choice("gone", "x"))
        assertEquals(Choice("films", "static_int8") to Texts(), gone.choice to gone.texts, "no text of what is gone")
        val other = listed(Choice("films", "x", Settings(threads = 3)))
        assertEquals(Choice("films", "static_int8", Settings(threads = 3)) to Texts("mine"), other.choice to other.texts)
    }

    @Test
    fun `what was opened in place of the usual variant is what is chosen then`() {
        val other = facts.copy(variant = "float32")
        val opened = after(Event.Listed(shelves), Event.Opened(1, other)).state as ScreenState.Ready
        assertEquals(Choice("films", "float32"), opened.choice)
        assertEquals(Next(opened), reduce(opened, Event.Chose(opened.choice)), "what the spinner says by itself")
        val chosen = Choice("films", "static_int8")
        assertEquals(Effect.Open(2, chosen), reduce(opened, Event.Chose(chosen)).effects.last(), "nothing takes the place of what was chosen")
    }

    @Test
    fun `the variant of another export, of a second try and of other threads is not one that was chosen`() {
        val other = Choice("names", "float32")
        assertEquals(Effect.Open(2, other, isUsual = true), reduce(ready(), Event.Chose(other)).effects.last())
        val opening = after(Event.Listed(shelves)).state
        val threads = Choice("films", "static_int8", Settings(threads = 2))
        assertEquals(Effect.Open(2, threads, isUsual = true), reduce(opening, Event.Chose(threads)).effects.last())
        assertEquals(Effect.Open(2, Choice("films", "float32")), reduce(opening, Event.Chose(Choice("films", "float32"))).effects.last())
        val refused = after(Event.Failed(1, "no memory"), from = opening).state
        assertEquals(Effect.Open(2, Choice("films", "static_int8"), isUsual = true), reduce(refused, Event.TryAgain).effects.last())
        val chosen = after(Event.Chose(Choice("films", "float32")), Event.Failed(2, "no memory"), from = ready()).state
        assertEquals(Effect.Open(3, Choice("films", "float32")), reduce(chosen, Event.TryAgain).effects.last())
    }

    @Test
    fun `without an export there is nothing to do`() {
        assertEquals(Next(ScreenState.Empty(null)), reduce(ScreenState.Empty("x"), Event.Listed(shelves.takeLast(1))))
        assertEquals(Next(ScreenState.Empty("broken")), reduce(ScreenState.Empty(null), Event.NotListed("broken")))
        assertEquals(Next(ScreenState.Empty(null)), reduce(ScreenState.Empty(null), Event.Asked))
    }

    @Test
    fun `a question is asked once and answered`() {
        val asked = reduce(ready(), Event.Asked)
        assertEquals(listOf(Effect.Cancel, Effect.Ask(2, Texts("fine"))), asked.effects)
        val done = after(Event.Replied(2, reply(3.0)), from = asked.state).state as ScreenState.Ready
        assertEquals(Work.Answered(reply(3.0), isCurrent = true), done.work)
        assertEquals(3.0, done.latency?.p50)
    }

    @Test
    fun `typing cancels what runs, and what was answered is out of date`() {
        val running = reduce(ready(), Event.Asked).state
        val typed = reduce(running, Event.Typed(Texts("other")))
        assertEquals(listOf(Effect.Cancel), typed.effects)
        assertSame(Work.Waiting, (typed.state as ScreenState.Ready).work)
        val late = reduce(typed.state, Event.Replied(2, reply(3.0)))
        assertEquals(Next(typed.state), late)
        val answered = after(Event.Replied(2, reply(3.0)), Event.Typed(Texts("other")), from = running).state as ScreenState.Ready
        assertEquals(Work.Answered(reply(3.0), isCurrent = false), answered.work)
    }

    @Test
    fun `what was answered is out of date while a benchmark runs, too`() {
        val answered = after(Event.Asked, Event.Replied(2, reply(3.0)), Event.BenchAsked(Protocol()), from = ready())
        val typed = reduce(answered.state, Event.Typed(Texts("other")))
        assertEquals(Work.Answered(reply(3.0), isCurrent = false), (typed.state as ScreenState.Ready).work)
        assertEquals(emptyList<Effect>(), typed.effects)
    }

    @Test
    fun `a blank text is not asked about, nor one of a pair`() {
        assertEquals(emptyList<Effect>(), after(Event.Typed(Texts("  ")), Event.Asked, from = ready()).effects)
        val pair = ready().copy(facts = facts.copy(kind = Kind.QUESTION))
        assertEquals(false, pair.canAsk)
        assertEquals(true, pair.copy(texts = Texts("who", "she")).canAsk)
    }

    @Test
    fun `another choice opens another model and keeps the text of the same export`() {
        val choice = Choice("films", "float32", Settings(threads = 4))
        val next = after(Event.Asked, Event.Replied(2, reply(3.0)), Event.Chose(choice), from = ready())
        assertEquals(listOf(Effect.Cancel, Effect.Open(3, choice)), next.effects.takeLast(2))
        assertEquals(Texts("fine"), (next.state as ScreenState.Opening).texts)
        assertEquals(null, (reduce(next.state, Event.Opened(3, facts)).state as ScreenState.Ready).latency)
        val other = reduce(ready(), Event.Chose(Choice("names", "static_int8"))).state as ScreenState.Opening
        assertEquals(Choice("names", "float32"), other.choice)
        assertEquals(Texts(), other.texts)
        assertEquals(emptyList<Effect>(), reduce(ready(), Event.Chose(ready().choice)).effects)
    }

    @Test
    fun `failures are sentences where they belong`() {
        val refused = after(Event.Listed(shelves), Event.Failed(1, "m.tflite is damaged")).state
        assertEquals("m.tflite is damaged", assertInstanceOf(ScreenState.Refused::class.java, refused).reason)
        assertInstanceOf(ScreenState.Opening::class.java, reduce(refused, Event.Chose(Choice("films", "float32"))).state)
        val failed = after(Event.Asked, Event.Failed(2, "no number"), from = ready()).state as ScreenState.Ready
        assertEquals(Work.Failed("no number"), failed.work)
    }

    @Test
    fun `what was refused can be tried again, and only that`() {
        val refused = after(Event.Listed(shelves), Event.Typed(Texts("mine")), Event.Failed(1, "no memory")).state
        val again = reduce(refused, Event.TryAgain)
        assertEquals(listOf(Effect.Cancel, Effect.Open(2, Choice("films", "static_int8"), isUsual = true)), again.effects)
        assertEquals(Texts("mine"), (again.state as ScreenState.Opening).texts)
        assertEquals(emptyList<Effect>(), reduce(again.state, Event.TryAgain).effects)
        assertEquals(Next(refused), reduce(refused, Event.Chose(Choice("films", "static_int8"))), "what the spinner says by itself")
        assertEquals(Next(ready()), reduce(ready(), Event.TryAgain))
    }

    @Test
    fun `the length of the benchmark stays chosen`() {
        val planned = after(Event.Planned(Protocol.FULL), Event.Chose(Choice("names", "float32")), Event.Opened(2, facts), from = ready())
        assertEquals(Protocol.FULL, (planned.state as ScreenState.Ready).protocol)
        val refused = after(Event.Planned(Protocol.FULL), Event.Chose(Choice("names", "float32")), Event.Failed(2, "no"), from = ready())
        assertEquals(Protocol.FULL, (reduce(refused.state, Event.TryAgain).state as ScreenState.Opening).protocol)
    }

    @Test
    fun `only the last times count`() {
        val last = (1..60).fold(ready()) { state, ms ->
            val asked = reduce(state, Event.Asked).state as ScreenState.Ready
            reduce(asked, Event.Replied(asked.ticket, reply(ms.toDouble()))).state as ScreenState.Ready
        }
        assertEquals((11..60).map { it.toDouble() }, last.recentMs)
    }

    @Test
    fun `a benchmark runs alone, can be stopped, and ends`() {
        val began = reduce(ready(), Event.BenchAsked(Protocol()))
        assertEquals(listOf(Effect.Bench(2, Protocol())), began.effects)
        assertEquals(emptyList<Effect>(), reduce(began.state, Event.Asked).effects)
        val progress = BenchProgress(1, 6, isCooling = true)
        val went = reduce(began.state, Event.BenchWent(2, progress)).state as ScreenState.Ready
        assertEquals(BenchState.Running(progress), went.bench)
        val summary = BenchSummary(emptyList(), "ok", emptyList(), "a.json")
        assertEquals(BenchState.Done(summary), (reduce(went, Event.BenchDone(2, summary)).state as ScreenState.Ready).bench)
        val stopped = reduce(went, Event.BenchStopped)
        assertEquals(listOf(Effect.Cancel), stopped.effects)
        assertEquals(BenchState.NotRun, (reduce(stopped.state, Event.BenchDone(2, summary)).state as ScreenState.Ready).bench)
        assertEquals(BenchState.Failed("why"), (reduce(went, Event.Failed(2, "why")).state as ScreenState.Ready).bench)
    }

    @Test
    fun `a benchmark ends when the app leaves the screen`() {
        val running = reduce(ready(), Event.BenchAsked(Protocol())).state
        val left = reduce(running, Event.Left)
        assertEquals(listOf(Effect.Cancel), left.effects)
        assertEquals(
            BenchState.Failed("The benchmark was stopped, because the app left the screen; start it again."),
            (left.state as ScreenState.Ready).bench,
        )
        assertEquals(Next(ready()), reduce(ready(), Event.Left))
    }

    @Test
    fun `what an intent asked for goes on when the app leaves the screen, and what the button starts after it does not`() {
        val opening = after(Event.Listed(shelves, bench = Protocol(rounds = 1))).state
        assertEquals(Next(opening), reduce(opening, Event.Left))
        val running = after(Event.Opened(1, facts), Event.BenchWent(2, BenchProgress(1, 1, isCooling = false)), from = opening).state
        assertEquals(Next(running), reduce(running, Event.Left))
        val done = reduce(running, Event.BenchDone(2, BenchSummary(emptyList(), "ok", emptyList(), "a.json"))).state
        val second = reduce(done, Event.BenchAsked(Protocol())).state
        assertEquals(listOf(true, true, false, false), listOf(opening, running, done, second).map { it.isMeasuringByIntent })
        assertInstanceOf(BenchState.Failed::class.java, (reduce(second, Event.Left).state as ScreenState.Ready).bench)
    }

    @Test
    fun `the screen stays on while something is measured`() {
        val opening = after(Event.Listed(shelves, bench = Protocol(rounds = 1))).state
        val running = reduce(opening, Event.Opened(1, facts)).state
        val done = reduce(running, Event.BenchDone(2, BenchSummary(emptyList(), "ok", emptyList(), "a.json"))).state
        assertEquals(listOf(true, true, false), listOf(opening, running, done).map { it.isMeasuring })
        assertEquals(listOf(false, false), listOf(after(Event.Listed(shelves)).state, ready()).map { it.isMeasuring })
    }

    @Test
    fun `a benchmark that was asked for at the start runs as soon as the model is open`() {
        val next = after(Event.Listed(shelves, bench = Protocol(rounds = 1)), Event.Opened(1, facts))
        assertEquals(Effect.Bench(2, Protocol(rounds = 1)), next.effects.last())
        assertEquals(Page.BENCHMARK, (next.state as ScreenState.Ready).page)
    }

    @Test
    fun `a benchmark of what is not there measures nothing else in its place`() {
        fun asked(export: String, variant: String) = after(Event.Listed(shelves, Choice(export, variant), bench = Protocol(rounds = 1)))
        assertEquals(
            ScreenState.Empty("The benchmark was asked for films, int4, which is not here. Here: films (float32, static_int8), names (float32)."),
            asked("films", "int4").state,
        )
        assertEquals(emptyList<Effect>(), asked("gone", "float32").effects)
        assertEquals(listOf(Effect.Open(1, Choice("films", "static_int8"), isUsual = true)), asked("films", "").effects)
        assertEquals(listOf(Effect.Open(1, Choice("films", "float32"))), asked("", "float32").effects)
        assertEquals(
            "The benchmark was asked for any export, int4, which is not here. Here: films (float32, static_int8), names (float32).",
            (asked("", "int4").state as ScreenState.Empty).reason,
        )
    }

    @Test
    fun `pages turn in every state`() {
        assertEquals(Page.BENCHMARK, (reduce(ready(), Event.Turned(Page.BENCHMARK)).state as ScreenState.Chosen).page)
        assertEquals(Page.BENCHMARK, (after(Event.Listed(shelves), Event.Turned(Page.BENCHMARK)).state as ScreenState.Chosen).page)
    }
}
