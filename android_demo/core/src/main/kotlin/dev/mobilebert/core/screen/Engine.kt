package dev.mobilebert.core.screen

import dev.mobilebert.core.bench.Bench
import dev.mobilebert.core.contract.ContractException
import dev.mobilebert.core.model.ExportFiles
import dev.mobilebert.core.model.LoadedModel
import dev.mobilebert.core.model.ModelException
import dev.mobilebert.core.model.Runtime
import java.io.IOException
import java.util.concurrent.CancellationException
import java.util.concurrent.ExecutorService
import java.util.concurrent.Executors
import java.util.concurrent.RejectedExecutionException
import java.util.concurrent.TimeUnit

/**
 * Carries out effects on one thread of its own, which alone touches the model. No error leaves it: each is an event.
 *
 * @param exports finds an export by its name
 * @param bench measures the model that is open
 * @param deliver takes events; called on the engine's thread
 */
class Engine(
    private val exports: (String) -> ExportFiles,
    private val runtime: Runtime,
    private val bench: Bench,
    private val deliver: (Event) -> Unit,
) : AutoCloseable {
    private val thread: ExecutorService = Executors.newSingleThreadExecutor { Thread(it, "model") }

    /** Of the engine's thread. */
    private var model: LoadedModel? = null

    /** What else was asked is not wanted any more. */
    @Volatile private var wanted = NOTHING

    fun carryOut(effect: Effect) = when (effect) {
        is Effect.Cancel -> wanted = NOTHING
        is Effect.Open -> start(effect.ticket) {
            model?.close()
            model = null
            val choice = effect.choice
            val files = exports(choice.export)
            val variant = if (effect.isUsual) LoadedModel.usual(files, choice.variant, runtime) else choice.variant
            val opened = LoadedModel.open(files, variant, runtime, choice.settings)
            model = opened
            Event.Opened(effect.ticket, opened.facts)
        }
        is Effect.Ask -> start(effect.ticket) {
            Event.Replied(effect.ticket, opened().answerer.ask(effect.texts.first, effect.texts.second) { wanted != effect.ticket })
        }
        is Effect.Bench -> start(effect.ticket) {
            val summary = bench.run(opened(), effect.protocol, { deliver(Event.BenchWent(effect.ticket, it)) }) { wanted != effect.ticket }
            Event.BenchDone(effect.ticket, summary)
        }
    }

    private fun opened(): LoadedModel = model ?: throw ModelException("no model is open; choose a variant")

    private fun start(ticket: Int, work: () -> Event) {
        wanted = ticket
        try {
            thread.execute { if (wanted == ticket) deliverResult(ticket, work) }
        } catch (_: RejectedExecutionException) {
            // Closed meanwhile: nobody is there to be told.
        }
    }

    private fun deliverResult(ticket: Int, work: () -> Event) {
        val event = try {
            work()
        } catch (_: CancellationException) {
            return
        } catch (error: ContractException) {
            Event.Failed(ticket, error.message.orEmpty())
        } catch (error: ModelException) {
            Event.Failed(ticket, error.message.orEmpty())
        } catch (error: IOException) {
            Event.Failed(ticket, error.message ?: "a file cannot be read ($error)")
        } catch (_: OutOfMemoryError) {
            Event.Failed(ticket, "there is not enough memory for this model; choose a smaller variant")
        } catch (error: LinkageError) {
            Event.Failed(ticket, "${runtime.name} cannot be used on this device ($error)")
        } catch (error: Exception) {
            // A library threw what it does not document; the app goes on.
            Event.Failed(ticket, "${runtime.name} failed ($error); choose another variant or settings")
        }
        deliver(event)
    }

    /** Stop, then close the model; returns at once. */
    override fun close() {
        wanted = NOTHING
        if (thread.isShutdown) return
        thread.execute {
            model?.close()
            model = null
        }
        thread.shutdown()
    }

    /** Wait for what was asked before; for tests and for commands that end. Returns whether all ended in time. */
    fun awaitClosed(seconds: Long): Boolean = thread.awaitTermination(seconds, TimeUnit.SECONDS)

    private companion object {
        const val NOTHING = -1
    }
}
