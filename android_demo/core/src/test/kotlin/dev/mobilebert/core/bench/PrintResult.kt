package dev.mobilebert.core.bench

import dev.mobilebert.core.model.Accelerator
import dev.mobilebert.core.model.FakeRuntime
import dev.mobilebert.core.model.LoadedModel
import dev.mobilebert.core.model.Settings
import dev.mobilebert.core.model.SmallExport

/** Prints a result, for Python to hold to the schema: `PrintResult ACCELERATOR THERMAL_STATUS`. */
object PrintResult {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val settings = Settings(accelerator = Accelerator.valueOf(arguments[0]))
        val device = FakeDevice { arguments[1].toInt() }
        val bench = Bench(device, { json -> "".also { print(json) } }, steadyClock())
        LoadedModel.open(SmallExport(), "m", FakeRuntime(), settings).use { bench.run(it, Protocol(rounds = 6, coolDownSeconds = 0), {}) { false } }
    }
}
