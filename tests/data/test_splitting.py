"""Held-out rows: the shares of classes, the same rows every time, and no text on both sides."""

import collections

import numpy as np
import pytest

from mobilebert_tf.data.splitting import held_out, plain_text, value_strata


def split(keys, strata, share=0.1, seed=0):
    held = held_out(keys, strata, share, seed)
    return [collections.Counter(s for row in np.flatnonzero(held == side) for s in strata[row]) for side in (0, 1)]


def test_classes_keep_their_shares():
    strata = [("often",)] * 800 + [("seldom",)] * 200 + [("rare",)] * 8 + [("once",)]
    train, held = split([f"text {i}" for i in range(len(strata))], strata)
    # A tenth of each class but at least three rows, and nothing of a class with a single row.
    assert held == {"often": 80, "seldom": 20, "rare": 3} and train["once"] == 1


def test_the_same_rows_every_time_and_other_ones_with_another_seed():
    keys, strata = [f"text {i}" for i in range(300)], [("ab"[i % 2],) for i in range(300)]
    first = held_out(keys, strata, 0.2, 0)
    assert (first == held_out(keys, strata, 0.2, 0)).all()
    assert (first != held_out(keys, strata, 0.2, 1)).any()
    # The same texts are held out if the rows are in another order.
    order = np.random.default_rng(0).permutation(300)
    turned = held_out([keys[i] for i in order], [strata[i] for i in order], 0.2, 0)
    assert {keys[i] for i in order[turned]} == {keys[i] for i in np.flatnonzero(first)}


def test_the_same_text_is_on_one_side():
    random = np.random.default_rng(2)
    keys = [f"text {i}" for i in random.integers(0, 120, 400)]
    held = held_out(keys, [(int(i),) for i in random.integers(0, 3, 400)], 0.3, 0)
    assert not {k for k, h in zip(keys, held, strict=True) if h} & {k for k, h in zip(keys, held, strict=True) if not h}
    assert 0.2 < held.mean() < 0.4


def test_a_class_of_one_text_is_trained_on():
    """If the class's one text were held out, nothing could be learned of it."""
    for count in (4, 50):
        train, held = split(["same"] * count + [f"{i}" for i in range(50)], [("x",)] * count + [("y",)] * 50)
        assert train["x"] == count and held == {"y": 5}


def test_several_labels_keep_their_shares():
    """By plain random drawing, a label of 20 rows would have none held out in one of eight tables."""
    random = np.random.default_rng(3)
    shares = {"a": 0.5, "b": 0.2, "c": 0.05, "d": 0.01}
    strata = [tuple(label for label, share in shares.items() if random.random() < share) or ("",) for _ in range(2000)]
    train, held = split([f"text {i}" for i in range(2000)], strata)
    for label in (*shares, ""):
        # The rarest label has some 20 rows: one row is a share of 0.05.
        assert held[label] / (held[label] + train[label]) == pytest.approx(0.1, abs=0.06)
    assert held["d"] >= 2


def test_rare_labels_do_not_make_it_more_rows():
    """All rows have label a, and one in ten also b; filling b up after a would hold out further rows."""
    strata = [("a", "b") if i % 10 == 0 else ("a",) for i in range(200)]
    for seed in range(5):
        _, held = split([f"text {i}" for i in range(200)], strata, seed=seed)
        assert held["a"] == 20 and held["b"] >= 3


def test_values_are_held_out_from_all_of_their_range():
    values = np.random.default_rng(4).lognormal(size=500)
    held = held_out([f"{i}" for i in range(500)], value_strata(values), 0.1, 0)
    for low, high in ((0, 0.1), (0.4, 0.5), (0.9, 1)):
        inside = (values >= np.quantile(values, low)) & (values <= np.quantile(values, high))
        # Each part has 50 values, so 0.02 is one of them.
        assert held[inside].mean() == pytest.approx(0.1, abs=0.02)
    assert value_strata(np.array([1.0, 1.0, 5.0])) == [(0,)] * 3
    assert value_strata(np.repeat([1.0, 2.0], 40)) == [(0,)] * 40 + [(1,)] * 40


def test_what_an_uncased_tokenizer_takes_for_one_text():
    assert plain_text("  Crème\tBRÛLÉE\u00a0now ") == plain_text("creme brulee now") != plain_text("creme brulee, now")


def test_of_large_groups_the_smallest_is_held_out():
    """Five passages have some forty questions each; a tenth of the questions would be less than any passage."""
    sizes = {"a": 40, "b": 39, "c": 45, "d": 38, "e": 41}
    keys = [key for key, size in sizes.items() for _ in range(size)]
    held = held_out(keys, [("answered",)] * len(keys), 0.1, 0)
    assert {key for key, out in zip(keys, held, strict=True) if out} == {"d"} and held.sum() == 38
    both = held_out(["a"] * 40 + ["b"] * 40, [("answered",)] * 80, 0.1, 0)
    assert both.sum() == 40, "half is the most"
    assert not held_out(["a"] * 60 + ["b"] * 20, [("answered",)] * 60 + [("unanswered",)] * 20, 0.1, 0).any()
