"""A fine-tuned model that answers texts, from a model directory or a `.tflite` file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf import quiet
from mobilebert_tf.checkpoints import shipped
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.tasks import glue
from mobilebert_tf.tasks.embedding import EmbeddingTask, check_vectors
from mobilebert_tf.tasks.glue_names import GLUE_NAMES
from mobilebert_tf.tasks.multilabel import MultilabelTask
from mobilebert_tf.tasks.task import Features, Outputs, Task, without_numbers
from mobilebert_tf.tokenization import Tokenizer


@dataclasses.dataclass(frozen=True)
class FineTuned:
    """A model's task, its tokenizer, and a function from features to outputs."""

    path: Path
    task: Task
    tokenizer: Tokenizer
    run: Callable[[Mapping[str, np.ndarray]], Outputs]
    judges_either: bool = False
    """Whether the model can judge both single texts and pairs."""

    def answer(self, features: Features) -> Outputs:
        """Outputs for features of the task, float32 [R, ...] by name.

        Raises:
          FailedError: some outputs are NaN or infinite, so that they decide nothing.
        """
        outputs = self.run(features)
        broken = without_numbers(outputs)
        if broken.any():
            raise FailedError(
                f"{self.path}: gives {' and '.join(outputs)} that are NaN or infinite for {broken.sum()} of "
                f"{len(broken)} texts, and so no answers; train or export it again"
            )
        if isinstance(self.task, EmbeddingTask):
            check_vectors(outputs["embedding"], features["input_ids"], self.path)
        return outputs

    def reads(
        self, text_column: str | None = None, text_pair_column: str | None = None, label_column: str | None = None
    ) -> Task:
        """The task, reading these columns in place of its own.

        Raises:
          UsageError: `text_pair_column` is set for a model that judges single texts.
        """
        takes_pairs = self.judges_either or self.task.name == EmbeddingTask.name
        if text_pair_column and not takes_pairs and self.task.text_pair_column is None:
            raise UsageError(f"{self.path}: judges one text at a time; leave --text_pair_column out")
        # A named label column replaces the columns of 0 and 1 for each label.
        of_its_kind: dict[str, Any] = (
            {"label_columns": ()} if label_column and isinstance(self.task, MultilabelTask) else {}
        )
        return dataclasses.replace(
            self.task,
            text_column=text_column or self.task.text_column,
            text_pair_column=text_pair_column or self.task.text_pair_column,
            label_column=label_column or self.task.label_column,
            **of_its_kind,
        )


def load_fine_tuned(path: str, threads: int = 1, batch_size: int = 32, kind: str | None = None) -> FineTuned:
    """The model in a directory (run by Keras) or a `.tflite` file (run by LiteRT), with its task.

    The vocabulary, labels and task of a `.tflite` file are read from the files beside it, where `export` writes them.

    Args:
      path: the directory or the file, or the name of a shipped model.
      threads: number of LiteRT's threads; Keras uses all cores.
      batch_size: number of examples per batch in Keras.
      kind: kind of task that the model must have, or a task of GLUE, which sets the columns to read. Every model's
        encoder can be used for embeddings.

    Raises:
      UsageError: `path` is no model, is broken, or was not fine-tuned or is for another kind of task.
      FailedError: the runtime crashed on the file.
    """
    if not shipped.located(Path(path)).exists():
        raise UsageError(
            f"{path}: no such model directory or .tflite file; models that come with the package: "
            f"{', '.join(shipped.names())}"
        )
    if kind in GLUE_NAMES:
        model = load_fine_tuned(path, threads, batch_size, glue.kind(kind))
        return dataclasses.replace(model, task=glue.of_model(kind, model.task))
    files = [] if (Path(path) / "config.json").exists() else sorted(Path(path).glob("*.tflite"))
    if files:
        raise UsageError(f"{path}: is an export; give one of its files, such as {files[0]}")
    model = _of_file(Path(path), threads) if Path(path).is_file() else _of_directory(Path(path), batch_size, kind)
    if kind and model.task.name != kind:
        raise UsageError(f"{path}: is for --task={model.task.name}, not for {kind}; leave --task out")
    return model


def _of_file(path: Path, threads: int) -> FineTuned:
    from mobilebert_tf.answering.exported import load_exported

    file = load_exported(path, threads)
    return FineTuned(
        path,
        file.task,
        file.tokenizer,
        lambda features: file.runtime.answer(features, show_progress=_long(features)),
    )


def _of_directory(path: Path, batch_size: int, kind: str | None) -> FineTuned:
    quiet.start_tensorflow()
    from mobilebert_tf.model_directory import load_model_for
    from mobilebert_tf.tasks.inference import keras_outputs

    loaded = load_model_for(path, kind)
    model, task = loaded.model, loaded.task
    assert task is not None
    return FineTuned(
        path,
        task,
        loaded.tokenizer,
        lambda features: keras_outputs(model, task, features, batch_size, show_progress=_long(features)),
        judges_either=loaded.judges_either,
    )


def _long(features: Mapping[str, np.ndarray]) -> bool:
    """Whether running a model on these features takes long enough to show progress."""
    return len(features["input_ids"]) > 100
