package dev.mobilebert.core.contract

/** A text is not JSON; the message has the place. */
class JsonException(message: String) : IllegalArgumentException(message)

/**
 * JSON as Kotlin's own types: maps, lists, strings, doubles, booleans and null.
 *
 * Android has a reader of its own (`org.json`), which a plain JVM lacks; kotlinx-serialization-json is a compiler
 * plugin and 700 kB for one small file, so a reader of a hundred lines stands here.
 */
object Json {
    /**
     * The value that [text] is.
     *
     * @throws JsonException it is not JSON
     */
    fun parse(text: String): Any? = Reader(text).document()

    /**
     * [value], made of maps, lists, strings, numbers, booleans and null, as JSON: objects indented, lists of numbers on one line.
     *
     * @throws IllegalArgumentException it holds something else, or a number that is not finite
     */
    fun write(value: Any?): String = StringBuilder().also { it.append(value, "") }.append('\n').toString()

    private fun StringBuilder.append(value: Any?, indent: String) {
        val inner = "$indent  "
        when (value) {
            null, is Boolean, is Int, is Long -> append(value.toString())
            is Double -> append(value.also { require(it.isFinite()) { "JSON has no $it" } }.toString())
            is String -> quoted(value)
            is Map<*, *> -> enclosed("{}", "\n$inner", "\n$indent", value.entries) { (name, member) ->
                quoted(name as String)
                append(": ")
                append(member, inner)
            }
            is List<*> -> if (value.all { it is Number }) {
                enclosed("[]", " ", "", value) { append(it, inner) }
            } else {
                enclosed("[]", "\n$inner", "\n$indent", value) { append(it, inner) }
            }
            else -> throw IllegalArgumentException("${value::class.simpleName} is nothing that JSON has")
        }
    }

    private fun <T> StringBuilder.enclosed(brackets: String, before: String, behind: String, values: Collection<T>, write: (T) -> Unit) {
        append(brackets[0])
        values.forEachIndexed { number, value ->
            append(if (number > 0) ",$before" else before.trimStart(' '))
            write(value)
        }
        if (values.isNotEmpty()) append(behind)
        append(brackets[1])
    }

    private fun StringBuilder.quoted(text: String) {
        append('"')
        for (unit in text) {
            when {
                unit == '"' || unit == '\\' -> append('\\').append(unit)
                unit < ' ' -> append("\\u%04x".format(java.util.Locale.ROOT, unit.code))
                else -> append(unit)
            }
        }
        append('"')
    }

    private class Reader(private val text: String) {
        private var place = 0

        fun document(): Any? {
            val value = value(0)
            blanks()
            if (place < text.length) fail("there is more behind the end")
            return value
        }

        private fun value(depth: Int): Any? {
            if (depth > MOST_DEPTH) fail("more than $MOST_DEPTH levels")
            blanks()
            return when (peek()) {
                '{' -> members(depth)
                '[' -> elements(depth)
                '"' -> string()
                't' -> literal("true", true)
                'f' -> literal("false", false)
                'n' -> literal("null", null)
                else -> number()
            }
        }

        private fun members(depth: Int): Map<String, Any?> {
            val members = LinkedHashMap<String, Any?>()
            place++
            blanks()
            if (take('}')) return members
            do {
                blanks()
                if (peek() != '"') fail("a name is missing")
                val name = string()
                blanks()
                if (!take(':')) fail("':' is missing")
                members[name] = value(depth + 1)
                blanks()
            } while (take(','))
            if (!take('}')) fail("',' or '}' is missing")
            return members
        }

        private fun elements(depth: Int): List<Any?> {
            val elements = ArrayList<Any?>()
            place++
            blanks()
            if (take(']')) return elements
            do {
                elements += value(depth + 1)
                blanks()
            } while (take(','))
            if (!take(']')) fail("',' or ']' is missing")
            return elements
        }

        private fun string(): String {
            val begin = ++place
            while (place < text.length && text[place] != '"' && text[place] != '\\') checkedUnit()
            if (peek() == '"') return text.substring(begin, place++)
            val made = StringBuilder(text.substring(begin, place))
            while (!take('"')) made.append(if (take('\\')) escape() else checkedUnit())
            return made.toString()
        }

        private fun checkedUnit(): Char {
            if (peek() < ' ') fail("a control character in a string")
            return text[place++]
        }

        private fun escape(): Char {
            val kind = peek()
            place++
            return when (kind) {
                '"', '\\', '/' -> kind
                'b' -> '\b'
                'f' -> '\u000c'
                'n' -> '\n'
                'r' -> '\r'
                't' -> '\t'
                'u' -> {
                    val digits = text.substring(place, minOf(place + 4, text.length))
                    if (digits.length < 4 || !digits.all { it in "0123456789abcdefABCDEF" }) fail("four digits are missing")
                    place += 4
                    digits.toInt(16).toChar()
                }
                else -> fail("an unknown escape")
            }
        }

        private fun literal(word: String, value: Any?): Any? {
            if (!text.startsWith(word, place)) fail("not a value")
            place += word.length
            return value
        }

        /** By hand: each match of a regular expression copies the whole text on Android. */
        private fun number(): Double {
            val begin = place
            take('-')
            if (!take('0')) digits()
            if (take('.')) digits()
            if (take('e') || take('E')) {
                if (!take('+')) take('-')
                digits()
            }
            return text.substring(begin, place).toDouble()
        }

        private fun digits() {
            val begin = place
            while (place < text.length && text[place] in '0'..'9') place++
            if (place == begin) fail("not a value")
        }

        private fun blanks() {
            while (place < text.length && text[place] in " \t\n\r") place++
        }

        private fun peek(): Char = if (place < text.length) text[place] else fail("the text ends too early")

        private fun take(wanted: Char): Boolean = (peekOrNull() == wanted).also { if (it) place++ }

        private fun peekOrNull(): Char? = text.getOrNull(place)

        private fun fail(what: String): Nothing {
            val line = text.substring(0, minOf(place, text.length)).count { it == '\n' } + 1
            throw JsonException("line $line: $what")
        }
    }

    private const val MOST_DEPTH = 200
}
