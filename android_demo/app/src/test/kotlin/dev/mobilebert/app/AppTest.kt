package dev.mobilebert.app

import android.content.Intent
import android.content.res.Configuration
import android.os.Looper
import android.os.PowerManager
import android.os.SystemClock
import android.view.MotionEvent
import android.view.View
import android.widget.EditText
import android.widget.Spinner
import android.widget.TextView
import dev.mobilebert.core.Inputs
import dev.mobilebert.core.contract.Signature
import dev.mobilebert.core.model.OpenModel
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Assume.assumeTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import java.io.File
import java.nio.file.Files
import java.util.concurrent.CountDownLatch

/** What the app does when it is turned, fed with bad files, or told to compute where it cannot. */
@RunWith(RobolectricTestRunner::class)
class AppTest {
    private val directory = TestApplication.directory
    private val copy: File = Files.createTempDirectory("exports").toFile()

    @After
    fun restore() {
        TestApplication.directory = directory
        TestApplication.wrap = { it }
        copy.deleteRecursively()
    }

    /** A copy of the first export, or of the first where [oneGraph] is what its contracts say, with [spoil] done to it. */
    private fun spoiled(oneGraph: Boolean? = null, spoil: (File) -> Unit): Phone {
        val exports = directory.listFiles().orEmpty().filter { it.isDirectory }
        val export = exports.filter { oneGraph == null || oneGraph == hasOneGraph(it) }.minByOrNull { it.name }
        assumeTrue("no such exports in $directory", export != null)
        val place = File(copy, "export").apply { deleteRecursively() }
        export?.copyRecursively(place)
        spoil(place)
        TestApplication.directory = copy
        return Phone().apply { waitUntilOpen() }
    }

    private fun hasOneGraph(place: File): Boolean =
        place.listFiles().orEmpty().any { it.name.endsWith(".contract.json") && "\"one_graph\": true" in it.readText() }

    private fun file(place: File, ending: String): File = place.listFiles().orEmpty().filter { it.name.endsWith(ending) }.minBy { it.name }

    private fun saidOf(spoil: (File) -> Unit): String = spoiled(spoil = spoil).use { phone ->
        assertTrue(phone.isSeen(R.id.message_card))
        assertFalse(phone.isSeen(R.id.question_card))
        phone.text(R.id.message)
    }

    @Test
    fun badFilesAreSentences() {
        val variant = spoiled { }.use { phone -> phone.choices(R.id.variant).size }
        assertTrue(variant > 0)
        fun model(place: File) = place.listFiles().orEmpty().filter { it.name.endsWith(".tflite") }
        val missing = "cannot be read (it is not there); put the export into the app again"
        assertTrue(saidOf { place -> model(place).forEach { it.delete() } }.endsWith(missing))
        assertTrue(saidOf { place -> model(place).forEach { it.writeBytes(ByteArray(9)) } }.contains(" has 9 bytes, not "))
        assertTrue(
            saidOf { place -> model(place).forEach { it.writeBytes(ByteArray(it.length().toInt())) } }.contains(" is damaged, or another file than"),
        )
        assertEquals(
            "vocab.txt of export is damaged: it is not as it was exported; put the export into the app again",
            saidOf { file(it, "vocab.txt").appendText("more\n") },
        )
        val contract = saidOf { place -> place.listFiles().orEmpty().filter { it.name.endsWith(".contract.json") }.forEach { it.appendText(" ") } }
        assertTrue(contract, contract.contains(".contract.json of export is damaged"))
        val cut = saidOf { place ->
            File(place, "SHA256SUMS").delete()
            place.listFiles().orEmpty().filter { it.name.endsWith(".contract.json") }.forEach { it.writeText(it.readText().dropLast(20)) }
        }
        assertTrue(cut, cut.contains("is not JSON (line "))
    }

    @Test
    fun aLongTextMovesInItsField() {
        spoiled { }.use { phone ->
            phone.type("A line.\n".repeat(40))
            shadowOf(Looper.getMainLooper()).idle()
            val field = phone.view<EditText>(R.id.first)
            val place = IntArray(2).also(field::getLocationInWindow)
            val (x, bottom) = place[0] + field.width / 2f to place[1] + field.height * 0.9f
            val began = SystemClock.uptimeMillis()
            for (step in 0..20) {
                val action = if (step == 0) MotionEvent.ACTION_DOWN else MotionEvent.ACTION_MOVE
                val event = MotionEvent.obtain(began, began + 16 * step, action, x, bottom - step * field.height / 40f, 0)
                phone.activity.window.decorView.dispatchTouchEvent(event)
            }
            assertEquals("the page", 0, phone.view<View>(R.id.scroll).scrollY)
            assertTrue("the text is at ${field.scrollY}", field.scrollY > field.height / 4)
        }
    }

