package dev.mobilebert.core.answers

import dev.mobilebert.core.Window
import dev.mobilebert.core.contract.Answer

/** A name in a text: what it is, and its first UTF-16 unit and the one behind the last. */
data class Entity(val label: String, val text: String, val start: Int, val end: Int)

private const val OUTSIDE = "O"

/**
 * The entities that [windows] on [text] have, in order. A word has the label of its first piece, in the window where
 * that counts, and O if it has none.
 *
 * @param outputs for each window its logits [ids][C] in one array, row by row
 */
fun Answer.Entities.decode(windows: List<Window>, outputs: List<FloatArray>, text: String): List<Entity> {
    val words = wordsOf(text)
    return entities(words, tags(words, windows, outputs), text)
}

/** The label of each word. */
private fun Answer.Entities.tags(words: Words, windows: List<Window>, outputs: List<FloatArray>): List<String> {
    class Piece(val start: Int, val end: Int, val window: Int, val place: Int)

    val counted = bestSeen(windows)
    val pieces = windows.flatMapIndexed { number, window ->
        (0..<window.count).filter { counted[number][it] }.map { Piece(window.starts[it], window.ends[it], number, it) }
    }.sortedWith(compareBy({ it.start }, { it.end }))
    var next = 0
    return List(words.size) { word ->
        while (next < pieces.size && pieces[next].start < words.starts[word]) next++
        val piece = pieces.getOrNull(next)
        if (piece == null || piece.start >= words.ends[word]) {
            OUTSIDE
        } else {
            val row = windows[piece.window].front + piece.place
            labels[argmax(outputs[piece.window], row * labels.size, labels.size)]
        }
    }
}

/** B, S or U begin an entity; so do another kind, and what follows E, S, L, U or O. */
internal fun entities(words: Words, tags: List<String>, text: String): List<Entity> {
    val entities = ArrayList<Entity>()
    var before = OUTSIDE
    tags.forEachIndexed { word, tag ->
        if (tag != OUTSIDE) {
            val kind = tag.drop(2)
            val begins = before == OUTSIDE || tag[0] in "BSU" || before[0] in "ESLU" || before.drop(2) != kind
            val start = if (begins) words.starts[word] else entities.removeAt(entities.lastIndex).start
            entities += Entity(kind, text.substring(start, words.ends[word]), start, words.ends[word])
        }
        before = tag
    }
    return entities
}
