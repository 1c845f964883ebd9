"""Tables from splits of TensorFlow Datasets sets: `tfds:NAME:SPLIT`, such as `tfds:glue/sst2:validation`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from mobilebert_tf.errors import FailedError, UsageError, first_line

PREFIX = "tfds:"

_NAME = re.compile(r"(?P<set>.+?)(:(?P<split>[A-Za-z]\w*(\[.*\])?))?")
"""A set may have its version after a colon, which begins with a digit; a split may be a slice such as train[:10%]."""


def is_name(path: str | os.PathLike[str]) -> bool:
    """Whether a path names a set, not a file."""
    return str(path).startswith(PREFIX)


def with_split(name: str, split: str) -> str:
    """The name of a set with this split added if it names none; the path of a file is returned unchanged."""
    has_none = is_name(name) and _parts(name)[1] is None
    return f"{name}:{split}" if has_none else name


def read_split(name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The number of each example, from 1 on, and its features: classes by name, numbers unchanged.

    Raises:
      UsageError: there is no such set or split, or no split is named.
      FailedError: the set could not be loaded, for example without a network.
    """
    from mobilebert_tf import quiet

    quiet.start_tensorflow()
    import tensorflow_datasets as tfds

    dataset, split = _parts(name)
    try:
        builder = tfds.builder(dataset)
    except (tfds.core.registered.DatasetNotFoundError, AssertionError, ValueError) as error:
        raise UsageError(f"{name}: no such data set in TensorFlow Datasets ({first_line(error)})") from None
    if split is None:
        splits = ", ".join(builder.info.splits) or "train"
        raise UsageError(f"{name}: add the split after a colon, as in {PREFIX}{dataset}:train; choose from {splits}")
    features = builder.info.features or {}
    classes = {feature: kind for feature, kind in features.items() if isinstance(kind, tfds.features.ClassLabel)}
    try:
        examples = tfds.load(dataset, split=split, shuffle_files=False)
    except (ValueError, KeyError) as error:
        raise UsageError(f"{name}: has no such split ({first_line(error)})") from None
    except Exception as error:  # downloading and preparing runs each set's own code
        raise FailedError(f"{name}: could not be loaded ({first_line(error)})") from None
    for number, example in enumerate(examples.as_numpy_iterator(), start=1):
        yield number, {feature: _cell(value, classes.get(feature)) for feature, value in example.items()}


def _parts(name: str) -> tuple[str, str | None]:
    """The set and the split in a name; the split may be None."""
    match = _NAME.fullmatch(name.removeprefix(PREFIX))
    return (match["set"], match["split"]) if match else (name.removeprefix(PREFIX), None)


def _cell(value: Any, classes: Any) -> Any:
    """The value of a feature in a table. Examples without a label have -1 in place of a class."""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if classes is not None and 0 <= int(value) < classes.num_classes:
        return classes.int2str(int(value))
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else repr(value)
