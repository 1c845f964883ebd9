"""Entities of labelled words."""

import pytest

from mobilebert_tf.errors import UsageError
from mobilebert_tf.export.ship import check_answers
from mobilebert_tf.tasks.entities import words_of
from mobilebert_tf.tasks.tagging import Entity, entities, is_scheme, kinds, parts, scheme_of

# Labels, then start, end and kind of every entity as conlleval, and seqeval after it, find them.
CASES = [
    ("O O", []),
    ("B-x I-x O", [(0, 2, "x")]),
    ("B-x B-x", [(0, 1, "x"), (1, 2, "x")]),
    ("I-x I-x", [(0, 2, "x")]),
    ("O I-x", [(1, 2, "x")]),
    ("B-x I-y", [(0, 1, "x"), (1, 2, "y")]),
    ("B-x O I-x", [(0, 1, "x"), (2, 3, "x")]),
    ("S-x S-x", [(0, 1, "x"), (1, 2, "x")]),
    ("B-x I-x E-x", [(0, 3, "x")]),
    ("E-x E-x", [(0, 1, "x"), (1, 2, "x")]),
    ("B-x E-x I-x", [(0, 2, "x"), (2, 3, "x")]),
    ("S-x I-x", [(0, 1, "x"), (1, 2, "x")]),
    ("I-x B-x E-y", [(0, 1, "x"), (1, 2, "x"), (2, 3, "y")]),
    ("B-a-b I-a-b", [(0, 2, "a-b")]),
]


@pytest.mark.parametrize("tags, expected", CASES)
def test_entities_are_those_of_conlleval(tags, expected):
    tags = tags.split()
    assert [(entity.start, entity.end, entity.kind) for entity in entities(tags)] == expected
    # The rule that contracts state for apps finds the same entities.
    labels = sorted(set(tags))
    windows = [
        {
            "offsets": [[2 * place, 2 * place + 1] for place in range(len(tags))],
            "outputs": {"token_logits": [[float(label == tag) for label in labels] for tag in tags]},
            "start": 0,
        }
    ]
    answer = {"kind": "entities", "output": "token_logits", "labels": labels}
    answers = check_answers.decode_windows(windows, " ".join("w" for _ in tags), answer)
    assert [(entity["start"] // 2, (entity["end"] + 1) // 2, entity["label"]) for entity in answers] == expected


SCHEMES = {
    "BIO": ["O", "B-x", "I-x", "B-y", "I-y"],
    "BIOES": ["O", *(f"{prefix}-{kind}" for kind in "xy" for prefix in "BIES")],
    "BILOU": ["O", *(f"{prefix}-{kind}" for kind in "xy" for prefix in "BILU")],
    "IOB1": ["O", "B-x", "I-x", "B-y", "I-y"],
    "IO": ["O", "I-x", "I-y"],
    "IOE2": ["O", "E-x", "I-x", "E-y", "I-y"],
}
WRITTEN = {
    "BIO": ["B-x B-x I-x I-x O B-y I-y B-x", "O B-x O"],
    "BIOES": ["S-x B-x I-x E-x O B-y E-y S-x", "O S-x O"],
    "BILOU": ["U-x B-x I-x L-x O B-y L-y U-x", "O U-x O"],
    "IOB1": ["I-x B-x I-x I-x O I-y I-y I-x", "O I-x O"],
    "IO": ["O I-x I-x I-x O I-y I-y I-x", "O I-x O"],
    "IOE2": ["E-x I-x I-x E-x O I-y E-y E-x", "O E-x O"],
}


@pytest.mark.parametrize("name", SCHEMES)
def test_entities_are_written_in_the_scheme_of_the_labels(name):
    sentences = [text.split() for text in WRITTEN[name]]
    scheme = scheme_of(sentences, SCHEMES[name])
    assert [scheme.tags(entities(tags), len(tags)) for tags in sentences] == sentences
    # Without labelled sentences, the scheme follows from the model's labels, which cannot tell IOB1 from BIO.
    if name != "IOB1":
        assert scheme_of([], SCHEMES[name]) == scheme_of([["O"]], SCHEMES[name]) == scheme
    # The model knows more prefixes than these sentences use, and one label among them is stray.
    if name in ("BIO", "IOB1"):
        assert scheme_of([*sentences, ["B-x", "O"], ["O", "I-y"]], SCHEMES["BIOES"]).tags(
            [Entity(0, 1, "x"), Entity(1, 3, "x")], 3
        ) == (["B-x", "B-x", "I-x"] if name == "BIO" else ["I-x", "B-x", "I-x"])


def test_what_is_a_label():
    assert parts("B-person") == ("B", "person") and kinds(["O", "I-b", "B-a"]) == ["a", "b"]
    with pytest.raises(UsageError, match="'person' is not a label of a word"):
        parts("person")
    assert is_scheme(["O", "B-x"]) and not is_scheme(["O"]) and not is_scheme(["O", "NOUN"])


WORDS = [
    ("I live in New York.", ["I", "live", "in", "New", "York", "."]),
    ('"Don\'t!" (U.S.)', ['"', "Don't", "!", '"', "(", "U.S", ".", ")"]),
    ("well-known e-mail@x.org, ok", ["well-known", "e-mail@x.org", ",", "ok"]),
    ("\u4e2d\u6587 a\u4e2db\u6587", ["\u4e2d", "\u6587", "a", "\u4e2d", "b", "\u6587"]),
    ("... \u2014 \u00bfqu\u00e9?", [".", ".", ".", "\u2014", "\u00bf", "qu\u00e9", "?"]),
    ("", []),
    (" \n\t ", []),
    ("a\u00a0b \U0001f600", ["a", "b", "\U0001f600"]),
]


@pytest.mark.parametrize("text, expected", WORDS)
def test_a_text_is_divided_into_words(text, expected):
    assert [text[start:end] for start, end in words_of(text)] == expected
    assert [text[start:end] for start, end in check_answers.words_of(text)] == expected
