package dev.mobilebert.core.text

/**
 * Word pieces of one text.
 *
 * @property ids [k]
 * @property starts [k]: first UTF-16 unit of each piece in the text as it was given
 * @property ends [k]: the one behind the last
 */
class Encoding(val ids: IntArray, val starts: IntArray, val ends: IntArray) {
    val size: Int get() = ids.size

    /** The same with the combining marks that the rules dropped in the piece before them: without its last sign no
     * word of Hindi would be whole. For answers that are parts of [text]. */
    fun withMarks(text: CharSequence): Encoding {
        val ends = ends.clone()
        for (piece in ends.indices) {
            val limit = if (piece + 1 < size) starts[piece + 1] else text.length
            while (ends[piece] < limit) {
                val code = Normalized.codePointAt(text, ends[piece], text.length)
                if (!Characters.has(code, Characters.MARK)) break
                ends[piece] += Character.charCount(code)
            }
        }
        return Encoding(ids, starts, ends)
    }
}

/** [Encoding] while it is made; the arrays serve one text after another. */
internal class Pieces {
    private var size = 0
    private var ids = IntArray(64)
    private var starts = IntArray(64)
    private var ends = IntArray(64)

    fun add(id: Int, start: Int, end: Int) {
        if (size == ids.size) {
            ids = ids.copyOf(2 * size)
            starts = starts.copyOf(2 * size)
            ends = ends.copyOf(2 * size)
        }
        ids[size] = id
        starts[size] = start
        ends[size++] = end
    }

    val count: Int get() = size

    /** Forget all but the first [count] pieces. */
    fun cutTo(count: Int) {
        size = count
    }

    /** How many there is room for. */
    val capacity: Int get() = ids.size

    fun toEncoding() = Encoding(ids.copyOf(size), starts.copyOf(size), ends.copyOf(size))
}
