package dev.mobilebert.core.contract

import dev.mobilebert.core.Inputs

private const val TEXT = "text"
private const val TEXT_B = "text_b"

/**
 * Hold the parts of a contract to each other, so that nothing that follows it can find a gap.
 *
 * @throws ContractException they do not fit; the message begins with the name of [file]
 */
internal fun Contract.check(file: String) {
    fun ensure(isTrue: Boolean, fault: () -> String) {
        if (!isTrue) throw ContractException("$file: ${fault()}; export the model again")
    }
    ensure(signatures.map { it.name }.distinct().size == signatures.size) { "two signatures have one name" }
    for (signature in signatures) {
        for (tensor in signature.inputs) {
            ensure(tensor.name in Inputs.NAMES) { "${signature.name} has an input ${tensor.name}, which this app does not know" }
            ensure(tensor.dtype == "int32" && tensor.values == signature.length.toLong()) {
                "${tensor.name} of ${signature.name} is not ${signature.length} whole numbers"
            }
            ensure(!oneGraph || tensor.shape == listOf(1, signature.length)) {
                "${tensor.name} of ${signature.name} is not [1, ${signature.length}], the shape that one graph takes"
            }
        }
        for (tensor in signature.outputs) {
            ensure(tensor.dtype == "float32" && tensor.values in 1..MOST_VALUES) {
                "${tensor.name} of ${signature.name} has no shape that can be read"
            }
        }
    }
    checkText(::ensure)
    ensure(tolerance.isFinite() && tolerance >= 0) { "the tolerance is $tolerance" }
    checkAnswer(::ensure)
}

/** Values of an output that anything here could have. */
private const val MOST_VALUES = 1L shl 28

/** Number of values; -1: a dimension is not a size. */
private val Tensor.values: Long
    get() = shape.fold(1L) { size, next -> if (size < 0 || next < 1 || size > MOST_VALUES) -1 else size * next }

private typealias Ensure = (Boolean, () -> String) -> Unit

private fun Contract.checkText(ensure: Ensure) = with(text) {
    val parts = layout.filter { it !in specialTokens }
    ensure(parts == listOf(TEXT) || parts == listOf(TEXT, TEXT_B)) { "the layout has ${parts.joinToString().ifEmpty { "no text" }}" }
    ensure(segmentIds.size == layout.size) { "the layout has ${layout.size} parts and ${segmentIds.size} segment ids" }
    ensure(specialTokens.values.all { it in 0..<vocabularySize }) { "a special token is not in the vocabulary" }
    val added = rules.addedTokens
    ensure(added.all { it.id >= 0 } && added.count { !it.wordPiece } < vocabularySize) { "an added token is not in the vocabulary" }
    val longest = signatures.maxOf { it.length }
    // A word piece of a text has room.
    ensure(maxIds in layout.count(specialTokens::containsKey) + 1..longest) { "max_ids is $maxIds, the longest signature $longest" }
    ensure(padding.least >= 0) { "the least padding is ${padding.least}" }
    windows?.let {
        ensure(it.stride > 0 && it.mostBefore >= 0) { "the windows have no stride" }
        // What is found in a window is counted from its end.
        ensure(layout.getOrNull(layout.size - 2) == parts.last()) { "the text that is cut into windows is not the last of the layout" }
        val before = if (isPaired) it.mostBefore else 0
        ensure(maxIds - layout.count(specialTokens::containsKey) > before) { "the windows leave no room for a text" }
    }
}

private fun Contract.checkAnswer(ensure: Ensure) {
    /** [size] of a signature's length gives the values that there must be. */
    fun output(name: String, size: (Int) -> Long) {
        for (signature in signatures) {
            val values = signature.outputs.firstOrNull { it.name == name }?.values
            val wanted = size(signature.length)
            ensure(values == wanted) { "$name has ${values ?: "no"} values in ${signature.name}, and $wanted are wanted" }
        }
    }
    fun labels(name: String, labels: List<String>, rows: (Int) -> Int = { 1 }) {
        ensure(labels.isNotEmpty()) { "there are no labels" }
        for (signature in signatures) {
            val values = signature.outputs.firstOrNull { it.name == name }?.shape?.lastOrNull()
            ensure(values == labels.size) { "there are ${labels.size} labels, but $name has ${values ?: "no"} values in ${signature.name}" }
        }
        output(name) { length -> labels.size.toLong() * rows(length) }
    }
    fun isNumber(vararg numbers: Double?) = ensure(numbers.all { it == null || it.isFinite() }) { "the answer has a number that is none" }
    ensure(text.windows == null || answer is Answer.Span || answer is Answer.Entities) { "the answer is not one that windows have" }
    when (val answer = answer) {
        is Answer.Classes -> {
            labels(answer.output, answer.labels)
            isNumber(answer.threshold)
            ensure(answer.temperature.isFinite() && answer.temperature > 0) { "the temperature is ${answer.temperature}" }
        }
        is Answer.Labels -> {
            labels(answer.output, answer.labels)
            isNumber(*answer.thresholds.toTypedArray())
        }
        is Answer.Value -> {
            output(answer.output) { 1 }
            isNumber(answer.offset, answer.scale)
        }
        is Answer.Vector -> {
            val size = signatures.first().outputs.firstOrNull { it.name == answer.output }?.values ?: 0
            output(answer.output) { size }
            ensure(!text.isPaired) { "vectors are of one text each" }
        }
        is Answer.Prototypes -> {
            val size = answer.centroids.firstOrNull()?.size ?: 0
            output(answer.output) { size.toLong() }
            ensure(answer.centroids.size == answer.labels.size && answer.centroids.all { it.size == size }) {
                "there are ${answer.labels.size} labels and ${answer.centroids.size} centroids, or centroids of several sizes"
            }
            ensure(!text.isPaired) { "prototypes are of one text each" }
            isNumber(answer.threshold, answer.margin, *answer.centroids.flatMap { it.asList() }.toTypedArray())
        }
        is Answer.Span -> {
            for (name in listOf(answer.start, answer.end)) output(name) { it.toLong() }
            isNumber(answer.noAnswer)
            ensure(answer.longest > 0) { "a span has ${answer.longest} pieces at most" }
            ensure(text.isPaired && text.windows != null) { "answers are parts of a second text, in windows" }
        }
        is Answer.Entities -> {
            labels(answer.output, answer.labels) { it }
            ensure(answer.labels.none { it.isEmpty() }) { "a label of words is empty" }
            ensure(!text.isPaired && text.windows != null) { "entities are parts of one text, in windows" }
        }
    }
}
