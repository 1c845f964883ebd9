package dev.mobilebert.app

import android.app.Activity
import android.view.View
import android.view.ViewGroup
import android.widget.TextView
import dev.mobilebert.core.answers.Entity
import dev.mobilebert.core.model.Result
import dev.mobilebert.core.model.Share
import dev.mobilebert.core.screen.ScreenState
import dev.mobilebert.core.screen.Work

/** The answer of each kind of task. */
internal class AnswerCard(private val activity: Activity) {
    private val progress = activity.findViewById<View>(R.id.progress)
    private val answer = activity.findViewById<TextView>(R.id.answer)
    private val note = activity.findViewById<TextView>(R.id.answer_note)
    private val text = activity.findViewById<TextView>(R.id.answer_text)
    private val rows = activity.findViewById<ViewGroup>(R.id.answer_rows)
    private val card = activity.findViewById<View>(R.id.answer_card)
    private val marks = Marks(activity)

    fun show(state: ScreenState.Ready?, isOpening: Boolean) {
        val work = state?.work
        card.isVisible = state != null || isOpening
        progress.isVisible = isOpening || work == Work.Running
        val answered = work as? Work.Answered
        if (answered == null) {
            say(
                when {
                    isOpening -> R.string.opening
                    work == Work.Running -> R.string.answer_running
                    else -> R.string.answer_waiting
                },
            )
        } else {
            answer.setTextAppearance(R.style.Answer)
            show(answered.reply.result)
        }
        val isOld = answered?.isCurrent == false
        note.isVisible = isOld
        val opacity = if (isOld) FADED else 1f
        for (view in listOf(answer, text, rows)) view.alpha = opacity
    }

    private fun say(sentence: Int) {
        answer.setTextAppearance(R.style.Body)
        answer.setText(sentence)
        text.isVisible = false
        rows.removeAllViews()
    }

    private fun show(result: Result) {
        text.isVisible = result is Result.Passage || result is Result.Names
        when (result) {
            is Result.OneLabel -> labels(result.label ?: activity.getString(R.string.answer_no_label), result.shares)
            is Result.ManyLabels -> labels(
                result.labels.joinToString().ifEmpty { activity.getString(R.string.answer_no_labels) }, result.shares,
            )
            is Result.Nearest -> labels(result.label ?: activity.getString(R.string.answer_no_label), result.shares, areCosines = true)
            is Result.Number -> labels(activity.getString(R.string.answer_value, result.value), emptyList())
            is Result.Likeness -> {
                answer.text = activity.getString(R.string.answer_likeness, result.cosine)
                shares(listOf(Share(activity.getString(R.string.cosine), result.cosine, isChosen = true)), areCosines = true)
            }
            is Result.Passage -> {
                answer.text = result.span?.text ?: activity.getString(R.string.answer_no_span)
                text.text = marks.span(result.passage, result.span)
                rows.removeAllViews()
            }
            is Result.Names -> names(result)
        }
    }

    private fun labels(headline: String, shares: List<Share>, areCosines: Boolean = false) {
        answer.text = headline
        shares(shares.sortedByDescending { it.value }, areCosines)
    }

    /** The first, and in words how many there are beside them. */
    private fun shares(shares: List<Share>, areCosines: Boolean) {
        val shown = shares.take(MOST_ROWS)
        rows.rows(R.layout.row_share, shown.size).zip(shown).forEach { (row, share) ->
            val value = if (areCosines) cosine(share.value) else probability(share.value)
            row.findViewById<TextView>(R.id.name).text = share.label
            row.findViewById<TextView>(R.id.value).text = value
            val bar = row.findViewById<BarView>(R.id.bar)
            if (areCosines) {
                bar.show(MIDDLE + minOf(share.value, 0.0) / 2, MIDDLE + maxOf(share.value, 0.0) / 2, share.isChosen)
            } else {
                bar.show(0.0, share.value, share.isChosen)
            }
            val spoken = if (share.isChosen) R.string.share_spoken_chosen else R.string.share_spoken
            row.contentDescription = activity.getString(spoken, share.label, value)
        }
        val left = shares.size - shown.size
        text.isVisible = left > 0
        if (left > 0) text.text = activity.resources.getQuantityString(R.plurals.more_labels, left, left)
    }

    private fun names(result: Result.Names) {
        val count = result.entities.size
        val none = activity.getString(R.string.answer_no_names)
        answer.text = if (count == 0) none else activity.resources.getQuantityString(R.plurals.answer_names, count, count)
        text.text = marks.names(result.text, result.entities)
        rows.rows(R.layout.row_name, count).zip(result.entities).forEach { (row, entity) -> name(row, entity) }
    }

    private fun name(row: View, entity: Entity) {
        row.findViewById<TextView>(R.id.name).text = entity.text
        val kind = row.findViewById<TextView>(R.id.kind)
        kind.text = entity.label
        kind.background.mutate().setTint(marks.colour(entity.label))
        row.contentDescription = activity.getString(R.string.name_spoken, entity.label, entity.text)
    }

    private fun probability(value: Double) = activity.getString(R.string.percent, PERCENT * value)

    private fun cosine(value: Double) = activity.getString(R.string.number, value)

    private companion object {
        const val FADED = 0.5f
        const val MOST_ROWS = 8
        const val MIDDLE = 0.5
        const val PERCENT = 100
    }
}
