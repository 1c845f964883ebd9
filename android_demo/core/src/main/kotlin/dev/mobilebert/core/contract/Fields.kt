package dev.mobilebert.core.contract

/** A contract that cannot be followed; the message is one sentence for the user, with the file and what to do. */
class ContractException(message: String) : IllegalArgumentException(message)

/** The fields of an object of a contract, each asked for with its type. */
internal class Fields(private val values: Map<String, Any?>, private val place: String) {
    fun text(name: String): String = text(values[name], name)

    fun textOrNull(name: String): String? = values[name]?.let { text(it, name) }

    fun number(name: String): Double = number(values[name], name)

    fun numberOrNull(name: String): Double? = values[name]?.let { number(it, name) }

    fun whole(name: String): Int = whole(values[name], name)

    fun flag(name: String): Boolean = values[name] as? Boolean ?: wrong(name, "true or false")

    /** Without the field false. */
    fun flagIfAny(name: String): Boolean = name in values && flag(name)

    fun texts(name: String): List<String> = list(name).map { text(it, name) }

    fun wholes(name: String): List<Int> = list(name).map { whole(it, name) }

    fun rows(name: String): List<DoubleArray> = list(name).map { row ->
        (row as? List<*> ?: wrong(name, "a list of lists of numbers")).map { number(it, name) }.toDoubleArray()
    }

    fun fields(name: String): Fields = fields(values[name], "$place.$name") ?: wrong(name, "an object")

    fun fieldsOrNull(name: String): Fields? = values[name]?.let { fields(name) }

    /** A list of objects; without the field an empty one. */
    fun all(name: String): List<Fields> = if (name !in values) {
        emptyList()
    } else {
        list(name).mapIndexed { number, value ->
            fields(value, "$place.$name[$number]") ?: wrong(name, "a list of objects")
        }
    }

    fun names(): Set<String> = values.keys

    /** The values as they are. */
    fun asMap(): Map<String, Any?> = values

    private fun list(name: String): List<Any?> = values[name] as? List<*> ?: wrong(name, "a list")

    private fun text(value: Any?, name: String): String = value as? String ?: wrong(name, "a text")

    private fun number(value: Any?, name: String): Double = value as? Double ?: wrong(name, "a number")

    private fun whole(value: Any?, name: String): Int =
        number(value, name).let { if (it == it.toInt().toDouble()) it.toInt() else wrong(name, "a whole number") }

    fun wrong(name: String, wanted: String): Nothing =
        throw ContractException("$place.$name is not $wanted; export the model again")

    private fun fields(value: Any?, place: String): Fields? {
        val map = value as? Map<*, *> ?: return null
        return Fields(map.entries.associate { (key, member) -> key as String to member }, place)
    }
}
