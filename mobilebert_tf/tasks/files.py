"""Files that a runtime needs besides a network: vocabulary, tokenizer's rules, task, labels.

A model directory and an export directory hold the same four files. Reading them does not need TensorFlow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mobilebert_tf import atomic
from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import Finite, build, read_object
from mobilebert_tf.tasks.kinds import KINDS
from mobilebert_tf.tasks.prototypes import PrototypesTask
from mobilebert_tf.tasks.task import Task
from mobilebert_tf.tokenization import Tokenizer, is_one_line
from mobilebert_tf.tokenizer_files import read_tokenizer, write_tokenizer

PROTOTYPES = "prototypes.json"


def save_task_files(directory: Path, tokenizer: Tokenizer, task: Task | None) -> None:
    """Write `vocab.txt`, `tokenizer.json` and, for a task, `task.json` and `labels.txt`."""
    write_tokenizer(directory, tokenizer)
    if task:
        write_task(directory, task)


def write_task(directory: Path, task: Task) -> None:
    """Write `task.json` and, where the task has them, `labels.txt` and `prototypes.json`."""
    atomic.write_json(directory / "task.json", task.to_json())
    if task.labels:
        write_labels(directory, task.labels)
    if isinstance(task, PrototypesTask):
        atomic.write_json(directory / PROTOTYPES, {"labels": task.labels, "centroids": task.centroids})


def write_labels(directory: Path, labels: tuple[str, ...]) -> None:
    """Write `labels.txt`, one label per line. Raises UsageError: a label cannot be a line of a file."""
    broken = next((label for label in labels if not is_one_line(label)), None)
    if broken is not None:
        raise UsageError(f"{directory}: the label {broken!r} cannot be written as a line of labels.txt")
    atomic.write_text(directory / "labels.txt", "".join(label + "\n" for label in labels))


def load_task_files(directory: Path) -> tuple[Tokenizer, Task | None]:
    """The tokenizer of a model or export directory, and its task if it is fine-tuned. Raises UsageError."""
    tokenizer = read_tokenizer(directory)
    if tokenizer is None:
        raise UsageError(f"{directory / 'vocab.txt'}: no such vocabulary; it belongs beside the model")
    return tokenizer, read_task(directory)


def read_task(directory: Path) -> Task | None:
    """The task in `task.json` and `labels.txt`; None without `task.json`. Raises UsageError."""
    if not (directory / "task.json").exists():
        return None
    values = read_json(directory / "task.json")
    kind = KINDS.get(str(values.get("task")))
    if kind is None:
        raise UsageError(f"{directory / 'task.json'}: task {values.get('task')!r} is not one this version knows")
    labels = read_labels(directory)
    if kind.has_labels and labels is None:
        raise UsageError(f"{directory / 'labels.txt'}: missing, though task.json is there")
    fields = {name: value for name, value in values.items() if name != "task"} | {"labels": list(labels or ())}
    if kind is PrototypesTask:
        fields["centroids"] = _read_centroids(directory / PROTOTYPES, fields["labels"])
    task: Task = build(kind, fields, f"{directory / 'task.json'}", refuses_unknown=True)
    return task


def _read_centroids(path: Path, labels: list[str]) -> list[list[float]]:
    """The centroids in a `prototypes.json`, which must have these labels. Raises UsageError."""
    if not path.exists():
        raise UsageError(f"{path}: missing, though task.json is for prototypes; `mobilebert-tf prototypes` writes it")
    values = read_json(path)
    if values.get("labels") != labels:
        raise UsageError(f"{path}: its labels are not those of labels.txt; they belong to different models")
    rows = build(tuple[tuple[Finite, ...], ...], values.get("centroids"), f"{path}: centroids")
    if len(rows) != len(labels) or len({len(row) for row in rows}) != 1:
        raise UsageError(f"{path}: centroids must be {len(labels)} vectors of one length, one for each label")
    return [list(row) for row in rows]


def read_labels(directory: Path) -> tuple[str, ...] | None:
    """The lines of `labels.txt`; None without the file. Raises UsageError."""
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
