"""Batches of a table in memory: similar lengths, each example once an epoch, the same wherever they begin."""

import numpy as np
import pytest

from mobilebert_tf.data.shuffled import LENGTH_STEP, epoch_order, shuffled_batches

WIDTH = 64


def table(count: int) -> dict[str, np.ndarray]:
    """All pieces of example i are i + 1; lengths are distributed as those of sentences."""
    lengths = np.clip(np.random.default_rng(1).lognormal(2.5, 0.6, count).astype(int), 3, WIDTH)
    mask = (np.arange(WIDTH) < lengths[:, None]).astype(np.int32)
    ids = mask * np.arange(1, count + 1, dtype=np.int32)[:, None]
    return {"input_ids": ids, "input_mask": mask, "segment_ids": 0 * mask, "label": np.arange(count, dtype=np.int32)}


@pytest.mark.parametrize("count, batch_size", [(1000, 32), (96, 32), (50, 32), (7, 32), (33, 32)])
def test_every_example_once_an_epoch(count: int, batch_size: int) -> None:
    steps = 3 * count // batch_size + 2
    seen = [batch["label"].numpy() for batch in shuffled_batches(table(count), batch_size, seed=3).take(steps)]
    stream = np.concatenate(seen)
    for epoch in range(len(stream) // count):
        assert sorted(stream[epoch * count : (epoch + 1) * count]) == list(range(count))


def test_batches_are_cut_to_their_longest_example_and_little_is_padding() -> None:
    features = table(1000)
    batches = list(shuffled_batches(features, 32, seed=3).take(62))
    for batch in batches:
        longest = batch["input_mask"].numpy().sum(axis=1).max()
        assert batch["input_ids"].shape[1] == min(-(-longest // LENGTH_STEP) * LENGTH_STEP, WIDTH)
        np.testing.assert_array_equal(
            batch["input_ids"].numpy().max(axis=1), features["input_ids"][batch["label"].numpy()].max(axis=1)
        )
    real, computed = (sum(float(f(batch["input_mask"].numpy())) for batch in batches) for f in (np.sum, np.size))
    # Real pieces are 30 % of random batches of these lengths, 76 % of sorted ones, and 63 % of these.
    assert real / computed > 0.6
    lengths = [batch["input_ids"].shape[1] for batch in batches]
    assert np.corrcoef(lengths[1:], lengths[:-1])[0, 1] < 0.5  # in random order


def test_the_same_wherever_they_begin() -> None:
    features = table(100)
    whole = [batch["label"].numpy() for batch in shuffled_batches(features, 32, seed=3).take(12)]
    for start in (1, 3, 4, 9):
        for labels, other in zip(whole[start:], shuffled_batches(features, 32, 3, start), strict=False):
            np.testing.assert_array_equal(labels, other["label"])


def test_epochs_and_seeds_have_other_batches() -> None:
    lengths = table(200)["input_mask"].sum(axis=1)
    orders = [epoch_order(lengths, 32, seed, epoch) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    members = [{frozenset(order[i : i + 32]) for i in range(0, 160, 32)} for order in orders]
    assert not members[0] & members[1] and not members[0] & members[2]
