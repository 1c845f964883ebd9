"""What a runtime needs beside a network: vocabulary, tokenizer's rules, task, labels.

A model directory and an export directory hold the same four files. Reading them needs
no TensorFlow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mobilebert_tf import atomic
from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import read_object
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tokenization import Tokenizer, is_one_line
from mobilebert_tf.tokenizer_files import read_tokenizer, write_tokenizer


def save_task_files(directory: Path, tokenizer: Tokenizer, task: ClassificationTask | None) -> None:
    """Write `vocab.txt`, `tokenizer.json` and, for a task, `task.json` and `labels.txt`."""
    write_tokenizer(directory, tokenizer)
    if task:
        write_task(directory, task)


def write_task(directory: Path, task: ClassificationTask) -> None:
    """Write `task.json` and `labels.txt`."""
    atomic.write_json(directory / "task.json", task.to_json())
    write_labels(directory, task.labels)


def write_labels(directory: Path, labels: tuple[str, ...]) -> None:
    """Write `labels.txt`, a label a line. Raises UsageError: one is no line."""
    broken = next((label for label in labels if not is_one_line(label)), None)
    if broken is not None:
        raise UsageError(f"{directory}: the label {broken!r} cannot be written as a line of labels.txt")
    atomic.write_text(directory / "labels.txt", "".join(label + "\n" for label in labels))


def load_task_files(directory: Path) -> tuple[Tokenizer, ClassificationTask | None]:
    """Tokenizer and, if fine-tuned, task of a model or export directory. Raises UsageError."""
    tokenizer = read_tokenizer(directory)
    if tokenizer is None:
        raise UsageError(f"{directory / 'vocab.txt'}: no such vocabulary; it belongs beside the model")
    return tokenizer, read_task(directory)


def read_task(directory: Path) -> ClassificationTask | None:
    """What `task.json` and `labels.txt` say, None without them. Raises UsageError."""
    if not (directory / "task.json").exists():
        return None
    values = read_json(directory / "task.json")
    if values.get("task") != ClassificationTask.name:
        raise UsageError(f"{directory / 'task.json'}: task {values.get('task')!r} is not one this version knows")
    labels = read_labels(directory)
    if labels is None:
        raise UsageError(f"{directory / 'labels.txt'}: missing, though task.json is there")
    return ClassificationTask.from_json(values, labels, f"{directory / 'task.json'}")


def read_labels(directory: Path) -> tuple[str, ...] | None:
    """The lines of `labels.txt`, None without it. Raises UsageError."""
    path = directory / "labels.txt"
    if not path.exists():
        return None
    try:
        return tuple(path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n"))
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is not UTF-8 text") from None


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file of a model or export directory. Raises UsageError."""
    try:
        return read_object(path)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{path}: missing, so {path.parent} is not a model directory") from None
