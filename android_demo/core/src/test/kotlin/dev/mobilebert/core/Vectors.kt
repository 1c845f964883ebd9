package dev.mobilebert.core

import dev.mobilebert.core.contract.Answer
import dev.mobilebert.core.contract.ContractReader
import dev.mobilebert.core.contract.Fields
import dev.mobilebert.core.contract.Json
import dev.mobilebert.core.contract.TextContract
import dev.mobilebert.core.text.Tokenizer

/** What `android_demo/make_vectors.py` had Python write. */
internal object Vectors {
    private val root: Map<*, *> =
        Json.parse(checkNotNull(Vectors::class.java.getResource("/vectors.json")).readText()) as Map<*, *>

    fun rows(name: String): List<Map<*, *>> = (root[name] as List<*>).map { it as Map<*, *> }

    fun one(name: String): Map<*, *> = root[name] as Map<*, *>

    val tokenizers: Map<String, Tokenizer> = one("rules").entries.associate { (name, rules) ->
        name as String to Tokenizer((root["vocabulary"] as List<*>).map { it as String }, ContractReader.rules(fields(rules), name))
    }

    fun fields(value: Any?) = Fields((value as Map<*, *>).entries.associate { it.key as String to it.value }, "vectors")

    fun text(value: Any?): TextContract = ContractReader.text(fields(value), "vectors")

    fun answer(value: Any?): Answer = ContractReader.answer(fields(value), "vectors")

    fun integers(value: Any?): IntArray = (value as List<*>).map { (it as Double).toInt() }.toIntArray()

    fun floats(value: Any?): FloatArray = (value as List<*>).map { (it as Double).toFloat() }.toFloatArray()
}
