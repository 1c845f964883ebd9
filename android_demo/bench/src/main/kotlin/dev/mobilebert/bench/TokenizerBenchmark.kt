package dev.mobilebert.bench

import dev.mobilebert.core.contract.Vocabulary
import dev.mobilebert.core.text.Tokenizer
import org.openjdk.jmh.annotations.Benchmark
import org.openjdk.jmh.annotations.BenchmarkMode
import org.openjdk.jmh.annotations.Fork
import org.openjdk.jmh.annotations.Measurement
import org.openjdk.jmh.annotations.Mode
import org.openjdk.jmh.annotations.OutputTimeUnit
import org.openjdk.jmh.annotations.Param
import org.openjdk.jmh.annotations.Scope
import org.openjdk.jmh.annotations.Setup
import org.openjdk.jmh.annotations.State
import org.openjdk.jmh.annotations.Warmup
import java.io.File
import java.util.concurrent.TimeUnit

/**
 * The tokenizer on the lines of a file, on one thread. An operation is a part of about [PART] bytes, one after the other: so
 * short that the median of many is not that of a machine which had something else to do meanwhile.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 3, time = 2)
@Fork(value = 3, jvmArgs = ["-XX:+UseSerialGC"])
open class TokenizerBenchmark {
    @Param("")
    lateinit var vocabulary: String

    @Param("")
    lateinit var text: String

    private lateinit var tokenizer: Tokenizer
    private lateinit var parts: List<List<String>>
    private var next = 0

    @Setup
    fun read() {
        tokenizer = Tokenizer(Vocabulary.lines(File(vocabulary).readText()))
        parts = partsOf(File(text).readLines())
    }

    @Benchmark
    fun part(): Int {
        var pieces = 0
        for (line in parts[next++ % parts.size]) pieces += tokenizer.encode(line).size
        return pieces
    }

    companion object {
        const val PART = 32_000

        /** Successive lines of [PART] bytes or a little more; what is left at the end is less, and left out. */
        fun partsOf(lines: List<String>): List<List<String>> {
            val parts = ArrayList<List<String>>()
            var part = ArrayList<String>()
            var bytes = 0
            for (line in lines) {
                part += line
                bytes += line.toByteArray().size + 1
                if (bytes < PART) continue
                parts += part
                part = ArrayList()
                bytes = 0
            }
            require(parts.isNotEmpty()) { "there is less than $PART bytes of text" }
            return parts
        }
    }
}
