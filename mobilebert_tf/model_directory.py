"""The unit that stages hand to each other: a directory with one model and what it needs.

    config.json         architecture
    model.weights.h5    weights, Keras format
    vocab.txt           vocabulary, the line number is the id
    tokenizer.json      the tokenizer's rules
    task.json           once fine-tuned: kind, columns, length
    labels.txt          once fine-tuned: a label a line, in the order of the logits
    metrics.json        what was measured on it
    run.json            how it was made
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import keras

from mobilebert_tf import atomic
from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import UsageError
from mobilebert_tf.models import ClassificationModel, PretrainingModel
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tokenization import Tokenizer

WEIGHTS = "model.weights.h5"


@dataclasses.dataclass(frozen=True)
class LoadedModel:
    """What a model directory holds. `task` is None before fine-tuning."""

    model: PretrainingModel | ClassificationModel
    tokenizer: Tokenizer
    task: ClassificationTask | None = None

    @property
    def config(self) -> MobileBertConfig:
        return self.model.config


def save_model_directory(
    directory: str | os.PathLike[str],
    model: PretrainingModel | ClassificationModel,
    tokenizer: Tokenizer,
    task: ClassificationTask | None = None,
    metrics: dict[str, Any] | None = None,
) -> None:
    """Write a model directory, or replace the model in one; each file appears whole."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    with atomic.write_aside(directory / WEIGHTS) as aside:
        model.save_weights(aside)
    atomic.write_text(directory / "config.json", model.config.to_json())
    save_task_files(directory, tokenizer, task)
    if metrics is not None:
        atomic.write_json(directory / "metrics.json", metrics)


def save_task_files(directory: Path, tokenizer: Tokenizer, task: ClassificationTask | None) -> None:
    """What any runtime needs beside the weights: vocabulary, tokenizer's rules, task, labels."""
    atomic.write_text(directory / "vocab.txt", "".join(piece + "\n" for piece in tokenizer.vocab))
    atomic.write_text(directory / "tokenizer.json", tokenizer.describe())
    if task:
        atomic.write_json(directory / "task.json", task.to_json())
        atomic.write_text(directory / "labels.txt", "".join(label + "\n" for label in task.labels))


def load_model_directory(directory: str | os.PathLike[str], seed: int = 0) -> LoadedModel:
    """The model in `directory`; `seed` starts its dropout sequence.

    Raises:
      UsageError: a file is missing, broken, or belongs to another architecture.
    """
    directory = Path(directory)
    config = load_config(directory)
    tokenizer, task = load_task_files(directory)
    if tokenizer.size != config.vocab_size:
        raise UsageError(
            f"{directory}: vocab.txt has {tokenizer.size} pieces, config.json says vocab_size={config.vocab_size}; they belong to different models"
        )
    model = ClassificationModel(config, len(task.labels), seed) if task else PretrainingModel(config, seed)
    path = directory / WEIGHTS
    if not path.exists():
        raise UsageError(f"{path}: missing; the run that writes it has not finished")
    try:
        model.load_weights(path)
    except Exception as error:  # h5py and Keras raise many kinds for a damaged or foreign file
        reason = str(error).strip().splitlines()[0]
        raise UsageError(f"{path}: does not hold the weights that config.json describes, or is damaged ({reason})") from error
    return LoadedModel(model, tokenizer, task)


def load_config(directory: str | os.PathLike[str]) -> MobileBertConfig:
    """The architecture of a model directory, without its weights. Raises UsageError."""
    path = Path(directory) / "config.json"
    return MobileBertConfig.from_dict(_read_json(path), source=str(path))


def load_task_files(directory: Path) -> tuple[Tokenizer, ClassificationTask | None]:
    """Tokenizer and, if fine-tuned, task of a model or export directory. Raises UsageError."""
    tokenizer = Tokenizer.from_vocab(directory / "vocab.txt")
    if not (directory / "task.json").exists():
        return tokenizer, None
    values = _read_json(directory / "task.json")
    if values.get("task") != ClassificationTask.name:
        raise UsageError(f"{directory / 'task.json'}: task {values.get('task')!r} is not one this version knows")
    labels = (directory / "labels.txt").read_text(encoding="utf-8").splitlines()
    return tokenizer, ClassificationTask.from_json(values, labels)


def copy_encoder(source: keras.Model, target: keras.Model) -> None:
    """Give `target` the encoder weights of `source`; both have an `encoder` of one configuration."""
    for theirs, ours in zip(source.encoder.trainable_weights, target.encoder.trainable_weights, strict=True):
        ours.assign(theirs)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: missing, so {path.parent} is not a model directory") from None
    except (ValueError, UnicodeDecodeError):
        raise UsageError(f"{path}: is not readable as JSON") from None
