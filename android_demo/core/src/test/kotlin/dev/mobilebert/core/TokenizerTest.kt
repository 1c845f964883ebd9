package dev.mobilebert.core

import dev.mobilebert.core.text.Rules
import dev.mobilebert.core.text.Tokenizer
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.Locale

class TokenizerTest {
    @Test
    fun `the default locale is one in which i is not the small I`() {
        assertEquals("ı", "I".lowercase(Locale.getDefault()), "pom.xml starts these tests in Turkish")
    }

    @Test
    fun `texts have the pieces and places that Python gives`() {
        val rows = Vectors.rows("texts")
        assertTrue(rows.size > 200, "${rows.size} texts")
        for (row in rows) {
            val text = row["text"] as String? ?: (row["repeat"] as String).repeat((row["times"] as Double).toInt())
            val numbers = numbersOf(text, Vectors.tokenizers.getValue(row["tokenizer"] as String).encode(text))
            val which = "${row["tokenizer"]}: ${text.take(60)}"
            if ("crc" in row) {
                assertEquals((row["count"] as Double).toInt(), numbers.size / 4, which)
                assertEquals((row["crc"] as Double).toLong(), crcOf(numbers), which)
            } else {
                assertArrayEquals((row["pieces"] as List<*>).flatMap { Vectors.integers(it).asList() }.toIntArray(), numbers, which)
            }
        }
    }

    @Test
    fun `half a surrogate pair is dropped, which no Python text can have`() {
        val tokenizer = Vectors.tokenizers.getValue("uncased")
        assertArrayEquals(tokenizer.encode("ab").ids, tokenizer.encode("a\uD83Db\uDE00").ids)
        assertEquals(0, tokenizer.encode("\uDE00\uD83D").size)
    }

    @Test
    fun `places count UTF-16 units`() {
        val encoding = Tokenizer(listOf("[UNK]", "a", "##b")).encode("😀 aB")
        assertArrayEquals(intArrayOf(0, 1, 2), encoding.ids)
        assertArrayEquals(intArrayOf(0, 3, 4), encoding.starts)
        assertArrayEquals(intArrayOf(2, 4, 5), encoding.ends)
    }

    @Test
    fun `UTF-16 units are converted to code points`() {
        val text = "a😀\uD83Dé\uDE00z"
        val points = CodePoints(text)
        val begins = listOf(0, 1, 3, 4, 5, 6, 7)
        begins.forEachIndexed { number, place -> assertEquals(number, points.fromUtf16(place)) }
        assertEquals(1, points.fromUtf16(2), "the second half of a pair is the same code point")
        assertEquals(3, CodePoints("plain").fromUtf16(3))
    }

    @Test
    fun `a limit of a word counts code points`() {
        val tokenizer = Tokenizer(listOf("[UNK]", "a", "##a"), Rules(maxCharactersPerWord = 3))
        assertEquals(listOf(3, 1), listOf("aaa", "aaaa").map { tokenizer.encode(it).size })
    }

    @Test
    fun `a vocabulary without the unknown piece is refused`() {
        assertThrows(IllegalArgumentException::class.java) { Tokenizer(listOf("a")) }
    }
}
