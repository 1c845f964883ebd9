package dev.mobilebert.app

import android.app.Activity
import android.content.Intent
import android.os.Build
import android.os.Bundle
import android.window.OnBackInvokedCallback
import android.window.OnBackInvokedDispatcher
import dev.mobilebert.core.model.Accelerator
import dev.mobilebert.core.model.Settings
import dev.mobilebert.core.screen.BenchRequest
import dev.mobilebert.core.screen.Choice
import dev.mobilebert.core.screen.Event
import dev.mobilebert.core.screen.ScreenState
import dev.mobilebert.core.screen.Texts

/** The app's only screen. */
class MainActivity : Activity() {
    private lateinit var session: Session

    /** An OnBackInvokedCallback, which Android 12 and older lack; null: Back does what it always does. */
    private var goneBehind: Any? = null

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.main)
        val kept = lastNonConfigurationInstance as? Session
        session = kept ?: Session(application as DemoApplication)
        if (kept == null) start(savedInstanceState)
        listen()
    }

    override fun onRestart() {
        super.onRestart()
        session.lookAgain()
    }

    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        // Whoever only comes back finds what was there; where nothing was, there may be an export by now.
        if (intent.action != BENCHMARK && session.state !is ScreenState.Empty) return
        setIntent(intent)
        session.close()
        session = Session(application as DemoApplication)
        start(null)
        // New views, since those before tell the old session what is typed.
        setContentView(R.layout.main)
        listen()
    }

    private fun listen() {
        val screen = Screen(this, session::dispatch)
        session.listener = { state ->
            screen.show(state)
            holdBack(state.isMeasuringByIntent)
        }
    }

    /** Back would close the app, and with it a benchmark that somebody waits for: the app goes behind the others. Up to Android 12. */
    @Suppress("OVERRIDE_DEPRECATION", "DEPRECATION") // Later ones have holdBack.
    override fun onBackPressed() {
        if (session.state.isMeasuringByIntent) moveTaskToBack(true) else super.onBackPressed()
    }

    /** The same from Android 13 on, which has to know of it before Back is pressed. */
    @NewerAndroid
    private fun holdBack(isHeld: Boolean) {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.TIRAMISU || isHeld == (goneBehind != null)) return
        if (isHeld) {
            val callback = OnBackInvokedCallback { moveTaskToBack(true) }
            onBackInvokedDispatcher.registerOnBackInvokedCallback(OnBackInvokedDispatcher.PRIORITY_DEFAULT, callback)
            goneBehind = callback
        } else {
            onBackInvokedDispatcher.unregisterOnBackInvokedCallback(goneBehind as OnBackInvokedCallback)
            goneBehind = null
        }
    }

    private fun start(saved: Bundle?) {
        val isAsked = intent.action == BENCHMARK && saved == null
        // The list of recent apps starts the app by the intent of long ago.
        val isOld = intent.flags and Intent.FLAG_ACTIVITY_LAUNCHED_FROM_HISTORY != 0
        if (isAsked && !isOld) {
            measure()
        } else {
            session.start(saved?.choice(), Texts(saved?.getString(FIRST).orEmpty(), saved?.getString(SECOND).orEmpty()))
        }
    }

    private fun measure() {
        val request = try {
            BenchRequest.read(::extra)
        } catch (error: IllegalArgumentException) {
            return session.dispatch(Event.NotListed(error.message.orEmpty()))
        }
        session.start(request.choice, protocol = request.protocol)
    }

    /** An extra as a text: adb gives numbers as such or as texts, and other apps may give anything. */
    @Suppress("DEPRECATION") // What `get` has in its place asks for a type.
    private fun extra(name: String): String? = try {
        intent.extras?.get(name)?.toString()
    } catch (error: RuntimeException) {
        throw IllegalArgumentException("The benchmark was asked for with extras that cannot be read ($error).", error)
    }

    /** Turning a device keeps the model open. */
    override fun onRetainNonConfigurationInstance(): Any = session

    override fun onSaveInstanceState(outState: Bundle) {
        super.onSaveInstanceState(outState)
        val state = session.state as? ScreenState.Chosen ?: return
        with(state.choice) {
            outState.putString(EXPORT, export)
            outState.putString(VARIANT, if (state.isUsual) "" else variant)
            outState.putInt(THREADS, settings.threads)
            outState.putString(ACCELERATOR, settings.accelerator.name)
        }
        // The system refuses a state of a megabyte or so.
        outState.putString(FIRST, state.texts.first.take(MOST_KEPT))
        outState.putString(SECOND, state.texts.second.take(MOST_KEPT))
    }

    override fun onStop() {
        super.onStop()
        if (!isChangingConfigurations) session.dispatch(Event.Left)
    }

    override fun onDestroy() {
        session.listener = null
        if (!isChangingConfigurations) session.close()
        super.onDestroy()
    }

    companion object {
        /** Runs a benchmark with the extras export, variant, threads, accelerator, rounds, runs, warm_up and cool_down_seconds. */
        const val BENCHMARK = "dev.mobilebert.app.BENCHMARK"

        // What is kept while the app is away.
        private const val EXPORT = "export"
        private const val VARIANT = "variant"
        private const val THREADS = "threads"
        private const val ACCELERATOR = "accelerator"
        private const val FIRST = "first"
        private const val SECOND = "second"
        private const val MOST_KEPT = 50_000

        private fun Bundle.choice(): Choice? {
            val settings = Settings(getInt(THREADS), Accelerator.valueOf(getString(ACCELERATOR) ?: return null))
            return Choice(getString(EXPORT).orEmpty(), getString(VARIANT).orEmpty(), settings)
        }
    }
}