    @Test
    fun contractsOfAnotherTimeAreSentences() {
        fun said(old: String, new: String) = saidOf { place ->
            File(place, "SHA256SUMS").delete()
            for (file in place.listFiles().orEmpty().filter { it.name.endsWith(".contract.json") }) {
                assertTrue(old in file.readText())
                file.writeText(file.readText().replaceFirst(old, new))
            }
        }
        val newer = said("\"schema\": 2", "\"schema\": 3")
        assertTrue(newer, newer.endsWith("has schema 3, this app reads 2; export the model again or update the app"))
        val without = said("\"max_ids\"", "\"max_idz\"")
        assertTrue(without, without.endsWith(".text.max_ids is not a number; export the model again"))
    }

    @Test
    fun anotherVocabularyIsASentence() {
        val said = saidOf { place ->
            File(place, "SHA256SUMS").delete()
            file(place, "vocab.txt").writeText("[PAD]\n[UNK]\n")
        }
        assertEquals("vocab.txt is not the one the model was exported with; copy it again from the export", said)
    }

    @Test
    fun aBenchmarkOfWhatIsNotThereIsASentence() {
        spoiled { }.use { phone ->
            phone.controller.newIntent(Intent(MainActivity.BENCHMARK).putExtra("export", "export").putExtra("variant", "int1"))
            val said = phone.text(R.id.message)
            assertTrue(said, said.startsWith("The benchmark was asked for export, int1, which is not here. Here: "))
        }
    }

    @Test
    fun aBenchmarkThatCannotBeDoneIsASentenceAndTheAppGoesOn() {
        spoiled { }.use { phone ->
            fun said(extras: Intent.() -> Intent): String {
                phone.controller.newIntent(Intent(MainActivity.BENCHMARK).extras())
                return phone.text(R.id.message)
            }
            assertEquals("The benchmark was asked for with accelerator tpu; it is CPU or GPU or NPU.", said { putExtra("accelerator", "tpu") })
            assertEquals(
                "The benchmark was asked for with rounds [1]; it is a whole number from 1 to 1000.",
                said { putExtra("rounds", arrayListOf("1")) },
            )
            val odd = object : java.io.Serializable {
                override fun toString(): String = error("of another app")
            }
            assertEquals(
                "The benchmark was asked for with extras that cannot be read (java.lang.IllegalStateException: of another app).",
                said { putExtra("threads", odd) },
            )
            phone.controller.newIntent(Intent(Intent.ACTION_MAIN))
            phone.waitUntilOpen()
            assertTrue(phone.isSeen(R.id.question_card))
        }
    }

    @Test
    fun aBenchmarkWithoutAnExportIsOfTheFirstWithAllElseAsAsked() {
        spoiled { }.use { phone ->
            phone.controller.newIntent(
                Intent(MainActivity.BENCHMARK).putExtra("threads", "3").putExtra("rounds", 1).putExtra("runs", 1).putExtra("cool_down_seconds", 0),
            )
            phone.waitUntil("the benchmark is done") { phone.isSeen(R.id.bench_note) }
            assertTrue(File(phone.text(R.id.bench_note).substringAfter("Written to ")).readText().contains("\"threads\": 3"))
        }
    }

    @Test
    fun theListOfRecentAppsRunsNoBenchmarkAgain() {
        TestApplication.directory = copy
        val old = Intent(MainActivity.BENCHMARK).addFlags(Intent.FLAG_ACTIVITY_LAUNCHED_FROM_HISTORY)
        Phone(old).use { phone -> assertTrue(phone.text(R.id.message).startsWith("There is no export in this app.")) }
        Phone(Intent(MainActivity.BENCHMARK)).use { phone ->
            assertTrue(phone.text(R.id.message).startsWith("The benchmark was asked for any export"))
        }
    }

    @Test
    fun aNewIntentLeavesOneListenerToEachField() {
        spoiled { }.use { phone ->
            fun watchers() = shadowOf(phone.view<TextView>(R.id.first)).watchers.size
            val before = watchers()
            phone.controller.newIntent(Intent(MainActivity.BENCHMARK).putExtra("rounds", 0))
            assertEquals(before, watchers())
        }
    }

