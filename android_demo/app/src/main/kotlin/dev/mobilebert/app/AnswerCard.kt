package dev.mobilebert.app

import android.app.Activity
import android.view.View
import android.view.ViewGroup
import android.widget.TextView
import dev.mobilebert.core.answers.Entity
import dev.mobilebert.core.model.Reply
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
    private val more = activity.findViewById<TextView>(R.id.answer_more)
    private val card = activity.findViewById<View>(R.id.answer_card)
    private val marks = Marks(activity)

    /** What the views show; null: a sentence. */
    private var shown: Reply? = null

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
        } else if (answered.reply !== shown) {
            // Not at every letter that is typed after it.
            answer.setTextAppearance(R.style.Answer)
            show(answered.reply.result)
        }
        shown = answered?.reply
        val isOld = answered?.isCurrent == false
        note.isVisible = isOld
        val opacity = if (isOld) FADED else 1f
        for (view in listOf(answer, text, rows, more)) view.alpha = opacity
    }

    private fun say(sentence: Int) {
        answer.setTextAppearance(R.style.Body)
        answer.say(activity.getString(sentence))
        text.isVisible = false
        rows.removeAllViews()
        showLeft(0)
    }

    private fun show(result: Result) {
        text.isVisible = result is Result.Passage || result is Result.Names
        when (result) {
            is Result.OneLabel -> labels(result.label ?: activity.getString(R.string.answer_no_label), result.shares)
            is Result.ManyLabels -> labels(likeliestFirst(result).ifEmpty { activity.getString(R.string.answer_no_labels) }, result.shares)
            is Result.Nearest -> labels(result.label ?: activity.getString(R.string.answer_no_label), result.shares, areCosines = true)
            is Result.Number -> labels(activity.fourDigits(result.value), emptyList())
            is Result.Likeness -> {
                answer.say(activity.getString(R.string.answer_likeness, result.cosine))
                shares(listOf(Share(activity.getString(R.string.cosine), result.cosine, isChosen = true)), areCosines = true)
            }
            is Result.Passage -> {
                answer.say(result.span?.text ?: activity.getString(R.string.answer_no_span))
                text.text = marks.span(result.passage, result.span)
                rows.removeAllViews()
                showLeft(0)
            }
            is Result.Names -> names(result)
        }
    }

    private fun likeliestFirst(result: Result.ManyLabels): String {
        val likely = result.shares.associate { it.label to it.value }
        return result.labels.sortedByDescending(likely::getValue).joinToString()
    }

    private fun labels(headline: String, shares: List<Share>, areCosines: Boolean = false) {
        answer.say(headline)
        shares(shares.sortedByDescending { it.value }, areCosines)
    }

    private fun shares(shares: List<Share>, areCosines: Boolean) {
        val first = shares.take(MOST_ROWS)
        rows.rows(R.layout.row_share, first.size).zip(first).forEach { (row, share) ->
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
        showLeft(shares.size - first.size)
    }

    /** How many there are beside those in the rows, in words. */
    private fun showLeft(count: Int) {
        more.isVisible = count > 0
        if (count > 0) more.text = activity.resources.getQuantityString(R.plurals.more, count, count)
    }

    private fun names(result: Result.Names) {
        val count = result.entities.size
        val none = activity.getString(R.string.answer_no_names)
        answer.say(if (count == 0) none else activity.resources.getQuantityString(R.plurals.answer_names, count, count))
        text.text = marks.names(result.text, result.entities)
        val first = result.entities.take(MOST_NAMES)
        rows.rows(R.layout.row_name, first.size).zip(first).forEach { (row, entity) -> name(row, entity) }
        showLeft(count - first.size)
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

        /** All of them are marked in the text. */
        const val MOST_NAMES = 24
        const val MIDDLE = 0.5
        const val PERCENT = 100
    }
}
