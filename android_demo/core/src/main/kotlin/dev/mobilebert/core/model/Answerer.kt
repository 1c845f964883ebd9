package dev.mobilebert.core.model

import dev.mobilebert.core.InputMaker
import dev.mobilebert.core.Window
import dev.mobilebert.core.answers.cosine
import dev.mobilebert.core.answers.cosines
import dev.mobilebert.core.answers.decode
import dev.mobilebert.core.answers.lengthOf
import dev.mobilebert.core.contract.Answer
import dev.mobilebert.core.contract.Contract
import dev.mobilebert.core.contract.Signature
import dev.mobilebert.core.text.Tokenizer
import java.util.Locale
import java.util.concurrent.CancellationException
import kotlin.math.abs

/** Which fields a task has. */
enum class Kind(val hasSecond: Boolean) {
    LABELS(false), PAIR_LABELS(true), VALUE(false), PAIR_VALUE(true), QUESTION(true), ENTITIES(false), LIKENESS(true), PROTOTYPES(false),
    ;

    companion object {
        fun of(contract: Contract): Kind = when (contract.answer) {
            is Answer.Classes, is Answer.Labels -> if (contract.text.isPaired) PAIR_LABELS else LABELS
            is Answer.Value -> if (contract.text.isPaired) PAIR_VALUE else VALUE
            is Answer.Span -> QUESTION
            is Answer.Entities -> ENTITIES
            is Answer.Vector -> LIKENESS
            is Answer.Prototypes -> PROTOTYPES
        }
    }
}

/**
 * Asks a model as its contract says. For one thread, as the model is.
 *
 * @param clock nanoseconds
 */
class Answerer(
    private val contract: Contract,
    private val tokenizer: Tokenizer,
    private val model: OpenModel,
    private val clock: () -> Long = System::nanoTime,
) {
    private val maker = InputMaker(contract.text)

    /**
     * The answer about [text] and, if the task is about two, [second].
     *
     * @param isCancelled asked before each run of the network
     * @throws CancellationException the answer is no longer wanted
     * @throws ModelException the runtime failed, or an output is not a number
     */
    fun ask(text: String, second: String, isCancelled: () -> Boolean = { false }): Reply {
        val ask = Ask(isCancelled)
        val result = when (val answer = contract.answer) {
            is Answer.Classes -> answer.decode(ask.output(listed(text, second), answer.output))
                .let { decision -> Result.OneLabel(decision.label, answer.labels.shares(decision.probabilities) { it == decision.label }) }
            is Answer.Labels -> answer.decode(ask.output(listed(text, second), answer.output))
                .let { decisions -> Result.ManyLabels(decisions.labels, answer.labels.shares(decisions.probabilities) { it in decisions.labels }) }
            is Answer.Prototypes -> ask.vector(listed(text, second), answer.output).let { vector ->
                val label = answer.decode(vector)
                Result.Nearest(label, answer.labels.shares(answer.cosines(vector)) { it == label })
            }
            is Answer.Value -> Result.Number(answer.decode(ask.output(listed(text, second), answer.output)))
            is Answer.Vector ->
                Result.Likeness(cosine(ask.vector(listOf(text), answer.output), ask.vector(listOf(second), answer.output)))
            is Answer.Span -> {
                val windows = ask.windows(text, second)
                val outputs = windows.map(ask::outputs)
                Result.Passage(
                    answer.decode(windows, outputs.of(answer.start), outputs.of(answer.end), second), second,
                )
            }
            is Answer.Entities -> {
                val windows = ask.windows(null, text)
                Result.Names(answer.decode(windows, windows.map(ask::outputs).of(answer.output), text), text)
            }
        }
        return Reply(result, ask.cost())
    }

    private fun listed(text: String, second: String) = if (contract.text.isPaired) listOf(text, second) else listOf(text)

    /** One answer while it is made. */
    private inner class Ask(private val isCancelled: () -> Boolean) {
        private var tokens = 0
        private var longest: Signature? = null
        private var runs = 0
        private var networkNs = 0L
        private val began = clock()

        fun output(texts: List<String>, name: String): FloatArray {
            val laid = maker.layOut(texts.map { tokenizer.encode(it).ids })
            return run(laid.ids, laid.segmentIds).getValue(name)
        }

        /** An output whose cosines are asked for: its length has to be one. */
        fun vector(texts: List<String>, name: String): FloatArray = output(texts, name).also { vector ->
            val length = lengthOf(vector)
            if (abs(length - 1) > MOST_OFF) {
                val said = "%.3g".format(Locale.ROOT, length)
                throw ModelException("${contract.file.name} gave a vector whose length is $said, not one; choose another variant")
            }
        }

        fun windows(before: String?, whole: String): List<Window> =
            maker.windows(before?.let { tokenizer.encode(it).ids }, tokenizer.encode(whole), whole)

        fun outputs(window: Window): Map<String, FloatArray> = run(window.ids, window.segmentIds)

        private fun run(ids: IntArray, segmentIds: IntArray): Map<String, FloatArray> {
            if (isCancelled()) throw CancellationException()
            val signature = maker.signature(contract.signatures, ids.size)
            val inputs = maker.pad(ids, segmentIds, signature)
            val start = clock()
            val outputs = model.run(signature, inputs)
            networkNs += clock() - start
            for ((name, values) in outputs) {
                if (!values.all { it.isFinite() }) {
                    throw ModelException("${contract.file.name} gave a value in $name that is not a number; choose another variant")
                }
            }
            tokens += ids.size
            runs++
            if (signature.length > (longest?.length ?: 0)) longest = signature
            return outputs
        }

        fun cost(): Cost {
            val all = clock() - began
            return Cost(tokens, longest?.name.orEmpty(), runs, (all - networkNs) / NS_PER_MS, networkNs / NS_PER_MS)
        }
    }
}

private const val NS_PER_MS = 1e6

/** Of the length of a vector, as Python allows. */
private const val MOST_OFF = 1e-2

private fun List<Map<String, FloatArray>>.of(name: String): List<FloatArray> = map { it.getValue(name) }

private fun List<String>.shares(values: DoubleArray, isChosen: (String) -> Boolean): List<Share> =
    mapIndexed { place, label -> Share(label, values[place], isChosen(label)) }