    @Test
    fun leavingTheAppStopsABenchmarkAndSaysSo() {
        slowed().use { phone ->
            phone.view<View>(R.id.tab_benchmark).performClick()
            phone.choose(R.id.bench_length, "Full: 6 rounds of 50")
            phone.view<View>(R.id.bench_button).performClick()
            slow.begun.await()
            assertTrue(phone.view<View>(R.id.scroll).keepScreenOn)
            phone.controller.configurationChange(wide())
            assertEquals("Stop", phone.text(R.id.bench_button))
            phone.controller.pause().stop()
            slow.goOn.countDown()
            phone.controller.start().resume()
            assertEquals("The benchmark was stopped, because the app left the screen; start it again.", phone.text(R.id.bench_state))
            assertFalse(phone.view<View>(R.id.scroll).keepScreenOn)
            assertEquals("Full: 6 rounds of 50", "${phone.view<Spinner>(R.id.bench_length).selectedItem}")
        }
    }

    @Test
    fun whatAnIntentAsksForIsMeasuredToTheEnd() {
        spoiled { }.use { phone ->
            phone.controller.newIntent(
                Intent(MainActivity.BENCHMARK).putExtra("rounds", 1).putExtra("runs", 5_000).putExtra("cool_down_seconds", 0),
            )
            phone.waitUntil("it measures") { phone.text(R.id.bench_button) == "Stop" }
            shadowOf(phone.activity.getSystemService(PowerManager::class.java)).turnScreenOn(false)
            phone.controller.pause().stop()
            phone.waitUntil("the benchmark is done") { phone.view<View>(R.id.bench_note).visibility == View.VISIBLE }
            assertTrue(phone.text(R.id.bench_note), phone.text(R.id.bench_note).contains("the screen was off"))
        }
    }

    @Test
    fun afterAnIntentABenchmarkOfTheButtonStopsWhenTheAppIsLeft() {
        TestApplication.wrap = { model -> slow.wrap(model) {} }
        spoiled { }.use { phone ->
            phone.controller.newIntent(Intent(MainActivity.BENCHMARK).putExtra("rounds", 1).putExtra("runs", 1).putExtra("cool_down_seconds", 0))
            phone.waitUntil("the intent's benchmark is done") { phone.isSeen(R.id.bench_note) }
            slow.isOn = true
            phone.view<View>(R.id.bench_button).performClick()
            slow.begun.await()
            phone.controller.pause().stop()
            slow.goOn.countDown()
            phone.controller.start().resume()
            assertEquals("The benchmark was stopped, because the app left the screen; start it again.", phone.text(R.id.bench_state))
        }
    }

    @Test
    fun backLeavesABenchmarkThatAnIntentAskedForToItsEnd() {
        slowed().use { phone ->
            assertTrue(phone.heldBack().isEmpty())
            phone.controller.newIntent(Intent(MainActivity.BENCHMARK).putExtra("rounds", 1).putExtra("runs", 1).putExtra("cool_down_seconds", 0))
            slow.begun.await()
            phone.heldBack().single().onBackInvoked()
            @Suppress("DEPRECATION") // What older Androids call.
            phone.activity.onBackPressed()
            assertFalse(phone.activity.isFinishing)
            slow.goOn.countDown()
            phone.waitUntil("the benchmark is done") { phone.isSeen(R.id.bench_note) }
            assertTrue(phone.heldBack().isEmpty())
            @Suppress("DEPRECATION")
            phone.activity.onBackPressed()
            assertTrue(phone.activity.isFinishing)
        }
    }

    @Test
    fun whatTheRuntimeIsTooOldForIsNotOpenedUnlessItIsChosen() {
        val phone = spoiled { place ->
            File(place, "SHA256SUMS").delete()
            val stated = file(place, "float32.contract.json").readText()
            File(place, "static_int8.contract.json").writeText(stated.replace(Regex("\"oldest\": \"[^\"]+\""), "\"oldest\": \"99\""))
        }
        phone.use {
            assertFalse(phone.text(R.id.message), phone.isSeen(R.id.message_card))
            assertTrue("static int8" in phone.choices(R.id.variant))
            assertTrue("${phone.view<Spinner>(R.id.variant).selectedItem}" != "static int8")
            assertTrue(phone.text(R.id.subtitle), phone.text(R.id.subtitle).endsWith("${phone.view<Spinner>(R.id.variant).selectedItem}"))
            phone.choose(R.id.variant, "static int8")
            phone.waitUntilOpen()
            val said = phone.text(R.id.message)
            assertTrue(said, "needs TensorFlow Lite 99" in said && said.endsWith("choose another variant, or the app with LiteRT"))
        }
    }

