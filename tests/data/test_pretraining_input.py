"""Batches are a function of seed and step, wherever the iterator began."""

import collections
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mobilebert_tf.data import records
from mobilebert_tf.data.pretraining_input import (
    GROUPED_BATCHES,
    LENGTH_STEP,
    Reading,
    batches,
    clear_read_errors,
    load_records,
    one_pass,
)
from mobilebert_tf.errors import UsageError


def taken(dataset: tf.data.Dataset, count: int) -> list[dict[str, np.ndarray]]:
    return list(dataset.take(count).as_numpy_iterator())


def same(a: list[dict[str, np.ndarray]], b: list[dict[str, np.ndarray]]) -> bool:
    return len(a) == len(b) and all((x[k] == y[k]).all() for x, y in zip(a, b, strict=True) for k in records.FEATURES)


def test_shapes_are_static(records_directory: Path) -> None:
    one_pass(load_records(records_directory), 16)  # whose batches have no static size
    spec = batches(load_records(records_directory), 16, seed=1).element_spec
    assert list(spec) == list(records.FEATURES)
    for name, feature in records.FEATURES.items():
        length = {"max_seq_length": (48,), "max_predictions": (8,), "1": ()}[feature.length]
        assert spec[name].shape == (16, *length)
        assert spec[name].dtype == (tf.float32 if feature.dtype == "float32" else tf.int32)


