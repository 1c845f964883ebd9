package dev.mobilebert.core.answers

import dev.mobilebert.core.contract.Answer
import kotlin.math.exp

/** A label, or none of them, with the probabilities [C] of all. */
class Decision(val label: String?, val probabilities: DoubleArray)

/** Labels that hold, with the probabilities [C] of all. */
class Decisions(val labels: List<String>, val probabilities: DoubleArray)

/** The label of an [output] [C]: the first of the greatest, if its probability reaches the threshold. */
fun Answer.Classes.decode(output: FloatArray): Decision {
    val likely = if (softmax) softmax(output, temperature) else DoubleArray(output.size) { output[it].toDouble() }
    val isSure = likely.max() >= (threshold ?: 0.0)
    return Decision(if (isSure) labels[argmax(output)] else null, likely)
}

/** Every label whose probability reaches its threshold, of an [output] [C] of logits. */
fun Answer.Labels.decode(output: FloatArray): Decisions {
    val likely = DoubleArray(output.size) { if (output[it] > -700f) 1.0 / (1.0 + exp(-output[it].toDouble())) else 0.0 }
    return Decisions(labels.filterIndexed { place, _ -> likely[place] >= thresholds[place] }, likely)
}

/** The number that an [output] [1] means. */
fun Answer.Value.decode(output: FloatArray): Double = offset + scale * output[0]
