"""Options of `finetune` about its tables: which are read, what they hold, and which rows are held out."""

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
"""Value of --eval that trains on all rows."""

_Self = TypeVar("_Self", bound="DataOptions")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataOptions(QuestionOptions):
    """Fields of `finetune` about its tables."""

    train: str = option(
        "labelled table, or tfds:NAME[:SPLIT], a set of TensorFlow Datasets; its split is `train` unless named",
        is_input=True,
    )
    eval: str | None = option(
        "labelled table that is only scored; default: the rows that --eval_share holds out of --train; none: train on "
        "all rows, without a score",
        default=None,
        is_input=True,
    )
    eval_share: float = option(
        "share of --train that is held out where --eval is not given: the same share of each class, of all labels, or "
        "across the range of values, and at least a few rows of each class; rows with the same text stay together. "
        "The held-out rows are written to the output as held_out.jsonl",
        default=0.1,
        least=0.001,
        most=0.9,
    )
    split_seed: int = option(
        "random seed for the held-out rows; not --seed, so that runs with several seeds are scored on the same rows",
        default=0,
        least=0,
        most=2**32 - 1,
    )
    train_rows: int = option(
        "number of rows of --train to train on, drawn by --seed, as many of each class: for a learning curve; 0: all",
        default=0,
        least=0,
        most=10**9,
    )
    data_dir: str | None = option(
        "directory that --train, --eval and --teacher_texts are relative to", default=None, identity=False
    )
    task: str | None = option(
        "kind of task. classification: one of several classes. regression: a number. multilabel: any of several "
        "labels. qa: questions on passages. entities: persons, places and the like. glue/sst2 and the other GLUE "
        "tasks: with their columns, labels and score; default: guessed from --train, and printed",
        None,
        choices=(*TRAINED, *GLUE_NAMES),
    )
    text_column: str | None = option(
        "column of the text; of several names, comma-separated, the first that a table has; default: text (entities "
        "in JSON: tokens); with --quantization_aware the one in the model's task, as for the other columns",
        default=None,
    )
    text_pair_column: str | None = option("column of the second text, for pairs", default=None)
    label_column: str | None = option("column of the label; default: label (entities in JSON: tags)", default=None)
    label_columns: str | None = option(
        "for several labels, in place of --label_column: columns of 0 and 1, one per label, comma-separated",
        default=None,
    )
    merge_labels: bool = option(
        "treat labels that differ only in capitals and blanks as one, spelt as in most rows", default=False
    )
    class_weights: str | None = option(
        "balanced: all classes weigh the same in the loss, however many rows they have; with several labels, so do "
        "having a label and not having it; default: every row weighs the same",
        default=None,
        choices=("balanced",),
    )
    skip_bad_rows: bool = option(
        "leave out unusable rows, such as those with too many cells, no label, or in --eval a label that --train "
        "lacks; prints how many, and the first. Without this flag the first such row is an error",
        default=False,
    )
    max_seq_length: int | None = option(
        "longest input in word pieces; longer ones are cut, or read in windows; default: enough for 99 % of the "
        "texts, at most 128 (GLUE tasks: 128; questions: 384); with --quantization_aware the model's own",
        default=None,
        least=3,
        most=100_000,
    )

    def located(self: _Self) -> _Self:
        """The same options with full table paths in place of --data_dir, and with a split for a set that names none."""
        tables: dict[str, Any] = {"train": self._located(tfds_table.with_split(self.train, "train"))}
        if self.eval and self.eval != NO_EVALUATION:
            tables["eval"] = self._located(self.eval)
        return dataclasses.replace(self, data_dir=None, **tables)

    def _located(self, table: str) -> str:
        return below(self.data_dir, table)


def below(directory: str | None, table: str) -> str:
    """The path of a table below a data directory, if there is one; the name of a set as it is."""
    return str(Path(directory) / table) if directory and not tfds_table.is_name(table) else table
