package dev.mobilebert.app

import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.Environment
import com.google.ai.edge.litert.LiteRtException
import com.google.ai.edge.litert.Model
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
            val model = load(request.file).also(opened::add)
            val compiled = CompiledModel.create(model, options(request), environment).also(opened::add)
            val buffers = request.signatures.associate { it.name to Buffers(compiled, it, opened::add) }
            LiteRtModel(request.file.name, model, compiled, buffers, opened)
        } catch (error: Throwable) {
            // Errors too, such as a library that is not there: what is native stays until it is closed.
            opened.closeAll()
            throw error
        }
    }

    private fun load(file: ModelFile): Model = when (file) {
        is AssetModel -> Model.load(file.assets, file.path)
        is FolderModel -> Model.load(file.path.path)
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

private class LiteRtModel(
    private val file: String,
    private val model: Model,
    private val compiled: CompiledModel,
    private val buffers: Map<String, Buffers>,
    private val opened: List<AutoCloseable>,
) : OpenModel {
    override fun described(signature: Signature): Signature = guarded(file) {
        signature.copy(
            inputs = signature.inputs.map { described(it.name, model.getInputTensorType(it.name, signature.name)) },
            outputs = signature.outputs.map { described(it.name, model.getOutputTensorType(it.name, signature.name)) },
        )
    }

    private fun described(name: String, type: TensorType): Tensor {
        val dtype = when (type.elementType) {
            TensorType.ElementType.INT -> "int32"
            TensorType.ElementType.FLOAT -> "float32"
            else -> type.elementType.name.lowercase(Locale.ROOT)
        }
        return Tensor(name, dtype, type.layout?.dimensions?.asList().orEmpty())
    }

    override fun run(signature: Signature, inputs: Inputs): Map<String, FloatArray> = guarded(file) {
        val own = buffers.getValue(signature.name)
        own.inputs.forEach { (name, buffer) -> buffer.writeInt(inputs[name]) }
        compiled.run(own.inputs, own.outputs, signature.name)
        own.outputs.mapValues { (_, buffer) -> buffer.readFloat() }
    }

    override fun close() = opened.closeAll()
}

/** One signature's, by name, made once; [opened] is told of each, and closes it. */
private class Buffers(compiled: CompiledModel, signature: Signature, opened: (AutoCloseable) -> Unit) {
    val inputs: Map<String, TensorBuffer> =
        signature.inputs.associate { it.name to compiled.createInputBuffer(it.name, signature.name).also(opened) }
    val outputs: Map<String, TensorBuffer> =
        signature.outputs.associate { it.name to compiled.createOutputBuffer(it.name, signature.name).also(opened) }
}
