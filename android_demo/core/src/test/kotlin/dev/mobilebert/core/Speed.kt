package dev.mobilebert.core

import dev.mobilebert.core.contract.Vocabulary
import dev.mobilebert.core.text.Tokenizer
import java.io.File

/**
 * Times the tokenizer on the lines of a file, on one core: `Speed VOCABULARY TEXT WARM_UP ROUNDS`.
 *
 * Prints bytes, pieces, seconds until the first text has pieces, and those of each round behind the warm-up.
 */
object Speed {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val started = System.nanoTime()
        val tokenizer = Tokenizer(Vocabulary.lines(File(arguments[0]).readText()))
        tokenizer.encode("é")
        val start = (System.nanoTime() - started) / 1e9
        val lines = File(arguments[1]).readLines()
        var pieces = 0L
        val seconds = List(arguments[2].toInt() + arguments[3].toInt()) {
            pieces = 0
            val begin = System.nanoTime()
            for (line in lines) pieces += tokenizer.encode(line).size
            (System.nanoTime() - begin) / 1e9
        }
        val kept = seconds.drop(arguments[2].toInt())
        println("""{"bytes": ${File(arguments[1]).length()}, "pieces": $pieces, "start": $start, "seconds": $kept}""")
    }
}
