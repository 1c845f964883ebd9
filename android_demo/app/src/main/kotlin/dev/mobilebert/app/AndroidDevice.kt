package dev.mobilebert.app

import android.app.ActivityManager
import android.app.ActivityManager.RunningAppProcessInfo.IMPORTANCE_VISIBLE
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.content.pm.ApplicationInfo
import android.os.BatteryManager
import android.os.Build
import android.os.PowerManager
import android.os.SystemClock
import android.system.Os
import android.system.OsConstants
import android.util.Log
import dev.mobilebert.core.bench.Device
import java.io.File
import java.io.IOException
import java.text.SimpleDateFormat
import java.util.Date
import java.util.Locale

/** The phone, as far as it tells without a permission. */
internal class AndroidDevice(private val context: Context) : Device {
    private val power = context.getSystemService(PowerManager::class.java)

    private val isEmulator = Build.HARDWARE == "ranchu" || Build.HARDWARE == "goldfish" || Build.FINGERPRINT.startsWith("generic")

    override fun describe(): Map<String, Any?> = mapOf(
        "kind" to if (isEmulator) "emulator" else "phone",
        "model" to Build.MODEL,
        "manufacturer" to Build.MANUFACTURER,
        "soc" to chip(),
        "android" to Build.VERSION.RELEASE,
        "sdk" to Build.VERSION.SDK_INT,
        "fingerprint" to Build.FINGERPRINT,
        "abi" to Build.SUPPORTED_ABIS.firstOrNull().orEmpty(),
        "page_size" to Os.sysconf(OsConstants._SC_PAGESIZE).toInt().takeIf { it > 0 },
        "memory_mib" to memoryMib(),
    )

    @NewerAndroid
    private fun chip(): String =
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.S) "${Build.SOC_MANUFACTURER} ${Build.SOC_MODEL}" else Build.HARDWARE

    @NewerAndroid
    private fun thermalStatus(): Int? = if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) power?.currentThermalStatus else null

    private fun memoryMib(): Double? = context.getSystemService(ActivityManager::class.java)
        ?.let { ActivityManager.MemoryInfo().apply(it::getMemoryInfo).totalMem / MIB }

    override fun state(): Map<String, Any?> {
        val battery = context.registerReceiver(null, IntentFilter(Intent.ACTION_BATTERY_CHANGED))
        return mapOf(
            "thermal_status" to thermalStatus(),
            "battery_percent" to battery?.let(::percent),
            "battery_celsius" to battery?.number(BatteryManager.EXTRA_TEMPERATURE)?.let { it / TENTHS },
            "charging" to battery?.number(BatteryManager.EXTRA_PLUGGED)?.let { it != 0 },
            "screen_on" to power?.isInteractive,
            "in_front" to isInFront(),
        )
    }

    /** A level is a share of a scale, which need not be 100; null: the phone does not tell. */
    private fun percent(battery: Intent): Int? {
        val level = battery.number(BatteryManager.EXTRA_LEVEL) ?: return null
        val scale = battery.number(BatteryManager.EXTRA_SCALE) ?: return null
        return if (level >= 0 && scale > 0) PERCENT * level / scale else null
    }

    private fun Intent.number(name: String): Int? = if (hasExtra(name)) getIntExtra(name, 0) else null

    private fun isInFront(): Boolean =
        ActivityManager.RunningAppProcessInfo().apply(ActivityManager::getMyMemoryState).importance <= IMPORTANCE_VISIBLE

    override fun problems(): List<String> = listOfNotNull("an emulator's times say nothing about a phone".takeIf { isEmulator })

    override fun doubts(): List<String> = listOfNotNull(
        "a debug build".takeIf { context.applicationInfo.flags and ApplicationInfo.FLAG_DEBUGGABLE != 0 },
        "battery saver is on".takeIf { power?.isPowerSaveMode == true },
    )

    override fun sleep(milliseconds: Long) = SystemClock.sleep(milliseconds)

    private companion object {
        const val TENTHS = 10.0
        const val PERCENT = 100
        const val MIB = 1048576.0
    }
}

/** Where results go: a directory of the app's own that adb can read, without a permission. */
internal class BenchFolder(private val context: Context) {
    /** Write [json]; returns where. Throws [IOException] if that is not possible. */
    fun save(json: String): String {
        val directory = context.getExternalFilesDir(FOLDER) ?: File(context.filesDir, FOLDER)
        if (!directory.isDirectory && !directory.mkdirs()) throw IOException("$directory cannot be made")
        val time = SimpleDateFormat("yyyy-MM-dd-HH-mm-ss", Locale.ROOT).format(Date())
        val file = File(directory, "app-$time.json")
        val part = File(directory, "${file.name}.part")
        part.writeText(json)
        if (!part.renameTo(file)) throw IOException("$file cannot be written")
        Log.i(TAG, "wrote $file")
        return file.path
    }

    private companion object {
        const val FOLDER = "benchmarks"
        const val TAG = "MobileBertBenchmark"
    }
}
