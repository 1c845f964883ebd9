package dev.mobilebert.core.screen

import dev.mobilebert.core.bench.Protocol
import dev.mobilebert.core.model.Accelerator
import dev.mobilebert.core.model.Settings
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test

class BenchRequestTest {
    private fun read(vararg extras: Pair<String, String>) = BenchRequest.read(extras.toMap()::get)

    private fun refusal(vararg extras: Pair<String, String>) = assertThrows(IllegalArgumentException::class.java) { read(*extras) }.message

    @Test
    fun `what is left out is as usual`() {
        assertEquals(BenchRequest(Choice("", ""), Protocol()), read())
        assertEquals(
            BenchRequest(Choice("films", "int4", Settings(4, Accelerator.NPU)), Protocol(2, 3, 4, 0)),
            read(
                "export" to "films", "variant" to "int4", "threads" to "4", "accelerator" to "npu", "rounds" to "2", "runs" to "3",
                "warm_up" to "4", "cool_down_seconds" to "0",
            ),
        )
    }

    @Test
    fun `what cannot be measured with is a sentence, and nothing else is measured`() {
        assertEquals("The benchmark was asked for with accelerator tpu; it is CPU or GPU or NPU.", refusal("accelerator" to "tpu"))
        assertEquals("The benchmark was asked for with rounds many; it is a whole number from 1 to 1000.", refusal("rounds" to "many"))
        assertEquals("The benchmark was asked for with threads 0; it is a whole number from 1 to 64.", refusal("threads" to "0"))
        assertEquals(
            "The benchmark was asked for with 1000 rounds of 1000000 runs; all together it measures 100000 at most.",
            refusal("rounds" to "1000", "runs" to "1000000"),
        )
    }
}
