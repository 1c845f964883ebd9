package dev.mobilebert.app

import android.view.View
import android.widget.ScrollView
import org.junit.Assume.assumeTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.ParameterizedRobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import java.io.File

/** A picture of every screen, in light and dark, upright and on its side, with letters of usual and of double size. */
@RunWith(ParameterizedRobolectricTestRunner::class)
class ScreenshotTest(private val look: String, private val qualifiers: String, private val fontScale: Float) {
    @Test
    fun photograph() {
        val names = TestApplication.directory.listFiles().orEmpty().filter { it.isDirectory }.map { it.name }.sorted()
        assumeTrue("no exports in ${TestApplication.directory}", names.isNotEmpty())
        RuntimeEnvironment.setQualifiers(qualifiers)
        RuntimeEnvironment.setFontScale(fontScale)
        Phone().use { phone ->
            phone.waitUntilOpen()
            for (name in names) {
                phone.choose(R.id.export, name.asName(names))
                phone.waitUntilOpen()
                val (first, second) = TEXTS[name] ?: (phone.text(R.id.first) to phone.text(R.id.second).ifEmpty { "Another text." })
                phone.type(first, second)
                repeat(12) { phone.ask() }
                phone.photograph(File(System.getProperty("demo.screens"), "$name-$look.png"))
            }
            if (look == "light") photographFacts(phone)
        }
    }

    private fun photographFacts(phone: Phone) {
        phone.view<ScrollView>(R.id.scroll).fullScroll(View.FOCUS_DOWN)
        phone.photograph(File(System.getProperty("demo.screens"), "model-$look.png"))
        phone.view<View>(R.id.tab_benchmark).performClick()
        phone.view<View>(R.id.bench_button).performClick()
        phone.waitUntil("the benchmark is done") { phone.isSeen(R.id.bench_note) }
        phone.photograph(File(System.getProperty("demo.screens"), "benchmark-$look.png"))
    }

    companion object {
        /** For exports that have these names; of others their first example. */
        private val TEXTS = mapOf(
            "film-reviews" to ("A warm, funny and moving film, with a cast that never puts a foot wrong." to ""),
            "intents" to ("Wake me up at seven tomorrow" to ""),
            "names" to ("Angela Merkel met Tim Cook in Berlin on Tuesday, before she flew on to Paris." to ""),
            "questions" to (
                "Where was the treaty signed?" to
                    "After eight months of talks, the treaty was signed in the old town hall of Lisbon by all twelve states. It came into force " +
                    "two years later."
                ),
            "packages" to ("A music player for the terminal that reads many formats of sound files" to ""),
            "likeness" to ("How do I reset my password?" to "I cannot log in any more, please send me a new password."),
            "similarity" to ("A man is playing a guitar on the stage." to "Someone plays the guitar in front of an audience."),
        )

        @JvmStatic
        @ParameterizedRobolectricTestRunner.Parameters(name = "{0}")
        fun looks() = listOf(
            arrayOf<Any>("light", "w360dp-h760dp-notnight-xhdpi", 1f),
            arrayOf<Any>("dark", "w360dp-h760dp-night-xhdpi", 1f),
            arrayOf<Any>("wide", "w760dp-h360dp-land-notnight-xhdpi", 1f),
            arrayOf<Any>("large", "w360dp-h760dp-notnight-xhdpi", 2f),
        )
    }
}
