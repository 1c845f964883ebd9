package dev.mobilebert.app

import android.content.Intent
import android.graphics.Bitmap
import android.graphics.Canvas
import android.os.Looper
import android.view.View
import android.view.ViewGroup
import android.widget.EditText
import android.widget.Spinner
import android.widget.TextView
import android.window.OnBackInvokedCallback
import android.window.OnBackInvokedDispatcher
import org.robolectric.Robolectric
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import org.robolectric.util.ReflectionHelpers
import java.io.File
import android.util.Pair as AndroidPair

/** The app as a person has it before them. */
class Phone(intent: Intent = Intent(Intent.ACTION_MAIN)) : AutoCloseable {
    val controller: ActivityController<MainActivity> = Robolectric.buildActivity(MainActivity::class.java, intent).setup()
    val activity: MainActivity get() = controller.get()

    fun <V : View> view(id: Int): V = activity.findViewById(id)

    fun text(id: Int): String = view<TextView>(id).text.toString()

    fun isSeen(id: Int): Boolean = view<View>(id).isShown

    /** Until [condition] holds; the engine's thread posts to the main one, which goes on here alone. */
    fun waitUntil(what: String, condition: () -> Boolean) {
        val end = System.nanoTime() + PATIENCE_NS
        while (!condition()) {
            check(System.nanoTime() < end) { "waited in vain until $what; the message says: ${text(R.id.message)}" }
            shadowOf(Looper.getMainLooper()).idle()
            Thread.sleep(5)
        }
        shadowOf(Looper.getMainLooper()).idle()
    }

    fun waitUntilOpen() = waitUntil("the model is open") { !isBusy() || isSeen(R.id.message_card) }

    private fun isBusy() = view<View>(R.id.progress).visibility == View.VISIBLE

    fun type(first: String, second: String = "") {
        view<EditText>(R.id.first).setText(first)
        view<EditText>(R.id.second).setText(second)
    }

    fun ask() {
        view<View>(R.id.ask).performClick()
        waitUntil("there is an answer") { !isBusy() }
    }

    fun choose(id: Int, value: String) {
        val spinner = view<Spinner>(id)
        val place = (0..<spinner.count).first { spinner.getItemAtPosition(it) == value }
        spinner.setSelection(place)
        shadowOf(Looper.getMainLooper()).idle()
    }

    fun choices(id: Int): List<String> = view<Spinner>(id).let { spinner -> List(spinner.count) { "${spinner.getItemAtPosition(it)}" } }

    /** What the app has registered to be called for Back, from Android 13 on; the system's own closes the app. */
    fun heldBack(): List<OnBackInvokedCallback> =
        ReflectionHelpers.getField<List<AndroidPair<OnBackInvokedCallback, Int>>>(activity.onBackInvokedDispatcher, "mCallbacks")
            .filter { it.second >= OnBackInvokedDispatcher.PRIORITY_DEFAULT }.map { it.first }

    /** Texts of the rows in [id]: name and value. */
    fun rows(id: Int): List<Pair<String, String>> {
        val group = view<ViewGroup>(id)
        return List(group.childCount) { place ->
            val row = group.getChildAt(place)
            fun of(part: Int) = row.findViewById<TextView>(part)?.text?.toString()
            of(R.id.name).orEmpty() to (of(R.id.value) ?: of(R.id.kind)).orEmpty()
        }
    }

    /** Write what is to be seen to [file], a PNG. */
    fun photograph(file: File) {
        shadowOf(Looper.getMainLooper()).idle()
        val window = activity.window.decorView
        val bitmap = Bitmap.createBitmap(window.width, window.height, Bitmap.Config.ARGB_8888)
        window.draw(Canvas(bitmap))
        file.parentFile?.mkdirs()
        file.outputStream().use { bitmap.compress(Bitmap.CompressFormat.PNG, 100, it) }
    }

    override fun close() {
        controller.pause().stop().destroy()
    }

    private companion object {
        const val PATIENCE_NS = 120_000_000_000
    }
}
