package dev.mobilebert.app

import android.app.Activity
import android.view.ViewGroup
import dev.mobilebert.core.model.Accelerator
import dev.mobilebert.core.model.AcceleratorUse
import dev.mobilebert.core.model.ModelFacts
import dev.mobilebert.core.screen.Choice
import dev.mobilebert.core.screen.Event
import dev.mobilebert.core.screen.ScreenState

/** What can be chosen, and what is known of the model. */
internal class ModelCard(private val activity: Activity, private val dispatch: (Event) -> Unit) {
    private val accelerators = (activity.application as DemoApplication).runtime.accelerators
    private val export = Chooser(activity, R.id.export, String::asName) { value -> choose { copy(export = value) } }
    private val variant = Chooser(activity, R.id.variant, String::asName) { value -> choose { copy(variant = value) } }
    private val threads = Chooser<Int>(activity, R.id.threads, { count, _ -> "$count" }) { value ->
        choose { copy(settings = settings.copy(threads = value)) }
    }
    private val accelerator = Chooser<Accelerator>(activity, R.id.accelerator, { one, _ -> one.name }) { value ->
        choose { copy(settings = settings.copy(accelerator = value)) }
    }
    private val facts = activity.findViewById<ViewGroup>(R.id.fact_rows)
    private var choice: Choice? = null

    fun show(state: ScreenState.Chosen) {
        choice = state.choice
        val settings = state.choice.settings
        export.show(state.shelves.map { it.export }, state.choice.export)
        variant.show(state.shelves.first { it.export == state.choice.export }.variants, state.choice.variant)
        threads.show((THREADS + settings.threads).distinct().sorted(), settings.threads)
        accelerator.show((accelerators + settings.accelerator).distinct(), settings.accelerator)
        facts.showFacts((state as? ScreenState.Ready)?.facts?.let(::rows).orEmpty())
    }

    private fun choose(change: Choice.() -> Choice) {
        choice?.let { dispatch(Event.Chose(it.change())) }
    }

    private fun rows(facts: ModelFacts): List<Pair<String, String>> = listOfNotNull(
        activity.getString(R.string.fact_runtime) to facts.runtime,
        activity.getString(R.string.fact_used) to activity.getString(used(facts.use)),
        activity.getString(R.string.fact_size) to activity.getString(R.string.megabytes, facts.bytes / BYTES_PER_MB),
        facts.agreement?.let {
            val sentence = if (it.isWithin) R.string.agreement_within else R.string.agreement_outside
            activity.getString(R.string.fact_agreement) to activity.getString(sentence, it.difference, it.tolerance)
        },
    )

    private companion object {
        val THREADS = listOf(1, 2, 4)
        const val BYTES_PER_MB = 1e6

        fun used(use: AcceleratorUse) = when (use) {
            AcceleratorUse.CPU -> R.string.used_cpu
            AcceleratorUse.GPU -> R.string.used_gpu
            AcceleratorUse.NPU -> R.string.used_npu
            AcceleratorUse.NOT_GPU -> R.string.used_not_gpu
            AcceleratorUse.NOT_NPU -> R.string.used_not_npu
            AcceleratorUse.GPU_NOT_KNOWN -> R.string.used_gpu_not_known
            AcceleratorUse.NPU_NOT_KNOWN -> R.string.used_npu_not_known
        }
    }
}
