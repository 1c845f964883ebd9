"""A fine-tuned classifier to ask, whether it is a model directory or a `.tflite` file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from mobilebert_tf import quiet
from mobilebert_tf.checkpoints import shipped
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.files import load_task_files
from mobilebert_tf.tokenization import Tokenizer


@dataclasses.dataclass(frozen=True)
class Classifier:
    """The task, its tokenizer, and a function from features to logits [n, C]."""

    task: ClassificationTask
    tokenizer: Tokenizer
    logits: Callable[[Mapping[str, np.ndarray]], np.ndarray]
    path: str
    from_elsewhere: bool = False
    """No task.json says what it judges: one text or pairs, as it is asked."""

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
    """
    if not shipped.located(Path(path)).exists():
        raise UsageError(f"{path}: no such model directory or .tflite file")
    return _of_file(Path(path), threads) if Path(path).is_file() else _of_directory(Path(path), batch_size)


def _of_file(path: Path, threads: int) -> Classifier:
    from mobilebert_tf.export.mediapipe.metadata import check_packed
    from mobilebert_tf.export.runtime import TfliteClassifier

    runtime = TfliteClassifier(path, threads)
    # A file that missed its gate lies one directory below the rest.
    home = path.parent.parent if path.parent.name == "rejected" else path.parent
    if not (home / "task.json").exists():
        raise UsageError(
            f"{path}: needs vocab.txt, labels.txt and task.json of its export beside it, and has no task.json"
        )
    tokenizer, task = load_task_files(home)
    assert task is not None
    check_packed(path, tokenizer, task)
    # Longer texts than the file takes are cut as in training, by the features.
    task = dataclasses.replace(task, max_seq_length=min(task.max_seq_length, runtime.lengths[-1]))
    return Classifier(
        task, tokenizer, lambda features: runtime.logits(features, show_progress=_long(features)), str(path)
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
    return Classifier(
        loaded.task,
        loaded.tokenizer,
        lambda features: keras_logits(model, features, batch_size, show_progress=_long(features)),
        str(path),
        from_elsewhere=not (loaded.files[0].parent / "task.json").exists(),
    )


def _long(features: Mapping[str, np.ndarray]) -> bool:
    """Whether running these takes long enough to show how far it is."""
    return len(features["input_ids"]) > 100
