"""One flag file -> corpus, vocabulary, records, teacher, student, classifier, .tflite files, report."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path
from typing import Any

from mobilebert_tf import atomic, provenance
from mobilebert_tf.checkpoints.conversion import open_checkpoint
from mobilebert_tf.commands import next_step
from mobilebert_tf.commands.corpus import Corpus
from mobilebert_tf.commands.data_options import below
from mobilebert_tf.commands.distill import Distill
from mobilebert_tf.commands.export import Export
from mobilebert_tf.commands.finetune import Finetune
from mobilebert_tf.commands.pretrain import Pretrain
from mobilebert_tf.commands.records import Records
from mobilebert_tf.commands.report import Report
from mobilebert_tf.commands.vocab import Vocab
from mobilebert_tf.data.documents import input_files, read_documents
from mobilebert_tf.data.tfds_table import is_name, with_split
from mobilebert_tf.errors import UsageError
from mobilebert_tf.export.recipes import parse_recipes
from mobilebert_tf.fields import read_object
from mobilebert_tf.options import check, option
from mobilebert_tf.paths import expand, names
from mobilebert_tf.run_directory import RECORD, open_run, read_record
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.transfer.strategies import STRATEGIES

COMPARED = "classifier_compared"
"""Directory of the classifier that starts from another model."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pipeline:
    """Go from raw text to verified .tflite files and a report by running the other commands in turn.

    Every stage has a directory below --output and can be run by hand with the command
    that `run.json` there names. Finished stages are skipped; the same command resumes.
    Without --input the text is the documentation of the installed Python packages, and
    the task is to say which library a sentence is about.

      mobilebert-tf pipeline --flagfile=demo.flags
      mobilebert-tf pipeline --flagfile=sst2.flags --data_dir=DATA
    """

    output: str = option("directory to write", default="demo")
    data_dir: str | None = option(
        "directory that --input, --held_out_input, --vocab, --train and --eval are relative to; "
        "default: the environment variable MOBILEBERT_TF_DATA, else the working directory",
        default=None,
    )
    input: str | None = option("text files to pre-train on; default: docstrings of installed packages", default=None)
    packages: str | None = option("packages whose docstrings are read; default: all with much text", default=None)
    held_out_input: str | None = option(
        "text files to score both models on; docstrings have a held-out part of their own", default=None
    )
    vocab: str | None = option("vocabulary to use; default: one learned from the text", default=None)
    vocab_size: int = option("word pieces of a learned vocabulary", default=8000, least=100, most=1_000_000)
    max_seq_length: int = option(
        "longest input in word pieces, for records and task", default=64, least=5, most=100_000
    )
    max_predictions: int = option("most masked word pieces per record", default=10, least=1, most=100_000)
    dupe_factor: int = option(
        "times that each document is made into records, with other masks", default=2, least=1, most=1000
    )
    teacher: str = option("preset, or config.json, of the teacher", default="demo_teacher")
    student: str = option("preset, or config.json, of the student", default="demo_student")
    batch_size: int = option("examples per step of pre-training and transfer", default=32, least=1, most=65_536)
    teacher_steps: int = option("steps of teacher pre-training", default=1000, least=1, most=10**9)
    teacher_learning_rate: float = option("peak rate of teacher pre-training", default=1e-3, least=0, most=10)
    strategy: str = option("order of transfer and distillation", default="progressive", choices=STRATEGIES)
    transfer_steps: int = option("steps per layer", default=200, least=1, most=10**9)
    transfer_learning_rate: float = option("peak rate of layer-wise transfer", default=2e-3, least=0, most=10)
    attention_weight: float = option(
        "weight of attention transfer against the feature maps", default=1.0, least=0, most=1e6
    )
    distillation_steps: int = option("steps of distillation", default=500, least=1, most=10**9)
    distillation_learning_rate: float = option("peak rate of distillation", default=1e-3, least=0, most=10)
    train: str | None = option("labelled table to fine-tune on; default: the sentences of the docstrings", default=None)
    eval: str | None = option("labelled table to score on; needed with --train", default=None)
    text_column: str = option(
        "column of the text; of several names, comma-separated, the first that a table has", default="text"
    )
    label_column: str = option("column of the label", default="label")
    finetune_epochs: float = option("passes over the training table", default=3.0, least=0, most=1e6)
    finetune_batch_size: int = option("examples per fine-tuning step", default=32, least=1, most=65_536)
    finetune_learning_rate: float = option("peak rate of fine-tuning", default=5e-4, least=0, most=10)
    compared: str | None = option(
        "another model to fine-tune on the task for comparison, with the defaults of `finetune`: one that comes with "
        "the package, or a directory",
        default=None,
    )
    recipes: str | None = option("variants to export, comma-separated; default: those of `export`", default=None)
    max_sentences_per_class: int = option(
        "most training sentences per class of the default task", default=3000, least=1, most=10**9
    )
    threads: int = option("threads of an inference when variants are timed", default=1, least=1, most=1024)
    seed: int = option("random seed of all stages", default=0, least=0, most=2**32 - 1)

    def run(self) -> None:
        """Run every stage that is not finished, then the report.

        Raises:
          UsageError: an option or an input is wrong; checked before the first stage.
          FailedError: a stage failed; the same command goes on there.
        """
        if bool(self.train) != bool(self.eval):
            raise UsageError("--train and --eval go together: the report compares models on the evaluation table")
        if self.input and not self.train:
            raise UsageError("--input needs --train and --eval: only the docstrings bring a task of their own")
        located = self._located()
        # Names and files are checked before the first stage, not hours later.
        stages = located.stages(Path(self.output))
        for _, command in stages:
            check(command)
        parse_recipes(self.recipes)
        self._check_networks()
        if self.compared:
            open_checkpoint(self.compared)
        tables = [table for table in (located.train, located.eval) if table and not is_name(table)]
        for paths in tables:
            expand(paths)
        for paths in filter(None, (located.input, located.held_out_input)):
            for file in input_files(paths):
                next(read_documents([file]))
        if located.vocab:
            next(command for _, command in stages if isinstance(command, Records)).tokenizer()
        if located.train and located.eval:
            task = ClassificationTask.discover(
                located.train, text_column=self.text_column, label_column=self.label_column
            )
            task.read(located.train)
            task.read(located.eval)
        place = Path(self.output)
        # Each stage compares its own options with its earlier run; the pipeline itself has nothing left to compare.
        with open_run(_Whole(output=self.output), "pipeline", self.output, reopens=True) as run:
            for number, (title, command) in enumerate(stages, start=1):
                print(f"\n[{number}/{len(stages)}] {title}", flush=True)
                goes_on = number < len(stages)
                with next_step.left_to_the_caller() if goes_on else contextlib.nullcontext():
                    command.run()
            run.record["options"] = dataclasses.asdict(self)
            atomic.write_json(place / "metrics.json", _evidence(place, stages))
            run.finish()
        print()
        Report(input=self.output, output=str(place / "report.html")).run()

    def _check_networks(self) -> None:
        """Raise UsageError unless both networks exist, fit together and take inputs of --max_seq_length."""
        from mobilebert_tf.commands.distillation import goes_on, student_config
        from mobilebert_tf.transfer.pairing import check_pair

        for flag, model in (("teacher", self.teacher), ("student", self.student)):
            if goes_on(model):
                raise UsageError(
                    f"--{flag}={model}: both networks begin from random weights here, with a vocabulary of their own; "
                    "give a preset or a config.json; distill and finetune take trained models"
                )
        configs = []
        for flag, model in (("teacher", self.teacher), ("student", self.student)):
            configs.append(dataclasses.replace(student_config(model), vocab_size=self.vocab_size))
            if self.max_seq_length > (longest := configs[-1].max_position_embeddings):
                raise UsageError(
                    f"--max_seq_length={self.max_seq_length}: the position table of --{flag}={model} ends at {longest}"
                )
        check_pair(*configs)

    def _located(self) -> Pipeline:
        """The same command with every input below the data directory, and a split for a set that names none."""
        data = self.data_dir or os.environ.get("MOBILEBERT_TF_DATA")
        tables = {"train": self.train and with_split(self.train, "train"), "eval": self.eval}
        located: dict[str, Any] = {name: value and below(data, value) for name, value in tables.items()}
        for name in ("input", "held_out_input", "vocab"):
            value = getattr(self, name)
            located[name] = _below(data, value) if data and value else value
        return dataclasses.replace(self, **located)

    def stages(self, place: Path) -> list[tuple[str, Any]]:
        """Every stage of the pipeline: its title, and the command with its options."""
        corpus, records, held_out = place / "corpus", place / "records" / "train", place / "records" / "heldout"
        vocab = self.vocab or str(place / "vocab" / "vocab.txt")
        train = self.train or str(corpus / "sentences" / "train.tsv")
        evaluation = self.eval or str(corpus / "sentences" / "eval.tsv")
        scored = self.held_out_input or (None if self.input else str(corpus / "heldout"))
        common: dict[str, Any] = {"seed": self.seed}
        table: dict[str, Any] = {
            "train": train,
            "eval": evaluation,
            "text_column": self.text_column,
            "label_column": self.label_column,
            "keep": "last",  # networks are compared on this table, so it must not choose their weights
        }
        finetune: dict[str, Any] = {
            **table,
            "model": str(place / "student"),
            "max_seq_length": self.max_seq_length,
            "epochs": self.finetune_epochs,
            "batch_size": self.finetune_batch_size,
            "learning_rate": self.finetune_learning_rate,
            **common,
        }
        shape: dict[str, Any] = {
            "vocab": vocab,
            "max_seq_length": self.max_seq_length,
            "max_predictions": self.max_predictions,
            **common,
        }
        held: dict[str, Any] = {"held_out": str(held_out)} if scored else {}
        text = Corpus(
            output=str(corpus),
            source="text" if self.input else "docstrings",
            input=self.input or self.packages,
            max_sentences_per_class=self.max_sentences_per_class,
            **common,
        )
        stages: list[tuple[str, Any]] = [("corpus: text, a paragraph a line", text)]
        if not self.vocab:
            learned = Vocab(output=str(place / "vocab"), input=str(corpus), size=self.vocab_size)
            stages.append(("vocab: WordPiece vocabulary learned from it", learned))
        stages.append(
            (
                "records: masked words and sentence pairs",
                Records(output=str(records), input=str(corpus), dupe_factor=self.dupe_factor, **shape),
            )
        )
        if scored:
            unseen = Records(output=str(held_out), input=scored, dupe_factor=1, **shape)
            stages.append(("records: the same of text that no model sees", unseen))
        compared = []
        if self.compared:
            shape_of_task = {"max_seq_length": self.max_seq_length, **common}
            also = Finetune(output=str(place / COMPARED), model=self.compared, **table, **shape_of_task)
            compared.append((f"finetune: {self.compared} learns the task, to compare", also))
        return [
            *stages,
            (
                "pretrain: the teacher learns masked words and next sentences",
                Pretrain(
                    output=str(place / "teacher"),
                    records=str(records),
                    model=self.teacher,
                    steps=self.teacher_steps,
                    batch_size=self.batch_size,
                    learning_rate=self.teacher_learning_rate,
                    warmup_steps=self.teacher_steps // 10,
                    **held,
                    **common,
                ),
            ),
            (
                f"distill: {self.strategy} transfer to the student",
                Distill(
                    output=str(place / "student"),
                    teacher=str(place / "teacher"),
                    records=str(records),
                    student=self.student,
                    strategy=self.strategy,
                    transfer_steps=self.transfer_steps,
                    transfer_learning_rate=self.transfer_learning_rate,
                    attention_weight=self.attention_weight,
                    distillation_steps=self.distillation_steps,
                    distillation_learning_rate=self.distillation_learning_rate,
                    batch_size=self.batch_size,
                    **held,
                    **common,
                ),
            ),
            (
                "finetune: the transferred student learns the task",
                Finetune(output=str(place / "classifier"), **finetune),
            ),
            (
                "finetune: the same student from random weights, to compare",
                Finetune(output=str(place / "classifier_from_scratch"), from_scratch=True, **finetune),
            ),
            *compared,
            (
                "export: .tflite variants, each verified, scored and timed",
                Export(
                    output=str(place / "export"),
                    model=str(place / "classifier"),
                    evaluation=evaluation,
                    calibration=train,
                    recipes=self.recipes,
                    threads=self.threads,
                ),
            ),
        ]


def _below(data: str, paths: str) -> str:
    """The paths of a comma-separated list below `data`; a list that exists there as one path stays whole."""
    whole = os.path.join(data, paths)
    return whole if os.path.exists(whole) else ",".join(below(data, path) for path in names(paths))


def _evidence(place: Path, stages: list[tuple[str, Any]]) -> dict[str, Any]:
    """Results of the run for one file: metrics by stage, variants, seconds, provenance."""
    metrics = {
        name: read_object(place / name / "metrics.json")
        for name in ("teacher", "student", "classifier", "classifier_from_scratch", COMPARED)
        if (place / name / "metrics.json").exists()
    }
    exported = read_object(place / "export" / "report.json")
    seconds = {}
    for _, command in stages:
        record = read_record(Path(command.output) / RECORD)
        seconds[str(Path(command.output).relative_to(place))] = record.get("seconds")
    return {"made_by": provenance.describe(), **metrics, "variants": exported.get("variants", []), "seconds": seconds}


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Whole:
    output: str = option("directory of the whole run")
