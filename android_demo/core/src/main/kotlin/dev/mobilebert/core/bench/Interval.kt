package dev.mobilebert.core.bench

import kotlin.math.pow

/** What the 95 % interval leaves out on each side. */
private const val TAIL = 0.025

/** Ends of the 95 % interval of the median of [values], by the rule of `benchmarks/stats.py`; null: there are too few for one. */
internal fun medianInterval(values: List<Double>): Pair<Double, Double>? {
    val ordered = values.sorted()
    // A value lies below the median as often as above it, so the number below is binomial with 1/2.
    var outside = -1
    var chance = 0.5.pow(ordered.size)
    var tail = chance
    while (tail <= TAIL) {
        outside++
        chance *= (ordered.size - outside) / (outside + 1.0)
        tail += chance
    }
    return if (outside < 0) null else ordered[outside] to ordered[ordered.size - 1 - outside]
}
