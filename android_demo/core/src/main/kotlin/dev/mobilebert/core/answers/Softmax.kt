package dev.mobilebert.core.answers

import kotlin.math.exp

/**
 * Probabilities [C] of logits [C] divided by [temperature], which sum to one.
 *
 * The largest logit is taken away first, so that none is too large for the exponential.
 */
fun softmax(logits: FloatArray, temperature: Double = 1.0): DoubleArray {
    val largest = logits.maxOf { it / temperature }
    val powers = DoubleArray(logits.size) { exp(logits[it] / temperature - largest) }
    val sum = powers.sum()
    return DoubleArray(powers.size) { powers[it] / sum }
}

/** Place of the first of the greatest values from [from] on among [count]; counted from [from]. */
internal fun argmax(values: FloatArray, from: Int = 0, count: Int = values.size): Int {
    var best = 0
    for (place in 1..<count) if (values[from + place] > values[from + best]) best = place
    return best
}
