package dev.mobilebert.core.bench

/** What a benchmark has to know of the machine that it runs on. */
interface Device {
    /** What does not change: model, processor, system; names as in a result's `machine`. */
    fun describe(): Map<String, Any?>

    /** What changes: battery, charging and the like. */
    fun state(): Map<String, Any?>

    /** Android's thermal status, 0 (none) to 6 (shutdown); null: it does not tell. */
    fun thermalStatus(): Int?

    /** Reasons to doubt every figure from here, each a sentence: a debug build, an emulator, a charger. */
    fun doubts(): List<String>

    /** Wait; interrupted by nothing but the end of the time. */
    fun sleep(milliseconds: Long)
}
