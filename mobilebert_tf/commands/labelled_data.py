"""The tables of a fine-tuning run: reading them, and splitting the training table where it is the only one."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilebert_tf import atomic, notes
from mobilebert_tf.commands.data_options import NO_EVALUATION, DataOptions
from mobilebert_tf.data import bad_rows, splitting
from mobilebert_tf.data.bad_rows import LeftOut
from mobilebert_tf.errors import UsageError
from mobilebert_tf.run_directory import Run
from mobilebert_tf.tasks import glue, table_kind, table_report
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.glue_names import GLUE_NAMES
from mobilebert_tf.tasks.kinds import KINDS
from mobilebert_tf.tasks.multilabel import MultilabelTask
from mobilebert_tf.tasks.questions import QuestionsTask
from mobilebert_tf.tasks.task import Task

if TYPE_CHECKING:
    from mobilebert_tf.model_directory import LoadedModel

HELD_OUT = "held_out.jsonl"
"""File in the output directory with the rows that were held out of the training table."""

TRAINED = "trained.jsonl"
"""File in the output directory with the rows that were trained on, written where unusable rows were left out."""


LEAST_OF_QUESTIONS = 8
"""Fewest word pieces of a window that `QuestionsTask` takes."""

REPORT = "data.json"
"""File in the output directory that says what the tables hold and what is wrong with them."""


@dataclasses.dataclass(frozen=True)
class LabelledData:
    """A task with the examples that it trains on and is scored on."""

    task: Task
    training: list[Any]
    evaluation: list[Any]
    """Examples to score; empty: nothing is scored."""
    unlabelled: list[Any] = dataclasses.field(default_factory=list)
    """Examples of --teacher_texts."""
    is_split: bool = False
    """Whether the evaluation's examples were held out of the training table."""
    left_out: LeftOut = dataclasses.field(default_factory=LeftOut)
    """Rows of the tables that were left out of both."""


def read(options: DataOptions, own_task: Task | None = None) -> LabelledData:
    """Read the tables, before TensorFlow starts: a wrong column should show at once.

    Args:
      options: options of the command.
      own_task: task that the model was fine-tuned for and goes on with; None: the training table decides the task.

    Raises:
      UsageError: a table is broken, or there is nothing to learn from it.
    """
    with bad_rows.counting(options.skip_bad_rows) as left_out:
        return dataclasses.replace(_read(options, own_task), left_out=left_out)


def _read(options: DataOptions, own_task: Task | None) -> LabelledData:
    names = ("text_column", "text_pair_column", "label_column", "max_seq_length")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if own_task:
        _refuse_another(options, own_task)
        task = dataclasses.replace(own_task, **given, **options.question_fields(own_task.name))
        if isinstance(task, ClassificationTask) and options.merge_labels:
            task = dataclasses.replace(task, merge_labels=True)
    else:
        task = _discovered(options, given)
    tables = [options.train, *([options.eval] if options.eval and options.eval != NO_EVALUATION else [])]
    if fault := task.column_fault(tables, list(given)):
        raise UsageError(fault)
    if options.class_weights and not (task.has_labels and "label" in task.targets):
        raise UsageError(f"--class_weights: is for classes and labels, not for --task={task.name}; leave it out")
    if isinstance(task, QuestionsTask) and task.max_seq_length < LEAST_OF_QUESTIONS:
        raise UsageError(
            f"--max_seq_length={task.max_seq_length}: a question and a part of its passage need at least "
            f"{LEAST_OF_QUESTIONS}"
        )
    training = task.read(options.train)
    if options.eval == NO_EVALUATION:
        return LabelledData(task, training, [])
    if options.eval:
        return LabelledData(task, training, task.read(options.eval))
    return _split(options, task, training)


def _refuse_another(options: DataOptions, own: Task) -> None:
    """Raise UsageError if flags ask for another task than the one that the model has learned and goes on with."""
    kind = "classification" if options.task in GLUE_NAMES else options.task
    if kind not in (None, own.name) and not (options.task in GLUE_NAMES and own.name == "regression"):
        raise UsageError(f"--task={options.task}: the model was fine-tuned for {own.name}; leave it out")
    if options.label_columns:
        raise UsageError("--label_columns: training continues with the model's own labels; leave it out")
    if options.merge_labels and not isinstance(own, ClassificationTask):
        raise UsageError(f"--merge_labels: is for classes, not for --task={own.name}")