    @Test
    fun whatWasRefusedCanBeTriedAgain() {
        var broken = File("")
        val content = ArrayList<ByteArray>()
        spoiled { place -> broken = file(place, "vocab.txt").also { content += it.readBytes() }.apply { appendText("more\n") } }.use { phone ->
            assertTrue(phone.isSeen(R.id.try_again))
            phone.view<View>(R.id.try_again).performClick()
            phone.waitUntilOpen()
            assertTrue(phone.text(R.id.message), phone.text(R.id.message).startsWith("vocab.txt of export is damaged"))
            broken.writeBytes(content.first())
            phone.view<View>(R.id.try_again).performClick()
            phone.waitUntil("it is open") { phone.isSeen(R.id.question_card) && phone.view<View>(R.id.fact_rows).isShown }
            assertFalse(phone.isSeen(R.id.message_card))
        }
    }

    @Test
    fun withoutAnExportTheAppSaysHowToGetOne() {
        TestApplication.directory = copy
        Phone().use { phone ->
            assertTrue(phone.text(R.id.message).startsWith("There is no export in this app."))
            assertFalse(phone.isSeen(R.id.answer_page))
        }
    }

    @Test
    fun turningKeepsModelTextAndAnswer() {
        spoiled { }.use { phone ->
            phone.type("A text to keep.", "And another.")
            phone.ask()
            val said = phone.text(R.id.answer)
            val before = phone.activity
            phone.controller.configurationChange(wide())
            assertFalse("there is a new activity", before === phone.activity)
            assertEquals(said, phone.text(R.id.answer))
            assertEquals("A text to keep.", phone.text(R.id.first))
            assertEquals("nothing was opened again", View.VISIBLE, phone.view<View>(R.id.costs_card).visibility)
        }
    }

    @Test
    fun turningWhileTheNetworkRunsLosesNothing() {
        slowed().use { phone ->
            phone.type("A text to keep.", "And another.")
            phone.view<View>(R.id.ask).performClick()
            slow.begun.await()
            phone.waitUntil("it is said that it works") { phone.text(R.id.answer) == "Working …" }
            phone.controller.configurationChange(wide())
            assertEquals("Working …", phone.text(R.id.answer))
            slow.goOn.countDown()
            phone.waitUntil("the answer is on the new screen") { phone.view<View>(R.id.costs_card).visibility == View.VISIBLE }
        }
    }

    @Test
    fun typingWhileTheNetworkRunsDropsItsAnswer() {
        slowed().use { phone ->
            phone.type("A text.", "And another.")
            phone.view<View>(R.id.ask).performClick()
            slow.begun.await()
            phone.type("Quite another text.", "And another.")
            slow.goOn.countDown()
            phone.ask()
            assertEquals("Quite another text.", phone.text(R.id.first))
            assertEquals(1f, phone.view<View>(R.id.answer).alpha)
            assertTrue(phone.rows(R.id.cost_rows).toMap().keys.contains("Last 1: p50 · p90"))
        }
    }

    @Test
    fun anOutputThatIsNoNumberIsASentence() {
        slowed(spoil = { it.fill(Float.NaN) }).use { phone ->
            phone.type("A text.", "Another.")
            slow.goOn.countDown()
            phone.ask()
            assertTrue(phone.text(R.id.message), phone.text(R.id.message).endsWith("that is not a number; choose another variant"))
            assertFalse(phone.isSeen(R.id.costs_card))
        }
    }

    @Test
    fun anyTextIsTaken() {
        spoiled { }.use { phone ->
            for (text in listOf("half a pair: \uD83D, and the other \uDE00", "\u0000\u202E", "\u0301".repeat(500), "I İ ı i", "長".repeat(3_000))) {
                phone.type(text, text)
                phone.ask()
                assertTrue(phone.text(R.id.message), phone.isSeen(R.id.costs_card))
            }
        }
    }

    @Test
    fun aMegabyteOfTextIsCutAsTheContractSays() {
        spoiled { }.use { phone ->
            val long = "many words ".repeat(100_000)
            phone.type(long, "Another text.")
            assertEquals(long.length, phone.text(R.id.first).length)
            phone.view<View>(R.id.ask).performClick()
            phone.waitUntil("it runs or is done") { phone.text(R.id.answer) != "Type a text, or take an example." }
            // Typing ends it, however many windows it has.
            phone.type("Few words.", "Another text.")
            phone.ask()
            assertTrue(phone.text(R.id.message), phone.isSeen(R.id.costs_card))
        }
    }

