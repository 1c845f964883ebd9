"""Near-duplicates found by prefix filtering, against comparing every pair."""

import random
import re

from mobilebert_tf.data import near_duplicates


def grams(text: str) -> set[tuple[str, ...]]:
    words = re.sub(r"[0-9]+", "0", re.sub(r"[^a-z0-9]+", " ", text.lower())).split()
    return {(w,) for w in words} | {tuple(words[i : i + 2]) for i in range(len(words) - 1)}


def similarity(x: set[tuple[str, ...]], y: set[tuple[str, ...]]) -> float:
    return len(x & y) / len(x | y) if x | y else 1.0


def made_texts(count: int) -> list[str]:
    """Sentences of a small vocabulary, many of them variants of one another."""
    rng = random.Random(1)
    words = [f"word{chr(97 + i)}{chr(97 + j)}" for i in range(8) for j in range(5)]
    texts = ["", "!?", "Once 12 times.", "once 7 times"]
    while len(texts) < count:
        if rng.random() < 0.5:
            texts.append(" ".join(rng.choices(words, k=rng.randint(3, 25))))
        else:
            changed = rng.choice(texts).split()
            for _ in range(rng.randint(0, 3)):
                if changed:
                    changed[rng.randrange(len(changed))] = rng.choice(words)
            texts.append(" ".join(changed).upper())
    return texts


def test_groups_are_those_of_comparing_every_pair() -> None:
    texts = made_texts(300)
    sets = [grams(text) for text in texts]
    for threshold in (0.5, 0.7, 0.85, 1.0):
        group_of = {i: g for g, group in enumerate(near_duplicates.groups(texts, threshold)) for i in group}
        assert len(group_of) == len(texts)
        # The transitive closure of all near pairs, by spreading labels until nothing changes.
        label = list(range(len(texts)))
        near = [(i, j) for i in range(len(texts)) for j in range(i) if similarity(sets[i], sets[j]) >= threshold]
        assert len(near) > 20
        changed = True
        while changed:
            changed = False
            for i, j in near:
                low = min(label[i], label[j])
                changed |= label[i] != low or label[j] != low
                label[i] = label[j] = low
        expected = {frozenset(i for i in range(len(texts)) if label[i] == k) for k in set(label)}
        groups = {frozenset(i for i in group_of if group_of[i] == g) for g in set(group_of.values())}
        assert groups == expected


def test_case_digits_and_punctuation_do_not_count() -> None:
    assert near_duplicates.groups(["Takes 2 arrays.", "takes 17 ARRAYS", "gives two arrays"]) == [[0, 1], [2]]