def with_fitting_length(options: DataOptions, data: LabelledData, model: str) -> LabelledData:
    """The data with its length cut to what most training texts need, if none was asked for; prints the new length.

    Raises:
      UsageError: `model` is not a model.
    """
    from mobilebert_tf.checkpoints.conversion import open_checkpoint

    if options.max_seq_length is not None:
        return data
    reads_windows = "label" not in data.task.targets
    checkpoint = open_checkpoint(model)
    positions = checkpoint.config.max_position_embeddings
    if (reads_windows or options.task in GLUE_NAMES) and data.task.max_seq_length > positions:
        notes.say(f"finetune: --max_seq_length={positions}, since the positions of {model} end there", sys.stdout)
        fields: dict[str, Any] = {"max_seq_length": positions}
        if isinstance(data.task, QuestionsTask) and options.doc_stride is None:
            fields["doc_stride"] = min(data.task.doc_stride, positions // 3)  # else windows would not overlap
        return dataclasses.replace(data, task=dataclasses.replace(data.task, **fields))
    if reads_windows or options.task in GLUE_NAMES:
        return data
    tokenizer = checkpoint.architecture.tokenizer
    if tokenizer is None:
        return data  # loading the model will refuse this
    most = min(data.task.max_seq_length, positions)
    length, longest = table_report.fitting_length(data.training, tokenizer, most)
    if length == data.task.max_seq_length:
        return data
    why = (
        f"99 % of the texts have at most {longest} pieces"
        if longest <= length
        else f"the positions of {model} end there"
    )
    notes.say(f"finetune: --max_seq_length={length}, since {why}", sys.stdout)
    return dataclasses.replace(data, task=dataclasses.replace(data.task, max_seq_length=length))


def evaluation_table(options: DataOptions, output: Path) -> str | None:
    """The table that the model in `output` was scored on; None: it was not scored."""
    if (output / HELD_OUT).exists():
        return str(output / HELD_OUT)
    return options.eval if options.eval != NO_EVALUATION else None


def training_table(options: DataOptions, output: Path) -> str:
    """The table that the model in `output` was trained on, without unusable rows."""
    return str(output / TRAINED) if (output / TRAINED).exists() else options.train


def show(options: DataOptions, data: LabelledData, source: LoadedModel, run: Run) -> None:
    """Print and write what the tables hold. Write the held-out rows as a table that `evaluate` and `export` read and,
    where unusable rows were left out, the tables without them: other commands refuse the original ones."""
    if not run.writes:
        return
    positions = source.config.max_position_embeddings
    report = table_report.describe(
        data.task, data.training, data.evaluation, source.tokenizer, data.left_out, positions
    )
    atomic.write_json(run.directory / REPORT, report.to_json())
    for line in report.lines():
        notes.say(f"finetune: data: {line}", sys.stdout)
    if data.evaluation and (data.is_split or data.left_out.bad):
        _write(data.task, data.evaluation, run.directory / HELD_OUT)
    if data.left_out.bad:
        _write(data.task, data.training, run.directory / TRAINED)
    if data.is_split:
        path = run.directory / HELD_OUT
        print(f"finetune: held out {len(data.evaluation):,} rows as {path}; --eval=none holds out none")


def _write(task: Task, examples: Sequence[Example], path: Path) -> None:
    """Write examples as a table from which `Task.read` makes the same examples."""
    rows = (json.dumps(task.row(example), ensure_ascii=False) + "\n" for example in examples)
    atomic.write_text(path, "".join(rows))


def _discovered(options: DataOptions, given: dict[str, Any]) -> Task:
    kind, column = options.task, options.label_column or Task.label_column
    if options.label_columns:
        if kind not in (None, MultilabelTask.name) or options.label_column:
            raise UsageError("--label_columns: is for --task=multilabel, without --label_column")
        columns = tuple(filter(None, map(str.strip, options.label_columns.split(","))))
        if not columns:
            raise UsageError(f"--label_columns={options.label_columns}: names no column")
        return MultilabelTask.discover(options.train, label_columns=columns, **given)
    if kind in (None, "multilabel"):
        guess = table_kind.guess_kind(options.train, column, options.text_column or Task.text_column)
        if kind is None and guess.reason:
            notes.say(f"finetune: --task={guess.kind}, since {guess.reason}", sys.stdout)
        kind = kind or guess.kind
        if kind == "multilabel":
            given = {**given, "separator": guess.separator}
            if not guess.reason and guess.separator != MultilabelTask.separator:
                notes.say(f"finetune: labels are separated by {guess.separator!r}", sys.stdout)
    if kind in GLUE_NAMES:
        if options.merge_labels:
            raise UsageError(f"--merge_labels: the labels of --task={kind} are known; leave it out")
        return glue.discover(kind, options.train, **given)
    if options.merge_labels:
        if kind != "classification":
            raise UsageError(f"--merge_labels: is for classes, not for --task={kind}")
        given = {**given, "merge_labels": True}
    return KINDS[kind].discover(options.train, **given, **options.question_fields(kind))


def _split(options: DataOptions, task: Task, training: Sequence[Example]) -> LabelledData:
    held = splitting.held_out(
        list(map(task.side_key, training)), task.strata(training), options.eval_share, options.split_seed
    )
    if not held.any():
        notes.say(f"{options.train}: has too few rows with different texts to hold some out; nothing is scored")
    trained, scored = ([training[int(row)] for row in np.flatnonzero(held == side)] for side in (False, True))
    return LabelledData(task, trained, scored, is_split=bool(scored))
