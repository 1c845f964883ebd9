package dev.mobilebert.core.contract

import dev.mobilebert.core.text.Rules

/** What an app has to know of a `.tflite` file: `RECIPE.contract.json`, schema 2. `ContractReader` makes it. */
data class Contract(
    val file: FileFacts,
    val recipe: String,
    val task: String,
    /** Shortest first. */
    val signatures: List<Signature>,
    val text: TextContract,
    val answer: Answer,
    /** The first TensorFlow Lite that has the file's operators, such as 2.17.0; LiteRT is later than all. */
    val oldestRuntime: Version,
    /** Whether the signatures are lengths of one graph, which takes a signature's shapes before it is run. */
    val oneGraph: Boolean,
    /** How far the outputs of another runtime may lie from those of the examples. */
    val tolerance: Double,
    /** Largest value of any output of the examples; null: the contract does not say. */
    val scale: Double?,
    /** As they stand in the file; offsets in them are code points. */
    val examples: List<Map<String, Any?>>,
)

/** A file beside the contract. */
data class FileFacts(val name: String, val bytes: Long, val sha256: String)

/** A way to call the model, for at most [length] ids. */
data class Signature(val name: String, val length: Int, val inputs: List<Tensor>, val outputs: List<Tensor>)

/** An input or output by its name. */
data class Tensor(val name: String, val dtype: String, val shape: List<Int>)

/** How texts become ids. */
data class TextContract(
    val rules: Rules,
    val vocabulary: FileFacts,
    /** Lines of the vocabulary. */
    val vocabularySize: Int,
    val specialTokens: Map<String, Int>,
    /** Special tokens, `text` and, if the task is about two, `text_b`, in their order. */
    val layout: List<String>,
    /** Of each part of the layout. */
    val segmentIds: List<Int>,
    /** Most ids, special tokens included. */
    val maxIds: Int,
    /** null: what is too long is cut, longest first. */
    val windows: Windows?,
    val padding: Padding,
) {
    /** Whether the task is about two texts. */
    val isPaired: Boolean get() = "text_b" in layout
}

/** How the last text of the layout is cut into windows. */
data class Windows(
    /** Pieces between the beginnings of two windows. */
    val stride: Int,
    /** Pieces of the text before it that are kept. */
    val mostBefore: Int,
)

/** What stands behind the ids, up to the length of the signature. */
data class Padding(
    /** Padding that a signature must at least have room for, unless the ids fill the longest. */
    val least: Int,
    val inputIds: Int,
    val inputMask: Int,
    val segmentIds: Int,
)

/** What the output means. */
sealed interface Answer {
    /** A value for each label, [1, C]; the greatest is the answer. */
    data class Classes(
        val output: String,
        val labels: List<String>,
        /** Whether the output is logits. */
        val softmax: Boolean,
        val temperature: Double,
        /** No label is the answer whose probability is below this; null: there always is one. */
        val threshold: Double?,
    ) : Answer

    /** A logit for each label, [1, C], judged by itself. */
    data class Labels(val output: String, val labels: List<String>, val thresholds: List<Double>) : Answer

    /** A number, offset + scale times the output [1, 1]. */
    data class Value(val output: String, val offset: Double, val scale: Double) : Answer

    /** A vector [1, H] of unit length. */
    data class Vector(val output: String) : Answer

    /** A vector [1, H] whose nearest centroid names the label. */
    data class Prototypes(
        val output: String,
        val labels: List<String>,
        /** [C][H] */
        val centroids: List<DoubleArray>,
        val threshold: Double,
        val margin: Double,
    ) : Answer

    /** Part of `text_b`, by the logits [1, T] of its first and last piece. */
    data class Span(
        val start: String,
        val end: String,
        /** Most pieces. */
        val longest: Int,
        /** No answer where the score of none leads by more than this; null: there always is one. */
        val noAnswer: Double?,
    ) : Answer

    /** Parts of `text`, by the logits [1, T, C] of the labels of words. */
    data class Entities(val output: String, val labels: List<String>) : Answer
}
