package dev.mobilebert.app

import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.Environment
import com.google.ai.edge.litert.LiteRtException
import com.google.ai.edge.litert.TensorBuffer
import com.google.ai.edge.litert.TensorType
import dev.mobilebert.core.Inputs
import dev.mobilebert.core.contract.Signature
import dev.mobilebert.core.contract.Tensor
import dev.mobilebert.core.contract.Version
import dev.mobilebert.core.model.Accelerator
import dev.mobilebert.core.model.FolderModel
import dev.mobilebert.core.model.ModelException
import dev.mobilebert.core.model.ModelFile
import dev.mobilebert.core.model.OpenModel
import dev.mobilebert.core.model.OpenRequest
import dev.mobilebert.core.model.Runtime
import java.io.File
import java.lang.reflect.InvocationTargetException
import java.lang.reflect.Method
import java.util.Locale
import com.google.ai.edge.litert.Accelerator as LiteRtAccelerator

/**
 * LiteRT's CompiledModel.
 *
 * One accelerator is asked for, never "or the processor": what cannot be had is refused, not replaced silently. Whether it
 * computes is then tested by its outputs.
 *
 * @param weightCache directory for XNNPACK's packed weights, which calls of the app share
 * @param environment makes the one that a model is opened in; closed with it
 */
internal class CompiledModelRuntime(
    override val name: String,
    override val accelerators: List<Accelerator>,
    private val weightCache: File,
    private val environment: () -> Environment,
) : Runtime {
    /** LiteRT 2 is later than what every contract asks for. */
    override val version: Version? = null
    override val api = "CompiledModel"
    override val keepsWeights = true

    override fun open(request: OpenRequest): OpenModel = guarded(request.file.name) {
        val opened = ArrayList<AutoCloseable>()
        try {
            val environment = environment().also(opened::add)
            val compiled = load(request.file, options(request), environment).also(opened::add)
            val model = LiteRtModel(request.file.name, compiled, request.oneGraph, opened)
            opened.add(AutoCloseable(model::closeBuffers))
            if (!request.oneGraph) request.signatures.forEach(model::makeBuffers)
            model
        } catch (error: Throwable) {
            // Errors too, such as a library that is not there: what is native stays until it is closed.
            opened.closeAll()
            throw error
        }
    }

    private fun load(file: ModelFile, options: CompiledModel.Options, environment: Environment) = when (file) {
        is AssetModel -> CompiledModel.create(file.assets, file.path, options, environment)
        is FolderModel -> CompiledModel.create(file.path.path, options, environment)
        else -> throw ModelException("${file.name} lies where LiteRT cannot map it")
    }

    private fun options(request: OpenRequest) = CompiledModel.Options(LiteRtAccelerator.valueOf(request.settings.accelerator.name)).apply {
        cpuOptions = CompiledModel.CpuOptions(
            numThreads = request.settings.threads,
            xnnPackWeightCachePath = File(weightCache, "${request.sha256}.xnnpack").path,
        )
    }
}

private inline fun <T> guarded(file: String, work: () -> T): T = try {
    work()
} catch (error: LiteRtException) {
    throw ModelException("LiteRT refuses $file with these settings (${error.message}); choose another accelerator or variant", error)
}

/** Last opened, first closed. */
private fun List<AutoCloseable>.closeAll() = asReversed().forEach(AutoCloseable::close)

/**
 * @param oneGraph whether the signatures are lengths of one graph, which has buffers for the present one alone
 * @param opened all that is to be closed, buffers included
 */
private class LiteRtModel(
    private val file: String,
    private val compiled: CompiledModel,
    private val oneGraph: Boolean,
    private val opened: List<AutoCloseable>,
) : OpenModel {
    private val buffers = HashMap<String, Buffers>()
    private val openBuffers = ArrayList<AutoCloseable>()

    fun makeBuffers(signature: Signature): Buffers =
        Buffers(compiled, signature, openBuffers::add).also { buffers[signature.name] = it }

    /** Buffers of [signature] after giving the one graph its length; those for another length no longer fit. */
    private fun resized(signature: Signature): Buffers {
        closeBuffers()
        compiled.resize(signature, file)
        return makeBuffers(signature)
    }

    fun closeBuffers() {
        buffers.clear()
        openBuffers.closeAll()
        openBuffers.clear()
    }

    override fun described(signature: Signature): Signature = guarded(file) {
        val (key, length) = signature
        signature.copy(
            inputs = signature.inputs.map { described(it.name, compiled.getInputTensorType(it.name, key), length) },
            outputs = signature.outputs.map { described(it.name, compiled.getOutputTensorType(it.name, key), length) },
        )
    }

    private fun described(name: String, type: TensorType, length: Int): Tensor {
        val dtype = when (type.elementType) {
            TensorType.ElementType.INT -> "int32"
            TensorType.ElementType.FLOAT -> "float32"
            else -> type.elementType.name.lowercase(Locale.ROOT)
        }
        val shape = type.layout?.dimensions.orEmpty()
        return Tensor(name, dtype, if (oneGraph) shape.map { if (it == ANY) length else it } else shape)
    }

    override fun run(signature: Signature, inputs: Inputs): Map<String, FloatArray> = guarded(file) {
        val own = buffers[signature.name] ?: resized(signature)
        own.inputs.forEach { (name, buffer) -> buffer.writeInt(inputs[name]) }
        compiled.run(own.inputs, own.outputs, signature.name)
        own.outputs.mapValues { (_, buffer) -> buffer.readFloat() }
    }

    override fun close() = opened.closeAll()
}

/** Size of an axis that can be resized. */
private const val ANY = -1

/** Give all inputs their shapes in [signature]. */
private fun CompiledModel.resize(signature: Signature, file: String) {
    val method = resizing(CompiledModel::class.java, file)
    try {
        for (input in signature.inputs) method.invoke(this, input.name, input.shape.toIntArray(), signature.name)
    } catch (error: InvocationTargetException) {
        throw error.targetException
    }
}

/**
 * The method of LiteRT's class [type] that resizes an input, looked up by its name: with a LiteRT that has none the app
 * compiles, and runs all other files.
 */
internal fun resizing(type: Class<*>, file: String): Method = try {
    type.getMethod("resizeInputTensor", String::class.java, IntArray::class.java, String::class.java)
} catch (error: NoSuchMethodException) {
    val why = "$file is one graph for all lengths, which this LiteRT cannot resize"
    throw ModelException("$why; export without --one_graph", error)
}

/** One signature's, by name; [opened] is told of each, and closes it. */
private class Buffers(compiled: CompiledModel, signature: Signature, opened: (AutoCloseable) -> Unit) {
    val inputs: Map<String, TensorBuffer> =
        signature.inputs.associate { it.name to compiled.createInputBuffer(it.name, signature.name).also(opened) }
    val outputs: Map<String, TensorBuffer> =
        signature.outputs.associate { it.name to compiled.createOutputBuffer(it.name, signature.name).also(opened) }
}