    /** A phone whose network waits for [Slow.goOn] once the model is open. */
    private fun slowed(spoil: (FloatArray) -> Unit = {}): Phone {
        TestApplication.wrap = { model -> slow.wrap(model, spoil) }
        return spoiled { }.also { slow.isOn = true }
    }

    private val slow = Slow()

    private class Slow {
        val begun = CountDownLatch(1)
        val goOn = CountDownLatch(1)

        @Volatile var isOn = false

        fun wrap(model: OpenModel, spoil: (FloatArray) -> Unit): OpenModel = object : OpenModel by model {
            override fun run(signature: Signature, inputs: Inputs): Map<String, FloatArray> {
                if (!isOn) return model.run(signature, inputs)
                begun.countDown()
                goOn.await()
                return model.run(signature, inputs).onEach { spoil(it.value) }
            }
        }
    }

    private fun wide(): Configuration {
        RuntimeEnvironment.setQualifiers("w760dp-h360dp-land")
        return Configuration(RuntimeEnvironment.getApplication().resources.configuration)
    }

    @Test
    fun typingFadesWhatWasAnswered() {
        spoiled { }.use { phone ->
            phone.type("A text.", "Another.")
            phone.ask()
            assertEquals(1f, phone.view<View>(R.id.answer).alpha)
            phone.type("A text that changes.", "Another.")
            assertEquals(0.5f, phone.view<View>(R.id.answer).alpha)
            assertEquals("For the text as it was before.", phone.text(R.id.answer_note))
            phone.type("  ", "")
            assertFalse(phone.view<View>(R.id.ask).isEnabled)
        }
    }

    @Test
    fun aGpuThatDoesNotComputeIsSeen() {
        spoiled(oneGraph = false) { }.use { phone ->
            phone.choose(R.id.accelerator, "GPU")
            phone.waitUntilOpen()
            assertEquals("Processor: the GPU was asked for and did not compute", phone.rows(R.id.fact_rows).toMap()["Computed by"])
        }
    }

    @Test
    fun aGpuForOneGraphIsASentenceAndTheProcessorGoesOn() {
        spoiled(oneGraph = true) { }.use { phone ->
            phone.choose(R.id.accelerator, "GPU")
            phone.waitUntilOpen()
            val said = phone.text(R.id.message)
            assertTrue(said, said.endsWith("which is for the processor alone; choose CPU, or export without --one_graph"))
            phone.choose(R.id.accelerator, "CPU")
            phone.waitUntilOpen()
            assertTrue(phone.isSeen(R.id.question_card))
        }
    }

    @Test
    fun anIntentRunsTheBenchmark() {
        spoiled { }.use { phone ->
            val variant = phone.choices(R.id.variant).first().replace(' ', '_')
            val intent = Intent(MainActivity.BENCHMARK).putExtra("export", "export").putExtra("variant", variant).putExtra("threads", 2)
                .putExtra("rounds", 2).putExtra("runs", 3).putExtra("warm_up", 1).putExtra("cool_down_seconds", 0)
            phone.controller.newIntent(intent)
            phone.waitUntil("the benchmark is done") { phone.isSeen(R.id.bench_note) }
            val note = phone.text(R.id.bench_note)
            val result = File(note.substringAfter("Written to ")).readText()
            assertTrue(result, result.contains("\"kind\": \"device latency\""))
            assertTrue(note, note.contains("2 rounds, so no interval"))
            // Handed to Python, which holds it to the schema of all benchmarks.
            val screens = File(System.getProperty("demo.screens").orEmpty())
            screens.mkdirs()
            File(screens, "benchmark.json").writeText(result)
        }
    }

    @Test
    fun nothingIsAskedForAndEveryFieldHasALabel() {
        spoiled { }.use { phone ->
            val app = RuntimeEnvironment.getApplication()
            val asked = app.packageManager.getPackageInfo(app.packageName, android.content.pm.PackageManager.GET_PERMISSIONS).requestedPermissions
            assertNull(asked?.joinToString())
            for (id in listOf(R.id.first_label to R.id.first, R.id.second_label to R.id.second)) {
                assertEquals(id.second, phone.view<View>(id.first).labelFor)
            }
        }
    }
}
