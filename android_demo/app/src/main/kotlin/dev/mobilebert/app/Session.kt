package dev.mobilebert.app

import android.os.Handler
import android.os.Looper
import dev.mobilebert.core.bench.Bench
import dev.mobilebert.core.bench.Protocol
import dev.mobilebert.core.screen.Choice
import dev.mobilebert.core.screen.Engine
import dev.mobilebert.core.screen.Event
import dev.mobilebert.core.screen.ScreenState
import dev.mobilebert.core.screen.Texts
import dev.mobilebert.core.screen.reduce
import java.io.IOException

/** State and engine of the screen, which outlive an activity that is only turned. For the main thread. */
class Session(private val app: DemoApplication) : AutoCloseable {
    private val main = Handler(Looper.getMainLooper())
    private val bench = Bench(AndroidDevice(app), BenchFolder(app)::save)
    private val engine = Engine(app.exports::find, app.runtime, bench) { event -> main.post { dispatch(event) } }

    var state: ScreenState = ScreenState.Empty(null)
        private set

    /** Told of every state; null while nobody looks. */
    var listener: ((ScreenState) -> Unit)? = null
        set(value) {
            field = value
            value?.invoke(state)
        }

    /** Find the exports and open one; [wanted] is what was chosen before, or what a benchmark by [protocol] is to measure. */
    fun start(wanted: Choice?, texts: Texts = Texts(), protocol: Protocol? = null) = dispatch(
        try {
            Event.Listed(app.exports.shelves(), wanted, texts, protocol)
        } catch (error: IOException) {
            Event.NotListed(app.getString(R.string.not_listed, "$error"))
        },
    )

    /** Look for exports that came meanwhile. */
    fun lookAgain() = try {
        dispatch(Event.ListedAgain(app.exports.shelves()))
    } catch (_: IOException) {
        // What was found before is still what there is.
    }

    fun dispatch(event: Event) {
        val next = reduce(state, event)
        val isOther = next.state != state
        state = next.state
        next.effects.forEach(engine::carryOut)
        if (isOther) listener?.invoke(state)
    }

    override fun close() {
        listener = null
        main.removeCallbacksAndMessages(null)
        engine.close()
    }
}
