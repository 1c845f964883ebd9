"""Predictions for a test set of GLUE in the form that gluebenchmark.com accepts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf import atomic
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks import glue


def write(directory: str | os.PathLike[str], name: str, answers: Sequence[Mapping[str, Any]]) -> Path:
    """Write the answers of `Task.decode` for all rows of the test set of glue/NAME; returns the file.

    Rows are numbered from 0 in the order of the table, as in the index column of GLUE's test sets.
    """
    task = glue.find(name)
    path = check(directory, name)
    rows = (f"{index}\t{_prediction(task, answer)}\n" for index, answer in enumerate(answers))
    atomic.write_text(path, _HEAD + "".join(rows))
    return path


_HEAD = "index\tprediction\n"


def check(directory: str | os.PathLike[str], name: str) -> Path:
    """The file to write answers to. Raises UsageError: it exists and does not hold predictions."""
    path = Path(directory) / glue.find(name).submission
    if path.exists() and not path.read_bytes().startswith(_HEAD.encode()):
        raise UsageError(f"--submission={directory}: {path} exists but holds no predictions; give another directory")
    return path


def _prediction(task: glue.GlueTask, answer: Mapping[str, Any]) -> str:
    if not task.labels:
        low, high = glue.VALUES
        return f"{min(max(answer['value'], low), high):.3f}"
    label = str(answer["label"])
    return str(task.labels.index(label)) if task.submits_numbers else label
