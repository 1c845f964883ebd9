"""The tasks of GLUE (Wang et al. 2018, arXiv 1804.07461): columns, labels and scores, and the files of a submission.

Tables may come from GLUE's own download, TensorFlow Datasets, Hugging Face or the authors of the data sets; their
columns and label numbers tell these apart.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.glue_names import PREFIX
from mobilebert_tf.tasks.regression import RegressionTask
from mobilebert_tf.tasks.task import Task


@dataclasses.dataclass(frozen=True)
class GlueTask:
    """Settings of one task of GLUE, beyond those of any other table."""

    submission: str
    """Name of the file of predictions that gluebenchmark.com expects."""
    text_column: str = "sentence"
    text_pair_column: str | None = None
    label_column: str = "label"
    labels: tuple[str, ...] = ()
    """Names of the labels in the order of their numbers in the tables; (): the label is a value."""
    score: str = "accuracy"
    """Score by which models are compared."""
    submits_numbers: bool = False
    """Whether the submission has the numbers of labels instead of their names."""
    header: tuple[str, ...] = ()
    """Names of the columns, for tables without a header."""


_ENTAILMENT = ("entailment", "not_entailment")
_MNLI = GlueTask(
    "MNLI-m.tsv",
    "premise,sentence1",
    "hypothesis,sentence2",
    "gold_label,label",
    ("entailment", "neutral", "contradiction"),
)

TASKS = {
    "cola": GlueTask(
        "CoLA.tsv",
        labels=("unacceptable", "acceptable"),
        score="matthews",
        submits_numbers=True,
        header=("source", "label", "mark", "sentence"),
    ),
    "sst2": GlueTask("SST-2.tsv", "sentence,content", labels=("negative", "positive"), submits_numbers=True),
    "mrpc": GlueTask(
        "MRPC.tsv",
        "#1 String,sentence1",
        "#2 String,sentence2",
        "Quality,label",
        ("not_equivalent", "equivalent"),
        "f1",
        submits_numbers=True,
    ),
    "qqp": GlueTask(
        "QQP.tsv",
        "question1",
        "question2",
        "is_duplicate,label",
        ("not_duplicate", "duplicate"),
        "f1",
        submits_numbers=True,
    ),
    "stsb": GlueTask(
        "STS-B.tsv",
        "sentence1",
        "sentence2",
        "score,label",
        score="spearman",
        header=("genre", "file", "year", "id", "score", "sentence1", "sentence2"),
    ),
    "mnli": _MNLI,
    "mnli_matched": _MNLI,
    "mnli_mismatched": dataclasses.replace(_MNLI, submission="MNLI-mm.tsv"),
    "ax": dataclasses.replace(_MNLI, submission="AX.tsv", score="matthews"),
    "qnli": GlueTask("QNLI.tsv", "question", "sentence", labels=_ENTAILMENT),
    "rte": GlueTask("RTE.tsv", "sentence1", "sentence2", labels=_ENTAILMENT),
    "wnli": GlueTask(
        "WNLI.tsv", "sentence1", "sentence2", labels=("not_entailment", "entailment"), submits_numbers=True
    ),
}
"""Tasks by their names in TensorFlow Datasets and on Hugging Face's hub."""

VALUES = (0.0, 5.0)
"""Smallest and largest label of STS-B."""


def find(name: str) -> GlueTask:
    """The task that --task=glue/NAME names."""
    return TASKS[name.removeprefix(PREFIX)]


def kind(name: str) -> str:
    """The kind of the task that --task=glue/NAME names."""
    return ClassificationTask.name if find(name).labels else RegressionTask.name


def discover(name: str, path: str | os.PathLike[str], **fields: Any) -> Task:
    """The task glue/NAME for a training table; `fields` override GLUE's settings. Raises UsageError."""
    glue = find(name)
    fields = _columns(glue) | fields
    if glue.labels:
        return ClassificationTask(
            **{"labels": glue.labels, "named_numbers": glue.labels, "compared_by": glue.score} | fields
        )
    return RegressionTask.discover(path, **{"value_range": VALUES} | fields)


def of_model(name: str, task: Task) -> Task:
    """The task of a fine-tuned model, set to read the tables of glue/NAME.

    Raises:
      UsageError: the model's task or labels do not fit that task.
    """
    glue = find(name)
    columns: dict[str, Any] = _columns(glue)
    if isinstance(task, ClassificationTask) and glue.labels:
        missing = [label for label in glue.labels if label not in task.labels]
        if not missing:
            columns |= {"named_numbers": glue.labels, "compared_by": glue.score}
            return dataclasses.replace(task, **columns)
        raise UsageError(f"--task={name}: has the label {missing[0]!r}, the model has {', '.join(task.labels)}")
    if isinstance(task, RegressionTask) and not glue.labels:
        return dataclasses.replace(task, value_range=VALUES, **columns)
    raise UsageError(f"--task={name}: is a {kind(name)}, the model is for --task={task.name}")


def _columns(glue: GlueTask) -> dict[str, Any]:
    names = ("text_column", "text_pair_column", "label_column", "header")
    return {name: getattr(glue, name) for name in names}
