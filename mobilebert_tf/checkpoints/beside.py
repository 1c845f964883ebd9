"""Steps shared by all formats of checkpoints: choice of heads, labels and task beside the weights, check of weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from mobilebert_tf.checkpoints.checkpoint import Checkpoint
from mobilebert_tf.checkpoints.names import Weight
from mobilebert_tf.checkpoints.sentence_vectors import write_modules
from mobilebert_tf.config import Heads, MobileBertConfig
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks import tagging
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.entities import EntitiesTask
from mobilebert_tf.tasks.files import read_json, read_labels, read_task, write_labels, write_task
from mobilebert_tf.tasks.multilabel import MultilabelTask
from mobilebert_tf.tasks.questions import QuestionsTask
from mobilebert_tf.tasks.regression import RegressionTask
from mobilebert_tf.tasks.task import Task
from mobilebert_tf.text_table import counted
from mobilebert_tf.tokenization import is_one_line

LONGEST_INPUT = 128
"""Maximum input length in word pieces of the task that a foreign classifier gets."""


def choose_heads(found: list[str], labels: int, wanted: str | None, path: Path) -> Heads:
    """The heads to read of those in a file: both heads of pre-training together, or a single other head.

    A token classifier has the same weights as a classifier; both count as `classifier` in `found`.

    Raises:
      UsageError: the file has several heads and `wanted` is None, or it lacks the wanted head.
    """
    if wanted == "token_classifier" and "classifier" in found:
        return Heads.of(["token_classifier"], labels)
    if wanted is not None and wanted not in found:
        raise UsageError(f"{path}: has no head {wanted}; {'it has ' + ', '.join(found) if found else 'it has none'}")
    if wanted in found:
        together = {"masked_words", "next_sentence"} if wanted in ("masked_words", "next_sentence") else {wanted}
        found = [name for name in found if name in together]
    if len(found) > 1 and not set(found) <= {"masked_words", "next_sentence"}:
        raise UsageError(f"{path}: has several heads ({', '.join(found)}); choose one with --head")
    return Heads.of(found, labels if "classifier" in found else 0)


def labels_of(directory: Path, heads: Heads, configured: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """The labels of a classifier, `LABEL_0` and so on where no file names them; real names override such numbers.

    Args:
      configured: labels of `config.json`, which must agree with those of `labels.txt`.

    Raises:
      UsageError: labels cannot be lines of a file, are not as many as the head's, or differ between the two files.
    """
    in_config = _named(directory / "config.json", configured, heads)
    in_lines = _named(directory / "labels.txt", read_labels(directory), heads)
    if in_config and in_lines and in_config != in_lines:
        number = next(i for i, label in enumerate(in_config) if label != in_lines[i])
        raise UsageError(
            f"{directory}: config.json calls label {number} {in_config[number]!r}, labels.txt {in_lines[number]!r}; "
            "make them equal"
        )
    return (in_config or in_lines or _numbers(heads)) if heads.labels else ()


def _named(path: Path, labels: tuple[str, ...] | None, heads: Heads) -> tuple[str, ...] | None:
    """The labels in a file; None if they are mere numbers. Raises UsageError as `labels_of`."""
    if labels is None:
        return None
    broken = [label for label in labels if not is_one_line(label) or not label.strip()]
    if broken or len(set(labels)) < len(labels):
        what = f"{broken[0]!r} is not one line of text" if broken else "two are the same"
        raise UsageError(f"{path}: its labels cannot be written one per line: {what}")
    if heads.labels and len(labels) != heads.labels:
        raise UsageError(f"{path}: names {counted(len(labels), 'label')}, its head has {heads.labels}")
    return None if labels == _numbers(heads) else labels


def _numbers(heads: Heads) -> tuple[str, ...]:
    return tuple(f"LABEL_{i}" for i in range(heads.labels))


def task_of(
    directory: Path, labels: tuple[str, ...], config: MobileBertConfig, heads: Heads, asked: str | None
) -> Task | None:
    """The task in `task.json`; without that file, the task of the model's head, with this project's default columns and
    length.

    A head with one output gives a value, such as the relevance of a text, and not a class.

    Args:
      asked: head that was asked for, with which a `task.json` for another head is ignored; None: no choice.

    Raises:
      UsageError: `task.json` is for another head than that of the weights, or contradicts other files.
    """
    task = read_task(directory)
    if task is None:
        longest = min(LONGEST_INPUT, config.max_position_embeddings)
        if "answer_span" in heads.present:
            room = min(QuestionsTask.max_seq_length, config.max_position_embeddings)
            return QuestionsTask(max_seq_length=room, doc_stride=min(QuestionsTask.doc_stride, room // 3))
        if "token_classifier" in heads.present:
            return EntitiesTask(labels=labels, max_seq_length=longest) if tagging.is_scheme(labels) else None
        if "classifier" not in heads.present:
            return None
        config_json = directory / "config.json"
        problem = read_json(config_json).get("problem_type") if config_json.exists() else None
        if problem == "multi_label_classification":
            return MultilabelTask(labels=labels, max_seq_length=longest)
        if problem == "regression" and heads.labels > 1:
            raise UsageError(f"{config_json}: is a regression of {heads.labels} values; only one value is supported")
        if heads.labels == 1:
            return RegressionTask(max_seq_length=longest)
        return ClassificationTask(labels, max_seq_length=longest, labels_by_number=True)
    if task.heads.present != heads.present:
        if asked:
            return None
        raise UsageError(
            f"{directory / 'task.json'}: is for {task.name} (head: {task.heads}), the weights have the head: {heads}; "
            "take both from one model, or remove task.json"
        )
    if task.heads.labels != heads.labels:
        raise UsageError(f"{directory}: names {counted(len(task.labels), 'label')}, its head has {heads.labels}")
    if task.has_labels and len(task.labels) < 2:
        raise UsageError(
            f'{directory}: its head has one output, a value and not a class; set the task of task.json to "regression"'
        )
    if labels and task.has_labels:
        task = dataclasses.replace(task, labels=labels)  # those in labels.txt may be mere numbers
    if task.max_seq_length > config.max_position_embeddings:
        raise UsageError(
            f"{directory}: task.json says max_seq_length={task.max_seq_length}, the position table of config.json "
            f"ends at {config.max_position_embeddings}; they belong to different models"
        )
    return task


def write_task_or_labels(checkpoint: Checkpoint, directory: Path) -> None:
    """Write `task.json` and `labels.txt` of a task, or `labels.txt` of a head without one, and the modules."""
    write_modules(directory, checkpoint.architecture.modules)
    if checkpoint.architecture.task:
        write_task(directory, checkpoint.architecture.task)
    elif checkpoint.architecture.labels:
        write_labels(directory, checkpoint.architecture.labels)


def read_checked(checkpoint: Checkpoint, weight: Weight, warnings: list[str]) -> np.ndarray:
    """The weight; adds a warning if it holds values that are NaN or infinite."""
    array = checkpoint.read(weight)
    # The sum takes one pass and no copy. It is finite only if all values are; since it may also overflow, values are
    # counted before the warning.
    with np.errstate(invalid="ignore"):
        total = array.sum(dtype=np.float64)
    if not np.isfinite(total):
        broken = int(array.size - np.count_nonzero(np.isfinite(array)))
        if broken:
            warnings.append(f"{weight.name}: {broken:,} of {array.size:,} values are NaN or infinite")
    return array
