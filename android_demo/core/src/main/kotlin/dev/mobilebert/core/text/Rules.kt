package dev.mobilebert.core.text

/** How text becomes words: `text.tokenizer` of a contract. */
data class Rules(
    val lowerCase: Boolean = true,
    /** Take combining marks away after canonical decomposition. */
    val stripAccents: Boolean = true,
    /** Make every CJK character a word. */
    val splitCjk: Boolean = true,
    /** Longer words, in code points, are `[UNK]`. */
    val maxCharactersPerWord: Int = 200,
    val addedTokens: List<AddedToken> = emptyList(),
)

/** A token that a text holds as it is, found before words are cut; flags as in Hugging Face's `AddedToken`. */
data class AddedToken(
    val content: String,
    val id: Int,
    /** Only where no letter, digit or underscore touches it. */
    val singleWord: Boolean = false,
    /** Takes the white space before it. */
    val lstrip: Boolean = false,
    /** Takes the white space behind it. */
    val rstrip: Boolean = false,
    /** Compared with the text after the rules, not before. */
    val normalized: Boolean = false,
    /** Whether words are cut into it too. */
    val wordPiece: Boolean = true,
)
