package dev.mobilebert.core.text

/**
 * Places in [text] as Kotlin counts them, UTF-16 units, and as Python and contracts do, code points.
 *
 * Everything in this library counts in UTF-16 units; this is the one place where the two meet.
 */
class CodePoints(private val text: CharSequence) {
    /** UTF-16 place of each code point, and of the end; null: both are the same. */
    private val units: IntArray? = if (text.none { it.isSurrogate() }) null else buildUnits()

    private fun buildUnits(): IntArray {
        val units = IntArray(text.length + 1)
        var size = 0
        var place = 0
        while (place < text.length) {
            units[size++] = place
            place += if (isPair(place)) 2 else 1
        }
        units[size++] = text.length
        return units.copyOf(size)
    }

    private fun isPair(place: Int) =
        text[place].isHighSurrogate() && place + 1 < text.length && text[place + 1].isLowSurrogate()

    /** The UTF-16 place of the code point with number [codePoint]. */
    fun toUtf16(codePoint: Int): Int = units?.get(codePoint) ?: codePoint

    /** The number of the code point that begins at [utf16], or that it lies in. */
    fun fromUtf16(utf16: Int): Int {
        val units = units ?: return utf16
        val place = units.binarySearch(utf16)
        return if (place >= 0) place else -place - 2
    }
}
