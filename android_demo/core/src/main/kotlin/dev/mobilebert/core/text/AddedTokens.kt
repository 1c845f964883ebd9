package dev.mobilebert.core.text

/**
 * Added tokens of one kind, those of the text as it is or those of the text after the rules.
 *
 * @param contents code points of each token, as they are looked for
 */
internal class AddedTokens(tokens: List<AddedToken>, contents: List<IntArray>) {
    private class Pattern(val token: AddedToken, val codes: IntArray) {
        fun isAt(place: Int, codes: IntArray, size: Int): Boolean {
            if (place + this.codes.size > size) return false
            for (number in this.codes.indices) if (codes[place + number] != this.codes[number]) return false
            return true
        }
    }

    private val patterns = tokens.zip(contents).filter { (_, codes) -> codes.isNotEmpty() }.map { (token, codes) -> Pattern(token, codes) }

    /** First code points of all, in order: sought in for every character, so an array of numbers and no map. */
    private val firsts: IntArray = patterns.map { it.codes[0] }.distinct().sorted().toIntArray()

    /** Those that begin with each of [firsts], longest first. */
    private val byFirst: Array<Array<Pattern>> = Array(firsts.size) { number ->
        patterns.filter { it.codes[0] == firsts[number] }.sortedByDescending { it.codes.size }.toTypedArray()
    }
    val isEmpty: Boolean = patterns.isEmpty()

    /**
     * Call [plain] with what lies between tokens and [found] with each token, in order; both by places in [codes].
     *
     * A token that may stand alone only is passed over whole where it does not, as its letters are no other token's.
     */
    fun split(codes: IntArray, size: Int, plain: (Int, Int) -> Unit, found: (AddedToken, Int, Int) -> Unit) {
        var done = 0
        var place = 0
        while (place < size) {
            val pattern = at(codes, size, place)
            if (pattern == null) {
                place++
                continue
            }
            val token = pattern.token
            var start = place
            var end = place + pattern.codes.size
            place = end
            if (token.singleWord && (isWord(codes, size, start - 1) || isWord(codes, size, end))) continue
            if (token.lstrip) {
                while (start > done && isBlank(codes[start - 1])) start--
            }
            start = maxOf(start, done)
            if (token.rstrip) {
                while (end < size && isBlank(codes[end])) end++
            }
            if (done < start) plain(done, start)
            found(token, start, end)
            done = end
        }
        if (done < size) plain(done, size)
    }

    private fun at(codes: IntArray, size: Int, place: Int): Pattern? {
        val number = firsts.binarySearch(codes[place])
        if (number < 0) return null
        return byFirst[number].firstOrNull { it.isAt(place, codes, size) }
    }

    private fun isWord(codes: IntArray, size: Int, place: Int) =
        place in 0..<size && Characters.has(codes[place], Characters.WORD)

    /** White space as Unicode has it, line tabulation, form feed and next line included, which the rules drop. */
    private fun isBlank(code: Int) = code in 0x0B..0x0C || code == 0x85 || Characters.has(code, Characters.SPACE)
}
