package dev.mobilebert.app

import android.content.Context
import android.graphics.Typeface
import android.text.SpannableString
import android.text.Spanned
import android.text.style.BackgroundColorSpan
import android.text.style.ForegroundColorSpan
import android.text.style.StyleSpan
import dev.mobilebert.core.answers.Entity
import dev.mobilebert.core.answers.Span

/** Marks parts of texts with colours. */
internal class Marks(private val context: Context) {
    private val kinds = LinkedHashMap<String, Int>()

    /** The colour of a kind of entity, the same as long as this lives. */
    fun colour(kind: String): Int {
        val place = kinds.getOrPut(kind) { kinds.size }
        return context.getColor(COLOURS[place % COLOURS.size])
    }

    fun span(passage: String, span: Span?): CharSequence = SpannableString(passage).apply {
        if (span != null) mark(span.start, span.end, context.getColor(R.color.mark), context.getColor(R.color.on_mark))
    }

    fun names(text: String, entities: List<Entity>): CharSequence = SpannableString(text).apply {
        for (entity in entities) mark(entity.start, entity.end, colour(entity.label), context.getColor(R.color.on_kind))
    }

    private fun SpannableString.mark(start: Int, end: Int, ground: Int, letters: Int) {
        for (what in listOf(BackgroundColorSpan(ground), ForegroundColorSpan(letters), StyleSpan(Typeface.BOLD))) {
            setSpan(what, start, end, Spanned.SPAN_EXCLUSIVE_EXCLUSIVE)
        }
    }

    private companion object {
        val COLOURS = listOf(R.color.kind_0, R.color.kind_1, R.color.kind_2, R.color.kind_3, R.color.kind_4, R.color.kind_5)
    }
}
