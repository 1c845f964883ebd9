package dev.mobilebert.core

import dev.mobilebert.core.answers.cosine
import dev.mobilebert.core.answers.decode
import dev.mobilebert.core.answers.softmax
import dev.mobilebert.core.contract.Answer
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test

class AnswersTest {
    @Test
    fun `outputs have the answers that Python gives`() {
        val none = HashSet<String>()
        for (row in Vectors.rows("answers")) {
            val output = Vectors.floats(row["output"])
            val answer = Vectors.answer(row["answer"])
            val (said, probabilities) = when (answer) {
                is Answer.Classes -> answer.decode(output).let { it.label to it.probabilities }
                is Answer.Labels -> answer.decode(output).let { it.labels to it.probabilities }
                is Answer.Value -> answer.decode(output) to null
                is Answer.Prototypes -> answer.decode(output) to null
                else -> null to null
            }
            assertEquals(row["said"], said, "$row")
            if (said == null) none += answer::class.simpleName!!
            // Two libraries' exp may differ in the last of 53 bits.
            val wanted = (row["probabilities"] as List<*>?)?.map { it as Double }?.toDoubleArray()
            assertEquals(wanted == null, probabilities == null)
            if (wanted != null) assertArrayEquals(wanted, probabilities, 1e-14, "$row")
        }
        assertEquals(setOf("Classes", "Vector", "Prototypes"), none, "kinds that said none of these")
    }

    @Test
    fun `probabilities of the largest logits are numbers`() {
        assertArrayEquals(doubleArrayOf(1.0, 0.0), softmax(floatArrayOf(3e38f, -3e38f), 0.1))
        assertArrayEquals(doubleArrayOf(0.25, 0.75), softmax(floatArrayOf(0f, 1.0986123f)), 1e-7)
    }

    @Test
    fun `vectors are compared by their cosine`() {
        assertEquals(0.96, cosine(floatArrayOf(0.6f, 0.8f), floatArrayOf(0.8f, 0.6f)), 1e-6)
        assertThrows(IllegalArgumentException::class.java) { cosine(floatArrayOf(1f), floatArrayOf(1f, 0f)) }
    }
}
