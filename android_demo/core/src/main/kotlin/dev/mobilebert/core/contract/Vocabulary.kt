package dev.mobilebert.core.contract

import java.security.MessageDigest

/** Reads `vocab.txt` of an export. */
object Vocabulary {
    /** The piece of words that cannot be made of others. */
    const val UNKNOWN = "[UNK]"

    /**
     * The pieces in [content], which a contract describes; the number of each is its id.
     *
     * @throws ContractException it is another vocabulary
     */
    fun read(content: ByteArray, text: TextContract): List<String> {
        val name = text.vocabulary.name
        if (sha256(content) != text.vocabulary.sha256) {
            throw ContractException("$name is not the one the model was exported with; copy it again from the export")
        }
        val pieces = lines(content.decodeToString())
        if (pieces.size != text.vocabularySize) {
            throw ContractException("$name has ${pieces.size} pieces, not ${text.vocabularySize}; export the model again")
        }
        if (UNKNOWN !in pieces) throw ContractException("$name has no $UNKNOWN; export the model again")
        for ((token, id) in text.specialTokens) {
            if (pieces.getOrNull(id) != token) throw ContractException("$name does not have $token at $id; export the model again")
        }
        return pieces
    }

    /** The pieces of a vocabulary: a line each, with or without a carriage return. */
    fun lines(content: String): List<String> =
        content.removePrefix("\uFEFF").removeSuffix("\n").split('\n').map { it.trimEnd('\r') }

    /** Hexadecimal SHA-256 of [content]. */
    fun sha256(content: ByteArray): String =
        MessageDigest.getInstance("SHA-256").digest(content).joinToString("") { "%02x".format(java.util.Locale.ROOT, it) }
}
