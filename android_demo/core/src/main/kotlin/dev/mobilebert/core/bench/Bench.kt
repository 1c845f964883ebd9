package dev.mobilebert.core.bench

import dev.mobilebert.core.InputMaker
import dev.mobilebert.core.Inputs
import dev.mobilebert.core.Latency
import dev.mobilebert.core.contract.Signature
import dev.mobilebert.core.model.LoadedModel
import dev.mobilebert.core.model.ModelException
import java.util.concurrent.CancellationException

/** Times of one signature in one round, in milliseconds. */
class Round(
    val loadMs: Double,
    val firstMs: Double,
    val samples: DoubleArray,
    /** States of the device. */
    val before: Map<String, Any?>,
    val after: Map<String, Any?>,
    /** For it to cool down. */
    val waitedSeconds: Double,
)

/**
 * Measures an open model as `benchmark host` does: a model opened anew for each round, warm-up, then timed answers of each
 * signature to texts of the contract; reading the outputs back is part of the time.
 *
 * @param save writes a result; returns where
 * @param clock nanoseconds
 */
class Bench(private val device: Device, private val save: (String) -> String, private val clock: () -> Long = System::nanoTime) {
    /**
     * @throws CancellationException it is no longer wanted
     * @throws ModelException the model cannot be opened again, or fails
     */
    fun run(model: LoadedModel, protocol: Protocol, progress: (BenchProgress) -> Unit, isCancelled: () -> Boolean): BenchSummary {
        val inputs = inputs(model)
        val rounds = inputs.keys.associateWith { ArrayList<Round>() }
        repeat(protocol.rounds) { number ->
            progress(BenchProgress(number + 1, protocol.rounds, isCooling = true))
            val waited = coolDown(protocol.coolDownSeconds, isCancelled)
            progress(BenchProgress(number + 1, protocol.rounds, isCooling = false))
            val began = clock()
            model.reopen().use { opened ->
                val loadMs = since(began)
                for ((signature, texts) in inputs) {
                    val before = device.state()
                    fun call(time: Int): Double {
                        if (isCancelled()) throw CancellationException()
                        val start = clock()
                        opened.run(signature, texts[time % texts.size])
                        return since(start)
                    }
                    val firstMs = call(0)
                    for (time in 1..<protocol.warmUp) call(time)
                    val samples = DoubleArray(protocol.runs) { call(it) }
                    rounds.getValue(signature) += Round(loadMs, firstMs, samples, before, device.state(), waited)
                }
            }
        }
        val result = BenchResult(model, protocol, device, rounds)
        val rows = rounds.map { (signature, all) ->
            BenchRow(signature.name, signature.length, Latency.of(all.flatMap { it.samples.asList() }.toDoubleArray()))
        }
        return BenchSummary(rows, result.verdict.name, result.verdict.reasons, save(result.json()))
    }

    /** Inputs of each signature: of every example of the contract, over and over until three quarters are filled. */
    private fun inputs(model: LoadedModel): Map<Signature, List<Inputs>> {
        val contract = model.contract
        val maker = InputMaker(contract.text)
        val texts = model.facts.samples.map { sample ->
            listOf(sample.text, sample.second).take(if (contract.text.isPaired) 2 else 1).map { model.tokenizer.encode(it).ids }
        }.filter { parts -> parts.any { it.isNotEmpty() } }
        if (texts.isEmpty()) throw ModelException("the contract has no examples to measure with")
        return contract.signatures.associateWith { signature ->
            val count = filled(signature.length)
            texts.map { parts ->
                val longest = parts.maxBy { it.size }
                // An example may be one word, and each has fewer pieces than the longest signature.
                val long = parts.map { if (it === longest) IntArray(maxOf(it.size, count)) { place -> it[place % it.size] } else it }
                val laid = maker.layOut(long)
                val kept = minOf(laid.ids.size, count)
                maker.pad(laid.ids.copyOf(kept), laid.segmentIds.copyOf(kept), signature)
            }
        }
    }

    private fun coolDown(most: Int, isCancelled: () -> Boolean): Double {
        val began = clock()
        while ((device.state()["thermal_status"] as Int? ?: 0) > 0 && since(began) < most * MS_PER_SECOND) {
            if (isCancelled()) throw CancellationException()
            device.sleep(STEP_MS)
        }
        return since(began) / MS_PER_SECOND
    }

    private fun since(start: Long): Double = (clock() - start) / NS_PER_MS

    private companion object {
        const val NS_PER_MS = 1e6
        const val MS_PER_SECOND = 1e3
        const val STEP_MS = 500L

        /** Three quarters are text, the rest padding, as in `benchmark host`. */
        fun filled(length: Int) = maxOf(2, length * 3 / 4)
    }
}
