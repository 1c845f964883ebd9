package dev.mobilebert.core.text

/**
 * [Normalized] of a text with a mark that strip_accents leaves, step by step, since marks then change places.
 *
 * Canonical decomposition sorts the marks behind a character. As in the `tokenizers` library the places in the text
 * stay where they were: the first mark after sorting has that of the first mark of the text, whichever it was.
 */
internal class Reordering(private val text: CharSequence, private val rules: Rules, private val into: Normalized) {
    private class Part(val code: Int, val order: Int, val isFirst: Boolean)

    private val run = ArrayList<Part>()
    private val places = ArrayList<IntArray>()
    private var start = 0
    private var end = 0

    fun read(from: Int, until: Int) {
        var place = from
        while (place < until) {
            val code = Normalized.codePointAt(text, place, until)
            val next = place + Character.charCount(code)
            val classes = Characters.classes(code)
            if (classes and Characters.GONE == 0) read(code, classes, intArrayOf(place, next))
            place = next
        }
        flush()
    }

    private fun read(code: Int, classes: Int, where: IntArray) {
        if (classes and Characters.SPACE != 0) return take(Normalized.BLANK, where, true)
        val alone = rules.splitCjk && classes and Characters.CJK != 0
        if (alone) take(Normalized.BLANK, where, true)
        if (classes and Characters.DECOMPOSED != 0) {
            val parts = Characters.decompositions
            val begin = parts.begin(code)
            for (place in begin..<parts.end(begin)) take(parts[place], where, place == begin)
        } else {
            take(code, where, true)
        }
        if (alone) take(Normalized.BLANK, where, true)
    }

    private fun take(code: Int, where: IntArray, isFirst: Boolean) {
        val order = Characters.order(code)
        if (order == 0) flush()
        run += Part(code, order, isFirst)
        if (isFirst) places += where
    }

    private fun flush() {
        run.sortBy { it.order } // which is stable; what is no mark has 0 and begins the run
        var next = 0
        for (part in run) {
            if (part.isFirst) {
                start = places[next][0]
                end = places[next++][1]
            }
            into.addPart(part.code, start, end)
        }
        run.clear()
        places.clear()
    }
}
