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
 * @param invoked told of every call of the interpreter how many nanoseconds it took, without the copying around it
 */
class JvmRuntime(private val invoked: (Long) -> Unit = {}) : Runtime {
    override val name = "TensorFlow Lite on the JVM"

    override val version: Version? = Version.parse("2.20.0")

    override val accelerators = listOf(Accelerator.CPU, Accelerator.GPU)

    override fun open(request: OpenRequest): OpenModel {
        val file = request.file
        val model = FlatBufferModel.BuildFromFile((file as FolderModel).path.path) ?: throw ModelException("${file.name} is no model")
        val builder = InterpreterBuilder(model, BuiltinOpResolver())
        builder.SetNumThreads(request.settings.threads)
        val interpreter = Interpreter(null as Pointer?)
        if (builder.apply(interpreter) != 0) throw ModelException("${file.name} cannot be opened")
        return JvmModel(model, interpreter, request.signatures, invoked)
    }
}

private class JvmModel(
    private val model: FlatBufferModel,
    private val interpreter: Interpreter,
    signatures: List<Signature>,
    private val invoked: (Long) -> Unit,
) : OpenModel {
    private val runners: Map<String, SignatureRunner> = signatures.associate { signature ->
        val runner = interpreter.GetSignatureRunner(signature.name) ?: throw ModelException("there is no signature ${signature.name}")
        check(runner.AllocateTensors() == 0)
        signature.name to runner
    }

    /** Memory of each signature's inputs and outputs by name, made once. */
    private val inputs: Map<String, Map<String, IntPointer>> =
        signatures.associate { it.name to it.inputs.associate { tensor -> tensor.name to IntPointer(tensor.count) } }
    private val outputs: Map<String, Map<String, FloatPointer>> =
        signatures.associate { it.name to it.outputs.associate { tensor -> tensor.name to FloatPointer(tensor.count) } }

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
        for ((name, memory) in this.inputs.getValue(signature.name)) {
            val values = inputs[name]
            memory.put(values, 0, values.size)
            check(TfLiteTensorCopyFromBuffer(runner.input_tensor(name), memory, Int.SIZE_BYTES * values.size.toLong()) == 0)
        }
        val began = System.nanoTime()
        check(runner.Invoke() == 0)
        invoked(System.nanoTime() - began)
        return outputs.getValue(signature.name).mapValues { (name, memory) -> read(runner.output_tensor(name), memory) }
    }

    private fun read(tensor: TfLiteTensor, memory: FloatPointer): FloatArray {
        val values = FloatArray((TfLiteTensorByteSize(tensor) / Float.SIZE_BYTES).toInt())
        check(TfLiteTensorCopyToBuffer(tensor, memory, Float.SIZE_BYTES * values.size.toLong()) == 0)
        memory.get(values)
        return values
    }

    override fun close() {
        inputs.values.flatMap { it.values }.forEach(IntPointer::close)
        outputs.values.flatMap { it.values }.forEach(FloatPointer::close)
        interpreter.close()
        model.close()
    }
}
