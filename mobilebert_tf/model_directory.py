"""Model directories, which commands hand to each other: one model and all that it needs.

    config.json         architecture
    model.weights.h5    weights: one dataset per variable, named by its path
    vocab.txt           vocabulary; the line number is the id
    tokenizer.json      rules of the tokenizer
    task.json           once fine-tuned: kind, columns, length
    labels.txt          once fine-tuned: one label per line, in the order of the logits
    metrics.json        figures measured on the model
    mistakes.json       once fine-tuned: the rows of the evaluation table that it gets most wrong
    run.json            record of how it was made

Hugging Face directories and Google's checkpoints are read without conversion.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mobilebert_tf import atomic
from mobilebert_tf.checkpoints import beside, sentence_vectors
from mobilebert_tf.checkpoints.conversion import open_checkpoint
from mobilebert_tf.config import Heads, MobileBertConfig
from mobilebert_tf.errors import UsageError
from mobilebert_tf.layers.dense import initial_weights_left_out
from mobilebert_tf.models import EmbeddingModel, Model, TaskModel, build_model
from mobilebert_tf.tasks.embedding import EmbeddingTask
from mobilebert_tf.tasks.files import save_task_files
from mobilebert_tf.tasks.task import Task
from mobilebert_tf.tokenization import Tokenizer
from mobilebert_tf.weights_file import WEIGHTS, write_weights


@dataclasses.dataclass(frozen=True)
class LoadedModel:
    """The content of a model directory. `task` is None before fine-tuning."""

    directory: Path
    model: Model
    files: tuple[Path, ...]
    """The files that hold the weights."""
    task: Task | None = None
    found_tokenizer: Tokenizer | None = None
    modules: tuple[sentence_vectors.Module, ...] = ()
    """Modules of sentence-transformers that a text passes through."""

    @property
    def config(self) -> MobileBertConfig:
        return self.model.config

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the directory. Raises UsageError: it has none, as some directories of other programs."""
        if self.found_tokenizer is None:
            raise UsageError(f"{self.directory}: has no vocab.txt; put the vocabulary it was trained with there")
        return self.found_tokenizer

    @property
    def judges_either(self) -> bool:
        """Whether the model takes single texts as well as pairs, since no task.json says which."""
        is_of_inputs = self.task is not None and "classifier" in self.task.heads.present
        return is_of_inputs and not (self.files[0].parent / "task.json").exists()

    def predict(self, texts: Sequence[str | tuple[str, str]]) -> list[dict[str, Any]]:
        """The answer to each text, or pair of texts, in the form of `mobilebert-tf predict --json`.

        Raises:
          UsageError: `texts` is one text instead of a list, or an item of it is not a text; the model has no task, or
            judges pairs and is given single texts, or the other way round.
        """
        from mobilebert_tf.tasks.examples import examples_of
        from mobilebert_tf.tasks.inference import keras_outputs

        if self.task is None:
            raise UsageError(f"{self.directory}: has no task, and so answers nothing; fine-tune it first")
        task: Task = self.task
        examples = examples_of(texts)
        if not examples:
            return []
        paired = {example.text_pair is not None for example in examples}
        if task.name == EmbeddingTask.name and paired == {True}:
            task = dataclasses.replace(task, text_pair_column="text_b")
        elif paired != {task.judges_pairs} and not self.judges_either:
            fix = "give pairs: (text, second)" if task.judges_pairs else "give single texts, not pairs"
            what = "two texts" if task.judges_pairs else "one text"
            raise UsageError(f"{self.directory}: judges {what} at a time; {fix}")
        features = task.features(examples, self.tokenizer)
        return task.decode(keras_outputs(self.model, task, features), features)


