package dev.mobilebert.app

import android.content.Context
import com.google.ai.edge.litert.Environment
import dev.mobilebert.core.model.Accelerator
import dev.mobilebert.core.model.Runtime

/** The runtime of this flavour: LiteRT in the app, with its GPU accelerator. An NPU wants its maker's library too. */
internal fun flavourRuntime(context: Context): Runtime =
    CompiledModelRuntime("LiteRT CompiledModel", listOf(Accelerator.CPU, Accelerator.GPU, Accelerator.NPU), context.cacheDir) {
        Environment.create(context)
    }
