package dev.mobilebert.app

import android.app.Activity
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.ProgressBar
import android.widget.TextView
import dev.mobilebert.core.bench.BenchState
import dev.mobilebert.core.bench.BenchSummary
import dev.mobilebert.core.bench.Protocol
import dev.mobilebert.core.screen.Event
import dev.mobilebert.core.screen.ScreenState
import dev.mobilebert.core.screen.Work

/** Measures the model that is open. */
internal class BenchmarkPage(private val activity: Activity, private val dispatch: (Event) -> Unit) {
    private val button = activity.findViewById<Button>(R.id.bench_button)
    private val card = activity.findViewById<View>(R.id.bench_card)
    private val progress = activity.findViewById<ProgressBar>(R.id.bench_progress)
    private val said = activity.findViewById<TextView>(R.id.bench_state)
    private val rows = activity.findViewById<ViewGroup>(R.id.bench_rows)
    private val note = activity.findViewById<TextView>(R.id.bench_note)
    private val length = Chooser<Protocol>(activity, R.id.bench_length, { one, _ -> written(one) }) { dispatch(Event.Planned(it)) }

    fun show(chosen: ScreenState.Chosen) {
        length.show(listOf(Protocol.QUICK, Protocol.FULL), chosen.protocol)
        val state = chosen as? ScreenState.Ready
        val bench = state?.bench ?: BenchState.NotRun
        val isRunning = bench is BenchState.Running
        button.setText(if (isRunning) R.string.bench_stop else R.string.bench_start)
        button.isEnabled = state != null && (isRunning || state.work != Work.Running)
        button.setOnClickListener { dispatch(if (isRunning) Event.BenchStopped else Event.BenchAsked(chosen.protocol)) }
        card.isVisible = bench != BenchState.NotRun
        progress.isVisible = isRunning
        val summary = (bench as? BenchState.Done)?.summary
        said.isVisible = summary == null
        said.say(sentence(bench))
        showProgress(bench as? BenchState.Running)
        rows.showFacts(summary?.let(::figures).orEmpty())
        note.isVisible = summary != null
        note.say(summary?.let(::remarks))
    }

    private fun written(protocol: Protocol) =
        activity.getString(if (protocol == Protocol.QUICK) R.string.bench_length_quick else R.string.bench_length_full)

    private fun sentence(bench: BenchState): String? = when (bench) {
        is BenchState.Running -> bench.progress?.let {
            activity.getString(if (it.isCooling) R.string.bench_cooling else R.string.bench_running, it.round, it.rounds)
        } ?: activity.getString(R.string.bench_begins)
        is BenchState.Failed -> bench.reason
        is BenchState.Done, BenchState.NotRun -> null
    }

    private fun showProgress(running: BenchState.Running?) {
        val at = running?.progress
        progress.isIndeterminate = at == null
        progress.max = at?.rounds ?: 1
        progress.progress = at?.round ?: 0
    }

    private fun figures(summary: BenchSummary) = summary.rows.map {
        activity.getString(R.string.bench_row, it.signature) to activity.getString(R.string.cost_two, it.latency.p50, it.latency.p90)
    }

    private fun remarks(summary: BenchSummary) =
        (
            listOf(activity.getString(verdict(summary.verdict))) + summary.reasons.map { activity.getString(R.string.bench_reason, it) } +
                activity.getString(R.string.bench_file, summary.file)
            ).joinToString("\n")

    private companion object {
        fun verdict(name: String) = when (name) {
            "ok" -> R.string.bench_ok
            "warn" -> R.string.bench_warn
            else -> R.string.bench_invalid
        }
    }
}