def save_model_directory(
    directory: str | os.PathLike[str],
    model: Model,
    tokenizer: Tokenizer,
    task: Task | None = None,
    metrics: dict[str, Any] | None = None,
) -> None:
    """Write a model directory, or replace the model in one; each file appears whole."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    write_weights(directory / WEIGHTS, ((weight.path, np.asarray(weight)) for weight in model.trainable_weights))
    atomic.write_text(directory / "config.json", model.config.to_json())
    save_task_files(directory, tokenizer, task)
    if metrics is not None:
        atomic.write_json(directory / "metrics.json", metrics)


def load_model_directory(directory: str | os.PathLike[str], seed: int = 0) -> LoadedModel:
    """The model in a model directory, a Hugging Face directory, or a TF1 checkpoint's directory.

    Args:
      seed: that of its dropout sequence.

    Raises:
      UsageError: a file is missing, broken, or belongs to another architecture; or a weight is NaN or infinite.
    """
    checkpoint = open_checkpoint(Path(directory))
    with initial_weights_left_out():
        model = _model_for(checkpoint.architecture.task, checkpoint.config, checkpoint.heads, seed)
    variables = {variable.path: variable for variable in model.trainable_weights}
    broken: list[str] = []
    for weight in checkpoint.weights:
        variables.pop(weight.name).assign(beside.read_checked(checkpoint, weight, broken))
    if broken:
        raise UsageError(f"{directory}: {broken[0]}, so the model is unusable; train it again, or use an earlier one")
    assert not variables, f"not in the table of names: {sorted(variables)}"
    architecture = checkpoint.architecture
    return LoadedModel(
        Path(directory), model, checkpoint.files, architecture.task, architecture.tokenizer, architecture.modules
    )


def load_model_for(directory: str | os.PathLike[str], kind: str | None = None, seed: int = 0) -> LoadedModel:
    """The model in a directory with the task that it was fine-tuned for.

    Args:
      kind: kind of the wanted task; the encoder of any model can do "embedding".
      seed: as in `load_model_directory`.

    Raises:
      UsageError: as `load_model_directory`; or it has no task.
    """
    loaded = load_model_directory(directory, seed)
    if kind == EmbeddingTask.name and not isinstance(loaded.task, EmbeddingTask):
        length = loaded.task.max_seq_length if loaded.task else EmbeddingTask.max_seq_length
        task = EmbeddingTask(max_seq_length=min(length, loaded.config.max_position_embeddings))
        return as_embedding(loaded, task, seed)
    if loaded.task is None or not isinstance(loaded.model, TaskModel):
        raise UsageError(
            f"{directory}: has no task; fine-tune it first: mobilebert-tf finetune --model={directory} --train=TABLE "
            "--output=DIR, or take its sentence embeddings with --task=embedding"
        )
    return loaded


def _model_for(task: Task | None, config: MobileBertConfig, heads: Heads, seed: int) -> Model:
    # An embedding model has no head, so its weights alone do not show that it is one.
    return EmbeddingModel(config, seed) if isinstance(task, EmbeddingTask) else build_model(config, heads, seed)


def as_embedding(loaded: LoadedModel, task: EmbeddingTask, seed: int = 0) -> LoadedModel:
    """The encoder as a model of sentence embeddings. Raises UsageError: its own embeddings are computed otherwise."""
    if difference := sentence_vectors.difference(loaded.modules):
        raise UsageError(f"{loaded.directory}: {difference}; it can become a classifier: mobilebert-tf finetune")
    with initial_weights_left_out():
        model = EmbeddingModel(loaded.config, seed)
    copy_encoder(loaded.model, model)
    return dataclasses.replace(loaded, model=model, task=task)


def with_config(loaded: LoadedModel, seed: int = 0, **changes: Any) -> LoadedModel:
    """The same weights in a model with `changes` to its configuration.

    A head that then reads vectors of another width starts with zeros.
    """
    config = dataclasses.replace(loaded.config, **changes)
    with initial_weights_left_out():
        model = _model_for(loaded.task, config, loaded.model.heads, seed)
    for weight, target in zip(loaded.model.trainable_weights, model.trainable_weights, strict=True):
        if target.shape == weight.shape:
            target.assign(weight)
    return dataclasses.replace(loaded, model=model)


def copy_encoder(source: keras.Model, target: keras.Model) -> None:
    """Give `target` the encoder weights of `source`; both have an `encoder` of one configuration."""
    for weight, copied in zip(source.encoder.trainable_weights, target.encoder.trainable_weights, strict=True):
        copied.assign(weight)
