"""Words of answers, by the rules of SQuAD's official evaluation."""

import collections
import re
import string

import pytest

from mobilebert_tf.tasks import answer_text


def normalize(s):
    """`evaluate-v2.0.py`, step by step."""
    s = s.lower()
    s = "".join(ch for ch in s if ch not in set(string.punctuation))
    s = re.sub(r"\b(a|an|the)\b", " ", s)
    return " ".join(s.split())


def f1(a_gold, a_pred):
    gold, pred = normalize(a_gold).split(), normalize(a_pred).split()
    common = collections.Counter(gold) & collections.Counter(pred)
    same = sum(common.values())
    if len(gold) == 0 or len(pred) == 0:
        return int(gold == pred)
    if same == 0:
        return 0
    precision, recall = same / len(pred), same / len(gold)
    return 2 * precision * recall / (precision + recall)


CASES = [
    ("Denver Broncos", "The Denver Broncos!"),
    ("in the 10th and 11th centuries", "10th century"),
    ("the", "a"),
    ("", ""),
    ("", "something"),
    ("theatre", "the atre"),
    ("U.S.", "us"),
    ("a an the and", "and"),
    ("caf\u00e9 \u2014 bar", "caf\u00e9 bar"),
    ("one two two", "two two two"),
]


@pytest.mark.parametrize("gold, given", CASES)
def test_words_count_as_in_the_official_script(gold, given):
    assert answer_text.f1(given, gold) == pytest.approx(f1(gold, given))
    assert answer_text.exact(given, gold) == float(normalize(gold) == normalize(given))


@pytest.mark.parametrize(
    ("gold", "given", "shared"),
    # Characters that both have, by hand; precision and recall are those of characters.
    [
        ("老师", "老师。", 2),
        ("北京", "北京市海淀区", 2),
        ("《红楼梦》", "红楼梦", 3),
        ("1984年", "1984 年", 2),
        ("โลก", "โลก ใบนี้", 3),
    ],
)
def test_answers_in_scripts_without_blanks_are_compared_by_characters(gold, given, shared):
    def characters(text):
        plain = "".join(one for one in text if one not in "。《》 ")
        return 2 if plain == "1984年" else len(plain)  # a number is one word

    expected = 2 * shared / (characters(given) + characters(gold))
    assert answer_text.f1(given, gold) == pytest.approx(expected)
    assert answer_text.exact(given, gold) == float(expected == 1.0)


def test_a_chinese_name_in_an_english_answer_changes_nothing():
    gold, given = "Genghis Khan (成吉思汗)", "the Genghis Khan"
    assert answer_text.f1(given, gold) == pytest.approx(f1(gold, given)) == pytest.approx(0.8)


def test_the_best_of_several_answers_counts():
    assert answer_text.best(answer_text.f1, "two", ["one", "two three"]) == pytest.approx(2 / 3)
    assert answer_text.best(answer_text.f1, "", ["the"]) == 1.0, "nothing but an article is no answer"
    assert answer_text.best(answer_text.exact, "x", []) == 0.0
