package dev.mobilebert.app

import dev.mobilebert.core.contract.Answer
import dev.mobilebert.core.contract.Contract
import dev.mobilebert.core.contract.ContractReader
import dev.mobilebert.core.model.contractName
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Assume.assumeTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.io.File
import java.util.Locale
import kotlin.math.abs

/** Whatever exports there are: the screen shows for each example what Python wrote into the contract. */
@RunWith(RobolectricTestRunner::class)
class ExportsTest {
    private val directory = TestApplication.directory

    @Test
    fun screenShowsWhatPythonSaid() {
        val exports = directory.listFiles().orEmpty().filter { it.isDirectory }.sorted()
        assumeTrue("no exports in $directory; mobilebert-tf export --android_demo puts one there", exports.isNotEmpty())
        Phone().use { phone ->
            phone.waitUntilOpen()
            for (export in exports) {
                phone.choose(R.id.export, export.name.asName(exports.map { it.name }))
                for (variant in phone.choices(R.id.variant)) {
                    phone.choose(R.id.variant, variant)
                    phone.waitUntilOpen()
                    assertTrue(phone.text(R.id.message), !phone.isSeen(R.id.message_card))
                    val shown = check(phone, contract(export, variant.replace(' ', '_')))
                    println("${export.name}, $variant: $shown examples")
                }
            }
        }
    }

    private fun contract(export: File, variant: String): Contract =
        contractName(variant).let { ContractReader.read(File(export, it).readText(), it) }

    private fun check(phone: Phone, contract: Contract): Int {
        val examples = contract.examples.filter { (it["text"] as String).isNotBlank() && it["text_b"] != "" && contract.answer !is Answer.Vector }
        for (example in examples) {
            phone.type(example["text"] as String, example["text_b"] as? String ?: "")
            phone.ask()
            checkOne(phone, contract, example)
        }
        return examples.size
    }

    private fun checkOne(phone: Phone, contract: Contract, example: Map<String, Any?>) {
        val about = example["text"] as String
        val said = phone.text(R.id.answer)
        val stated = example["answer"]
        when (val answer = contract.answer) {
            is Answer.Classes -> {
                assertEquals(about, stated ?: phone.activity.getString(R.string.answer_no_label), said)
                val rows = phone.rows(R.id.answer_rows).toMap()
                val probabilities = answer.labels.zip((example["probabilities"] as List<*>).map { it as Double })
                for ((label, probability) in probabilities.sortedByDescending { it.second }.take(8)) {
                    // A unit of the last digit that is shown: kernels of another release may round otherwise.
                    val shown = rows.getValue(label).removeSuffix(" %").toDouble()
                    assertEquals(label, 100 * probability, shown, 0.1 + 100 * contract.tolerance)
                }
            }
            is Answer.Labels -> {
                val likely = answer.labels.zip((example["probabilities"] as List<*>).map { it as Double }).toMap()
                val likeliestFirst = (stated as List<*>).sortedByDescending { likely.getValue("$it") }
                assertEquals(about, likeliestFirst.joinToString().ifEmpty { "No label holds" }, said)
            }
            is Answer.Prototypes -> assertEquals(about, stated ?: "None of them", said)
            is Answer.Value -> {
                // Four digits are shown.
                val allowed = 1e-3 * abs(stated as Double) + abs(answer.scale) * contract.tolerance
                assertTrue("$about: $said", abs(said.replace(",", "").toDouble() - stated) <= allowed)
            }
            is Answer.Span -> assertEquals(about, (stated as Map<*, *>?)?.get("text") ?: "The passage does not say", said)
            is Answer.Entities -> assertEquals(
                about,
                (stated as List<*>).map { it as Map<*, *> }.map { "${it["text"]}" to "${it["label"]}" }.take(24),
                phone.rows(R.id.answer_rows),
            )
            is Answer.Vector -> assertTrue(said, said.toDouble() in -1.0..1.0)
        }
        assertTrue(about, phone.rows(R.id.cost_rows).first().second.endsWith(" ms"))
    }

    @Test
    fun localeOfTheTests() = assertEquals("en_US", Locale.getDefault().toString())
}
