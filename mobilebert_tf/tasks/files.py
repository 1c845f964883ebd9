"""What a runtime needs beside a network: vocabulary, tokenizer's rules, task, labels.

A model directory and an export directory hold the same four files. Reading them needs
no TensorFlow.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mobilebert_tf import atomic
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tokenization import Tokenizer


def save_task_files(directory: Path, tokenizer: Tokenizer, task: ClassificationTask | None) -> None:
    """Write `vocab.txt`, `tokenizer.json` and, for a task, `task.json` and `labels.txt`."""
    atomic.write_text(directory / "vocab.txt", "".join(piece + "\n" for piece in tokenizer.vocab))
    atomic.write_text(directory / "tokenizer.json", tokenizer.describe())
    if task:
        atomic.write_json(directory / "task.json", task.to_json())
        atomic.write_text(directory / "labels.txt", "".join(label + "\n" for label in task.labels))


def load_task_files(directory: Path) -> tuple[Tokenizer, ClassificationTask | None]:
    """Tokenizer and, if fine-tuned, task of a model or export directory. Raises UsageError."""
    tokenizer = Tokenizer.from_vocab(directory / "vocab.txt")
    if not (directory / "task.json").exists():
        return tokenizer, None
    values = read_json(directory / "task.json")
    if values.get("task") != ClassificationTask.name:
        raise UsageError(f"{directory / 'task.json'}: task {values.get('task')!r} is not one this version knows")
    try:
        labels = (directory / "labels.txt").read_text(encoding="utf-8").split("\n")[:-1]
    except FileNotFoundError:
        raise UsageError(f"{directory / 'labels.txt'}: missing, though task.json is there") from None
    except UnicodeDecodeError:
        raise UsageError(f"{directory / 'labels.txt'}: is not UTF-8 text") from None
    try:
        task = ClassificationTask.from_json(values, labels)
    except TypeError as error:
        raise UsageError(f"{directory / 'task.json'}: does not describe a task ({error})") from None
    if not isinstance(task.max_seq_length, int) or task.max_seq_length < 3:
        raise UsageError(f"{directory / 'task.json'}: max_seq_length is {task.max_seq_length!r}; it must be at least 3")
    return tokenizer, task


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file of a model or export directory. Raises UsageError."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{path}: missing, so {path.parent} is not a model directory") from None
    except (ValueError, UnicodeDecodeError):
        raise UsageError(f"{path}: is not readable as JSON") from None
    if not isinstance(values, dict):
        raise UsageError(f"{path}: is not a JSON object")
    return values
