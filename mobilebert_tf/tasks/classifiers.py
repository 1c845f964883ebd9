"""A fine-tuned classifier to ask, whether it is a model directory or a `.tflite` file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from mobilebert_tf import quiet
from mobilebert_tf.checkpoints import shipped
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tokenization import Tokenizer


@dataclasses.dataclass(frozen=True)
class Classifier:
    """The task, its tokenizer, and a function from features to logits [n, C]."""

    path: Path
    task: ClassificationTask
    tokenizer: Tokenizer
    run: Callable[[Mapping[str, np.ndarray]], np.ndarray]
    from_elsewhere: bool = False
    """No task.json says what it judges: one text or pairs, as it is asked."""

    def logits(self, features: Mapping[str, np.ndarray]) -> np.ndarray:
        """float32 [n, C] for the features of the task.

        Raises:
          FailedError: some of them are no finite numbers, and so decide nothing.
        """
        found = self.run(features)
        if broken := int((~np.isfinite(found)).any(axis=-1).sum()):
            raise FailedError(
                f"{self.path}: gives logits that are NaN or infinite for {broken} of {len(found)} texts, and so no "
                "answers; train or export it again"
            )
        return found

    def reads(
        self, text_column: str | None = None, text_pair_column: str | None = None, label_column: str | None = None
    ) -> ClassificationTask:
        """The task with these columns in place of its own.

        Raises:
          UsageError: a second text for a model that judges one.
        """
        if text_pair_column and not self.from_elsewhere and self.task.text_pair_column is None:
            raise UsageError(f"{self.path}: judges one text at a time; leave --text_pair_column out")
        return dataclasses.replace(
            self.task,
            text_column=text_column or self.task.text_column,
            text_pair_column=text_pair_column or self.task.text_pair_column,
            label_column=label_column or self.task.label_column,
        )


def load_classifier(path: str, threads: int = 1, batch_size: int = 32) -> Classifier:
    """The classifier in a model directory (runs in Keras) or a `.tflite` file (runs in LiteRT).

    Vocabulary, labels and task of a `.tflite` file stand beside it, as `export` leaves them.

    Args:
      path: the directory or the file.
      threads: of LiteRT; Keras takes all cores.
      batch_size: examples at a time in Keras.

    Raises:
      UsageError: it is neither, is broken, or was not fine-tuned for a task.
      FailedError: the runtime crashed on the file.
    """
    if not shipped.located(Path(path)).exists():
        raise UsageError(f"{path}: no such model directory or .tflite file")
    return _of_file(Path(path), threads) if Path(path).is_file() else _of_directory(Path(path), batch_size)


def _of_file(path: Path, threads: int) -> Classifier:
    from mobilebert_tf.tasks.exported import load_exported

    file = load_exported(path, threads)
    return Classifier(
        path,
        file.task,
        file.tokenizer,
        lambda features: file.runtime.logits(features, show_progress=_long(features)),
    )


def _of_directory(path: Path, batch_size: int) -> Classifier:
    quiet.start_tensorflow()
    from mobilebert_tf.model_directory import load_model_directory
    from mobilebert_tf.models import ClassificationModel
    from mobilebert_tf.tasks.inference import keras_logits

    loaded = load_model_directory(path)
    model = loaded.model
    if loaded.task is None or not isinstance(model, ClassificationModel):
        raise UsageError(
            f"{path}: has no task; fine-tune it first: mobilebert-tf finetune --model={path} --train=TABLE"
        )
    loaded.task.check_decides(path)
    return Classifier(
        path,
        loaded.task,
        loaded.tokenizer,
        lambda features: keras_logits(model, features, batch_size, show_progress=_long(features)),
        from_elsewhere=not (loaded.files[0].parent / "task.json").exists(),
    )


def _long(features: Mapping[str, np.ndarray]) -> bool:
    """Whether running these takes long enough to show how far it is."""
    return len(features["input_ids"]) > 100
