"""Which parts of a docstring are kept as prose."""

import pytest

from mobilebert_tf.data.prose import paragraphs
from mobilebert_tf.data.sentences import split_sentences

DOCSTRING = """Compute the :func:`weighted <numpy.average>` mean of the numbers in an ``array``.

    The mean is taken over the *flattened* array by default, and otherwise
    over the axis that was given. See :ref:`statistics` for **more** on it [1]_.

    Parameters
    ----------
    values : array_like, optional
        The numbers whose mean is wanted, in any shape that can be flattened.
    axis, other : int
        Short.

    Args:
      weights: A tensor of the same shape that says
        how much each of the numbers counts.
      x: int.

    Notes
    -----
    * Not a number is never ignored, so that the result is not a number either.
    * Two more things that are worth saying
      are said in this item of the list.

    The code looks like this in the end::

        mean = average(values, the_weights_of_the_values)

        more = of_the_code(that_is, not_to_be_kept)

    .. versionadded:: 1.7
       This directive is a thing that should not be in the text at all.

    ======  ==========
    name    what it is
    ======  ==========

    Here is an example of how it can be used.
    >>> average([1, 2])
    This is what the example prints and it is not prose.

    ```python
    the_fenced = code(that is, to be dropped)
    ```
"""


def test_prose_is_kept_and_the_rest_is_not() -> None:
    assert paragraphs(DOCSTRING) == [
        "Compute the weighted mean of the numbers in an array.",
        "The mean is taken over the flattened array by default, and otherwise over the axis that was given. "
        "See statistics for more on it.",
        "The numbers whose mean is wanted, in any shape that can be flattened.",
        "A tensor of the same shape that says how much each of the numbers counts.",
        "Not a number is never ignored, so that the result is not a number either.",
        "Two more things that are worth saying are said in this item of the list.",
        "Here is an example of how it can be used.",
    ]


@pytest.mark.parametrize(
    "text, count",
    [
        ("It is so, e.g. in Fig. 2. The next one begins here. And ends!", 3),
        ("See Dr. J. Smith et al. for this. Is it? (Yes.) No.", 4),
        ("The value is 3.5 by default. 2 more are allowed.", 2),
        ("no end at all", 1),
        ("", 0),
    ],
)
def test_sentences(text: str, count: int) -> None:
    sentences = split_sentences(text)
    assert len(sentences) == count
    assert " ".join(sentences) == text


@pytest.mark.parametrize(
    "sentences",
    [
        ["Мой край у моря.", "«Где май?» — сказал А. С. Пушкин.", "Это 3.5 руб. и всё!"],
        ["猫房子水。", "森林城市！", "“早上？”", "火车书。"],
        ["今日は晴れ。", "「はい。」", "明日は？"],
        ["दिन में दीन लोग काम करते हैं।", "पानी ठंडा है।"],
        ["ปีนี้ปูมีน้อย", "น้ำทะเลอุ่นขึ้น"],
        ["هل أنت بخير؟", "نعم.", "شكرا"],
        ["Élan is a word.", "Ça va?", "“Oui,” he said 😀.", "Then 𝒳 went."],
        ["ეს არის წინადადება.", "ეს მეორეა.", "კი!"],
        ["他来了。", "《红楼梦》是一本书。", "【注】请看。", "〈我〉是谁？"],
        ["Er kam.", "»Wie geht es?«", "Sie ging.", "»Ja«, sagte er."],
        ["Он ушёл.", "«Да».", "«Нет»."],
        ["Great!", "😀 Next one.", "🙂 Bad."],
        ["그것은 내 것.", "저것은 네 것."],
        ["Look at array.Shape or a!=B2.", "It holds."],
    ],
)
def test_sentences_of_other_scripts(sentences: list[str]) -> None:
    joint = "" if "。" in sentences[0] else " "
    assert split_sentences(joint.join(sentences)) == sentences
    assert split_sentences("\n " + joint.join(sentences) + " ") == sentences
