package dev.mobilebert.core.text

/**
 * The word pieces of a vocabulary, to be found by their code points.
 *
 * One hash table of whole pieces: most words are one, and the network has filled the processor's caches when a text comes, so
 * that each look into memory costs more than arithmetic. Common pieces have small ids, and so lie side by side in [content].
 *
 * @param pieces in the order of their ids; of two that are equal the latter counts
 */
internal class PieceTable(pieces: List<String>) {
    /** Of all pieces, one after the other: id, how many code points, [FIRST] or [CONTINUED], and the code points without `##`. */
    private val content = IntArray(pieces.sumOf { HEADER + it.codePointCount(0, it.length) })

    /** The upper half of a piece's hash, and its place in [content]; or [FREE]. */
    private val slots: LongArray

    /** Shift that leaves as many upper bits of a hash as [slots] has places for. */
    private val shift: Int

    /** Code points of the longest piece. */
    private val mostCodes: Int

    init {
        val bits = Int.SIZE_BITS - (2 * pieces.size + 1).countLeadingZeroBits()
        slots = LongArray(1 shl bits) { FREE }
        shift = Long.SIZE_BITS - bits
        var place = 0
        pieces.forEachIndexed { id, piece ->
            put(place, id, piece)
            place += HEADER + content[place + COUNT]
        }
        mostCodes = pieces.maxOfOrNull { it.codePointCount(0, it.length) } ?: 0
    }

    private fun put(place: Int, id: Int, piece: String) {
        val isContinued = piece.startsWith(PREFIX)
        val codes = (if (isContinued) piece.substring(PREFIX.length) else piece).codePoints().toArray()
        val kind = if (isContinued) CONTINUED else FIRST
        content[place + ID] = id
        content[place + COUNT] = codes.size
        content[place + KIND] = kind
        codes.copyInto(content, place + HEADER)
        val hash = codes.fold(extended(0, kind), ::extended)
        var slot = slot(hash)
        while (slots[slot] != FREE && !isPiece(slots[slot].toInt(), codes, 0, codes.size, kind)) slot = after(slot)
        slots[slot] = hash and UPPER or place.toLong()
    }

    /** Id of the piece at [place], as [longest] returns it. */
    fun id(place: Int): Int = content[place + ID]

    /** How many characters the piece at [place] has, `##` not counted. */
    fun length(place: Int): Int = content[place + COUNT]

    /**
     * Place of the longest piece that [codes] begin with in [from, until); [NONE]: there is none.
     *
     * @param isContinued whether a piece of the same word comes before
     */
    fun longest(codes: IntArray, from: Int, until: Int, isContinued: Boolean): Int {
        val kind = if (isContinued) CONTINUED else FIRST
        var end = minOf(until, from + mostCodes)
        var hash = extended(0, kind)
        for (place in from..<end) hash = extended(hash, codes[place])
        while (end > from) {
            val found = find(hash, codes, from, end, kind)
            if (found != NONE) return found
            hash = shortened(hash, codes[--end])
        }
        return NONE
    }

    private fun find(hash: Long, codes: IntArray, from: Int, until: Int, kind: Int): Int {
        var slot = slot(hash)
        while (slots[slot] != FREE) {
            val place = slots[slot].toInt()
            if (slots[slot] xor hash and UPPER == 0L && isPiece(place, codes, from, until, kind)) return place
            slot = after(slot)
        }
        return NONE
    }

    private fun isPiece(place: Int, codes: IntArray, from: Int, until: Int, kind: Int): Boolean {
        if (length(place) != until - from || content[place + KIND] != kind) return false
        val shift = place + HEADER - from
        for (number in from..<until) if (codes[number] != content[number + shift]) return false
        return true
    }

    private fun slot(hash: Long) = (hash ushr shift).toInt()

    private fun after(slot: Int) = slot + 1 and slots.size - 1

    companion object {
        const val NONE = -1
        private const val PREFIX = "##"

        // Of a piece in the content: where its header has what, and how long this is.
        private const val ID = 0
        private const val COUNT = 1
        private const val KIND = 2
        private const val HEADER = 3

        private const val FIRST = 1
        private const val CONTINUED = 2
        private const val FREE = -1L
        private const val UPPER = -1L shl Int.SIZE_BITS
        private const val FACTOR = -0x61c8864680b583ebL

        /** [FACTOR] times this is 1: each of Newton's steps doubles the bits that are right, from three on. */
        private val INVERSE = (1..5).fold(FACTOR) { inverse, _ -> inverse * (2 - FACTOR * inverse) }

        private fun extended(hash: Long, code: Int): Long = (hash xor code.toLong()) * FACTOR

        /** What [hash] was before [code], its last. */
        private fun shortened(hash: Long, code: Int): Long = hash * INVERSE xor code.toLong()
    }
}
