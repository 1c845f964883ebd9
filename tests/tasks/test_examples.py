"""Texts given by a program become examples; anything else is refused, with its place in the list."""

import numpy as np
import pytest

from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks.examples import Example, examples_of


def test_texts_and_pairs():
    assert examples_of([]) == []
    assert examples_of(["a", ("b", "c"), ["d", "e"], ""]) == [
        Example("a"), Example("b", "c"), Example("d", "e"), Example("")
    ]  # fmt: skip
    assert examples_of(np.array(["a", "b"])) == examples_of(text for text in "ab") == [Example("a"), Example("b")]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ("good film", r"takes a list of texts, or of pairs of texts, and got 'good film' \(str\); put it into a list"),
        (b"good", r"got b'good' \(bytes\)"),
        ({"text": "a"}, r"got {'text': 'a'} \(dict\)"),
        (None, r"got None \(NoneType\)"),
        (["a", None], r"item 1 of the list is None \(NoneType\); give a text, or two of them as a pair"),
        ([3], r"item 0 of the list is 3 \(int\)"),
        ([("a", "b", "c")], r"item 0 of the list is \('a', 'b', 'c'\) \(tuple\)"),
        ([("a",)], r"item 0 of the list is \('a',\)"),
        ([("a", None)], r"item 0 of the list is \('a', None\)"),
        (["a\ud800b"], "item 0 of the list holds half of a character"),
        ([("a", "\udc80")], "item 0 of the list holds half of a character"),
    ],
)
def test_anything_else_is_refused(texts, said):
    with pytest.raises(UsageError, match=said) as raised:
        examples_of(texts)
    assert "\n" not in str(raised.value) and str(raised.value).isascii()
