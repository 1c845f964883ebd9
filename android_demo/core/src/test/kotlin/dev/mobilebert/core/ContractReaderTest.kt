package dev.mobilebert.core

import dev.mobilebert.core.contract.Answer
import dev.mobilebert.core.contract.ContractException
import dev.mobilebert.core.contract.ContractReader
import dev.mobilebert.core.contract.Json
import dev.mobilebert.core.contract.JsonException
import dev.mobilebert.core.contract.Vocabulary
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test

class ContractReaderTest {
    private val vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n"

    private val contract = """
        {"schema": 2, "file": {"name": "m.tflite", "bytes": 9, "sha256": "ab"}, "recipe": "m", "task": "classification",
         "signatures": [{"name": "t16", "length": 16, "inputs": [], "outputs": [{"name": "logits", "dtype": "float32", "shape": [1, 2]}]}],
         "text": {"tokenizer": {"kind": "wordpiece", "lower_case": true, "strip_accents": true, "split_cjk": true,
           "max_characters_per_word": 200},
           "vocabulary": {"name": "vocab.txt", "bytes": 36, "sha256": "${Vocabulary.sha256(vocabulary.toByteArray())}", "size": 6},
           "special_tokens": {"[CLS]": 2, "[SEP]": 3}, "layout": ["[CLS]", "text", "[SEP]"], "segment_ids": [0, 0, 0],
           "max_ids": 16, "truncation": "longest_first", "windows": null,
           "padding": {"least": 1, "input_ids": 0, "input_mask": 0, "segment_ids": 0}},
         "answer": {"kind": "classes", "output": "logits", "softmax": true, "labels": ["no", "yes"], "temperature": 1.5,
           "decision": "argmax", "threshold": null},
         "runtime": {"oldest": "2.18", "float16_arithmetic": false}, "tolerance": {"output": 0.01}, "examples": [], "a field of later": 1}
    """

    private fun refusal(old: String, new: String): String {
        assertEquals(true, old in contract, old)
        return assertThrows(ContractException::class.java) { ContractReader.read(contract.replace(old, new), "m.contract.json") }.message!!
    }

    @Test
    fun `a contract is read, with fields that were added later`() {
        val read = ContractReader.read(contract, "m.contract.json")
        assertEquals(Answer.Classes("logits", listOf("no", "yes"), true, 1.5, null), read.answer)
        assertEquals(listOf("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"), Vocabulary.read(vocabulary.toByteArray(), read.text))
    }

    @Test
    fun `what is not known is refused in one sentence`() {
        assertEquals(
            "m.contract.json has schema 3, this app reads 2; export the model again or update the app",
            refusal("\"schema\": 2", "\"schema\": 3"),
        )
        assertEquals(
            "m.contract.json has an answer of kind \"poem\", which this app does not know; update the app",
            refusal("\"kind\": \"classes\"", "\"kind\": \"poem\""),
        )
        assertEquals(
            "m.contract.json has a tokenizer of kind \"bytes\", which this app does not know; update the app",
            refusal("wordpiece", "bytes"),
        )
        assertEquals(
            "m.contract.json has a truncation of kind \"middle\", which this app does not know; update the app",
            refusal("longest_first", "middle"),
        )
        val windows = "\"truncation\": \"windows\", \"windows\": {\"stride\": 8, \"most_before\": 0}"
        assertEquals(
            "m.contract.json: the answer is not one that windows have; export the model again",
            refusal("\"truncation\": \"longest_first\", \"windows\": null", windows),
        )
        assertEquals("m.contract.json.answer.labels is not a list; export the model again", refusal("[\"no\", \"yes\"]", "null"))
        assertEquals(
            "m.contract.json is not JSON (line 13: the text ends too early); copy it again from the export",
            refusal("\"a field of later\": 1}", ""),
        )
    }

