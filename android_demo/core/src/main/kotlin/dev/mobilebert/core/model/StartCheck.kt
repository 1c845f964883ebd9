package dev.mobilebert.core.model

import dev.mobilebert.core.InputMaker
import dev.mobilebert.core.contract.Contract
import dev.mobilebert.core.contract.Signature
import kotlin.math.abs

/** What computes, as far as that can be told. [isUsed]: whether it is what was [asked] for; null: that is not known. */
enum class AcceleratorUse(val asked: Accelerator, val isUsed: Boolean? = true) {
    /** The processor was asked for. */
    CPU(Accelerator.CPU),

    /** Its outputs differ from the processor's, as another arithmetic does. */
    GPU(Accelerator.GPU),
    NPU(Accelerator.NPU),

    /** Its outputs are those of the processor, bit for bit: the runtime fell back silently. */
    NOT_GPU(Accelerator.GPU, false),
    NOT_NPU(Accelerator.NPU, false),

    /** There was no example to compare outputs of. */
    GPU_NOT_KNOWN(Accelerator.GPU, null),
    NPU_NOT_KNOWN(Accelerator.NPU, null),
}

/** How far this device is off the outputs that the export wrote down; [scale] is the largest of them. */
data class Agreement(val difference: Double, val tolerance: Double, val scale: Double) {
    val isWithin: Boolean get() = difference <= tolerance

    /** Both as shares of the largest, as benchmarks write them. */
    val relativeDifference: Double get() = difference / scale
    val relativeTolerance: Double get() = tolerance / scale
}

/** Holds a model that was just opened to the first example of its [contract]. */
internal class StartCheck(private val contract: Contract) {
    private class Known(val signature: Signature, val ids: IntArray, val segmentIds: IntArray, val outputs: Map<String, List<Double>>)

    private val known: Known? = contract.examples.firstNotNullOfOrNull(::known)

    /** null: the contract has no example. */
    fun agreement(model: OpenModel): Agreement? {
        val known = known ?: return null
        val outputs = run(model, known)
        val difference = known.outputs.maxOf { (name, stated) ->
            val values = outputs[name] ?: throw ModelException("${contract.file.name} has no output $name; export the model again")
            if (values.size < stated.size) throw ModelException("${contract.file.name} has too few values in $name; export the model again")
            stated.indices.maxOf { abs(stated[it] - values[it]).let { off -> if (off.isNaN()) Double.POSITIVE_INFINITY else off } }
        }
        if (difference.isInfinite()) {
            throw ModelException("${contract.file.name} gives values that are not numbers on this device; choose another variant")
        }
        val largest = known.outputs.values.maxOf { stated -> stated.maxOf(::abs) }
        return Agreement(difference, contract.tolerance, contract.scale ?: largest.takeIf { it > 0 } ?: 1.0)
    }

    /**
     * Whether what was asked for computes.
     *
     * @param onProcessor opens the same model on the processor
     */
    fun use(settings: Settings, model: OpenModel, onProcessor: () -> OpenModel): AcceleratorUse {
        if (settings.accelerator == Accelerator.CPU) return AcceleratorUse.CPU
        val isUsed = known?.let { example -> onProcessor().use { !same(run(it, example), run(model, example)) } }
        return AcceleratorUse.entries.first { it.asked == settings.accelerator && it.isUsed == isUsed }
    }

    private fun run(model: OpenModel, known: Known) =
        model.run(known.signature, InputMaker(contract.text).pad(known.ids, known.segmentIds, known.signature))

    private fun same(one: Map<String, FloatArray>, other: Map<String, FloatArray>) =
        one.keys == other.keys && one.all { (name, values) -> values.contentEquals(other.getValue(name)) }

    /** An example, or the first window of one. */
    private fun known(example: Map<String, Any?>): Known? {
        val row = (example["windows"] as? List<*>)?.firstOrNull() as? Map<*, *> ?: example
        val ids = wholes(row["ids"]) ?: return null
        val segmentIds = wholes(row["segment_ids"]) ?: return null
        val signature = contract.signatures.firstOrNull { it.name == row["signature"] && it.length >= ids.size } ?: return null
        if (segmentIds.size != ids.size || ids.any { it !in 0..<contract.text.vocabularySize + contract.text.rules.addedTokens.size }) return null
        val outputs = (row["outputs"] as? Map<*, *>)?.entries?.associate { (name, values) -> "$name" to flat(values) }
            ?: mapOf((signature.outputs.firstOrNull() ?: return null).name to flat(row["output"]))
        return if (outputs.isNotEmpty() && outputs.values.all { it.isNotEmpty() }) Known(signature, ids, segmentIds, outputs) else null
    }

    private fun wholes(value: Any?): IntArray? = (value as? List<*>)?.map { (it as? Double ?: return null).toInt() }?.toIntArray()

    private fun flat(value: Any?): List<Double> = when (value) {
        is Double -> listOf(value)
        is List<*> -> value.flatMap(::flat)
        else -> emptyList()
    }
}
