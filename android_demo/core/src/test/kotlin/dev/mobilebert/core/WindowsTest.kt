package dev.mobilebert.core

import dev.mobilebert.core.answers.decode
import dev.mobilebert.core.contract.Answer
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test

class WindowsTest {
    @Test
    fun `windows, spans and entities are Python's`() {
        val tokenizer = Vectors.tokenizers.getValue("uncased")
        val said = HashMap<String, Int>()
        for (row in Vectors.rows("windows")) {
            val passage = row["passage"] as String
            val before = (row["before"] as String?)?.let { tokenizer.encode(it).ids }
            val windows = InputMaker(Vectors.text(row["text"])).windows(before, tokenizer.encode(passage), passage)
            compare(row["windows"] as List<*>, windows, CodePoints(passage))
            for (read in row["answers"] as List<*>) {
                read as Map<*, *>
                val answer = decode(Vectors.answer(read["answer"]), windows, read["outputs"] as List<*>, passage)
                assertEquals(read["said"], answer, "$passage ${read["answer"]}")
                said.merge(if (answer == null) "none" else "some", 1, Int::plus)
            }
        }
        assertEquals(true, said.values.all { it > 10 } && said.size == 2, "what the vectors show: $said")
    }

    private fun compare(wanted: List<*>, windows: List<Window>, points: CodePoints) {
        assertEquals(wanted.size, windows.size)
        wanted.zip(windows).forEach { (row, window) ->
            row as Map<*, *>
            assertArrayEquals(Vectors.integers(row["ids"]), window.ids)
            assertArrayEquals(Vectors.integers(row["segment_ids"]), window.segmentIds)
            assertEquals((row["start"] as Double).toInt(), window.start)
            val places = MutableList<List<Double>?>(window.ids.size) { null }
            for (piece in 0..<window.count) {
                val both = listOf(window.starts[piece], window.ends[piece])
                places[window.front + piece] = both.map { points.fromUtf16(it).toDouble() }
            }
            assertEquals(row["offsets"], places)
        }
    }

    /** The answer as Python writes it, with places in code points. */
    private fun decode(answer: Answer, windows: List<Window>, outputs: List<*>, passage: String): Any? {
        val points = CodePoints(passage)
        fun place(utf16: Int) = points.fromUtf16(utf16).toDouble()
        fun all(name: String) = outputs.map { (it as Map<*, *>)[name] as List<*> }
        return when (answer) {
            is Answer.Span -> answer.decode(
                windows, all(answer.start).map(Vectors::floats), all(answer.end).map(Vectors::floats), passage,
            )?.let { mapOf("text" to it.text, "start" to place(it.start), "end" to place(it.end)) }
            is Answer.Entities -> answer.decode(windows, all(answer.output).map { Vectors.floats(it.flatMap { row -> row as List<*> }) }, passage)
                .map { mapOf("label" to it.label, "text" to it.text, "start" to place(it.start), "end" to place(it.end)) }
            else -> error("no answer of windows: $answer")
        }
    }
}
