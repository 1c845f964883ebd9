package dev.mobilebert.app

import dev.mobilebert.core.model.OpenModel
import dev.mobilebert.core.model.OpenRequest
import dev.mobilebert.core.model.Runtime
import org.robolectric.util.ReflectionHelpers
import org.robolectric.util.ReflectionHelpers.ClassParameter
import java.io.File

/** The app with the JVM's runtime, and the exports of a directory. */
class TestApplication : DemoApplication() {
    private val onJvm = JvmRuntime()

    override val runtime: Runtime = object : Runtime by onJvm {
        override fun open(request: OpenRequest): OpenModel = wrap(onJvm.open(request))
    }

    override val exports: Exports by lazy { Exports(assets, directory) }

    override fun onCreate() {
        super.onCreate()
        // As the manifest has it: what Robolectric reads manifests with does not know the attribute.
        val yes = ClassParameter.from(Boolean::class.javaPrimitiveType, true)
        ReflectionHelpers.callInstanceMethod<Unit>(applicationInfo, "setEnableOnBackInvokedCallback", yes)
    }

    companion object {
        /** What tests do to every model that is opened. */
        @Volatile var wrap: (OpenModel) -> OpenModel = { it }

        /** Tests may put another one here. */
        var directory: File = File(System.getProperty("demo.exports").orEmpty())
    }
}
