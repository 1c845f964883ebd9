package dev.mobilebert.app

import android.content.Intent
import android.os.BatteryManager
import android.text.Editable
import android.text.TextWatcher
import android.view.View
import android.widget.TextView
import dev.mobilebert.core.answers.Entity
import dev.mobilebert.core.bench.BenchState
import dev.mobilebert.core.bench.BenchSummary
import dev.mobilebert.core.model.AcceleratorUse
import dev.mobilebert.core.model.Agreement
import dev.mobilebert.core.model.Cost
import dev.mobilebert.core.model.Kind
import dev.mobilebert.core.model.ModelFacts
import dev.mobilebert.core.model.Reply
import dev.mobilebert.core.model.Result
import dev.mobilebert.core.model.Share
import dev.mobilebert.core.screen.Choice
import dev.mobilebert.core.screen.Event
import dev.mobilebert.core.screen.Page
import dev.mobilebert.core.screen.ScreenState
import dev.mobilebert.core.screen.Shelf
import dev.mobilebert.core.screen.Texts
import dev.mobilebert.core.screen.Work
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import java.nio.file.Files

/** What the views show of a state, without any export. */
@RunWith(RobolectricTestRunner::class)
class ScreenTest {
    private val shelves = listOf(Shelf("film-reviews", listOf("float32", "static_int8")), Shelf("film_reviews", listOf("float32")))
    private val choice = Choice("film-reviews", "static_int8")
    private val facts = ModelFacts("static_int8", "x", Kind.LABELS, 9, emptyList(), "Fake", AcceleratorUse.GPU_NOT_KNOWN, null)

    private fun answered(result: Result): ScreenState {
        val work = Work.Answered(Reply(result, Cost(4, "t", 1, 0.1, 2.0)), isCurrent = true)
        return ScreenState.Ready(shelves, choice, Texts("a"), Page.ANSWER, 1, facts, work, listOf(2.0))
    }

    /** A phone without exports, whose views show [state]. */
    private fun shown(state: ScreenState, told: (Event) -> Unit = {}, check: (Phone) -> Unit) {
        val directory = TestApplication.directory
        TestApplication.directory = Files.createTempDirectory("none").toFile()
        try {
            Phone().use { phone ->
                Screen(phone.activity, told).show(state)
                check(phone)
            }
        } finally {
            TestApplication.directory = directory
        }
    }

    @Test
    fun labelsAreWrittenAsTheContractHasThem() {
        val shares = listOf(Share("-1", 0.25, isChosen = false), Share("COVID-19", 0.75, isChosen = true))
        shown(answered(Result.OneLabel("COVID-19", shares))) { phone ->
            assertEquals("COVID-19", phone.text(R.id.answer))
            assertEquals(listOf("COVID-19" to "75.0 %", "-1" to "25.0 %"), phone.rows(R.id.answer_rows))
        }
        shown(answered(Result.Names(listOf(Entity("drug_name", "aspirin", 0, 7)), "aspirin"))) { phone ->
            assertEquals(listOf("aspirin" to "drug_name"), phone.rows(R.id.answer_rows))
        }
    }

    @Test
    fun valuesKeepTheirSignAndFourDigits() {
        fun said(value: Double): String {
            var said = ""
            shown(answered(Result.Number(value))) { said = it.text(R.id.answer) }
            return said
        }
        assertEquals("-1.250", said(-1.25))
        assertEquals("0.001234", said(0.001234))
        assertEquals("0.000", said(0.0))
        assertEquals("0.5000", said(0.5))
        assertEquals("1,235", said(1234.6))
        assertEquals("10,000", said(9999.6))
        assertEquals("250,000", said(250_000.0))
        assertEquals("-9,999,000", said(-9_999_000.0))
        assertEquals("1.000e+07", said(9_999_900.0))
        assertEquals("1.234e-05", said(0.00001234))
        assertEquals("Infinity", said(Double.POSITIVE_INFINITY))
        RuntimeEnvironment.setQualifiers("+de")
        assertEquals(listOf("250.000", "-1,250"), listOf(said(250_000.0), said(-1.25)))
    }

    @Test
    fun severalLabelsAreSaidTheLikeliestFirst() {
        val shares = listOf(Share("a", 0.6, isChosen = true), Share("b", 0.2, isChosen = false), Share("c", 0.9, isChosen = true))
        shown(answered(Result.ManyLabels(listOf("a", "c"), shares))) { assertEquals("c, a", it.text(R.id.answer)) }
    }

    @Test
    fun howManyAreLeftOutIsSaidBelowTheRows() {
        val names = List(30) { Entity("drug", "aspirin", 0, 7) }
        shown(answered(Result.Names(names, "aspirin"))) { phone ->
            assertEquals("30 names", phone.text(R.id.answer))
            assertEquals(24 to "and 6 more", phone.rows(R.id.answer_rows).size to phone.text(R.id.answer_more))
            val screen = Screen(phone.activity) {}
            screen.show(answered(Result.Nearest(null, List(10) { Share("$it", 0.1, isChosen = false) })))
            assertEquals(8 to "and 2 more", phone.rows(R.id.answer_rows).size to phone.text(R.id.answer_more))
            assertFalse(phone.isSeen(R.id.answer_text))
            for (other in listOf(Result.Names(names.take(24), "aspirin"), Result.Passage(null, "a"), Result.Number(1.0))) {
                screen.show(answered(other))
                assertFalse("$other", phone.isSeen(R.id.answer_more))
            }
        }
    }