    @Test
    fun `lengths of one graph have the shapes that it takes`() {
        val input = "{\"name\": \"input_ids\", \"dtype\": \"int32\", \"shape\": [1, 16]}"
        val plain = contract.replace("\"inputs\": []", "\"inputs\": [$input]")
        fun withFlag(value: String, json: String = plain) =
            json.replace("\"oldest\"", "\"one_graph\": $value, \"oldest\"")
        fun read(json: String) = ContractReader.read(json, "m.contract.json").oneGraph
        assertEquals(listOf(false, false, true), listOf(plain, withFlag("false"), withFlag("true")).map(::read))
        for (value in listOf("null", "1", "\"true\"", "[]")) {
            val error = assertThrows(ContractException::class.java, { read(withFlag(value)) }, value)
            val wanted = "m.contract.json.runtime.one_graph is not true or false; export the model again"
            assertEquals(wanted, error.message)
        }
        val flat = plain.replace("\"shape\": [1, 16]", "\"shape\": [16]")
        assertEquals(false, read(flat))
        assertEquals(
            "m.contract.json: input_ids of t16 is not [1, 16], the shape that one graph takes; export the model again",
            assertThrows(ContractException::class.java) { read(withFlag("true", flat)) }.message,
        )
    }

    @Test
    fun `a network may be so short that one word piece has room`() {
        fun most(ids: Int, isPaired: Boolean): Int {
            val layout = if (isPaired) "\"[CLS]\", \"text\", \"[SEP]\", \"text_b\", \"[SEP]\"" else "\"[CLS]\", \"text\", \"[SEP]\""
            val json = contract.replace("\"max_ids\": 16", "\"max_ids\": $ids").replace("\"[CLS]\", \"text\", \"[SEP]\"", layout)
            return ContractReader.read(if (isPaired) json.replace("[0, 0, 0]", "[0, 0, 0, 1, 1]") else json, "m.contract.json").text.maxIds
        }
        assertEquals(listOf(3, 4), listOf(most(3, isPaired = false), most(4, isPaired = true)))
        for ((ids, isPaired) in listOf(2 to false, 3 to true, 17 to false)) {
            val error = assertThrows(ContractException::class.java) { most(ids, isPaired) }
            assertEquals("m.contract.json: max_ids is $ids, the longest signature 16; export the model again", error.message)
        }
    }

    @Test
    fun `another vocabulary is refused`() {
        val text = ContractReader.read(contract, "m.contract.json").text
        val error = assertThrows(ContractException::class.java) { Vocabulary.read("$vocabulary ".toByteArray(), text) }
        assertEquals("vocab.txt is not the one the model was exported with; copy it again from the export", error.message)
    }

    @Test
    fun `JSON is read as it is written`() {
        assertEquals(
            mapOf("a" to listOf(1.0, -2.5e-3, true, null, "\u00e9\n\"\ud83d\ude00"), "" to emptyMap<String, Any?>()),
            Json.parse(" {\"a\": [1, -2.5E-3, true, null, \"\\u00e9\\n\\\"\\uD83D\\uDE00\"], \"\": { }} "),
        )
        val broken = listOf("", "{", "[1,]", "[01]", "nul", "\"\\x\"", "\"a", "{\"a\" 1}", "1 2", "\"\n\"", "[1}", "\"\\u12\"", "[".repeat(100_000))
        for (text in broken) assertThrows(JsonException::class.java, { Json.parse(text) }, text.take(9))
    }

    @Test
    fun `numbers are those of JSON's grammar, and end where it ends them`() {
        val numbers = "0 -0 10 -1.50 0.0 1e3 1E+03 -2.5e-3 0e0 123456789012345678901234567890 1e-400 4.9e-324".split(" ")
        for (text in numbers) {
            assertEquals(listOf(text.toDouble()), Json.parse("[$text]"))
            assertEquals(text.toDouble(), Json.parse(text))
        }
        val broken = "- +1 .5 1. 1.e3 -.5 00 -01 1e 1e+ 1e+-3 --1 1.2.3 0x1 1f 1d 1_0 ٣ 1٣ NaN Infinity -Infinity".split(" ")
        for (whole in broken + broken.map { "[$it]" } + broken.map { "[1, $it ]" }) {
            assertThrows(JsonException::class.java, { Json.parse(whole) }, whole)
        }
    }

    @Test
    fun `JSON is written as it is read`() {
        val value = mapOf("a" to listOf(1.0, -2.5e-3), "b\n\"\\" to mapOf("x" to null, "y" to true), "c" to listOf("\u0001"), "d" to emptyList<Any>())
        assertEquals(value, Json.parse(Json.write(value)))
        assertEquals("{\n  \"a\": [1, 2]\n}\n", Json.write(mapOf("a" to listOf(1, 2L))))
        assertThrows(IllegalArgumentException::class.java) { Json.write(Double.NaN) }
    }
}
