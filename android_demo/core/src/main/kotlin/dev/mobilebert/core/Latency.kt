package dev.mobilebert.core

import kotlin.math.floor

/** Figures of measured times, all in milliseconds. */
data class Latency(val count: Int, val mean: Double, val p50: Double, val p90: Double, val p99: Double) {
    companion object {
        /**
         * Of the times [milliseconds] of single calls.
         *
         * @throws IllegalArgumentException there are none, or one is no time
         */
        fun of(milliseconds: DoubleArray): Latency {
            require(milliseconds.isNotEmpty()) { "no call was measured" }
            require(milliseconds.all { it.isFinite() && it >= 0 }) { "a measured time is negative or not a number" }
            val sorted = milliseconds.sortedArray()
            return Latency(sorted.size, sorted.average(), percentile(sorted, 0.5), percentile(sorted, 0.9), percentile(sorted, 0.99))
        }

        /** As NumPy's: linear between the two nearest. */
        private fun percentile(sorted: DoubleArray, share: Double): Double {
            val place = share * (sorted.size - 1)
            val below = floor(place).toInt()
            val above = minOf(below + 1, sorted.size - 1)
            return sorted[below] + (place - below) * (sorted[above] - sorted[below])
        }
    }
}