def test_started_later_it_gives_what_an_undisturbed_one_gives(records_directory: Path) -> None:
    record_set = load_records(records_directory)
    steps = 2 * record_set.count // 16 + 4  # into the third epoch
    tf.random.set_seed(1)
    undisturbed = taken(batches(record_set, 16, seed=3), steps)
    tf.random.set_seed(2)  # the global seed must not matter
    for start in (0, 1, record_set.count // 16, record_set.count // 16 + 1, steps - 3):
        assert same(taken(batches(record_set, 16, seed=3, first_example=16 * start), 3), undisturbed[start : start + 3])
    assert not same(taken(batches(record_set, 16, seed=4), 3), undisturbed[:3])


def test_every_example_once_an_epoch_in_another_order(records_directory: Path) -> None:
    record_set = load_records(records_directory)

    def originals(dataset: tf.data.Dataset) -> list[bytes]:
        rows = []
        for batch in dataset.as_numpy_iterator():
            for ids, at, labels, weights in zip(*(batch[k] for k in list(batch)[:1] + list(batch)[3:6]), strict=True):
                ids = ids.copy()
                ids[at[weights > 0]] = labels[weights > 0]
                rows.append(ids.tobytes())
        return rows

    stream = originals(batches(record_set, 1, seed=3).take(2 * record_set.count))
    first, second = stream[: record_set.count], stream[record_set.count :]
    expected = collections.Counter(originals(one_pass(record_set, 7)))
    assert collections.Counter(first) == collections.Counter(second) == expected
    assert first != second


def test_dynamic_masks_differ_between_epochs_and_rows(records_directory: Path) -> None:
    record_set = load_records(records_directory)
    if record_set.masking != "dynamic":
        pytest.skip("masks are in the records")
    epochs = taken(batches(record_set, record_set.count, seed=3), 2)
    positions = [{row.tobytes() for row in epoch["masked_lm_positions"]} for epoch in epochs]
    assert len(positions[0]) > 0.9 * record_set.count  # rows are masked independently of each other
    assert len(positions[0] & positions[1]) < 0.1 * record_set.count


def test_whole_text_has_the_hidden_words_again(records_directory: Path) -> None:
    record_set = load_records(records_directory)
    hidden, whole = (next(iter(batches(record_set, 64, 3, 0, Reading(whole_text=w)))) for w in (False, True))
    for row, restored, at, words, weights in zip(
        *(hidden["input_ids"], whole["input_ids"], hidden["masked_lm_positions"], hidden["masked_lm_ids"]),
        hidden["masked_lm_weights"],
        strict=True,
    ):
        expected = row.numpy()
        expected[at.numpy()[weights.numpy() > 0]] = words.numpy()[weights.numpy() > 0]
        np.testing.assert_array_equal(restored, expected)
    assert (hidden["input_ids"].numpy() == 4).sum() > 100 and not (whole["input_ids"].numpy() == 4).any()  # [MASK]
    batch = next(iter(one_pass(record_set, 64, whole_text=True)))
    assert not (batch["input_ids"].numpy() == 4).any()


def test_grouped_by_length_the_same_examples_without_their_padding(records_directory: Path) -> None:
    """Each group holds the same examples as without grouping; a batch is as long as its longest example."""
    record_set, size = load_records(records_directory), 4
    together = Reading(group_by_length=True, whole_text=True)
    count = 3 * GROUPED_BATCHES
    grouped = taken(batches(record_set, size, 3, 0, together), count)
    plain = taken(batches(record_set, size * GROUPED_BATCHES, 3, 0, Reading(whole_text=True)), 3)

    def texts(found: list[dict[str, np.ndarray]]) -> collections.Counter:
        return collections.Counter(
            row[: mask.sum()].tobytes()
            for batch in found
            for row, mask in zip(batch["input_ids"], batch["input_mask"], strict=True)
        )

    for number in range(3):
        group = grouped[number * GROUPED_BATCHES : (number + 1) * GROUPED_BATCHES]
        assert texts(group) == texts(plain[number : number + 1])
        lengths = [batch["input_mask"].sum(axis=1) for batch in group]
        for batch, real in zip(group, lengths, strict=True):
            assert batch["input_ids"].shape[1] == min(-(-real.max() // LENGTH_STEP) * LENGTH_STEP, 48)
        # Examples are sorted by length within the group, and its batches are shuffled.
        ends = sorted((real.min(), real.max()) for real in lengths)
        assert all(below[1] <= above[0] for below, above in zip(ends, ends[1:], strict=False))
        assert [real.max() for real in lengths] != sorted(real.max() for real in lengths)
    for start in (0, 1, GROUPED_BATCHES - 1, GROUPED_BATCHES, 2 * GROUPED_BATCHES + 5):
        assert same(taken(batches(record_set, size, 3, size * start, together), 3), grouped[start : start + 3])


def test_one_pass_with_a_limit(records_directory: Path) -> None:
    record_set = load_records(records_directory)
    assert [len(b["input_ids"]) for b in one_pass(record_set, 10, limit=25).as_numpy_iterator()] == [10, 10, 5]
    assert same(taken(one_pass(record_set, 10), 3), taken(one_pass(record_set, 10), 3))


@pytest.fixture
def copy(records_directory: Path, tmp_path: Path) -> Path:
    return shutil.copytree(records_directory, tmp_path / "copy")


def test_a_shard_cut_short(copy: Path) -> None:
    shard = copy / "records-00001-of-00003.tfrecord"
    shard.write_bytes(shard.read_bytes()[:-7])
    with pytest.raises(UsageError, match=r"records-00001-of-00003.tfrecord: has .* cut short"):
        load_records(copy)
    shard.unlink()
    with pytest.raises(UsageError, match="is missing"):
        load_records(copy)


def test_a_damaged_record(copy: Path) -> None:
    shard = copy / "records-00000-of-00003.tfrecord"
    content = bytearray(shard.read_bytes())
    content[200] ^= 255
    shard.write_bytes(content)
    record_set = load_records(copy)
    with (
        pytest.raises(UsageError, match=r"records-00000-of-00003.tfrecord: a record is damaged"),
        clear_read_errors(record_set),
    ):
        taken(one_pass(record_set, 100), 100)


def test_unfinished_missing_or_foreign(copy: Path, tmp_path: Path, vocab_file: Path) -> None:
    with pytest.raises(UsageError, match="no such directory"):
        load_records(tmp_path / "nothing")
    with pytest.raises(UsageError, match="no records.json"):
        load_records(vocab_file.parent)
    (copy / "vocab.txt").write_text(vocab_file.read_text() + "another\n")
    with pytest.raises(UsageError, match="is not the vocabulary"):
        load_records(copy)
    run = copy / "run.json"
    run.write_text(run.read_text().replace('"finished"', '"begun"'))
    with pytest.raises(UsageError, match="has not finished"):
        load_records(copy)
