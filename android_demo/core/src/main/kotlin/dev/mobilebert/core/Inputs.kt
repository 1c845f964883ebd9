package dev.mobilebert.core

import dev.mobilebert.core.contract.ContractException
import dev.mobilebert.core.contract.Padding
import dev.mobilebert.core.contract.Signature
import dev.mobilebert.core.contract.TextContract
import dev.mobilebert.core.text.Encoding

/** Ids of one or two texts in the layout, without padding: [ids] and [segmentIds], as many. */
class Laid(val ids: IntArray, val segmentIds: IntArray)

/** A part of a long text as an input of the network. */
class Window(
    val ids: IntArray,
    val segmentIds: IntArray,
    /** Place in [ids] of the first piece of the text that is cut. */
    val front: Int,
    /** Number of that piece in the text. */
    val start: Int,
    /** [k]: first UTF-16 unit of each piece of that text, dropped combining marks included. */
    val starts: IntArray,
    /** [k]: the one behind the last. */
    val ends: IntArray,
) {
    /** k, pieces of that text. */
    val count: Int get() = starts.size
}

/** The three inputs of a signature, [T] each. */
class Inputs(val ids: IntArray, val mask: IntArray, val segmentIds: IntArray) {
    /** The input that a contract calls [name]. Throws [ContractException] if there is none. */
    operator fun get(name: String): IntArray = when (name) {
        "input_ids" -> ids
        "input_mask" -> mask
        "segment_ids" -> segmentIds
        else -> throw ContractException("the model has an input $name, which this app does not know; update the app")
    }

    companion object {
        /** What a contract may ask for. */
        val NAMES = setOf("input_ids", "input_mask", "segment_ids")
    }
}

/** Texts to the inputs of a network, as `text` of a contract says. */
class InputMaker(private val text: TextContract) {
    /** Of each place of the layout the special token there; null: a text. */
    private val tokens: List<IntArray?> = text.layout.map { what -> text.specialTokens[what]?.let { intArrayOf(it) } }
    private val special = tokens.count { it != null }

    /**
     * Put the pieces of one or two texts in the layout. While there are too many, the longer text loses its last
     * piece; of equally long ones the second.
     */
    fun layOut(parts: List<IntArray>): Laid {
        val room = text.maxIds - special
        val sizes = IntArray(parts.size) { parts[it].size }
        while (sizes.sum() > room) {
            val longest = sizes.indices.last { sizes[it] == sizes.max() }
            val others = sizes.filterIndexed { number, _ -> number != longest }
            // All that is longer than the other one goes at once, then one by one.
            val spare = minOf(sizes.sum() - room, sizes[longest] - (others.maxOrNull() ?: 0))
            sizes[longest] -= maxOf(1, spare)
        }
        return arrange(parts.mapIndexed { number, part -> part.copyOf(sizes[number]) })
    }

    private fun arrange(parts: List<IntArray>): Laid {
        val ids = IntArray(special + parts.sumOf { it.size })
        val segmentIds = IntArray(ids.size)
        var size = 0
        var next = 0
        tokens.forEachIndexed { number, token ->
            val pieces = token ?: parts[next++]
            pieces.copyInto(ids, size)
            segmentIds.fill(text.segmentIds[number], size, size + pieces.size)
            size += pieces.size
        }
        return Laid(ids, segmentIds)
    }

    /**
     * Cut [passage], pieces of [whole], into windows.
     *
     * @param before ids of the text before it, empty if the task is about one
     * @throws ContractException the contract has no windows, or no room in them
     */
    fun windows(before: IntArray?, passage: Encoding, whole: CharSequence): List<Window> {
        val rule = text.windows ?: throw ContractException("the contract has no windows; texts that are too long are cut")
        val located = passage.withMarks(whole)
        val kept = before?.let { it.copyOf(minOf(it.size, rule.mostBefore)) }
        val room = text.maxIds - special - (kept?.size ?: 0)
        if (room < 1) throw ContractException("the contract leaves no room for a text in its windows; export the model again")
        val windows = ArrayList<Window>()
        var start = 0
        while (true) {
            val end = minOf(located.size, start + room)
            val laid = arrange(listOfNotNull(kept, located.ids.copyOfRange(start, end)))
            val front = laid.ids.size - 1 - (end - start)
            windows += Window(
                laid.ids, laid.segmentIds, front, start, located.starts.copyOfRange(start, end), located.ends.copyOfRange(start, end),
            )
            if (end >= located.size) return windows
            start += minOf(end - start, rule.stride)
        }
    }

    /**
     * The shortest of [signatures] that takes [count] ids and the least padding; the longest if they fill it.
     *
     * @throws ContractException there are more ids than any signature takes
     */
    fun signature(signatures: List<Signature>, count: Int): Signature {
        val need = minOf(count + text.padding.least, text.maxIds)
        return signatures.filter { it.length >= maxOf(need, count) }.minByOrNull { it.length }
            ?: throw ContractException("no signature takes $count ids; cut the text as the contract says")
    }

    /** Fill up [ids] and [segmentIds] to the length of [signature]. */
    fun pad(ids: IntArray, segmentIds: IntArray, signature: Signature): Inputs {
        val padding: Padding = text.padding
        val length = signature.length
        return Inputs(
            IntArray(length) { if (it < ids.size) ids[it] else padding.inputIds },
            IntArray(length) { if (it < ids.size) 1 else padding.inputMask },
            IntArray(length) { if (it < ids.size) segmentIds[it] else padding.segmentIds },
        )
    }
}
