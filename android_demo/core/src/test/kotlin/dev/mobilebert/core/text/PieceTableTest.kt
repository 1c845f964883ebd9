package dev.mobilebert.core.text

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import kotlin.random.Random

/** Vocabularies of few characters, so that pieces begin alike, stand twice, and continue a word that they also begin. */
class PieceTableTest {
    private val random = Random(7)
    private val alphabet = listOf("a", "b", "é", "😀")

    private fun letters(most: Int) = List(random.nextInt(1, most + 1)) { alphabet.random(random) }.joinToString("")

    private fun codes(text: String) = text.codePoints().toArray()

    @Test
    fun `the longest piece is found that a search through the whole vocabulary finds`() {
        var found = 0
        repeat(300) {
            val pieces = List(random.nextInt(0, 60)) { (if (random.nextBoolean()) "##" else "") + letters(5) } + listOf("##", "[UNK]")
            val table = PieceTable(pieces)
            repeat(50) {
                val word = letters(8)
                val isContinued = random.nextBoolean()
                val piece = table.longest(codes("??$word?"), 2, 2 + codes(word).size, isContinued)
                val expected = pieces.indices.filter { id ->
                    val content = pieces[id].removePrefix("##")
                    pieces[id].startsWith("##") == isContinued && content.isNotEmpty() && word.startsWith(content)
                }.maxWithOrNull(compareBy({ pieces[it].length }, { it }))
                assertEquals(expected ?: PieceTable.NONE, if (piece == PieceTable.NONE) piece else table.id(piece), "$word, $isContinued, $pieces")
                if (expected != null) {
                    assertEquals(codes(pieces[expected].removePrefix("##")).size, table.length(piece))
                    found++
                }
            }
        }
        assertTrue(found > 5000, "$found pieces were there")
    }
}
