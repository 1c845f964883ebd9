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
        return JvmModel(model, interpreter, request.signatures, clock, invoked)
    }
}

private class JvmModel(
    private val model: FlatBufferModel,
    private val interpreter: Interpreter,
    signatures: List<Signature>,
    private val clock: () -> Long,
    private val invoked: (Long) -> Unit,
) : OpenModel {
    private val runners: Map<String, SignatureRunner> = signatures.associate { signature ->
        val runner = interpreter.GetSignatureRunner(signature.name) ?: throw ModelException("there is no signature ${signature.name}")
        check(runner.AllocateTensors() == 0)
        signature.name to runner
    }

    private class Port<M : Pointer>(val name: String, val tensor: TfLiteTensor, val memory: M)

    /** Of each signature, made once: where its inputs and outputs lie, and memory to copy them from and to. */
    private val inputs: Map<String, List<Port<IntPointer>>> = signatures.associate { signature ->
        val runner = runners.getValue(signature.name)
        signature.name to signature.inputs.map { Port(it.name, runner.input_tensor(it.name), IntPointer(it.count)) }
    }
    private val outputs: Map<String, List<Port<FloatPointer>>> = signatures.associate { signature ->
        val runner = runners.getValue(signature.name)
        signature.name to signature.outputs.map { Port(it.name, runner.output_tensor(it.name), FloatPointer(it.count)) }
    }

    private val Tensor.count: Long get() = shape.fold(1L, Long::times)

    override fun described(signature: Signature): Signature {
        val runner = runners.getValue(signature.name)
        return signature.copy(
            inputs = signature.inputs.map { described(it, runner.input_tensor(it.name)) },
            outputs = signature.outputs.map { described(it, runner.output_tensor(it.name)) },
        )
    }

    private fun described(stated: Tensor, tensor: TfLiteTensor) =
        stated.copy(shape = List(TfLiteTensorNumDims(tensor)) { TfLiteTensorDim(tensor, it) })

    override fun run(signature: Signature, inputs: Inputs): Map<String, FloatArray> {
        val runner = runners.getValue(signature.name)
        for (port in this.inputs.getValue(signature.name)) {
            val values = inputs[port.name]
            port.memory.put(values, 0, values.size)
            check(TfLiteTensorCopyFromBuffer(port.tensor, port.memory, Int.SIZE_BYTES * values.size.toLong()) == 0)
        }
        val began = clock()
        check(runner.Invoke() == 0)
        invoked(clock() - began)
        return outputs.getValue(signature.name).associate { it.name to read(it) }
    }

    private fun read(port: Port<FloatPointer>): FloatArray {
        val values = FloatArray((TfLiteTensorByteSize(port.tensor) / Float.SIZE_BYTES).toInt())
        check(TfLiteTensorCopyToBuffer(port.tensor, port.memory, Float.SIZE_BYTES * values.size.toLong()) == 0)
        port.memory.get(values)
        return values
    }

    override fun close() {
        (inputs.values + outputs.values).flatten().forEach { it.memory.close() }
        interpreter.close()
        model.close()
    }
}
