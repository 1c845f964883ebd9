"""The named features of pretraining records: one table for writing and for reading."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from mobilebert_tf.data.tensorflow_parts import import_part
from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import Count, Share, one_of, read, within
from mobilebert_tf.names import plain_name

MASKINGS = ("token", "whole_word", "dynamic")

INDEX = "records.json"
"""The file that says what a directory of records holds."""

LONGEST = 100_000
"""Word pieces of an example, and of those that are predicted."""

Example = dict[str, list[int]]


class Feature(NamedTuple):
    """One named list of numbers in a record."""

    dtype: Literal["int64", "float32"]
    length: Literal["max_seq_length", "max_predictions", "1", "any"]


# Names of google-research/bert, so that other tools read these files too.
FEATURES = {
    "input_ids": Feature("int64", "max_seq_length"),
    "input_mask": Feature("int64", "max_seq_length"),
    "segment_ids": Feature("int64", "max_seq_length"),
    "masked_lm_positions": Feature("int64", "max_predictions"),
    "masked_lm_ids": Feature("int64", "max_predictions"),
    "masked_lm_weights": Feature("float32", "max_predictions"),
    "next_sentence_labels": Feature("int64", "1"),
}
"""Of records whose masks were made when they were written."""

OTHER_NAMES = {"input_word_ids": "input_ids", "input_type_ids": "segment_ids"}
"""What tf-models' newer script calls two of them."""

PAIR_FEATURES = {
    "first_segment": Feature("int64", "any"),
    "second_segment": Feature("int64", "any"),
    "next_sentence_labels": Feature("int64", "1"),
}
"""Of records that are masked when they are read: segments without special tokens."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shard:
    """One file of records."""

    bytes: Count
    examples: Count


@dataclasses.dataclass(frozen=True, kw_only=True)
class Index:
    """What `records.json` says that readers need."""

    masking: Annotated[str, one_of(*MASKINGS)]
    features: dict[str, dict[str, str]]
    max_seq_length: Annotated[int, within(3, LONGEST)]
    max_predictions: Annotated[int, within(1, LONGEST)]
    masked_lm_prob: Share
    single_segment_prob: Share = 0.0
    """Left out before there were any."""
    examples: Annotated[int, within(1, 10**12)]
    vocab_sha256: str
    files: dict[str, Shard]


_FRAME = 16
"""Bytes of a TFRecord beside its content."""


def read_index(path: Path) -> Index:
    """The content of a `records.json`. Raises UsageError: it is none, or contradicts itself."""
    if not path.exists():
        raise UsageError(f"{path.parent}: has no {INDEX}; make records with: mobilebert-tf records")
    index: Index = read(path, Index, "make the records again")
    for name in index.files:
        plain_name(name, f"{path}: files")
    if index.features != describe(features_for(index.masking)):
        raise UsageError(f"{path}: features are not those of masking={index.masking}; make the records again")
    counted = sum(shard.examples for shard in index.files.values())
    if counted != index.examples:
        raise UsageError(f"{path}: examples is {index.examples:,}, its files have {counted:,}; make the records again")
    for name, shard in index.files.items():
        if shard.bytes < shard.examples * _FRAME:
            raise UsageError(
                f"{path}: {name} has {shard.bytes:,} bytes, too few for {shard.examples:,} examples; make the records "
                "again"
            )
    return index


def features_for(masking: str) -> dict[str, Feature]:
    return PAIR_FEATURES if masking == "dynamic" else FEATURES


def serialize(example: Mapping[str, list[int]], features: Mapping[str, Feature]) -> bytes:
    """One `tf.train.Example`; the same bytes in every process."""
    message = example_message()()
    for name, feature in features.items():
        kind = "float_list" if feature.dtype == "float32" else "int64_list"
        getattr(message.features.feature[name], kind).value.extend(example[name])
    # A map is otherwise written in the order of hashes, which no two processes share.
    return message.SerializeToString(deterministic=True)


@functools.lru_cache(maxsize=1)
def example_message() -> Any:
    """`tf.train.Example`, without the seconds that each worker would need to import all of TensorFlow."""
    return import_part("tensorflow.core.example.example_pb2").Example


def parse(
    serialized: Any, features: Mapping[str, Feature], max_seq_length: int, max_predictions: int
) -> dict[str, Any]:
    """A batch of records as tensors: int32 or float32 [B, length], [B] for length 1, ragged for any length."""
    import tensorflow as tf

    lengths = {"max_seq_length": [max_seq_length], "max_predictions": [max_predictions], "1": []}
    spec = {
        name: tf.io.RaggedFeature(tf.int64)
        if feature.length == "any"
        else tf.io.FixedLenFeature(lengths[feature.length], tf.dtypes.as_dtype(feature.dtype))
        for name, feature in features.items()
    }
    parsed = tf.io.parse_example(serialized, spec)
    return {
        OTHER_NAMES.get(name, name): tf.cast(parsed[name], tf.int32) if feature.dtype == "int64" else parsed[name]
        for name, feature in features.items()
    }


def describe(features: Mapping[str, Feature]) -> dict[str, dict[str, str]]:
    """The table as JSON holds it."""
    return {name: feature._asdict() for name, feature in features.items()}
