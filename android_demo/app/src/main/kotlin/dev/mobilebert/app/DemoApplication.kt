package dev.mobilebert.app

import android.app.Application
import dev.mobilebert.core.model.Runtime

/** What the app is put together from; tests give it another runtime and other exports. */
open class DemoApplication : Application() {
    /** Of the flavour. */
    open val runtime: Runtime by lazy { flavourRuntime(this) }

    open val exports: Exports by lazy { Exports(assets, getExternalFilesDir(EXPORTS)) }
}
