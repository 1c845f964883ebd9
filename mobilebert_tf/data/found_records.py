"""Pretraining records that others made: TFRecord files with the features of google-research/bert, without an index.

`create_pretraining_data.py` writes no index. The content of a `records.json` is therefore found out here: examples are
counted by the length before each record, without reading the record, and the features are those of the first record
of each file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from mobilebert_tf.data import records
from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tokenization import Tokenizer

_HEADER, _FOOTER = 12, 4
"""Bytes before a record (its length, and the checksum of that number) and after it (its checksum)."""


def find(directory: Path) -> list[Path]:
    """The files in a directory named as TFRecord files: `tf_examples.tfrecord`, `wiki.tf_record-00000-of-00500`."""
    if not directory.is_dir():
        return []
    named = (path for path in directory.iterdir() if "tfrecord" in path.name.lower().replace("_", ""))
    return sorted(path for path in named if path.is_file() and not path.name.startswith("."))


def describe(files: list[Path]) -> dict[str, Any]:
    """The content that a `records.json` for these files would have.

    Raises:
      UsageError: no vocabulary lies beside the files, a file is damaged, or its examples are not masked sentence
        pairs, or differ from the rest in length or vocabulary.
    """
    directory = files[0].parent
    if not (directory / "vocab.txt").exists():
        raise UsageError(f"{directory}: has TFRecord files but no vocab.txt; put the vocabulary of their ids there")
    tokenizer = Tokenizer.from_vocab(directory / "vocab.txt")
    shape: tuple[int, int] | None = None
    names: set[str] = set()
    sizes, total = {}, 0
    for path in track(files, f"{directory}: counting examples", "file", len(files)):
        first = _first_example(path)
        shape_here = _check(path, first, tokenizer)
        if shape not in (None, shape_here):
            raise UsageError(
                f"{path}: its examples have {shape_here[0]} pieces and {shape_here[1]} predictions, those of the files "
                f"before it {shape[0]} and {shape[1]}"
            )
        shape, names = shape_here, set(first)
        sizes[path.name] = {"bytes": path.stat().st_size, "examples": count(path)}
        total += sizes[path.name]["examples"]
    assert shape is not None
    renamed = {name: stored for stored, name in records.OTHER_NAMES.items() if stored in names}
    return {
        "masking": "token",
        "features": records.describe({renamed.get(name, name): f for name, f in records.FEATURES.items()}),
        "max_seq_length": shape[0],
        "max_predictions": shape[1],
        "masked_lm_prob": 0.15,  # unused, since the masks are made already
        "examples": total,
        "files": sizes,
    }


def count(path: Path) -> int:
    """Number of records in a TFRecord file, counted without reading them. Raises UsageError: the last is cut short."""
    return sum(1 for _ in _lengths(path))


def _lengths(path: Path) -> Iterator[int]:
    """Number of bytes of each record."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        while header := file.read(_HEADER):
            length = _length(path, file, header, size)
            yield length
            file.seek(length + _FOOTER, os.SEEK_CUR)


def _length(path: Path, file: BinaryIO, header: bytes, size: int) -> int:
    start = file.tell() - len(header)
    length = struct.unpack("<Q", header[:8])[0] if len(header) == _HEADER else size
    if start == 0 and header.startswith(b"\x1f\x8b"):
        raise UsageError(f"{path}: is compressed with gzip; decompress it and restore its name")
    if file.tell() + length + _FOOTER > size:
        raise UsageError(f"{path}: the record at byte {start:,} is cut short, or this is not a TFRecord file")
    return length


def _first_example(path: Path) -> dict[str, list[Any]]:
    """The named values of the first record. Raises UsageError: it is missing, or not a `tf.train.Example`."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        header = file.read(_HEADER)
        if not header:
            raise UsageError(f"{path}: is empty")
        serialized = file.read(_length(path, file, header, size))
    try:
        features = records.example_message().FromString(serialized).features.feature
    except Exception:  # protobuf's DecodeError, a different class in each of its implementations
        raise UsageError(f"{path}: its records are not tf.train.Example messages") from None
    return {
        name: list(getattr(value, value.WhichOneof("kind") or "int64_list").value) for name, value in features.items()
    }


def _check(path: Path, example: Mapping[str, list[Any]], tokenizer: Tokenizer) -> tuple[int, int]:
    """Numbers of pieces and predictions in an example. Raises UsageError: it is not a masked sentence pair of this
    vocabulary."""
    values = {records.OTHER_NAMES.get(name, name): value for name, value in example.items()}
    missing = sorted(set(records.FEATURES) - set(values))
    if missing:
        raise UsageError(
            f"{path}: its examples have no {', '.join(missing)}; they have {', '.join(sorted(example))}; they must "
            "be masked sentence pairs as google-research/bert writes them"
        )
    shape = len(values["input_ids"]), len(values["masked_lm_positions"])
    lengths = {"max_seq_length": shape[0], "max_predictions": shape[1], "1": 1}
    for name, feature in records.FEATURES.items():
        if len(values[name]) != lengths[feature.length]:
            raise UsageError(f"{path}: {name} has {len(values[name])} values, not {lengths[feature.length]}")
    pieces = [*values["input_ids"], *values["masked_lm_ids"]]
    if max(pieces) >= tokenizer.size or min(pieces) < 0 or values["input_ids"][0] != tokenizer.id("[CLS]"):
        raise UsageError(
            f"{path}: its ids are not those of {path.parent / 'vocab.txt'}, which has {tokenizer.size:,} pieces and "
            f"[CLS] as {tokenizer.id('[CLS]')}"
        )
    return shape
