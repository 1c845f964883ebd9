package dev.mobilebert.app

import dev.mobilebert.core.model.Runtime
import java.io.File

/** The app with the JVM's runtime, and the exports of a directory. */
class TestApplication : DemoApplication() {
    override val runtime: Runtime = JvmRuntime()

    override val exports: Exports by lazy { Exports(assets, directory) }

    companion object {
        /** Tests may put another one here. */
        var directory: File = File(System.getProperty("demo.exports").orEmpty())
    }
}
