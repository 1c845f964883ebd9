package dev.mobilebert.app

import android.annotation.SuppressLint
import android.app.Activity
import android.text.Editable
import android.text.TextWatcher
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.EditText
import android.widget.TextView
import dev.mobilebert.core.model.Kind
import dev.mobilebert.core.model.Sample
import dev.mobilebert.core.screen.Event
import dev.mobilebert.core.screen.ScreenState
import dev.mobilebert.core.screen.Texts
import dev.mobilebert.core.screen.Work

/** The fields of a task, its examples, and the button that asks. */
internal class QuestionCard(private val activity: Activity, private val dispatch: (Event) -> Unit) {
    private val first = activity.findViewById<EditText>(R.id.first)
    private val firstLabel = activity.findViewById<TextView>(R.id.first_label)
    private val second = activity.findViewById<EditText>(R.id.second)
    private val secondLabel = activity.findViewById<TextView>(R.id.second_label)
    private val examples = activity.findViewById<ViewGroup>(R.id.examples)
    private val examplesScroll = activity.findViewById<View>(R.id.examples_scroll)
    private val ask = activity.findViewById<Button>(R.id.ask)
    private val card = activity.findViewById<View>(R.id.question_card)

    /** While a state is shown, what the fields get is not typed. */
    private var isShowing = false

    init {
        val watcher = object : TextWatcher {
            override fun beforeTextChanged(text: CharSequence?, start: Int, count: Int, after: Int) = Unit

            override fun onTextChanged(text: CharSequence?, start: Int, before: Int, count: Int) = Unit

            override fun afterTextChanged(text: Editable?) {
                if (!isShowing) dispatch(Event.Typed(Texts(first.text.toString(), second.text.toString())))
            }
        }
        first.addTextChangedListener(watcher)
        second.addTextChangedListener(watcher)
        // The session has the texts; the fields need not keep them too.
        first.isSaveEnabled = false
        second.isSaveEnabled = false
        first.scrollsByItself()
        second.scrollsByItself()
        ask.setOnClickListener { dispatch(Event.Asked) }
    }

    fun show(state: ScreenState.Chosen) {
        isShowing = true
        card.isVisible = state !is ScreenState.Refused
        val ready = state as? ScreenState.Ready
        val kind = ready?.facts?.kind
        if (kind != null) {
            label(firstLabel, first, firstName(kind))
            label(secondLabel, second, secondName(kind))
            ask.setText(verb(kind))
        }
        second.isVisible = kind?.hasSecond == true
        secondLabel.isVisible = kind?.hasSecond == true
        fill(first, state.texts.first)
        fill(second, state.texts.second)
        ask.isEnabled = ready?.canAsk == true && ready.work != Work.Running
        showExamples(ready?.facts?.samples.orEmpty().filter { it.text.isNotBlank() })
        isShowing = false
    }

    private fun showExamples(samples: List<Sample>) {
        examplesScroll.isVisible = samples.isNotEmpty()
        examples.rows(R.layout.chip, samples.size).zip(samples).forEach { (chip, sample) ->
            (chip as TextView).text = sample.text
            chip.contentDescription = activity.getString(R.string.example, sample.text)
            chip.setOnClickListener { dispatch(Event.Typed(Texts(sample.text, sample.second))) }
        }
    }

    private fun label(label: TextView, field: EditText, name: Int) {
        label.setText(name)
        field.setHint(name)
    }

    /** A finger on a text that is longer than its field moves the text, not the page. */
    @SuppressLint("ClickableViewAccessibility") // A click stays the field's own.
    private fun EditText.scrollsByItself() = setOnTouchListener { field, _ ->
        if (field.canScrollVertically(1) || field.canScrollVertically(-1)) field.parent.requestDisallowInterceptTouchEvent(true)
        false
    }

    private fun fill(field: EditText, text: String) {
        if (field.text.toString() != text) field.setText(text)
    }

    private companion object {
        fun firstName(kind: Kind) = when (kind) {
            Kind.QUESTION -> R.string.field_question
            Kind.LIKENESS, Kind.PAIR_LABELS, Kind.PAIR_VALUE -> R.string.field_first
            Kind.LABELS, Kind.VALUE, Kind.ENTITIES, Kind.PROTOTYPES -> R.string.field_text
        }

        fun secondName(kind: Kind) = if (kind == Kind.QUESTION) R.string.field_passage else R.string.field_second

        fun verb(kind: Kind) = when (kind) {
            Kind.LABELS, Kind.PAIR_LABELS, Kind.PROTOTYPES -> R.string.ask_label
            Kind.VALUE, Kind.PAIR_VALUE -> R.string.ask_value
            Kind.QUESTION -> R.string.ask_question
            Kind.ENTITIES -> R.string.ask_entities
            Kind.LIKENESS -> R.string.ask_likeness
        }
    }
}
