package dev.mobilebert.core.text

import java.io.BufferedReader

/**
 * What the tokenizer does with each character of Unicode, read once from `characters.txt`.
 *
 * A phone's own tables are not asked: they are those of its version of Android, and its lower-casing that of its
 * language. All functions take a code point.
 */
internal object Characters {
    const val GONE = 1
    const val SPACE = 1 shl 1
    const val CJK = 1 shl 2
    const val PUNCTUATION = 1 shl 3
    const val ACCENT = 1 shl 4
    const val WORD = 1 shl 5
    const val MARK = 1 shl 6
    const val SIGN = 1 shl 7
    const val BLANK = 1 shl 8
    const val DECOMPOSED = 1 shl 9
    const val UPPER = 1 shl 10
    const val ORDERED = 1 shl 11

    private val BITS = mapOf(
        "gone" to GONE, "space" to SPACE, "cjk" to CJK, "punctuation" to PUNCTUATION, "accent" to ACCENT,
        "word" to WORD, "mark" to MARK, "sign" to SIGN, "blank" to BLANK,
    )
    private const val PAGE = 256
    private const val HANGUL_FIRST = 0xAC00
    private const val HANGUL_LAST = 0xD7A3
    private const val HANGUL_VOWELS = 21
    private const val HANGUL_TRAILING = 28

    /** Bits of the classes of [PAGE] successive characters; pages without a class are one. */
    private val pages: Array<ShortArray>
    private val empty = ShortArray(PAGE)

    /** Canonical decompositions of characters that are [DECOMPOSED]. */
    val decompositions = CharacterRuns()

    /** Lower case of characters that are [UPPER]: one character, or two. */
    val lower = CharacterRuns()

    /** A number each. */
    private val orders = CharacterRuns()

    init {
        pages = Array(0x110000 / PAGE) { empty }
        val stream = checkNotNull(Characters::class.java.getResourceAsStream("/dev/mobilebert/core/characters.txt")) {
            "characters.txt is not beside the classes; the jar was put together without its resources"
        }
        stream.bufferedReader(Charsets.US_ASCII).use(::read)
        for (code in HANGUL_FIRST..HANGUL_LAST) addRun(decompositions, DECOMPOSED, code, hangul(code - HANGUL_FIRST))
    }

    private fun read(lines: BufferedReader) {
        for (line in lines.lineSequence()) {
            if (line.startsWith("#")) continue
            val parts = line.split(' ')
            val first = parts[1].toInt(16)
            when (parts[0]) {
                "decompose" -> addRun(decompositions, DECOMPOSED, first, hexadecimals(parts, 2))
                "lower" -> if (parts[2] == "=") {
                    addRun(lower, UPPER, first, hexadecimals(parts, 3))
                } else {
                    val difference = parts[4].toInt()
                    for (code in first..parts[2].toInt(16) step parts[3].toInt()) addRun(lower, UPPER, code, intArrayOf(code + difference))
                }
                "order" -> for (code in first..parts[2].toInt(16)) addRun(orders, ORDERED, code, intArrayOf(parts[3].toInt()))
                else -> {
                    val bit = checkNotNull(BITS[parts[0]]) { "characters.txt has a class ${parts[0]}" }
                    for (code in first..parts[2].toInt(16)) mark(code, bit)
                }
            }
        }
    }

    private fun hexadecimals(parts: List<String>, from: Int) =
        IntArray(parts.size - from) { parts[from + it].toInt(16) }

    private fun addRun(runs: CharacterRuns, bit: Int, code: Int, run: IntArray) {
        runs.put(code, run)
        mark(code, bit)
    }

    private fun mark(code: Int, bit: Int) {
        val number = code / PAGE
        if (pages[number] === empty) pages[number] = ShortArray(PAGE)
        val page = pages[number]
        page[code % PAGE] = (page[code % PAGE].toInt() or bit).toShort()
    }

    /** Bits of the classes of [code]. */
    fun classes(code: Int): Int = pages[code / PAGE][code % PAGE].toInt()

    /** Whether [code] is in one of the classes in [bits]. */
    fun has(code: Int, bits: Int): Boolean = classes(code) and bits != 0

    /** Place among the marks behind a character, 0 for what is no mark. */
    fun order(code: Int): Int = if (has(code, ORDERED)) orders[orders.begin(code)] else 0

    private fun hangul(number: Int): IntArray {
        val leading = 0x1100 + number / (HANGUL_VOWELS * HANGUL_TRAILING)
        val vowel = 0x1161 + number / HANGUL_TRAILING % HANGUL_VOWELS
        val trailing = number % HANGUL_TRAILING
        return if (trailing == 0) intArrayOf(leading, vowel) else intArrayOf(leading, vowel, 0x11A7 + trailing)
    }
}
