package dev.mobilebert.core

import dev.mobilebert.core.contract.ContractReader
import dev.mobilebert.core.contract.Fields
import dev.mobilebert.core.contract.Json
import dev.mobilebert.core.contract.Vocabulary
import dev.mobilebert.core.text.Encoding
import dev.mobilebert.core.text.Tokenizer
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.zip.CRC32

/** Tokenizer of a vocabulary file and of rules as a contract has them. */
internal fun tokenizerOf(vocabulary: String, rules: String): Tokenizer {
    val fields = Fields((Json.parse(rules) as Map<*, *>).entries.associate { it.key as String to it.value }, "rules")
    return Tokenizer(Vocabulary.lines(vocabulary), ContractReader.rules(fields, "rules"))
}

/** Ids, starts, ends and ends with combining marks in one list, places in code points. */
internal fun numbersOf(text: String, encoding: Encoding): IntArray {
    val points = CodePoints(text)
    fun places(some: IntArray) = IntArray(some.size) { points.fromUtf16(some[it]) }
    return encoding.ids + places(encoding.starts) + places(encoding.ends) + places(encoding.withMarks(text).ends)
}

/** CRC-32 of [numbers] as little-endian integers. */
internal fun crcOf(numbers: IntArray): Long {
    val bytes = ByteBuffer.allocate(4 * numbers.size).order(ByteOrder.LITTLE_ENDIAN)
    numbers.forEach { bytes.putInt(it) }
    return CRC32().also { it.update(bytes.array()) }.value
}

/** Reads a JSON string a line and writes the CRC-32 of its pieces: `Lines VOCABULARY RULES`. */
fun main(arguments: Array<String>) {
    val tokenizer = tokenizerOf(File(arguments[0]).readText(), arguments[1])
    val answers = System.out.bufferedWriter()
    System.`in`.bufferedReader(Charsets.UTF_8).forEachLine { line ->
        val text = Json.parse(line) as String
        answers.write("${crcOf(numbersOf(text, tokenizer.encode(text)))}\n")
    }
    answers.flush()
}
