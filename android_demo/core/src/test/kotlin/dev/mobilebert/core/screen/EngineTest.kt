package dev.mobilebert.core.screen

import dev.mobilebert.core.bench.Bench
import dev.mobilebert.core.bench.FakeDevice
import dev.mobilebert.core.bench.Protocol
import dev.mobilebert.core.contract.Version
import dev.mobilebert.core.model.FakeRuntime
import dev.mobilebert.core.model.SmallExport
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.IOException
import java.util.concurrent.CountDownLatch
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit

class EngineTest {
    private val events = LinkedBlockingQueue<Event>()
    private val choice = Choice("small", "m")

    private fun engine(runtime: FakeRuntime, export: SmallExport = SmallExport()) =
        Engine({ export }, runtime, Bench(FakeDevice(), { "saved.json" }), events::add)

    private fun next(): Event = checkNotNull(events.poll(10, TimeUnit.SECONDS)) { "nothing happened" }

    @Test
    fun `one thread alone opens, runs and closes`() {
        val runtime = FakeRuntime()
        engine(runtime).use { engine ->
            engine.carryOut(Effect.Open(1, choice))
            assertEquals(1, assertInstanceOf(Event.Opened::class.java, next()).ticket)
            engine.carryOut(Effect.Ask(2, Texts("a")))
            assertInstanceOf(Event.Replied::class.java, next())
            engine.carryOut(Effect.Bench(3, Protocol(rounds = 1, runs = 2, warmUp = 1)))
            assertInstanceOf(Event.BenchWent::class.java, next())
            assertInstanceOf(Event.BenchWent::class.java, next())
            assertInstanceOf(Event.BenchDone::class.java, next())
            engine.carryOut(Effect.Open(4, choice))
            assertInstanceOf(Event.Opened::class.java, next())
            assertEquals(1, runtime.open)
            engine.close()
            assertTrue(engine.awaitClosed(10))
        }
        assertEquals(0, runtime.open)
        assertEquals(setOf("model"), runtime.callers)
    }

    @Test
    fun `what was cancelled says nothing`() {
        val begun = CountDownLatch(1)
        val goOn = CountDownLatch(1)
        val runtime = FakeRuntime { _, inputs ->
            // Not for the example at the start, which has four ids.
            if (inputs.mask.sum() == 3) {
                begun.countDown()
                goOn.await()
            }
            floatArrayOf(4f, 16f)
        }
        engine(runtime).use { engine ->
            engine.carryOut(Effect.Open(1, choice))
            next()
            engine.carryOut(Effect.Ask(2, Texts("a")))
            begun.await()
            engine.carryOut(Effect.Ask(3, Texts("a b")))
            engine.carryOut(Effect.Ask(4, Texts("a b a")))
            goOn.countDown()
            val told = listOf(next(), next()).map { (it as Event.Told).ticket }
            // 2 was running already and may end; 3 never begins.
            assertEquals(listOf(2, 4), told)
        }
    }

    @Test
    fun `errors of every kind are sentences`() {
        engine(FakeRuntime(), SmallExport(mapOf("m.tflite" to null))).use { engine ->
            engine.carryOut(Effect.Open(1, choice))
            assertEquals(Event.Failed(1, "m.tflite cannot be read (it is not there); put the export into the app again"), next())
            engine.carryOut(Effect.Ask(2, Texts("a")))
            assertEquals(Event.Failed(2, "no model is open; choose a variant"), next())
        }
        Engine({ throw IOException("export gone is not there any more") }, FakeRuntime(), Bench(FakeDevice(), { "" }), events::add).use { engine ->
            engine.carryOut(Effect.Open(1, choice))
            assertEquals(Event.Failed(1, "export gone is not there any more"), next())
        }
        fun said(thrown: Throwable): String {
            engine(FakeRuntime { _, _ -> throw thrown }).use { engine ->
                engine.carryOut(Effect.Open(1, choice))
                return (next() as Event.Failed).reason
            }
        }
        assertEquals("there is not enough memory for this model; choose a smaller variant", said(OutOfMemoryError()))
        assertEquals("Fake cannot be used on this device (java.lang.UnsatisfiedLinkError: no so)", said(UnsatisfiedLinkError("no so")))
        assertEquals("Fake failed (java.lang.IllegalStateException: bad); choose another variant or settings", said(IllegalStateException("bad")))
    }

    @Test
    fun `another variant takes the place of the usual one that the runtime is too old for, and of no other`() {
        val export = SmallExport.ofVariants("static_int8" to "2.18", "dynamic_int8" to "2.18", "float32" to "2.3", "float16" to "2.3")
        fun opened(variant: String, isUsual: Boolean, runtime: FakeRuntime): Any {
            engine(runtime, export).use { engine ->
                engine.carryOut(Effect.Open(1, Choice("small", variant), isUsual))
                return next().let { (it as? Event.Opened)?.facts?.variant ?: (it as Event.Failed).reason }
            }
        }
        val old = FakeRuntime(Version.parse("2.16.1"))
        assertEquals("float16", opened("static_int8", isUsual = true, old))
        assertEquals("float32", opened("float32", isUsual = true, old))
        assertEquals("static_int8", opened("static_int8", isUsual = true, FakeRuntime(Version.parse("2.18.0"))))
        assertEquals("static_int8", opened("static_int8", isUsual = true, FakeRuntime()))
        fun said(version: String) =
            "static_int8.tflite needs TensorFlow Lite 2.18 and Fake is $version; choose another variant, or the app with LiteRT"
        assertEquals(said("2.16.1"), opened("static_int8", isUsual = false, old))
        assertEquals(said("2.1"), opened("static_int8", isUsual = true, FakeRuntime(Version.parse("2.1"))), "it reads none")
    }

    @Test
    fun `after it was closed nothing happens`() {
        val engine = engine(FakeRuntime())
        engine.close()
        engine.close()
        engine.carryOut(Effect.Open(1, choice))
        assertTrue(engine.awaitClosed(10))
        assertEquals(null, events.poll())
    }
}
