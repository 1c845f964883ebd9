package dev.mobilebert.core.model

import dev.mobilebert.core.answers.Entity
import dev.mobilebert.core.answers.Span

/** What a model says of a text, and what that took. */
data class Reply(val result: Result, val cost: Cost)

/** What one answer took. */
data class Cost(
    /** Word pieces, special tokens included, of all windows together. */
    val tokens: Int,
    /** Of the longest window. */
    val signature: String,
    val windows: Int,
    /** All but the network: from the text to its inputs, and from its outputs to the answer. */
    val textMs: Double,
    /** Of the network alone, reading its outputs included, all windows together. */
    val networkMs: Double,
)

/** A label and how much speaks for it. */
data class Share(val label: String, val value: Double, val isChosen: Boolean)

/** The answer itself. */
sealed interface Result {
    /** One label or none of them; [shares] in the order of the contract are probabilities. */
    data class OneLabel(val label: String?, val shares: List<Share>) : Result

    /** All labels that hold; [shares] are probabilities, each by itself. */
    data class ManyLabels(val labels: List<String>, val shares: List<Share>) : Result

    /** The label of the nearest centroid or none; [shares] are cosines. */
    data class Nearest(val label: String?, val shares: List<Share>) : Result

    data class Number(val value: Double) : Result

    /** Part of [passage]; null: it does not say. */
    data class Passage(val span: Span?, val passage: String) : Result

    data class Names(val entities: List<Entity>, val text: String) : Result

    /** How alike two texts are, from -1 to 1. */
    data class Likeness(val cosine: Double) : Result
}
