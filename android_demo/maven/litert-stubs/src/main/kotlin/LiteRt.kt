@file:Suppress("UNUSED_PARAMETER")

package com.google.ai.edge.litert

import android.content.Context
import android.content.res.AssetManager

/* What the app calls of litert 2.3.0, by its published signatures. Nothing here runs, and nothing here ships. */

private fun stub(): Nothing = throw NotImplementedError("a stub to compile with")

enum class Accelerator { NONE, CPU, GPU, NPU }

class LiteRtException(message: String) : Exception(message)

abstract class JniHandle internal constructor() : AutoCloseable {
    final override fun close(): Unit = stub()
}

class Environment private constructor() : JniHandle() {
    enum class Option { CompilerPluginLibraryDir, DispatchLibraryDir }

    companion object {
        @Throws(LiteRtException::class)
        fun create(context: Context, options: Map<Option, String> = mapOf(), enableCompilerCache: Boolean = true): Environment = stub()
    }
}

data class TensorType(val elementType: ElementType, val layout: Layout? = null) {
    enum class ElementType { INT, FLOAT, INT8, BOOLEAN }

    class Layout(val dimensions: IntArray, val strides: IntArray = intArrayOf())
}

class Model private constructor() : JniHandle() {
    fun getInputTensorType(inputName: String, signature: String? = null): TensorType = stub()

    fun getOutputTensorType(outputName: String, signature: String? = null): TensorType = stub()

    companion object {
        @Throws(LiteRtException::class)
        fun load(assetManager: AssetManager, assetName: String): Model = stub()

        @Throws(LiteRtException::class)
        fun load(filePath: String): Model = stub()
    }
}

class TensorBuffer internal constructor() : JniHandle() {
    @Throws(LiteRtException::class)
    fun writeInt(data: IntArray): Unit = stub()

    @Throws(LiteRtException::class)
    fun readFloat(): FloatArray = stub()
}

class CompiledModel private constructor() : JniHandle() {
    data class CpuOptions(val numThreads: Int? = null, val xnnPackFlags: Int? = null, val xnnPackWeightCachePath: String? = null)

    class Options(vararg accelerators: Accelerator) {
        var cpuOptions: CpuOptions? = null
    }

    @Throws(LiteRtException::class)
    fun createInputBuffer(inputName: String, signature: String? = null): TensorBuffer = stub()

    @Throws(LiteRtException::class)
    fun createOutputBuffer(outputName: String, signature: String? = null): TensorBuffer = stub()

    @Throws(LiteRtException::class)
    fun run(inputs: Map<String, TensorBuffer>, outputs: Map<String, TensorBuffer>, signature: String? = null): Unit = stub()

    companion object {
        @Throws(LiteRtException::class)
        fun create(model: Model, options: Options, optionalEnv: Environment? = null): CompiledModel = stub()
    }
}
