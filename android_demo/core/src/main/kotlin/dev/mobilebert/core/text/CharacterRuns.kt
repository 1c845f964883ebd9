package dev.mobilebert.core.text

/**
 * What single characters become: a run of numbers for each that was [put].
 *
 * All runs lie in one array and are found by pages, so that nothing is allocated, or boxed, to look one up.
 */
internal class CharacterRuns {
    private val pages = arrayOfNulls<IntArray>(0x110000 / PAGE)
    private var numbers = IntArray(1 shl 12)
    private var size = 0

    /** [run] must not be empty, nor [code] be there. */
    fun put(code: Int, run: IntArray) {
        if (size + 1 + run.size > numbers.size) numbers = numbers.copyOf(2 * numbers.size)
        numbers[size++] = run.size
        val page = pages[code / PAGE] ?: IntArray(PAGE).also { pages[code / PAGE] = it }
        page[code % PAGE] = size
        run.copyInto(numbers, size)
        size += run.size
    }

    /** Place of the first number of [code], which was put. */
    fun begin(code: Int): Int = checkNotNull(pages[code / PAGE])[code % PAGE]

    /** Place behind the last number of a run that begins at [begin]. */
    fun end(begin: Int): Int = begin + numbers[begin - 1]

    /** The number at [place]. */
    operator fun get(place: Int): Int = numbers[place]

    private companion object {
        const val PAGE = 256
    }
}
