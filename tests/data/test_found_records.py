"""TFRecord files of Google's script are read as they are; other files are refused with the reason."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mobilebert_tf import cli
from mobilebert_tf.data import records
from mobilebert_tf.data.pretraining_input import batches, load_records, one_pass
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tokenization import SPECIAL_TOKENS

T, P = 32, 5
NEWER = {stored: name for name, stored in records.OTHER_NAMES.items()}


def example(number: int, **changes: list[int]) -> dict[str, list]:
    pieces = [2, *(5 + (7 * number + i) % 50 for i in range(13)), 3, *(5 + (number + i) % 50 for i in range(10)), 3]
    padded = {
        "input_ids": pieces + [0] * (T - len(pieces)),
        "input_mask": [1] * len(pieces) + [0] * (T - len(pieces)),
        "segment_ids": [0] * 15 + [1] * 11 + [0] * (T - 26),
        "masked_lm_positions": [3, 5, 0, 0, 0],
        "masked_lm_ids": [7, 8, 0, 0, 0],
        "masked_lm_weights": [1.0, 1.0, 0.0, 0.0, 0.0],
        "next_sentence_labels": [number % 2],
    }
    return padded | changes


def write(path: Path, examples: list[dict[str, list]], names: dict[str, str] = {}) -> None:  # noqa: B006
    """Write examples in the format of create_pretraining_data.py."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for values in examples:
            features = tf.train.Features()
            for name, value in values.items():
                kind = "float_list" if name == "masked_lm_weights" else "int64_list"
                getattr(features.feature[names.get(name, name)], kind).value.extend(value)
            writer.write(tf.train.Example(features=features).SerializeToString())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    place = tmp_path / "google"
    place.mkdir()
    pieces = [*SPECIAL_TOKENS, *(f"word{i}" for i in range(60))]
    (place / "vocab.txt").write_text("".join(piece + "\n" for piece in pieces))
    write(place / "tf_examples.tfrecord", [example(i) for i in range(40)])
    write(place / "more.tf_record-00000-of-00001", [example(i) for i in range(40, 50)])
    return place


@pytest.mark.parametrize("names", [{}, NEWER])
def test_all_examples_are_read(directory: Path, names: dict[str, str]) -> None:
    for path, numbers in (("tf_examples.tfrecord", range(40)), ("more.tf_record-00000-of-00001", range(40, 50))):
        write(directory / path, [example(i) for i in numbers], names)
    record_set = load_records(directory)
    assert (record_set.count, record_set.max_seq_length, record_set.max_predictions) == (50, T, P)
    (batch,) = one_pass(record_set, 50)
    expected = [example(i) for i in (*range(40, 50), *range(40))]
    assert set(batch) == set(records.FEATURES)
    for name, values in batch.items():
        np.testing.assert_array_equal(values.numpy().reshape(50, -1), np.array([e[name] for e in expected]))
    assert next(iter(batches(record_set, 8, seed=1)))["input_ids"].shape == (8, T)


def test_a_teacher_is_trained_on_them(directory: Path, tmp_path: Path) -> None:
    flags = ["--model=debug_student", "--batch_size=4", "--steps=2", "--warmup_steps=1"]
    assert cli.run(["pretrain", f"--records={directory}", *flags, f"--output={tmp_path / 'teacher'}"]) == 0
    assert sorted(path.name for path in directory.iterdir()) == [
        "more.tf_record-00000-of-00001",
        "tf_examples.tfrecord",
        "vocab.txt",
    ]


@pytest.mark.parametrize(
    "break_, message",
    [
        (lambda d: (d / "vocab.txt").unlink(), "no vocab.txt"),
        (lambda d: write(d / "z.tfrecord", [example(0, input_ids=[2] * 16)]), "input_mask has 32 values, not 16"),
        (lambda d: write(d / "z.tfrecord", [example(0, input_ids=[2] + [99] * (T - 1))]), "its ids are not those of"),
        (lambda d: write(d / "z.tfrecord", [example(0, input_ids=[4] * T)]), "its ids are not those of"),
        (lambda d: write(d / "z.tfrecord", [{"image": [1]}]), "have no input_ids.*they have image"),
        (lambda d: write(d / "z.tfrecord", []), "is empty"),
        (lambda d: (d / "z.tfrecord").write_bytes(b"no records, but text\n" * 9), "this is not a TFRecord file"),
        (lambda d: cut(d / "tf_examples.tfrecord"), "cut short"),
        (
            lambda d: (d / "z.tfrecord").write_bytes(gzip.compress((d / "tf_examples.tfrecord").read_bytes())),
            "z.tfrecord: is compressed with gzip; decompress it and restore its name",
        ),
    ],
)
def test_others_are_refused_by_their_name(directory: Path, break_, message: str) -> None:
    break_(directory)
    with pytest.raises(UsageError, match=message):
        load_records(directory)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def test_records_of_our_own_need_their_index(records_directory: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(records_directory, tmp_path / "copy"))
    (copy / records.INDEX).unlink()
    with pytest.raises(UsageError, match=f"has no {records.INDEX}"):
        load_records(copy)
