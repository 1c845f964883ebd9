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
import os
from pathlib import Path
from typing import Any

import h5py
import keras

from mobilebert_tf import atomic
from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import UsageError
from mobilebert_tf.models import ClassificationModel, PretrainingModel
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.files import load_task_files, read_json, save_task_files
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
            f"{directory}: vocab.txt has {tokenizer.size} pieces, config.json says vocab_size={config.vocab_size}; "
            "they belong to different models"
        )
    if task and task.max_seq_length > config.max_position_embeddings:
        raise UsageError(
            f"{directory}: task.json says max_seq_length={task.max_seq_length}, the position table of config.json "
            f"ends at {config.max_position_embeddings}; they belong to different models"
        )
    model = ClassificationModel(config, len(task.labels), seed) if task else PretrainingModel(config, seed)
    path = directory / WEIGHTS
    if not path.exists():
        raise UsageError(f"{path}: missing; the run that writes it has not finished")
    try:
        model.load_weights(path)
        _refuse_more(path, model)
    except Exception as error:  # h5py and Keras raise many kinds for a damaged or foreign file
        reason = str(error).strip().splitlines()[0]
        raise UsageError(
            f"{path}: does not hold the weights that config.json describes, or is damaged ({reason})"
        ) from error
    return LoadedModel(model, tokenizer, task)


def _refuse_more(path: Path, model: keras.Model) -> None:
    """Raise ValueError if the file holds more arrays than the model: Keras leaves those of further layers unread."""
    arrays: list[str] = []

    def note(name: str, item: h5py.Group | h5py.Dataset) -> None:
        # The generators of dropout are in the file too; their states are whole numbers.
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
            arrays.append(name)

    with h5py.File(path) as file:
        file.visititems(note)
    if len(arrays) != len(model.trainable_weights):
        raise ValueError(f"it has {len(arrays)} arrays of weights, the model {len(model.trainable_weights)}")


def load_config(directory: str | os.PathLike[str]) -> MobileBertConfig:
    """The architecture of a model directory, without its weights. Raises UsageError."""
    path = Path(directory) / "config.json"
    return MobileBertConfig.from_dict(read_json(path), source=str(path))


def copy_encoder(source: keras.Model, target: keras.Model) -> None:
    """Give `target` the encoder weights of `source`; both have an `encoder` of one configuration."""
    for theirs, ours in zip(source.encoder.trainable_weights, target.encoder.trainable_weights, strict=True):
        ours.assign(theirs)
