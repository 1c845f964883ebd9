package dev.mobilebert.core.text

/**
 * Added tokens of one kind, those of the text as it is or those of the text after the rules.
 *
 * @param contents code points of each token, as they are looked for
 */
internal class AddedTokens(tokens: List<AddedToken>, contents: List<IntArray>) {
    private class Pattern(val token: AddedToken, val codes: IntArray)

    /** Longest first, by their first code point. */
    private val byFirst: Map<Int, List<Pattern>> = tokens.zip(contents)
        .filter { (_, codes) -> codes.isNotEmpty() }
        .map { (token, codes) -> Pattern(token, codes) }
        .sortedByDescending { it.codes.size }
        .groupBy { it.codes[0] }
    val isEmpty: Boolean = byFirst.isEmpty()

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

    private fun at(codes: IntArray, size: Int, place: Int): Pattern? =
        byFirst[codes[place]]?.firstOrNull { pattern ->
            place + pattern.codes.size <= size && pattern.codes.indices.all { codes[place + it] == pattern.codes[it] }
        }

    private fun isWord(codes: IntArray, size: Int, place: Int) =
        place in 0..<size && Characters.has(codes[place], Characters.WORD)

    /** White space as Unicode has it, line tabulation, form feed and next line included, which the rules drop. */
    private fun isBlank(code: Int) = code in 0x0B..0x0C || code == 0x85 || Characters.has(code, Characters.SPACE)
}
