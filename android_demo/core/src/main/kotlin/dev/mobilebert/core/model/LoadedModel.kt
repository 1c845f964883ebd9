package dev.mobilebert.core.model

import dev.mobilebert.core.contract.Contract
import dev.mobilebert.core.contract.ContractException
import dev.mobilebert.core.contract.ContractReader
import dev.mobilebert.core.contract.FileFacts
import dev.mobilebert.core.contract.Signature
import dev.mobilebert.core.contract.Vocabulary
import dev.mobilebert.core.text.Tokenizer
import java.io.IOException
import java.nio.ByteBuffer
import java.security.MessageDigest

/** A text to try, from the contract. */
data class Sample(val text: String, val second: String)

/** What is known of a model once it is open. */
data class ModelFacts(
    val variant: String,
    val task: String,
    val kind: Kind,
    val bytes: Long,
    val samples: List<Sample>,
    val runtime: String,
    val use: AcceleratorUse,
    val agreement: Agreement?,
)

/** A model that was checked and is open. For one thread. */
class LoadedModel private constructor(
    val contract: Contract,
    val tokenizer: Tokenizer,
    val answerer: Answerer,
    val facts: ModelFacts,
    val settings: Settings,
    val runtime: Runtime,
    private val model: OpenModel,
    private val openAgain: () -> OpenModel,
) : AutoCloseable by model {
    /** The same model once more with the same settings, to be closed by the caller. */
    fun reopen(): OpenModel = openAgain()

    companion object {
        /**
         * What to open of [files] where nobody chose: [variant], or, if [runtime] is too old for it, the smallest that it reads.
         * Where it reads none, [variant], so that [open] says why.
         */
        fun usual(files: ExportFiles, variant: String, runtime: Runtime): String {
            if (runtime.version == null) return variant
            val contract = files.contractOrNull(variant)
            if (contract == null || runtime.reads(contract)) return variant
            return files.variants.mapNotNull { name -> files.contractOrNull(name)?.let { name to it } }
                .filter { (_, other) -> runtime.reads(other) }.minByOrNull { (_, other) -> other.file.bytes }?.first ?: variant
        }

        private fun Runtime.reads(contract: Contract): Boolean = version?.let { it >= contract.oldestRuntime } != false

        private fun ExportFiles.contract(variant: String): Contract =
            contractName(variant).let { ContractReader.read(readChecked(it).decodeToString(), it) }

        private fun ExportFiles.contractOrNull(variant: String): Contract? = try {
            contract(variant)
        } catch (_: ContractException) {
            null
        }

        /**
         * Open [variant] of [files] after holding everything to what the export wrote.
         *
         * @throws ContractException contract or vocabulary cannot be used
         * @throws ModelException the model or the runtime cannot
         */
        fun open(files: ExportFiles, variant: String, runtime: Runtime, settings: Settings): LoadedModel {
            val contract = files.contract(variant)
            val pieces = Vocabulary.read(files.readChecked(contract.text.vocabulary.name), contract.text)
            val tokenizer = Tokenizer(pieces, contract.text.rules)
            if (!runtime.reads(contract)) {
                throw ModelException(
                    "${contract.file.name} needs TensorFlow Lite ${contract.oldestRuntime} and ${runtime.name} is ${runtime.version}; " +
                        "choose another variant, or the app with LiteRT",
                )
            }
            // One that takes no notice of the wish would compute on the processor.
            if (settings.accelerator !in runtime.accelerators) {
                throw ModelException("${runtime.name} has no ${settings.accelerator} here; choose ${runtime.accelerators.joinToString(" or ")}")
            }
            if (contract.oneGraph && settings.accelerator != Accelerator.CPU) {
                throw ModelException(
                    "${contract.file.name} is one graph for all lengths, which is for the processor alone; " +
                        "choose CPU, or export without --one_graph",
                )
            }
            val file = checkedFile(files, contract.file)
            val request = OpenRequest(file, contract.file.sha256, contract.signatures, contract.oneGraph, settings)
            val model = runtime.open(request)
            try {
                contract.signatures.forEach { checkSame(contract.file.name, it, model.described(it)) }
                val check = StartCheck(contract)
                val use = check.use(settings, model) { runtime.open(request.copy(settings = settings.copy(accelerator = Accelerator.CPU))) }
                val facts = ModelFacts(
                    variant = variant,
                    task = contract.task,
                    kind = Kind.of(contract),
                    bytes = contract.file.bytes,
                    samples = contract.examples.map { Sample(it["text"] as? String ?: "", it["text_b"] as? String ?: "") },
                    runtime = listOfNotNull(runtime.name, runtime.version).joinToString(" "),
                    use = use,
                    agreement = check.agreement(model),
                )
                return LoadedModel(contract, tokenizer, Answerer(contract, tokenizer, model), facts, settings, runtime, model) {
                    runtime.open(request)
                }
            } catch (error: Throwable) {
                // Errors too, such as too little memory: what is native stays until it is closed.
                model.close()
                throw error
            }
        }

        private fun checkedFile(files: ExportFiles, facts: FileFacts): ModelFile {
            val again = "put the export into the app again"
            try {
                val file = files.model(facts.name)
                val content = file.map()
                if (content.remaining().toLong() != facts.bytes) {
                    throw ModelException("${facts.name} has ${content.remaining()} bytes, not ${facts.bytes}: it is cut off or another file; $again")
                }
                if (sha256(content) != facts.sha256) throw ModelException("${facts.name} is damaged, or another file than its contract means; $again")
                return file
            } catch (error: IOException) {
                throw ModelException("${facts.name} cannot be read (${files.reason(facts.name, error)}); $again", error)
            }
        }

        private fun sha256(content: ByteBuffer): String = MessageDigest.getInstance("SHA-256").apply { update(content) }.digest()
            .joinToString("") { "%02x".format(java.util.Locale.ROOT, it) }

        /** Inputs and outputs by name, with their types and shapes; their order is free. */
        private fun checkSame(file: String, stated: Signature, described: Signature?) {
            if (described == null) return
            val isSame = stated.inputs.toSet() == described.inputs.toSet() && stated.outputs.toSet() == described.outputs.toSet()
            if (!isSame) throw ModelException("$file has other inputs or outputs in ${stated.name} than its contract says; export the model again")
        }
    }
}
