package dev.mobilebert.app

import dev.mobilebert.core.Inputs
import dev.mobilebert.core.contract.Signature
import dev.mobilebert.core.contract.Tensor
import dev.mobilebert.core.contract.Version
import dev.mobilebert.core.model.Accelerator
import dev.mobilebert.core.model.ModelException
import dev.mobilebert.core.model.OpenModel
import dev.mobilebert.core.model.OpenRequest
import dev.mobilebert.core.model.Runtime
import org.tensorflow.lite.Interpreter
import org.tensorflow.lite.TensorFlowLite
import java.nio.Buffer
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.Locale
import org.tensorflow.lite.Tensor as LiteTensor

/** TensorFlow Lite's Interpreter, on the processor alone. */
internal class InterpreterRuntime : Runtime {
    override val name = "TensorFlow Lite Interpreter"

    override val version: Version? by lazy { Version.parse(TensorFlowLite.runtimeVersion()) }

    override val api = "Interpreter"

    override val keepsWeights = false

    override val accelerators = listOf(Accelerator.CPU)

    override fun open(request: OpenRequest): OpenModel = guarded(request.file.name) {
        val options = Interpreter.Options().setNumThreads(request.settings.threads).setUseXNNPACK(true)
        // Buffers first: too little memory for them leaves no interpreter behind.
        val buffers = request.signatures.associate { it.name to Buffers(it) }
        InterpreterModel(request.file.name, Interpreter(request.file.map(), options), buffers, request.oneGraph)
    }
}

/** What the Interpreter throws is about the file or the inputs. */
private inline fun <T> guarded(file: String, work: () -> T): T = try {
    work()
} catch (error: IllegalArgumentException) {
    throw ModelException("TensorFlow Lite refuses $file (${error.message}); choose another variant", error)
} catch (error: IllegalStateException) {
    throw ModelException("TensorFlow Lite fails on $file (${error.message}); choose another variant", error)
}

private class InterpreterModel(
    private val file: String,
    private val interpreter: Interpreter,
    private val buffers: Map<String, Buffers>,
    private val oneGraph: Boolean,
) : OpenModel {
    /** Length that the one graph has; 0: that of no signature. */
    private var length = 0

    /**
     * Give the one graph the length of [signature], unless it has it.
     *
     * All signatures are of the first subgraph, whose inputs go by number here; `runSignature` runs it as `run` does.
     */
    private fun resize(signature: Signature) {
        if (!oneGraph || signature.length == length) return
        length = 0
        val shape = intArrayOf(1, signature.length)
        repeat(interpreter.inputTensorCount) { interpreter.resizeInput(it, shape, true) }
        interpreter.allocateTensors()
        length = signature.length
    }

    override fun described(signature: Signature): Signature = guarded(file) {
        resize(signature)
        val key = signature.name
        signature.copy(
            inputs = interpreter.getSignatureInputs(key).map { described(it, interpreter.getInputTensorFromSignature(it, key)) },
            outputs = interpreter.getSignatureOutputs(key).map { described(it, interpreter.getOutputTensorFromSignature(it, key)) },
        )
    }

    private fun described(name: String, tensor: LiteTensor) =
        Tensor(name, tensor.dataType().name.lowercase(Locale.ROOT), tensor.shape().asList())

    override fun run(signature: Signature, inputs: Inputs): Map<String, FloatArray> = guarded(file) {
        resize(signature)
        val own = buffers.getValue(signature.name)
        own.fill(inputs)
        interpreter.runSignature(own.inputs, own.outputs, signature.name)
        own.read()
    }

    override fun close() = interpreter.close()
}

/** Memory of one signature's inputs and outputs, made once. */
private class Buffers(signature: Signature) {
    val inputs: Map<String, ByteBuffer> = signature.inputs.associate { it.name to memory(it) }
    val outputs: Map<String, ByteBuffer> = signature.outputs.associate { it.name to memory(it) }

    fun fill(values: Inputs) {
        for ((name, buffer) in inputs) {
            toStart(buffer)
            buffer.asIntBuffer().put(values[name])
        }
        outputs.values.forEach(::toStart)
    }

    fun read(): Map<String, FloatArray> = outputs.mapValues { (_, buffer) ->
        toStart(buffer)
        FloatArray(buffer.remaining() / Float.SIZE_BYTES).also { buffer.asFloatBuffer().get(it) }
    }

    /** As any buffer: that of bytes has a `rewind` of its own in newer Javas, which older Androids lack. */
    private fun toStart(buffer: Buffer) {
        buffer.rewind()
    }

    private fun memory(tensor: Tensor): ByteBuffer =
        ByteBuffer.allocateDirect(tensor.shape.fold(Int.SIZE_BYTES, Int::times)).order(ByteOrder.nativeOrder())
}
