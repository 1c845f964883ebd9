package dev.mobilebert.app

import android.view.View
import android.widget.TextView
import dev.mobilebert.core.answers.Entity
import dev.mobilebert.core.model.AcceleratorUse
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
import java.nio.file.Files

/** What the views show of a state, without any export. */
@RunWith(RobolectricTestRunner::class)
class ScreenTest {
    private val shelves = listOf(Shelf("film-reviews", listOf("float32", "static_int8")), Shelf("film_reviews", listOf("float32")))
    private val choice = Choice("film-reviews", "static_int8")
    private val facts = ModelFacts("static_int8", "x", Kind.LABELS, 9, listOf("t"), emptyList(), "Fake", AcceleratorUse.GPU_NOT_KNOWN, null)

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
        assertEquals("1235", said(1234.6))
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
