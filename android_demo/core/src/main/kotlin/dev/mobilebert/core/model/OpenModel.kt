package dev.mobilebert.core.model

import dev.mobilebert.core.Inputs
import dev.mobilebert.core.contract.Signature
import dev.mobilebert.core.contract.Version
import java.nio.ByteBuffer

/** What computes. */
enum class Accelerator { CPU, GPU, NPU }

/** How a model is to be run. */
data class Settings(val threads: Int = 1, val accelerator: Accelerator = Accelerator.CPU)

/** A `.tflite` file, wherever it lies. */
interface ModelFile {
    val name: String

    /** Its bytes, mapped into memory and not copied. */
    fun map(): ByteBuffer
}

/** What is to be opened, and how. */
data class OpenRequest(
    val file: ModelFile,
    /** Of its content, hexadecimal; what is cached of it goes by this. */
    val sha256: String,
    val signatures: List<Signature>,
    /** Whether the signatures are lengths of one graph, which takes a signature's shapes before it is run. */
    val oneGraph: Boolean,
    val settings: Settings,
)

/** The library that runs models. */
interface Runtime {
    /** For people, such as "LiteRT CompiledModel". */
    val name: String

    /** null: it is newer than every contract asks for. */
    val version: Version?

    /** LiteRT's class that runs models, as `benchmarks/schema.json` calls it: "CompiledModel" or "Interpreter". */
    val api: String

    /** Whether it keeps what XNNPACK packs in a file, for the next time. */
    val keepsWeights: Boolean

    /** What it can be asked to compute on. */
    val accelerators: List<Accelerator>

    /** Throws [ModelException] if it cannot be opened so. */
    fun open(request: OpenRequest): OpenModel
}

/** A model with its buffers, made once; for one thread. */
interface OpenModel : AutoCloseable {
    /** What the file itself says of [signature]'s inputs and outputs; null: the runtime does not tell. */
    fun described(signature: Signature): Signature?

    /**
     * Outputs by name, row by row in one array each.
     *
     * @throws ModelException the runtime failed
     */
    fun run(signature: Signature, inputs: Inputs): Map<String, FloatArray>
}

/** A model that cannot be used; the message is one sentence for the user. */
class ModelException(message: String, cause: Throwable? = null) : Exception(message, cause)
