"""Words of answers compared by the rules of SQuAD's official evaluation."""

import collections
import re
import string

import pytest

from mobilebert_tf.tasks import answer_text


def normalize(s):
    """Normalise a text as `evaluate-v2.0.py` does, step by step."""
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
    ("\u5143\u671d", "\u5143\u671d; pinyin: Yu\u00e1n Ch\u00e1o"),
    ("one two two", "two two two"),
]


@pytest.mark.parametrize("gold, given", CASES)
def test_words_count_as_in_the_official_script(gold, given):
    rules = answer_text.Rules.of(["A passage in English, with one Chinese name (\u6210\u5409\u601d\u6c57)."])
    assert rules.f1(given, gold) == pytest.approx(f1(gold, given))
    assert rules.exact(given, gold) == float(normalize(gold) == normalize(given))


# Counted by hand: words that both share, words of the given answer, words of the right answer.
WITHOUT_BLANKS = [
    ("老师", "老师。", 2, 2, 2),
    ("北京", "北京市海淀区", 2, 6, 2),
    ("《红楼梦》", "红楼梦", 3, 3, 3),
    ("1984年", "1984 年", 2, 2, 2),
    ("2008", "2008年", 1, 2, 1),
    ("iphone 手机", "iPhone手机", 3, 3, 3),
    ("โลก", "โลก ใบนี้", 3, 8, 3),
]


@pytest.mark.parametrize(("gold", "given", "shared", "of_given", "of_gold"), WITHOUT_BLANKS)
def test_answers_in_scripts_without_blanks_are_compared_by_characters(gold, given, shared, of_given, of_gold):
    rules = answer_text.Rules.of(["他于2008年在北京买了一部iPhone手机。", "โลกใบนี้กลม", "an English one"])
    assert rules.f1(given, gold) == pytest.approx(2 * shared / (of_given + of_gold))
    assert rules.exact(given, gold) == float(shared == of_given == of_gold)


def test_the_best_of_several_answers_counts():
    rules = answer_text.Rules()
    assert answer_text.best(rules.f1, "two", ["one", "two three"]) == pytest.approx(2 / 3)
    assert answer_text.best(rules.f1, "", ["the"]) == 1.0, "nothing but an article is no answer"
    assert answer_text.best(rules.exact, "x", []) == 0.0
