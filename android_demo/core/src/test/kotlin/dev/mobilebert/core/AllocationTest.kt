package dev.mobilebert.core

import com.sun.management.ThreadMXBean
import dev.mobilebert.core.text.AddedToken
import dev.mobilebert.core.text.Encoding
import dev.mobilebert.core.text.Rules
import dev.mobilebert.core.text.Tokenizer
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.lang.management.ManagementFactory

/** What an encoding allocates is what it returns: nothing for a character, whatever the script. */
class AllocationTest {
    private val threads = ManagementFactory.getThreadMXBean() as ThreadMXBean

    private val scripts = mapOf(
        "ASCII" to "The quick brown Fox, 1984! ",
        "accents" to "Crème BRÛLÉE Ångström e\u0301 ",
        "Vietnamese" to "Tiếng Việt ĐẶNG Ữ ",
        "Greek" to "ΕΛΛΆΔΑ Οδυσσεύς ",
        "Cyrillic" to "МОСКВА Ёлка Йод ",
        "Hebrew" to "שָׁלוֹם עולם ",
        "Arabic" to "اللغة العربيّة لُغَةٌ ",
        "Devanagari" to "हिन्दी क़ ",
        "Thai" to "ภาษาไทย ",
        "Han" to "中文文本豈更 ",
        "Kana" to "ガギ カタカナ ",
        "Hangul" to "한국어 텍스트 값 ",
        "beyond 16 bits" to "😀 𝐁old 𐐀 𠀀 ",
        "half pairs" to "a\uD83D b\uDE00 ",
    )

    /** Letters of [scripts] and what they become, so that words have several pieces. */
    private val vocabulary = listOf("[UNK]", "[MASK]") + scripts.values.joinToString("").codePoints().toArray().flatMap { code ->
        val letter = String(Character.toChars(code)).lowercase()
        listOf(letter, "##$letter")
    }.filter { it.isNotBlank() && it != "##" }.distinct()

    private val withAdded =
        Tokenizer(vocabulary, Rules(addedTokens = listOf(AddedToken("[MASK]", 1, lstrip = true), AddedToken("the", 0, normalized = true))))

    /** Bytes of objects, and what is left when it is done. */
    private fun allocated(work: () -> Encoding): Pair<Long, Encoding> {
        val before = threads.getThreadAllocatedBytes(Thread.currentThread().id)
        val result = work()
        return threads.getThreadAllocatedBytes(Thread.currentThread().id) - before to result
    }

    private fun check(tokenizer: Tokenizer) {
        allocated { tokenizer.encode("to load classes") }
        for ((script, text) in scripts) {
            val long = text.repeat(4_000 / text.length)
            tokenizer.encode(long)
            val (bytes, encoding) = allocated { tokenizer.encode(long) }
            assertTrue(encoding.size > 20, script)
            // Three arrays and the object that holds them; a few objects for the whole, and for each added token that is found.
            val returned = 3L * Int.SIZE_BYTES * encoding.size
            val few = 1_000 + 100 * (if (tokenizer === withAdded) Regex("the", RegexOption.IGNORE_CASE).findAll(long).count() else 0)
            assertTrue(bytes - returned in 0..few, "$script: $bytes bytes for ${encoding.size} pieces of ${long.length} characters")
        }
    }

    @Test
    fun `nothing is allocated for a character`() = check(Tokenizer(vocabulary))

    @Test
    fun `nor where a cased vocabulary keeps accents`() = check(Tokenizer(vocabulary, Rules(lowerCase = false, stripAccents = false)))

    @Test
    fun `nor where added tokens are sought`() = check(withAdded)

    @Test
    fun `a very long text leaves no room behind, and several threads share none`() {
        val tokenizer = Tokenizer(vocabulary)
        val text = "The quick brown Fox, 1984! "
        val wanted = tokenizer.encode(text).ids.asList()
        tokenizer.encode(text.repeat(40_000))
        val (bytes, _) = allocated { tokenizer.encode(text) }
        assertTrue(bytes < 10_000, "$bytes bytes")
        val seen = java.util.Collections.synchronizedSet(HashSet<List<Int>>())
        List(4) { Thread { repeat(500) { seen += tokenizer.encode(text).ids.asList() } } }.onEach { it.start() }.forEach { it.join() }
        assertEquals(setOf(wanted), seen)
    }
}
