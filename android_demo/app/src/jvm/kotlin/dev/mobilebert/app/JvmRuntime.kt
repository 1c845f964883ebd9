package dev.mobilebert.app

import dev.mobilebert.core.Inputs
import dev.mobilebert.core.contract.Signature
import dev.mobilebert.core.contract.Tensor
import dev.mobilebert.core.contract.Version
import dev.mobilebert.core.model.Accelerator
import dev.mobilebert.core.model.FolderModel
import dev.mobilebert.core.model.ModelException
import dev.mobilebert.core.model.OpenModel
import dev.mobilebert.core.model.OpenRequest
import dev.mobilebert.core.model.Runtime
import org.bytedeco.javacpp.FloatPointer
import org.bytedeco.javacpp.IntPointer
import org.bytedeco.javacpp.Pointer
import org.bytedeco.tensorflowlite.BuiltinOpResolver
import org.bytedeco.tensorflowlite.FlatBufferModel
import org.bytedeco.tensorflowlite.Interpreter
import org.bytedeco.tensorflowlite.InterpreterBuilder
import org.bytedeco.tensorflowlite.SignatureRunner
import org.bytedeco.tensorflowlite.TfLiteTensor
import org.bytedeco.tensorflowlite.global.tensorflowlite.TfLiteTensorByteSize
import org.bytedeco.tensorflowlite.global.tensorflowlite.TfLiteTensorCopyFromBuffer
import org.bytedeco.tensorflowlite.global.tensorflowlite.TfLiteTensorCopyToBuffer
import org.bytedeco.tensorflowlite.global.tensorflowlite.TfLiteTensorDim
import org.bytedeco.tensorflowlite.global.tensorflowlite.TfLiteTensorNumDims

/**
 * TensorFlow Lite's C++ library on a desktop's JVM, for tests. Says "GPU" too, and computes that on the processor: the silent
 * fall-back.
 *
 * @param clock nanoseconds
 * @param invoked told of every call of the interpreter how many of them it took, without the copying around it
 */
class JvmRuntime(private val clock: () -> Long = System::nanoTime, private val invoked: (Long) -> Unit = {}) : Runtime {
    override val name = "TensorFlow Lite on the JVM"

    override val version: Version? = Version.parse("2.20.0")

    override val api = "Interpreter"

    override val keepsWeights = false

    override val accelerators = listOf(Accelerator.CPU, Accelerator.GPU)

    override fun open(request: OpenRequest): OpenModel {
        val file = request.file
        val model = FlatBufferModel.BuildFromFile((file as FolderModel).path.path) ?: throw ModelException("${file.name} is no model")
        val builder = InterpreterBuilder(model, BuiltinOpResolver())
        builder.SetNumThreads(request.settings.threads)
        val interpreter = Interpreter(null as Pointer?)
        if (builder.apply(interpreter) != 0) throw ModelException("${file.name} cannot be opened")
        return JvmModel(model, interpreter, request, clock, invoked)
    }
}

private class JvmModel(
    private val model: FlatBufferModel,
    private val interpreter: Interpreter,
    request: OpenRequest,
    private val clock: () -> Long,
    private val invoked: (Long) -> Unit,
) : OpenModel {
    private val file = request.file.name
    private val oneGraph = request.oneGraph

    /** Signature whose shapes the one graph has; null: none's. */
    private var current: Call? = null

    private val calls: Map<String, Call> = request.signatures.associate { signature ->
        val runner = interpreter.GetSignatureRunner(signature.name) ?: throw ModelException("there is no signature ${signature.name}")
        val call = Call(signature, runner)
        if (!oneGraph) call.allocate()
        signature.name to call
    }

    private class Port<M : Pointer>(val name: String, val memory: M) {
        /** Place in the runtime, until the graph takes other shapes. */
        lateinit var tensor: TfLiteTensor
    }

    /** A signature with memory to copy its inputs from and its outputs to, made once. */
    private class Call(private val signature: Signature, val runner: SignatureRunner) : AutoCloseable {
        val inputs: List<Port<IntPointer>> = signature.inputs.map { Port(it.name, IntPointer(it.count)) }
        val outputs: List<Port<FloatPointer>> = signature.outputs.map { Port(it.name, FloatPointer(it.count)) }

        private val Tensor.count: Long get() = shape.fold(1L, Long::times)

        fun allocate() {
            check(runner.AllocateTensors() == 0)
            for (port in inputs) port.tensor = runner.input_tensor(port.name)
            for (port in outputs) port.tensor = runner.output_tensor(port.name)
        }

        /** Whether the graph takes the shapes of this signature. */
        fun resize(): Boolean =
            signature.inputs.all { runner.ResizeInputTensorStrict(it.name, it.shape.toIntArray()) == 0 }

        override fun close() = (inputs + outputs).forEach { it.memory.close() }
    }

    /** Call of [signature], whose shapes the graph then has. */
    private fun ready(signature: Signature): Call {
        val call = calls.getValue(signature.name)
        if (oneGraph && call !== current) {
            current = null
            if (!call.resize()) {
                throw ModelException("$file cannot take the length of ${signature.name}; export the model again")
            }
            call.allocate()
            current = call
        }
        return call
    }

    override fun described(signature: Signature): Signature {
        val call = ready(signature)
        return signature.copy(
            inputs = signature.inputs.zip(call.inputs) { stated, port -> described(stated, port.tensor) },
            outputs = signature.outputs.zip(call.outputs) { stated, port -> described(stated, port.tensor) },
        )
    }

    private fun described(stated: Tensor, tensor: TfLiteTensor) =
        stated.copy(shape = List(TfLiteTensorNumDims(tensor)) { TfLiteTensorDim(tensor, it) })

    override fun run(signature: Signature, inputs: Inputs): Map<String, FloatArray> {
        val call = ready(signature)
        for (port in call.inputs) {
            val values = inputs[port.name]
            port.memory.put(values, 0, values.size)
            check(TfLiteTensorCopyFromBuffer(port.tensor, port.memory, Int.SIZE_BYTES * values.size.toLong()) == 0)
        }
        val began = clock()
        check(call.runner.Invoke() == 0)
        invoked(clock() - began)
        return call.outputs.associate { it.name to read(it) }
    }

    private fun read(port: Port<FloatPointer>): FloatArray {
        val values = FloatArray((TfLiteTensorByteSize(port.tensor) / Float.SIZE_BYTES).toInt())
        check(TfLiteTensorCopyToBuffer(port.tensor, port.memory, Float.SIZE_BYTES * values.size.toLong()) == 0)
        port.memory.get(values)
        return values
    }

    override fun close() {
        calls.values.forEach(Call::close)
        interpreter.close()
        model.close()
    }
}
