package dev.mobilebert.core.answers

import dev.mobilebert.core.text.Characters
import dev.mobilebert.core.text.Normalized

/** Words of a text by the rule `bert` of a contract: UTF-16 places, [n] each. */
class Words(val starts: IntArray, val ends: IntArray) {
    val size: Int get() = starts.size
}

/**
 * The words of [text]. White space separates them; punctuation at the beginning or the end of such a piece is a word
 * for each character, inside it belongs to the word; a CJK character is a word.
 */
fun wordsOf(text: CharSequence): Words {
    val starts = ArrayList<Int>()
    val ends = ArrayList<Int>()
    var place = 0
    while (place < text.length) {
        val code = Normalized.codePointAt(text, place, text.length)
        if (Characters.has(code, Characters.BLANK)) {
            place += Character.charCount(code)
            continue
        }
        val begin = place
        var first = -1
        var behind = -1
        while (place < text.length) {
            val inside = Normalized.codePointAt(text, place, text.length)
            if (Characters.has(inside, Characters.BLANK)) break
            val next = place + Character.charCount(inside)
            if (!Characters.has(inside, Characters.SIGN)) {
                if (first < 0) first = place
                behind = next
            }
            place = next
        }
        addPiece(text, begin, if (first < 0) place else first, if (first < 0) place else behind, place, starts, ends)
    }
    return Words(starts.toIntArray(), ends.toIntArray())
}

/** Words of a piece whose signs at the edges are [begin, first) and [behind, end). */
private fun addPiece(
    text: CharSequence, begin: Int, first: Int, behind: Int, end: Int, starts: MutableList<Int>, ends: MutableList<Int>,
) {
    var place = begin
    var wasAlone = true
    while (place < end) {
        val code = Normalized.codePointAt(text, place, end)
        val next = place + Character.charCount(code)
        val isAlone = place < first || place >= behind || Characters.has(code, Characters.CJK)
        if (isAlone || wasAlone || place == first) {
            starts += place
            ends += next
        } else {
            ends[ends.size - 1] = next
        }
        wasAlone = isAlone
        place = next
    }
}
