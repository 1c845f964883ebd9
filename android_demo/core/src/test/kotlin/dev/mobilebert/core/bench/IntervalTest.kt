package dev.mobilebert.core.bench

import dev.mobilebert.core.Vectors
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test

class IntervalTest {
    @Test
    fun `intervals are those of Python's benchmarks`() {
        for (row in Vectors.rows("intervals")) {
            val interval = medianInterval((row["medians"] as List<*>).map { it as Double })
            assertEquals(row["low"] to row["high"], interval?.first to interval?.second, "$row")
        }
    }
}
