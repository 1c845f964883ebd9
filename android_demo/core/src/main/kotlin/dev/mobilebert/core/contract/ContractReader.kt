package dev.mobilebert.core.contract

import dev.mobilebert.core.text.AddedToken
import dev.mobilebert.core.text.Rules

/** Reads `RECIPE.contract.json`. */
object ContractReader {
    /** The schema that is understood; fields may be added to it. */
    const val SCHEMA = 2

    /**
     * The contract in [json].
     *
     * @param name of the file, for messages
     * @throws ContractException it is no contract, its parts do not fit each other, or it is one of a schema, kind or rule that this
     *   code does not know
     */
    fun read(json: String, name: String): Contract {
        val value = try {
            Json.parse(json)
        } catch (error: JsonException) {
            throw ContractException("$name is not JSON (${error.message}); copy it again from the export")
        }
        val values = value as? Map<*, *> ?: throw ContractException("$name is not a contract; copy it again from the export")
        val root = Fields(values.entries.associate { (key, member) -> key as String to member }, name)
        val schema = root.asMap()["schema"] as? Double
        if (schema != SCHEMA.toDouble()) {
            val said = schema?.let { if (it == it.toInt().toDouble()) "${it.toInt()}" else "$it" } ?: "no number"
            throw ContractException("$name has schema $said, this app reads $SCHEMA; export the model again or update the app")
        }
        val signatures = root.all("signatures").map(::signature)
        if (signatures.isEmpty()) throw ContractException("$name has no signature; export the model again")
        val runtime = root.fields("runtime")
        return Contract(
            file = file(root.fields("file")),
            recipe = root.text("recipe"),
            task = root.text("task"),
            signatures = signatures,
            text = text(root.fields("text"), name),
            answer = answer(root.fields("answer"), name),
            oldestRuntime = oldestRuntime(runtime, name),
            oneGraph = runtime.flagIfAny("one_graph"),
            tolerance = root.fields("tolerance").number("output"),
            scale = root.fields("tolerance").numberOrNull("scale")?.takeIf { it.isFinite() && it > 0 },
            examples = root.all("examples").map { it.asMap() },
        ).also { it.check(name) }
    }

    private fun file(fields: Fields): FileFacts {
        val name = fields.text("name")
        // It lies beside the contract, and nowhere else.
        if (name.isBlank() || '/' in name || '\\' in name) fields.wrong("name", "the name of a file")
        return FileFacts(name, fields.number("bytes").toLong(), fields.text("sha256"))
    }

    internal fun signature(fields: Fields) = Signature(
        fields.text("name"), fields.whole("length"), fields.all("inputs").map(::tensor), fields.all("outputs").map(::tensor),
    )

    private fun tensor(fields: Fields) = Tensor(fields.text("name"), fields.text("dtype"), fields.wholes("shape"))

    internal fun text(fields: Fields, name: String): TextContract {
        val windows = fields.fieldsOrNull("windows")
        val truncation = fields.text("truncation")
        val isKnown = (truncation == "longest_first" && windows == null) || (truncation == "windows" && windows != null)
        if (!isKnown) throw unknown(name, "truncation", truncation)
        val special = fields.fields("special_tokens")
        val padding = fields.fields("padding")
        val vocabulary = fields.fields("vocabulary")
        return TextContract(
            rules = rules(fields.fields("tokenizer"), name),
            vocabulary = file(vocabulary),
            vocabularySize = vocabulary.whole("size"),
            specialTokens = special.names().associateWith(special::whole),
            layout = fields.texts("layout"),
            segmentIds = fields.wholes("segment_ids"),
            maxIds = fields.whole("max_ids"),
            windows = windows?.let { Windows(it.whole("stride"), it.whole("most_before")) },
            padding = Padding(
                padding.whole("least"), padding.whole("input_ids"), padding.whole("input_mask"), padding.whole("segment_ids"),
            ),
        )
    }

    internal fun rules(fields: Fields, name: String): Rules {
        if (fields.text("kind") != "wordpiece") throw unknown(name, "tokenizer", fields.text("kind"))
        return Rules(
            fields.flag("lower_case"), fields.flag("strip_accents"), fields.flag("split_cjk"),
            fields.whole("max_characters_per_word"), fields.all("added_tokens").map(::addedToken),
        )
    }

    private fun addedToken(fields: Fields) = AddedToken(
        fields.text("content"), fields.whole("id"), fields.flag("single_word"), fields.flag("lstrip"), fields.flag("rstrip"),
        fields.flag("normalized"), fields.flag("word_piece"),
    )

    private fun oldestRuntime(fields: Fields, name: String): Version {
        val oldest = fields.text("oldest")
        return Version.parse(oldest) ?: throw unknown(name, "runtime", oldest)
    }

    internal fun answer(fields: Fields, name: String): Answer = when (val kind = fields.text("kind")) {
        "classes" -> {
            decided(fields, name, "argmax")
            Answer.Classes(
                fields.text("output"), fields.texts("labels"), fields.flag("softmax"), fields.number("temperature"),
                fields.numberOrNull("threshold"),
            )
        }
        "labels" -> {
            decided(fields, name, "thresholds")
            val labels = fields.texts("labels")
            Answer.Labels(fields.text("output"), labels, labels.map(fields.fields("thresholds")::number))
        }
        "value" -> Answer.Value(fields.text("output"), fields.number("offset"), fields.number("scale"))
        "vector" -> Answer.Vector(fields.text("output"))
        "prototypes" -> {
            decided(fields, name, "nearest")
            Answer.Prototypes(
                fields.text("output"), fields.texts("labels"), fields.rows("centroids"), fields.number("threshold"),
                fields.number("margin"),
            )
        }
        "span" -> {
            val outputs = fields.fields("outputs")
            Answer.Span(outputs.text("start"), outputs.text("end"), fields.whole("longest"), fields.numberOrNull("no_answer"))
        }
        "entities" -> {
            if (fields.text("words") != "bert") throw unknown(name, "words", fields.text("words"))
            Answer.Entities(fields.text("output"), fields.texts("labels"))
        }
        else -> throw unknown(name, "answer", kind)
    }

    private fun decided(fields: Fields, name: String, wanted: String) {
        val decision = fields.textOrNull("decision")
        if (decision != wanted) throw unknown(name, "decision", "$decision")
    }

    private fun unknown(name: String, what: String, value: String) =
        ContractException("$name has ${if (what == "answer") "an" else "a"} $what of kind \"$value\", which this app does not know; update the app")
}