    @Test
    fun anAnswerIsDrawnOnceHoweverMuchIsTypedAfterIt() {
        val state = answered(Result.Number(1.0)) as ScreenState.Ready
        val work = state.work as Work.Answered
        shown(ScreenState.Empty(null)) { phone ->
            val screen = Screen(phone.activity) {}
            screen.show(state)
            phone.view<TextView>(R.id.answer).text = "drawn"
            screen.show(state.copy(texts = Texts("b"), work = work.copy(isCurrent = false)))
            assertEquals("drawn" to 0.5f, phone.text(R.id.answer) to phone.view<View>(R.id.answer).alpha)
            screen.show(state.copy(work = work.copy(reply = work.reply.copy())))
            assertEquals("1.000", phone.text(R.id.answer))
            screen.show(state.copy(work = Work.Waiting))
            screen.show(state)
            assertEquals("1.000", phone.text(R.id.answer))
        }
    }

    @Test
    fun whatIsReadOutIsSetOnlyIfItIsAnother() {
        val state = answered(Result.Number(1.0)) as ScreenState.Ready
        val summary = BenchSummary(emptyList(), "ok", emptyList(), "a.json")
        val live = listOf(R.id.answer, R.id.bench_state, R.id.bench_note)
        shown(ScreenState.Empty(null)) { phone ->
            val screen = Screen(phone.activity) {}
            var times = 0
            for (id in live) {
                assertEquals(View.ACCESSIBILITY_LIVE_REGION_POLITE, phone.view<View>(id).accessibilityLiveRegion)
                phone.view<TextView>(id).addTextChangedListener(object : TextWatcher {
                    override fun beforeTextChanged(text: CharSequence?, start: Int, count: Int, after: Int) = Unit

                    override fun onTextChanged(text: CharSequence?, start: Int, before: Int, count: Int) = Unit

                    override fun afterTextChanged(text: Editable?) {
                        times++
                    }
                })
            }
            for (bench in listOf(BenchState.Running(null), BenchState.Done(summary))) {
                val shown = state.copy(work = Work.Waiting, bench = bench)
                screen.show(shown)
                val before = times
                for (text in listOf("b", "bc")) screen.show(shown.copy(texts = Texts(text)))
                assertEquals("$bench", before, times)
            }
            assertTrue("$times", times > 0)
        }
    }

    @Test
    fun howFarOutputsAreOffIsSaidHoweverLittleItIs() {
        fun said(difference: Double): String? {
            val state = answered(Result.Number(1.0)) as ScreenState.Ready
            var said: String? = null
            shown(state.copy(facts = facts.copy(agreement = Agreement(difference, 0.00031, 1.0)))) { phone ->
                said = phone.rows(R.id.fact_rows).toMap()["Off the export’s own outputs"]
            }
            return said
        }
        assertEquals("1.2e-05, tolerance 0.00031", said(0.0000123))
        assertEquals("0.0012: more than the tolerance, 0.00031", said(0.00123))
    }

    @Test
    fun theBatteryIsAShareOfItsScale() {
        val app = RuntimeEnvironment.getApplication()
        fun percent(level: Int, scale: Int?): Any? {
            val intent = Intent(Intent.ACTION_BATTERY_CHANGED).putExtra(BatteryManager.EXTRA_LEVEL, level)
            scale?.let { intent.putExtra(BatteryManager.EXTRA_SCALE, it) }
            @Suppress("DEPRECATION") // As the system does.
            app.sendStickyBroadcast(intent)
            return AndroidDevice(app).state()["battery_percent"]
        }
        assertEquals(listOf(25, 80), listOf(percent(50, 200), percent(80, 100)))
        assertEquals(listOf(null, null, null), listOf(percent(50, null), percent(50, 0), percent(-1, 100)))
    }

    @Test
    fun cosinesHaveTwoDigitsThoughNoneIsBelowZero() {
        shown(answered(Result.Nearest("x", listOf(Share("x", 0.5, isChosen = true))))) { phone ->
            assertEquals(listOf("x" to "0.50"), phone.rows(R.id.answer_rows))
        }
    }

    @Test
    fun namesOfFilesAreReadableUnlessTheyWouldLookAlike() {
        shown(answered(Result.Number(1.0))) { phone ->
            assertEquals("film-reviews · static int8", phone.text(R.id.subtitle))
            assertEquals(listOf("film-reviews", "film_reviews"), phone.choices(R.id.export))
            assertEquals(listOf("float32", "static int8"), phone.choices(R.id.variant))
        }
    }

    @Test
    fun whatIsNotKnownOfAnAcceleratorIsSaid() {
        shown(answered(Result.Number(1.0))) { phone ->
            val said = "Not known: the GPU was asked for, and the contract has no example to compare"
            assertEquals(said, phone.rows(R.id.fact_rows).toMap()["Computed by"])
        }
    }

    @Test
    fun onlyWhatWasRefusedIsTriedAgain() {
        val told = ArrayList<Event>()
        shown(ScreenState.Refused(shelves, choice, Texts(), Page.ANSWER, 1, "no memory"), { told += it }) { phone ->
            assertEquals("no memory", phone.text(R.id.message))
            assertEquals("Try again", phone.view<TextView>(R.id.try_again).text)
            told.clear()
            phone.view<View>(R.id.try_again).performClick()
            assertEquals(listOf<Event>(Event.TryAgain), told)
        }
        shown(ScreenState.Empty("none")) { phone -> assertFalse(phone.isSeen(R.id.try_again)) }
        shown(answered(Result.Number(1.0))) { phone -> assertFalse(phone.isSeen(R.id.try_again)) }
    }

    @Test
    fun theProgressOfABenchmarkHasALabel() {
        shown(ScreenState.Empty(null)) { phone -> assertTrue(phone.view<View>(R.id.bench_progress).contentDescription.isNotBlank()) }
    }
}
