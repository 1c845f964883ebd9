package dev.mobilebert.bench

import dev.mobilebert.app.JvmRuntime
import dev.mobilebert.core.InputMaker
import dev.mobilebert.core.contract.Json
import dev.mobilebert.core.contract.Signature
import dev.mobilebert.core.model.FolderExport
import dev.mobilebert.core.model.Kind
import dev.mobilebert.core.model.LoadedModel
import dev.mobilebert.core.model.Settings
import java.io.File
import java.lang.management.ManagementFactory

/**
 * Times whole answers, from text to label, beside the network's own part of them: `AnswerCost EXPORT VARIANT TEXTS WARM_UP CALLS`.
 *
 * For every signature the texts are beginnings of TEXTS' lines that fill it as far as whole words do, so that there is as
 * much text as there can be. Both times are of the same call. The network's is that of the interpreter's `Invoke` alone; copying of
 * inputs and outputs counts as the rest. The clock is the processor time of this thread, on which the network runs too, so that
 * other work of the machine is not measured. Prints JSON: of every signature the milliseconds of all calls.
 */
object AnswerCost {
    private const val QUESTION = "What is this text about?"
    private const val TEXTS = 40
    private const val NS_PER_MS = 1e6

    @JvmStatic
    fun main(arguments: Array<String>) {
        val (directory, variant, source) = arguments
        val (warmUp, calls) = arguments.drop(3).map(String::toInt)
        val threads = ManagementFactory.getThreadMXBean()
        val clock = threads::getCurrentThreadCpuTime
        var invokeNs = 0L
        val runtime = JvmRuntime(clock, invoked = { invokeNs += it })
        LoadedModel.open(FolderExport(File(directory)), variant, runtime, Settings()).use { model ->
            val lines = File(source).readLines().filter { it.isNotBlank() }
            val rows = model.contract.signatures.map { signature ->
                val texts = textsFor(model, signature, lines)
                val isPair = model.facts.kind == Kind.LIKENESS
                val all = DoubleArray(calls)
                val network = DoubleArray(calls)
                for (call in -warmUp..<calls) {
                    val text = texts[Math.floorMod(call, TEXTS)]
                    val (first, second) = if (model.facts.kind == Kind.QUESTION) QUESTION to text else text to if (isPair) text else ""
                    invokeNs = 0
                    val began = clock()
                    val reply = model.answerer.ask(first, second)
                    val ns = clock() - began
                    check(reply.cost.signature == signature.name) { "a text for ${signature.name} went to ${reply.cost.signature}" }
                    if (call < 0) continue
                    all[call] = ns / NS_PER_MS
                    network[call] = invokeNs / NS_PER_MS
                }
                mapOf(
                    "signature" to signature.name,
                    "length" to signature.length,
                    "pieces" to texts.map { pieces(model, it) }.average(),
                    "samples" to all.asList(),
                    "network" to network.asList(),
                )
            }
            val facts = model.facts
            val file = model.contract.file
            println(Json.write(mapOf("kind" to facts.kind.name, "bytes" to file.bytes, "sha256" to file.sha256, "signatures" to rows)))
        }
    }

    private fun pieces(model: LoadedModel, text: String): Int {
        val ids = model.tokenizer.encode(text).ids
        val before = if (model.facts.kind == Kind.QUESTION) model.tokenizer.encode(QUESTION).size + 1 else 0
        return before + ids.size + 2
    }

    /** Beginnings of [lines] that fill [signature], the last word that fits included. */
    private fun textsFor(model: LoadedModel, signature: Signature, lines: List<String>): List<String> {
        val maker = InputMaker(model.contract.text)
        val signatures = model.contract.signatures
        val texts = ArrayList<String>()
        for (line in lines) {
            val blanks = line.indices.filter { line[it] == ' ' } + line.length
            val text = blanks.map { line.substring(0, it) }.lastOrNull { part ->
                val count = pieces(model, part)
                count <= model.contract.text.maxIds && maker.signature(signatures, count) == signature
            }
            if (text != null && pieces(model, text) >= signature.length * LEAST_FULL) texts += text
            if (texts.size == TEXTS) return texts
        }
        error("only ${texts.size} lines are long enough for ${signature.name}")
    }

    private const val LEAST_FULL = 0.75
}
