package dev.mobilebert.core.answers

import dev.mobilebert.core.Window

/**
 * For each window, whether its pieces count there, [count] each: every piece counts in one window.
 *
 * That is where it has most pieces on its poorer side, a hundredth of the window's pieces added; of equals the first.
 */
internal fun bestSeen(windows: List<Window>): List<BooleanArray> {
    val pieces = windows.maxOf { it.start + it.count }
    val most = DoubleArray(pieces) { Double.NEGATIVE_INFINITY }
    val best = IntArray(pieces)
    windows.forEachIndexed { number, window ->
        for (place in 0..<window.count) {
            val context = minOf(place, window.count - 1 - place) + 0.01 * window.count
            if (context > most[window.start + place]) {
                most[window.start + place] = context
                best[window.start + place] = number
            }
        }
    }
    return windows.mapIndexed { number, window -> BooleanArray(window.count) { best[window.start + it] == number } }
}
