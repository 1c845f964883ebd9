package dev.mobilebert.app

import android.app.Activity
import android.view.View
import android.widget.TextView
import dev.mobilebert.core.screen.Event
import dev.mobilebert.core.screen.Page
import dev.mobilebert.core.screen.ScreenState
import dev.mobilebert.core.screen.Work

/** Shows a state in the views of [activity], and tells what people do. */
class Screen(private val activity: Activity, private val dispatch: (Event) -> Unit) {
    private val subtitle = activity.findViewById<TextView>(R.id.subtitle)
    private val tabs = mapOf<Page, TextView>(
        Page.ANSWER to activity.findViewById(R.id.tab_answer),
        Page.BENCHMARK to activity.findViewById(R.id.tab_benchmark),
    )
    private val pages = mapOf<Page, View>(
        Page.ANSWER to activity.findViewById(R.id.answer_page),
        Page.BENCHMARK to activity.findViewById(R.id.benchmark_page),
    )
    private val scroll = activity.findViewById<View>(R.id.scroll)
    private val message = MessageCard(activity, dispatch)
    private val question = QuestionCard(activity, dispatch)
    private val answer = AnswerCard(activity)
    private val costs = CostsCard(activity)
    private val model = ModelCard(activity, dispatch)
    private val benchmark = BenchmarkPage(activity, dispatch)

    init {
        tabs.forEach { (page, tab) -> tab.setOnClickListener { dispatch(Event.Turned(page)) } }
    }

    fun show(state: ScreenState) {
        val chosen = state as? ScreenState.Chosen
        val ready = state as? ScreenState.Ready
        val page = chosen?.page ?: Page.ANSWER
        tabs.forEach { (each, tab) ->
            tab.isSelected = each == page
            tab.isVisible = chosen != null
        }
        pages.forEach { (each, view) -> view.isVisible = chosen != null && each == page }
        subtitle.text = chosen?.let(::chosenNames)
        // With the screen off, a benchmark would measure slow cores.
        scroll.keepScreenOn = state.isMeasuring
        message.show(state)
        if (chosen == null) return
        question.show(chosen)
        answer.show(ready, isOpening = state is ScreenState.Opening)
        costs.show(ready)
        model.show(chosen)
        benchmark.show(chosen)
    }

    private fun chosenNames(state: ScreenState.Chosen): String = with(state.choice) {
        val variants = state.shelves.first { it.export == export }.variants
        activity.getString(R.string.subtitle, export.asName(state.shelves.map { it.export }), variant.asName(variants))
    }
}

/** Why something does not work, in a sentence. */
private class MessageCard(private val activity: Activity, dispatch: (Event) -> Unit) {
    private val card = activity.findViewById<View>(R.id.message_card)
    private val title = activity.findViewById<TextView>(R.id.message_title)
    private val text = activity.findViewById<TextView>(R.id.message)
    private val again = activity.findViewById<View>(R.id.try_again)

    init {
        again.setOnClickListener { dispatch(Event.TryAgain) }
    }

    fun show(state: ScreenState) {
        val (heading, reason) = when (state) {
            is ScreenState.Empty -> R.string.nothing_is_open to (state.reason ?: nothingHere())
            is ScreenState.Refused -> R.string.cannot_be_used to state.reason
            is ScreenState.Ready -> R.string.went_wrong to (state.work as? Work.Failed)?.reason
            is ScreenState.Opening -> R.string.cannot_be_used to null
        }
        card.isVisible = reason != null
        title.say(activity.getString(heading))
        text.say(reason)
        again.isVisible = state is ScreenState.Refused
    }

    private fun nothingHere() =
        activity.getString(R.string.nothing_here, (activity.application as DemoApplication).exports.directory ?: EXPORTS)
}
