package dev.mobilebert.app

import android.content.Context
import com.google.android.gms.litert.LiteRt
import com.google.android.gms.tasks.Tasks
import dev.mobilebert.core.model.Accelerator
import dev.mobilebert.core.model.ModelException
import dev.mobilebert.core.model.Runtime
import java.util.concurrent.ExecutionException
import java.util.concurrent.TimeUnit
import java.util.concurrent.TimeoutException

private const val PATIENCE_SECONDS = 60L

/** The runtime of this flavour: LiteRT of Play services, which the app need not carry. The engine's thread waits for it. */
internal fun flavourRuntime(context: Context): Runtime =
    CompiledModelRuntime("LiteRT of Play services, CompiledModel", listOf(Accelerator.CPU), context.cacheDir) {
        try {
            Tasks.await(LiteRt.initialize(context), PATIENCE_SECONDS, TimeUnit.SECONDS)
        } catch (error: ExecutionException) {
            throw ModelException("Play services have no LiteRT on this device (${error.cause?.message}); install the app with its own", error)
        } catch (error: TimeoutException) {
            throw ModelException("Play services did not have LiteRT ready in $PATIENCE_SECONDS seconds; try again", error)
        }
    }
