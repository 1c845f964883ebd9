"""A classifier and its files for MediaPipe, before metadata is added."""

import dataclasses
from pathlib import Path

import pytest

from mobilebert_tf.export.quantize.build import build, convert_lengths
from mobilebert_tf.export.recipes import RECIPES
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tokenization import Tokenizer


@dataclasses.dataclass(frozen=True)
class Material:
    model: object
    tokenizer: Tokenizer
    task: ClassificationTask
    plain: bytes
    """Content of a float32 file for inputs [1, 16] that answers with probabilities."""
    several: bytes
    """The same with a second length."""


@pytest.fixture(scope="session")
def material(classifier_directory: Path) -> Material:
    from mobilebert_tf.model_directory import load_model_directory

    loaded = load_model_directory(classifier_directory)
    assert loaded.task
    files = convert_lengths(loaded.model, [16, 32], target="mediapipe")  # type: ignore[arg-type]
    recipe = dataclasses.replace(RECIPES["float32"], target="mediapipe")
    return Material(
        loaded.model,
        loaded.tokenizer,
        loaded.task,
        build({16: files[16]}, recipe, None),
        build(files, recipe, None),
    )
