package dev.mobilebert.app

import android.app.Activity
import android.view.View
import android.view.ViewGroup
import dev.mobilebert.core.screen.ScreenState
import dev.mobilebert.core.screen.Work

/** What the last answer took. */
internal class CostsCard(private val activity: Activity) {
    private val card = activity.findViewById<View>(R.id.costs_card)
    private val rows = activity.findViewById<ViewGroup>(R.id.cost_rows)

    fun show(state: ScreenState.Ready?) {
        val cost = (state?.work as? Work.Answered)?.reply?.cost
        val latency = state?.latency
        card.isVisible = cost != null
        if (cost == null || latency == null) return
        val signature = cost.signature.takeIf { cost.windows == 1 } ?: activity.getString(R.string.cost_windows, cost.signature, cost.windows)
        rows.showFacts(
            listOf(
                activity.getString(R.string.cost_network) to milliseconds(cost.networkMs),
                activity.getString(R.string.cost_recent, latency.count) to activity.getString(R.string.cost_two, latency.p50, latency.p90),
                activity.getString(R.string.cost_text) to milliseconds(cost.textMs),
                activity.getString(R.string.cost_tokens) to "${cost.tokens}",
                activity.getString(R.string.cost_signature) to signature,
            ),
        )
    }

    private fun milliseconds(value: Double) = activity.getString(R.string.milliseconds, value)
}
