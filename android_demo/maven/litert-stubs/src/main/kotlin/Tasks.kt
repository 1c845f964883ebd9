@file:Suppress("UNUSED_PARAMETER")

package com.google.android.gms.tasks

import java.util.concurrent.ExecutionException
import java.util.concurrent.TimeUnit
import java.util.concurrent.TimeoutException

/* Of play-services-tasks. Nothing here runs, and nothing here ships. */

abstract class Task<T>

object Tasks {
    @JvmStatic
    @Throws(ExecutionException::class, InterruptedException::class, TimeoutException::class)
    fun <T> await(task: Task<T>, timeout: Long, unit: TimeUnit): T = throw NotImplementedError("a stub to compile with")
}
