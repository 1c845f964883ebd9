package dev.mobilebert.core.answers

import dev.mobilebert.core.contract.Answer
import kotlin.math.sqrt

/** Cosine of two vectors [H] of unit length: how alike their texts are, from -1 to 1. */
fun cosine(one: FloatArray, other: FloatArray): Double {
    require(one.size == other.size) { "vectors of ${one.size} and ${other.size} values are of different models" }
    var sum = 0.0
    for (place in one.indices) sum += one[place].toDouble() * other[place]
    return sum
}

/** Length of a vector [H]. */
fun lengthOf(vector: FloatArray): Double = sqrt(vector.sumOf { it.toDouble() * it })

/** Cosine of [vector] [H] and each centroid, [C]. */
fun Answer.Prototypes.cosines(vector: FloatArray): DoubleArray = DoubleArray(centroids.size) { label ->
    val centroid = centroids[label]
    require(vector.size == centroid.size) { "a vector of ${vector.size} values, but centroids of ${centroid.size}" }
    var sum = 0.0
    for (place in vector.indices) sum += vector[place] * centroid[place]
    sum
}

/** The label of the centroid that is nearest to [vector] [H]; null: none is near enough or clearly the nearest. */
fun Answer.Prototypes.decode(vector: FloatArray): String? {
    val cosines = cosines(vector)
    val best = cosines.indices.maxBy { cosines[it] }
    val second = cosines.indices.filter { it != best }.maxOfOrNull { cosines[it] } ?: Double.NEGATIVE_INFINITY
    return if (cosines[best] < threshold || cosines[best] - second < margin) null else labels[best]
}
