"""Options of `finetune` that say which tables are read, what is in them, and which rows are held out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, TypeVar

from mobilebert_tf.commands.question_options import QuestionOptions
from mobilebert_tf.data import tfds_table
from mobilebert_tf.options import option
from mobilebert_tf.tasks import TRAINED
from mobilebert_tf.tasks.glue_names import GLUE_NAMES

NO_EVALUATION = "none"
"""Value of --eval with which all rows are trained on."""

_Self = TypeVar("_Self", bound="DataOptions")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataOptions(QuestionOptions):
    """Fields of `finetune` about its tables."""

    train: str = option(
        "labelled table, or tfds:NAME, a set of TensorFlow Datasets, of which :SPLIT behind it is read or `train`",
        is_input=True,
    )
    eval: str | None = option(
        "labelled table that is only scored; left out: rows of --train, held out as --eval_share says; none: all rows "
        "are trained on, without a score",
        default=None,
        is_input=True,
    )
    eval_share: float = option(
        "share of --train that is held out without --eval: of each class, of all labels, or over the range of the "
        "values, and at least a few rows of each class; rows with the same text are on one side. They are written to "
        "the output as held_out.jsonl",
        default=0.1,
        least=0.001,
        most=0.9,
    )
    split_seed: int = option(
        "which rows are held out; they do not depend on --seed, so that runs with several seeds are scored on the same",
        default=0,
        least=0,
        most=2**32 - 1,
    )
    train_rows: int = option(
        "rows of --train to train on, taken at random by --seed, as many of each class: for a learning curve; 0: all",
        default=0,
        least=0,
        most=10**9,
    )
    data_dir: str | None = option("directory that --train and --eval are relative to", default=None, identity=False)
    task: str | None = option(
        "kind of task. classification: one of several classes. regression: a number. multilabel: any of several "
        "labels. qa: questions on passages. entities: persons, places and the like. glue/sst2 and the others of GLUE: "
        "its columns, labels and score; left out: by what --train holds, which is said",
        None,
        choices=(*TRAINED, *GLUE_NAMES),
    )
    text_column: str | None = option(
        "column of the text; several names, comma-separated: the first that a table has; left out: text, of entities "
        "in JSON tokens; with --quantization_aware the model's own, as for the other columns",
        default=None,
    )
    text_pair_column: str | None = option("column of the second text, for pairs", default=None)
    label_column: str | None = option("column of the label; left out: label, of entities in JSON tags", default=None)
    label_columns: str | None = option(
        "columns of 0 and 1, comma-separated, one for each of several labels, in place of --label_column", default=None
    )
    merge_labels: bool = option(
        "labels that differ only in capitals and blanks are one, spelt as most rows have it", default=False
    )
    class_weights: str | None = option(
        "balanced: in the loss all classes count alike, however many rows they have; of several labels having one and "
        "not having it do; left out: every row counts alike",
        default=None,
        choices=("balanced",),
    )
    skip_bad_rows: bool = option(
        "leave out rows that cannot be used, such as those with too many cells, without a label, or in --eval with one "
        "that --train does not have; says how many, and the first. Left out: the first such row is refused",
        default=False,
    )
    max_seq_length: int | None = option(
        "longest input in word pieces; longer ones are cut, or read through windows; left out: as long as 99 % of the "
        "texts, at most 128 (that for tasks of GLUE; of questions 384); with --quantization_aware the model's own",
        default=None,
        least=3,
        most=100_000,
    )

    def located(self: _Self) -> _Self:
        """The same with the tables' whole paths in place of --data_dir, and a split of a set that has none."""
        tables: dict[str, Any] = {"train": self._located(tfds_table.with_split(self.train, "train"))}
        if self.eval and self.eval != NO_EVALUATION:
            tables["eval"] = self._located(self.eval)
        return dataclasses.replace(self, data_dir=None, **tables)

    def _located(self, table: str) -> str:
        return str(Path(self.data_dir) / table) if self.data_dir and not tfds_table.is_name(table) else table
