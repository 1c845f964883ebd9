"""The named features of pretraining records, used for writing and for reading."""

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
"""Name of the file that describes a directory of records."""

LONGEST = 100_000
"""Upper limit of the word pieces in an example, and of the predicted ones among them."""

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
"""Features of records that were masked when they were written."""

OTHER_NAMES = {"input_word_ids": "input_ids", "input_type_ids": "segment_ids"}
"""Names of two features in records of tf-models' newer script."""

PAIR_FEATURES = {
    "first_segment": Feature("int64", "any"),
    "second_segment": Feature("int64", "any"),
    "next_sentence_labels": Feature("int64", "1"),
}
"""Features of records that are masked when they are read: segments without special tokens."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shard:
    """One file of records."""

    bytes: Count
    examples: Count


@dataclasses.dataclass(frozen=True, kw_only=True)
class Index:
    """The fields of `records.json` that readers need."""

    masking: Annotated[str, one_of(*MASKINGS)]
    features: dict[str, dict[str, str]]
    max_seq_length: Annotated[int, within(3, LONGEST)]
    max_predictions: Annotated[int, within(1, LONGEST)]
    masked_lm_prob: Share
    single_segment_prob: Share = 0.0
    """Missing in files older than single segments."""
    examples: Annotated[int, within(1, 10**12)]
    vocab_sha256: str
    files: dict[str, Shard]


_FRAME = 16
"""Bytes of a TFRecord besides its content."""


def read_index(path: Path) -> Index:
    """The content of a `records.json`. Raises UsageError: the file is missing, invalid or contradicts itself."""
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
    # Otherwise a map is written in the order of hashes, which differs between processes.
    return message.SerializeToString(deterministic=True)


@functools.lru_cache(maxsize=1)
def example_message() -> Any:
    """The class `tf.train.Example`, without importing all of TensorFlow, which takes each worker seconds."""
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
    """The features in the form that JSON holds."""
    return {name: feature._asdict() for name, feature in features.items()}
