package dev.mobilebert.core.text

import java.util.concurrent.atomic.AtomicReference

/**
 * BERT's word pieces, with their places in the text as it was given. Adds no special tokens by itself.
 *
 * Safe to use from several threads. Makes what the `tokenizers` library makes of every text, and allocates what it returns:
 * the arrays that it works in are kept for the next text, unless this one was very long.
 *
 * @param pieces the vocabulary in the order of ids
 * @throws IllegalArgumentException there is no `[UNK]`
 */
class Tokenizer(pieces: List<String>, private val rules: Rules = Rules()) {
    private val unknown = pieces.indexOf("[UNK]")
    private val table = PieceTable(pieces.subList(0, pieces.size - rules.addedTokens.count { !it.wordPiece }))
    private val raw = rules.addedTokens.filter { !it.normalized }.let { AddedTokens(it, it.map { t -> codes(t.content) }) }
    private val cleaned = rules.addedTokens.filter { it.normalized }.let { AddedTokens(it, it.map(::cleanedCodes)) }

    init {
        require(unknown >= 0) { "the vocabulary has no [UNK]" }
    }

    /** Room that nobody works in. */
    private val spare = AtomicReference<Room>()

    /** Word pieces of [text]; those of no character are none. */
    fun encode(text: CharSequence): Encoding {
        val room = spare.getAndSet(null) ?: Room(rules)
        if (raw.isEmpty) {
            cut(text, 0, text.length, room)
        } else {
            room.read(text)
            val places = room.places
            raw.split(
                room.codes, room.size,
                plain = { from, until -> cut(text, places[from], places[until], room) },
                found = { token, from, until -> room.pieces.add(token.id, places[from], places[until]) },
            )
        }
        return room.pieces.toEncoding().also { if (room.isSmall) spare.set(room.apply { pieces.cutTo(0) }) }
    }

    private fun cut(text: CharSequence, from: Int, until: Int, room: Room) {
        val normalized = room.normalized
        val pieces = room.pieces
        normalized.read(text, from, until)
        if (cleaned.isEmpty) return words(normalized, 0, normalized.size, pieces)
        cleaned.split(
            normalized.codes, normalized.size,
            plain = { first, behind -> words(normalized, first, behind, pieces) },
            found = { token, first, behind ->
                pieces.add(token.id, normalized.starts[first], normalized.ends[behind - 1])
            },
        )
    }

    /** White space separates words; punctuation is a word for each character. */
    private fun words(normalized: Normalized, from: Int, until: Int, pieces: Pieces) {
        val codes = normalized.codes
        var first = from
        for (place in from..<until) {
            val code = codes[place]
            if (code in 'a'.code..'z'.code) continue
            val isBlank = code == Normalized.BLANK
            if (isBlank || Characters.has(code, Characters.PUNCTUATION)) {
                if (first < place) word(normalized, first, place, pieces)
                if (!isBlank) word(normalized, place, place + 1, pieces)
                first = place + 1
            }
        }
        if (first < until) word(normalized, first, until, pieces)
    }

    /** The longest pieces from the start on, or `[UNK]`. */
    private fun word(normalized: Normalized, from: Int, until: Int, pieces: Pieces) {
        val before = pieces.count
        var first = from
        while (first < until && until - from <= rules.maxCharactersPerWord) {
            val piece = table.longest(normalized.codes, first, until, isContinued = first > from)
            if (piece == PieceTable.NONE) break
            val behind = first + table.length(piece)
            pieces.add(table.id(piece), normalized.starts[first], normalized.ends[behind - 1])
            first = behind
        }
        if (first < until) {
            pieces.cutTo(before)
            pieces.add(unknown, normalized.starts[from], normalized.ends[until - 1])
        }
    }

    private fun cleanedCodes(token: AddedToken): IntArray =
        Normalized(rules).apply { read(token.content, 0, token.content.length) }.let { it.codes.copyOf(it.size) }

    private fun codes(content: String): IntArray = content.codePoints().toArray()
}

/** What one text needs while it is cut. */
private class Room(rules: Rules) {
    val normalized = Normalized(rules)
    val pieces = Pieces()

    /** Code points of the text as it is, and the place of each and of the end. */
    var codes = IntArray(0)
        private set
    var places = IntArray(1)
        private set
    var size = 0
        private set

    val isSmall: Boolean get() = maxOf(normalized.codes.size, codes.size, pieces.capacity) <= MOST_KEPT

    fun read(text: CharSequence) {
        if (codes.size < text.length) {
            codes = IntArray(text.length)
            places = IntArray(text.length + 1)
        }
        size = 0
        var place = 0
        while (place < text.length) {
            val code = Normalized.codePointAt(text, place, text.length)
            codes[size] = code
            places[size++] = place
            place += Character.charCount(code)
        }
        places[size] = text.length
    }

    private companion object {
        /** Characters: two megabytes of arrays. */
        const val MOST_KEPT = 1 shl 16
    }
}
