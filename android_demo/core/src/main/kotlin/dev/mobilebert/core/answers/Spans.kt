package dev.mobilebert.core.answers

import dev.mobilebert.core.Window
import dev.mobilebert.core.contract.Answer

/** Part of a text: first UTF-16 unit, and the one behind the last. */
data class Span(val text: String, val start: Int, val end: Int)

/**
 * The best span of all [windows] on [text]; null: the text does not say.
 *
 * @param starts for each window the logits of its first piece, [ids] or more
 * @param ends likewise of the last
 */
fun Answer.Span.decode(windows: List<Window>, starts: List<FloatArray>, ends: List<FloatArray>, text: String): Span? {
    var best = Double.NEGATIVE_INFINITY
    var nothing = Double.POSITIVE_INFINITY
    var from = 0
    var until = 0
    val counted = bestSeen(windows)
    windows.forEachIndexed { number, window ->
        val first = starts[number]
        val last = ends[number]
        nothing = minOf(nothing, first[0].toDouble() + last[0])
        for (begin in 0..<window.count) {
            if (!counted[number][begin]) continue
            for (end in begin..<minOf(begin + longest, window.count)) {
                val score = first[window.front + begin].toDouble() + last[window.front + end]
                if (score > best) {
                    best = score
                    from = window.starts[begin]
                    until = window.ends[end]
                }
            }
        }
    }
    if (best == Double.NEGATIVE_INFINITY || (noAnswer != null && nothing - best > noAnswer)) return null
    return Span(text.substring(from, until), from, until)
}
