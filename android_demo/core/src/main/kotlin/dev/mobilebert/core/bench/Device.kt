package dev.mobilebert.core.bench

/** What a benchmark has to know of the machine that it runs on; names are those of `benchmarks/schema.json`. */
interface Device {
    /** What does not change: `kind`, `model`, `soc` and the like. */
    fun describe(): Map<String, Any?>

    /** What changes: `thermal_status`, an Int from 0 (none) to 6 (shutdown) or null, `charging` and the like. */
    fun state(): Map<String, Any?>

    /** Reasons why no figure from here counts, such as an emulator. */
    fun problems(): List<String>

    /** Reasons to doubt every figure from here, such as a debug build. */
    fun doubts(): List<String>

    fun sleep(milliseconds: Long)
}
