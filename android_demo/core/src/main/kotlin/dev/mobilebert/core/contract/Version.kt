package dev.mobilebert.core.contract

/** A version of numbers, such as 2.16.1; missing ones at the end are zero. */
class Version private constructor(private val numbers: List<Int>) : Comparable<Version> {
    override fun compareTo(other: Version): Int {
        val places = 0..<maxOf(numbers.size, other.numbers.size)
        return places.map { (numbers.getOrNull(it) ?: 0).compareTo(other.numbers.getOrNull(it) ?: 0) }.firstOrNull { it != 0 } ?: 0
    }

    override fun equals(other: Any?): Boolean = other is Version && compareTo(other) == 0

    override fun hashCode(): Int = numbers.dropLastWhile { it == 0 }.hashCode()

    override fun toString(): String = numbers.joinToString(".")

    companion object {
        /** The version in [text]; null: it is none. What follows a hyphen is not looked at. */
        fun parse(text: String): Version? {
            val numbers = text.substringBefore('-').split('.').map { part -> part.toIntOrNull()?.takeIf { it >= 0 } ?: return null }
            return Version(numbers)
        }
    }
}
