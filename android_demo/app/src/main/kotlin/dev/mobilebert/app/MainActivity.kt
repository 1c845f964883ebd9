package dev.mobilebert.app

import android.app.Activity
import android.content.Intent
import android.os.Bundle
import dev.mobilebert.core.bench.Protocol
import dev.mobilebert.core.model.Accelerator
import dev.mobilebert.core.model.Settings
import dev.mobilebert.core.screen.Choice
import dev.mobilebert.core.screen.ScreenState
import dev.mobilebert.core.screen.Texts
import java.util.Locale

/** The app's only screen. */
class MainActivity : Activity() {
    private lateinit var session: Session

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.main)
        val kept = lastNonConfigurationInstance as? Session
        session = kept ?: Session(application as DemoApplication)
        if (kept == null) start(savedInstanceState)
        val screen = Screen(this, session::dispatch)
        session.listener = screen::show
    }

    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        if (intent.action != BENCHMARK) return
        setIntent(intent)
        session.listener = null
        session.close()
        session = Session(application as DemoApplication)
        start(null)
        session.listener = Screen(this, session::dispatch)::show
    }

    private fun start(saved: Bundle?) {
        val asked = intent.takeIf { it.action == BENCHMARK && saved == null }
        session.start(
            wanted = saved?.choice() ?: asked?.extras?.choice(),
            texts = Texts(saved?.getString(FIRST).orEmpty(), saved?.getString(SECOND).orEmpty()),
            protocol = asked?.protocol(),
        )
    }

    /** Turning a device keeps the model open. */
    override fun onRetainNonConfigurationInstance(): Any = session

    override fun onSaveInstanceState(outState: Bundle) {
        super.onSaveInstanceState(outState)
        val state = session.state as? ScreenState.Chosen ?: return
        with(state.choice) {
            outState.putString(EXPORT, export)
            outState.putString(VARIANT, variant)
            outState.putInt(THREADS, settings.threads)
            outState.putString(ACCELERATOR, settings.accelerator.name)
        }
        // The system refuses a state of a megabyte or so.
        outState.putString(FIRST, state.texts.first.take(MOST_KEPT))
        outState.putString(SECOND, state.texts.second.take(MOST_KEPT))
    }

    override fun onDestroy() {
        session.listener = null
        if (!isChangingConfigurations) session.close()
        super.onDestroy()
    }

    companion object {
        /** Runs a benchmark with the extras export, variant, threads, accelerator, rounds, runs, warm_up and cool_down_seconds. */
        const val BENCHMARK = "dev.mobilebert.app.BENCHMARK"
        const val EXPORT = "export"
        const val VARIANT = "variant"
        const val THREADS = "threads"
        const val ACCELERATOR = "accelerator"
        private const val FIRST = "first"
        private const val SECOND = "second"
        private const val MOST_KEPT = 50_000
        private const val MOST_THREADS = 64

        private fun Bundle.choice(): Choice? {
            val wanted = getString(ACCELERATOR).orEmpty().uppercase(Locale.ROOT)
            val settings = Settings(
                threads = getInt(THREADS, 1).coerceIn(1, MOST_THREADS),
                accelerator = Accelerator.entries.firstOrNull { it.name == wanted } ?: Accelerator.CPU,
            )
            return Choice(getString(EXPORT) ?: return null, getString(VARIANT).orEmpty(), settings)
        }

        private fun Intent.protocol(): Protocol {
            val usual = Protocol()
            return Protocol(
                rounds = getIntExtra("rounds", usual.rounds).coerceIn(1, 1_000),
                runs = getIntExtra("runs", usual.runs).coerceIn(1, 1_000_000),
                warmUp = getIntExtra("warm_up", usual.warmUp).coerceIn(1, 1_000_000),
                coolDownSeconds = getIntExtra("cool_down_seconds", usual.coolDownSeconds).coerceIn(0, 3_600),
            )
        }
    }
}
