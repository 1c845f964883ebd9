@file:Suppress("UNUSED_PARAMETER")

package com.google.android.gms.litert

import android.content.Context
import com.google.ai.edge.litert.Environment
import com.google.android.gms.tasks.Task

/* Of play-services-litert 17.0.0, by its guide. Nothing here runs, and nothing here ships. */

object LiteRt {
    @JvmStatic
    fun initialize(context: Context): Task<Environment> = throw NotImplementedError("a stub to compile with")
}
