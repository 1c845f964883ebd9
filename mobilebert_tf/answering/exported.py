"""A `.tflite` file and the files beside it (vocabulary, rules, labels, task, contract), checked against each other."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf.errors import UsageError
from mobilebert_tf.export.mediapipe.metadata import check_packed
from mobilebert_tf.export.recipes import REJECTED
from mobilebert_tf.export.ship.contract import described, rules
from mobilebert_tf.export.ship.verify_directory import CONTRACT, KNOWN
from mobilebert_tf.fields import read
from mobilebert_tf.litert.runtime import LOGITS, PROBABILITIES
from mobilebert_tf.litert.runtime_process import SeparateModels
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.files import PROTOTYPES, load_task_files
from mobilebert_tf.tasks.task import Task
from mobilebert_tf.text_table import counted
from mobilebert_tf.tokenization import Tokenizer


@dataclasses.dataclass(frozen=True)
class Exported:
    """A `.tflite` file that runs in processes of its own, with its tokenizer and task."""

    runtime: SeparateModels
    tokenizer: Tokenizer
    task: Task


def load_exported(path: Path, threads: int = 1) -> Exported:
    """The `.tflite` file at `path`, with the files that its export wrote beside it.

    Raises:
      UsageError: `path` is not a `.tflite` file, or a file beside it is missing or belongs to another export.
      FailedError: the runtime crashed on the file.
    """
    runtime = SeparateModels(path, threads)
    home = home_of(path)
    if not (home / "task.json").exists():
        raise UsageError(
            f"{path}: needs vocab.txt, task.json and, for classes, labels.txt of its export beside it; task.json is "
            "missing"
        )
    tokenizer, task = load_task_files(home)
    assert task is not None
    sizes = {LOGITS if name == PROBABILITIES else name: size for name, size in runtime.sizes.items()}
    if set(task.outputs) != set(sizes):
        raise UsageError(
            f"{home / 'task.json'}: is for {task.name}, and {path.name} gives {', '.join(sizes)}; they belong to "
            "different models"
        )
    classes = next((sizes[name] for name in (LOGITS, "token_logits") if name in sizes), None)
    if classes is not None and len(task.labels) != classes:
        raise UsageError(
            f"{home / 'labels.txt'}: names {counted(len(task.labels), 'label')}, {path.name} has "
            f"{counted(classes, 'output')}; "
            "they belong to different models"
        )
    check_packed(path, tokenizer, task)
    contract = path.with_name(f"{path.stem}{CONTRACT}")
    if contract.exists():
        _check_contract(contract, path, tokenizer, task, list(runtime.sizes))
    if PROBABILITIES in runtime.sizes and isinstance(task, ClassificationTask):
        task = dataclasses.replace(task, temperature=1.0, threshold=0.0)  # the file's softmax has neither
    # Texts longer than the file accepts are cut as in training, by the features.
    task = dataclasses.replace(task, max_seq_length=min(task.max_seq_length, runtime.lengths[-1]))
    return Exported(runtime, tokenizer, task)


def home_of(path: Path) -> Path:
    """The directory of an export's other files; a `.tflite` file that missed its gate is one directory below."""
    below = path.parent.name == REJECTED and not (path.parent / "task.json").exists()
    return path.parent.parent if below else path.parent


@dataclasses.dataclass(frozen=True)
class _Contract:
    """The part of a contract that describes the files beside it."""

    schema: int
    task: str
    file: dict[str, Any]
    text: dict[str, Any]
    answer: dict[str, Any]


_ORIGINS = {
    "tokenizer": "tokenizer.json",
    "vocabulary": "vocab.txt",
    "special_tokens": "vocab.txt",
    "labels": "labels.txt",
    "labels_file": "labels.txt",
    "centroids": PROTOTYPES,
}
"""The files that fields of a contract come from; all others come from task.json."""


def _check_contract(contract: Path, path: Path, tokenizer: Tokenizer, task: Task, outputs: Sequence[str]) -> None:
    """Raise UsageError unless the contract describes this file, and states what follows from the files beside it."""
    values: _Contract = read(contract, _Contract, "export again")
    if values.schema not in KNOWN:
        raise UsageError(
            f"{contract}: has schema {values.schema}, this version reads {' and '.join(map(str, KNOWN))}; use the "
            "version that exported it, or export again"
        )
    expected = json.loads(
        json.dumps([dataclasses.asdict(part) for part in rules(path.parent, outputs, task, tokenizer)])
    )
    wrong = ["task.json"] if values.task != task.name else []
    wrong += [path.name] if values.file != dataclasses.asdict(described(path)) else []
    for stated, actual in zip((values.text, values.answer), expected, strict=True):
        # Fields may be added to a schema, so an older contract may lack some.
        wrong += [_ORIGINS.get(name, "task.json") for name in actual if stated.get(name, actual[name]) != actual[name]]
    if wrong:
        raise UsageError(
            f"{path.parent / wrong[0]}: does not match {contract.name}, so it is not of this export; restore the "
            "original, or export again"
        )
