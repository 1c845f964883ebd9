package dev.mobilebert.core.text

/**
 * A part of a text after the rules, before it is cut into words: each character with its place in the text.
 *
 * White space is one kind of blank. Nothing is allocated for a character; the arrays serve one text after another.
 */
internal class Normalized(private val rules: Rules) {
    var size = 0
        private set
    var codes = IntArray(64)
        private set

    /** First UTF-16 unit of each character in the text, and the one behind the last. */
    var starts = IntArray(64)
        private set
    var ends = IntArray(64)
        private set

    /** Hold [from, until) of [text] instead of what was held. */
    fun read(text: CharSequence, from: Int, until: Int) {
        size = 0
        if (codes.size < until - from) grow(until - from + ROOM)
        var place = from
        while (place < until) {
            val unit = text[place]
            if (unit.code < 0x80) {
                addAscii(unit.code, place++)
                continue
            }
            val code = codePointAt(text, place, until)
            val end = place + Character.charCount(code)
            if (rules.stripAccents && Characters.has(code, Characters.ORDERED) && isMoved(code)) {
                size = 0
                Reordering(text, rules, this).read(from, until)
                return
            }
            add(code, place, end)
            place = end
        }
    }

    /** Whether [code] is a mark that stays, so that the order of marks can be seen. */
    private fun isMoved(code: Int) = !Characters.has(code, Characters.ACCENT)

    private fun addAscii(code: Int, place: Int) {
        val classes = Characters.classes(code)
        if (classes and (Characters.GONE or Characters.SPACE) != 0) {
            if (classes and Characters.GONE == 0) append(BLANK, place, place + 1)
        } else {
            append(if (rules.lowerCase && code in 'A'.code..'Z'.code) code + 32 else code, place, place + 1)
        }
    }

    private fun add(code: Int, start: Int, end: Int) {
        val classes = Characters.classes(code)
        if (classes and Characters.GONE != 0) return
        if (classes and Characters.SPACE != 0) return append(BLANK, start, end)
        val alone = rules.splitCjk && classes and Characters.CJK != 0
        if (alone) append(BLANK, start, end)
        if (rules.stripAccents && classes and Characters.DECOMPOSED != 0) {
            val parts = Characters.decompositions
            val begin = parts.begin(code)
            for (place in begin..<parts.end(begin)) addPart(parts[place], start, end)
        } else {
            addPart(code, start, end)
        }
        if (alone) append(BLANK, start, end)
    }

    /** Add a character of a decomposition, with the last two of the rules. */
    fun addPart(code: Int, start: Int, end: Int) {
        val classes = Characters.classes(code)
        if (rules.stripAccents && classes and Characters.ACCENT != 0) return
        if (!rules.lowerCase || classes and Characters.UPPER == 0) return append(code, start, end)
        val parts = Characters.lower
        val begin = parts.begin(code)
        for (place in begin..<parts.end(begin)) append(parts[place], start, end)
    }

    private fun append(code: Int, start: Int, end: Int) {
        if (size == codes.size) grow(2 * size)
        codes[size] = code
        starts[size] = start
        ends[size++] = end
    }

    private fun grow(capacity: Int) {
        codes = codes.copyOf(capacity)
        starts = starts.copyOf(capacity)
        ends = ends.copyOf(capacity)
    }

    companion object {
        /** For what becomes longer than it was. */
        private const val ROOM = 32
        const val BLANK = ' '.code

        /** The code point at [place]; half a surrogate pair is U+FFFD, which is dropped. */
        fun codePointAt(text: CharSequence, place: Int, until: Int): Int {
            val unit = text[place]
            if (!unit.isSurrogate()) return unit.code
            if (unit.isHighSurrogate() && place + 1 < until && text[place + 1].isLowSurrogate()) {
                return Character.toCodePoint(unit, text[place + 1])
            }
            return 0xFFFD
        }
    }
}
