package dev.mobilebert.core

import dev.mobilebert.core.contract.ContractException
import dev.mobilebert.core.contract.ContractReader
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test

class InputsTest {
    @Test
    fun `texts that are too long lose the pieces that Python takes away`() {
        for (row in Vectors.rows("layouts")) {
            val laid = InputMaker(Vectors.text(row["text"])).layOut((row["parts"] as List<*>).map(Vectors::integers))
            assertArrayEquals(Vectors.integers(row["ids"]), laid.ids, "$row")
            assertArrayEquals(Vectors.integers(row["segment_ids"]), laid.segmentIds, "$row")
        }
    }

    @Test
    fun `the signature is the shortest with room for a padding`() {
        val row = Vectors.one("signatures")
        val maker = InputMaker(Vectors.text(row["text"]))
        val signatures = (row["signatures"] as List<*>).map { ContractReader.signature(Vectors.fields(it)) }
        Vectors.integers(row["counts"]).zip(row["names"] as List<*>).forEach { (count, name) ->
            assertEquals(name, maker.signature(signatures, count).name, "$count ids")
        }
        assertThrows(ContractException::class.java) { maker.signature(signatures, 49) }
    }

    @Test
    fun `what stands behind the ids is padding`() {
        val row = Vectors.one("signatures")
        val text = Vectors.text(row["text"])
        val odd = text.copy(padding = text.padding.copy(inputIds = 7, inputMask = 0, segmentIds = 3))
        val signature = ContractReader.signature(Vectors.fields((row["signatures"] as List<*>)[0])).copy(length = 4)
        val inputs = InputMaker(odd).pad(intArrayOf(1, 2), intArrayOf(0, 1), signature)
        assertArrayEquals(intArrayOf(1, 2, 7, 7), inputs.ids)
        assertArrayEquals(intArrayOf(1, 1, 0, 0), inputs.mask)
        assertArrayEquals(intArrayOf(0, 1, 3, 3), inputs.segmentIds)
    }
}
