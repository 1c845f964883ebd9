package dev.mobilebert.core

import dev.mobilebert.core.answers.decode
import dev.mobilebert.core.contract.Answer
import dev.mobilebert.core.contract.Contract
import dev.mobilebert.core.contract.ContractReader
import dev.mobilebert.core.contract.Vocabulary
import dev.mobilebert.core.text.Tokenizer
import java.io.File
import kotlin.math.abs

/**
 * Holds the examples of every contract of an export to what this library makes of their texts and outputs:
 * `CheckExport DIRECTORY`. Prints a line for each contract; stops at the first difference.
 */
object CheckExport {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val directory = File(arguments[0])
        val names = directory.list().orEmpty().filter { it.endsWith(".contract.json") }.sorted()
        check(names.isNotEmpty()) { "$directory has no contract" }
        for (name in names) {
            val contract = ContractReader.read(File(directory, name).readText(), name)
            val pieces = Vocabulary.read(File(directory, contract.text.vocabulary.name).readBytes(), contract.text)
            val tokenizer = Tokenizer(pieces, contract.text.rules)
            contract.examples.forEach { Example(contract, tokenizer, it).check() }
            println("$name: ${contract.answer::class.simpleName}, ${contract.examples.size} examples")
        }
    }

    private class Example(val contract: Contract, val tokenizer: Tokenizer, val example: Map<String, Any?>) {
        private val maker = InputMaker(contract.text)
        private val text = example["text"] as String
        private val second = if (contract.text.isPaired) example["text_b"] as String? ?: "" else null
        private val whole = second ?: text

        fun check() = if (contract.text.windows == null) checkOne() else checkWindows()

        private fun checkOne() {
            val laid = maker.layOut(listOfNotNull(text, second).map { tokenizer.encode(it).ids })
            same("ids", example["ids"], laid.ids.map { it.toDouble() })
            same("segment ids", example["segment_ids"], laid.segmentIds.map { it.toDouble() })
            same("signature", example["signature"], maker.signature(contract.signatures, laid.ids.size).name)
            val output = Vectors.floats(example["output"])
            when (val answer = contract.answer) {
                is Answer.Classes -> answer.decode(output).let {
                    same("answer", example["answer"], it.label)
                    close(it.probabilities)
                }
                is Answer.Labels -> answer.decode(output).let {
                    same("answer", example["answer"], it.labels)
                    close(it.probabilities)
                }
                is Answer.Value -> check(abs(answer.decode(output) - example["answer"] as Double) < 1e-6) { "value: $text" }
                is Answer.Prototypes -> same("answer", example["answer"], answer.decode(output))
                else -> same("answer", example["answer"], null)
            }
        }

        private fun checkWindows() {
            val before = second?.let { tokenizer.encode(text).ids }
            val windows = maker.windows(before, tokenizer.encode(whole), whole)
            val points = CodePoints(whole)
            fun place(utf16: Int) = points.fromUtf16(utf16).toDouble()
            val rows = (example["windows"] as List<*>).map { it as Map<*, *> }
            same("windows", rows.size, windows.size)
            rows.zip(windows).forEach { (row, window) ->
                same("ids", row["ids"], window.ids.map { it.toDouble() })
                same("signature", row["signature"], maker.signature(contract.signatures, window.ids.size).name)
                val places = MutableList<List<Double>?>(window.ids.size) { null }
                for (piece in 0..<window.count) places[window.front + piece] = listOf(place(window.starts[piece]), place(window.ends[piece]))
                same("offsets", row["offsets"], places)
            }
            fun outputs(name: String) = rows.map { (it["outputs"] as Map<*, *>)[name] as List<*> }
            val said = when (val answer = contract.answer) {
                is Answer.Span -> answer.decode(
                    windows, outputs(answer.start).map(Vectors::floats), outputs(answer.end).map(Vectors::floats), whole,
                )?.let { mapOf("text" to it.text, "start" to place(it.start), "end" to place(it.end)) }
                is Answer.Entities ->
                    answer.decode(windows, outputs(answer.output).map { Vectors.floats(it.flatMap { row -> row as List<*> }) }, whole)
                        .map { mapOf("label" to it.label, "text" to it.text, "start" to place(it.start), "end" to place(it.end)) }
                else -> error("no answer of windows")
            }
            same("answer", example["answer"], said)
        }

        private fun close(probabilities: DoubleArray) {
            val stated = (example["probabilities"] as List<*>).map { it as Double }
            // Those of a contract have nine digits.
            check(stated.zip(probabilities.asList()).all { (a, b) -> abs(a - b) < 1e-6 }) { "probabilities: $text" }
        }

        private fun same(what: String, wanted: Any?, made: Any?) = check(wanted == made) { "$what: $text\n$wanted\n$made" }
    }
}
