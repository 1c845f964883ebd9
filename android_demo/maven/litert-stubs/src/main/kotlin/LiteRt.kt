@file:Suppress("UNUSED_PARAMETER")

package com.google.ai.edge.litert

import android.content.Context
import android.content.res.AssetManager

/* What the app calls of litert, by the sources of its main branch. Nothing here runs, and nothing here ships. */

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
    enum class ElementType { INT, FLOAT, INT8, BOOLEAN, INT64 }

    data class Layout(val dimensions: List<Int>, val strides: List<Int> = listOf())
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
    fun createInputBuffer(inputName: String, signature: String = ""): TensorBuffer = stub()

    @Throws(LiteRtException::class)
    fun createOutputBuffer(outputName: String, signature: String = ""): TensorBuffer = stub()

    /** Perhaps newer than 2.3.0; the app looks it up by its name. */
    @Throws(LiteRtException::class)
    @JvmOverloads
    fun resizeInputTensor(inputName: String, dimensions: IntArray, signature: String = ""): Unit = stub()

    @Throws(LiteRtException::class)
    fun run(inputs: Map<String, TensorBuffer>, outputs: Map<String, TensorBuffer>, signature: String = ""): Unit = stub()

    fun getInputTensorType(inputName: String, signature: String = ""): TensorType = stub()

    fun getOutputTensorType(outputName: String, signature: String = ""): TensorType = stub()

    companion object {
        @Throws(LiteRtException::class)
        fun create(
            assetManager: AssetManager,
            assetName: String,
            options: Options,
            optionalEnv: Environment? = null,
        ): CompiledModel = stub()

        @Throws(LiteRtException::class)
        fun create(filePath: String, options: Options, optionalEnv: Environment? = null): CompiledModel = stub()
    }
}
