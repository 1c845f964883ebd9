package dev.mobilebert.core

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test

class LatencyTest {
    @Test
    fun `figures are NumPy's`() {
        for (row in Vectors.rows("latency")) {
            val times = (row["times"] as List<*>).map { it as Double }.toDoubleArray()
            val figures = Latency.of(times)
            assertEquals(times.size, figures.count)
            // Sums in another order.
            assertEquals(row["mean"] as Double, figures.mean, 1e-9)
            assertEquals(row["p50"] as Double, figures.p50, 1e-9)
            assertEquals(row["p90"] as Double, figures.p90, 1e-9)
            assertEquals(row["p99"] as Double, figures.p99, 1e-9)
        }
    }

    @Test
    fun `no time, a negative one and one that is no number are refused`() {
        for (times in listOf(doubleArrayOf(), doubleArrayOf(1.0, -1.0), doubleArrayOf(Double.NaN))) {
            assertThrows(IllegalArgumentException::class.java) { Latency.of(times) }
        }
    }
}
