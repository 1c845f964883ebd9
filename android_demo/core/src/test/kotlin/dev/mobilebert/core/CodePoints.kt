package dev.mobilebert.core

/** Places in [text] as Kotlin counts them, UTF-16 units, turned into those of Python and contracts, code points. */
internal class CodePoints(private val text: CharSequence) {
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

    /** The number of the code point that begins at [utf16], or that it lies in. */
    fun fromUtf16(utf16: Int): Int {
        val units = units ?: return utf16
        val place = units.binarySearch(utf16)
        return if (place >= 0) place else -place - 2
    }
}
