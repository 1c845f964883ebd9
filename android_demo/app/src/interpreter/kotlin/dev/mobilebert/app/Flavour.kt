package dev.mobilebert.app

import android.content.Context
import dev.mobilebert.core.model.Runtime

/** The runtime of this flavour. */
@Suppress("UNUSED_PARAMETER") // Other flavours need it.
internal fun flavourRuntime(context: Context): Runtime = InterpreterRuntime()
