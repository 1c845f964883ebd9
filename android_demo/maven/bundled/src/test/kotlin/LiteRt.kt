package com.google.ai.edge.litert

import android.content.Context

/* What the app calls of LiteRT, as far as its tests need it: a graph that copies its ids and ends with their number. */

enum class Accelerator { NONE, CPU, GPU, NPU }

class LiteRtException(message: String) : Exception(message)

abstract class JniHandle internal constructor() : AutoCloseable {
    private var isOpen = true

    init {
        open++
    }

    fun use(): Unit = check(isOpen) { "it is closed" }

    final override fun close() {
        use()
        isOpen = false
        open--
    }

    companion object {
        /** Number of those that nobody closed. */
        var open = 0
    }
}

class Environment : JniHandle() {
    companion object {
        @Suppress("UNUSED_PARAMETER")
        fun create(context: Context, options: Map<String, String> = mapOf(), enableCompilerCache: Boolean = true) = Environment()
    }
}

data class TensorType(val elementType: ElementType, val layout: Layout? = null) {
    enum class ElementType { INT, FLOAT, INT8, BOOLEAN, INT64 }

    data class Layout(val dimensions: List<Int>, val strides: List<Int> = listOf())
}

class TensorBuffer(val size: Int) : JniHandle() {
    val values = FloatArray(size)

    fun writeInt(data: IntArray) {
        use()
        if (data.size > size) throw LiteRtException("the buffer has $size values, not ${data.size}")
        for ((place, value) in data.withIndex()) values[place] = value.toFloat()
    }

    fun readFloat(): FloatArray = values.copyOf().also { use() }
}

@Suppress("UNUSED_PARAMETER") // Those of LiteRT.
class CompiledModel(private val environment: Environment) : JniHandle() {
    data class CpuOptions(val numThreads: Int? = null, val xnnPackFlags: Int? = null, val xnnPackWeightCachePath: String? = null)

    class Options(vararg accelerators: Accelerator) {
        var cpuOptions: CpuOptions? = null
    }

    private val lengths = hashMapOf("input_ids" to LONGEST, "input_mask" to LONGEST, "segment_ids" to LONGEST)

    fun createInputBuffer(inputName: String, signature: String = "") = TensorBuffer(lengths.getValue(inputName))

    fun createOutputBuffer(outputName: String, signature: String = "") = TensorBuffer(lengths.values.distinct().single() + 1)

    fun resizeInputTensor(inputName: String, dimensions: IntArray, signature: String = "") {
        resized += "$signature $inputName ${dimensions.asList()}"
        if (dimensions[1] > LONGEST) throw LiteRtException("the graph ends at $LONGEST")
        lengths[inputName] = dimensions[1]
    }

    fun run(inputs: Map<String, TensorBuffer>, outputs: Map<String, TensorBuffer>, signature: String = "") {
        use()
        environment.use()
        for ((name, buffer) in inputs) {
            check(buffer.size == lengths[name]) { "$name has ${buffer.size} values, not ${lengths[name]}" }
        }
        val ids = inputs.getValue("input_ids").values
        ids.copyInto(outputs.getValue("logits").values.also { it[ids.size] = ids.size.toFloat() })
    }

    fun getInputTensorType(inputName: String, signature: String = "") =
        TensorType(TensorType.ElementType.INT, TensorType.Layout(listOf(1, -1)))

    fun getOutputTensorType(outputName: String, signature: String = "") =
        TensorType(TensorType.ElementType.FLOAT, TensorType.Layout(listOf(1, -1)))

    companion object {
        const val LONGEST = 16

        /** Signature, input and shape of each call. */
        val resized = ArrayList<String>()

        fun create(filePath: String, options: Options, optionalEnv: Environment? = null) =
            CompiledModel(checkNotNull(optionalEnv))
    }
}
