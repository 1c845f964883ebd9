"""`evaluate`: fine-tuned model + labelled table -> metrics."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mobilebert_tf import atomic, run_directory
from mobilebert_tf.commands import next_step, what_is_wrong
from mobilebert_tf.commands.what_is_wrong import MistakeOptions
from mobilebert_tf.data import bad_rows, lost_text
from mobilebert_tf.errors import UsageError
from mobilebert_tf.exported import read_score
from mobilebert_tf.fields import Finite, build, read_object
from mobilebert_tf.options import option, refuse_inputs
from mobilebert_tf.tasks import NAMES
from mobilebert_tf.tasks.glue_names import GLUE_NAMES
from mobilebert_tf.text_table import aligned, counted


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluate(MistakeOptions):
    """Score a fine-tuned model on labelled text.

    Reads a model directory, which runs in Keras, or a .tflite file, which runs in LiteRT and needs the other files
    of its export beside it; and a TSV, CSV or JSONL table. Prints the figures of the model's task:

      classes     accuracy, macro F1, loss, and the accuracy of always guessing the most frequent class; for a
                  classifier that may decline, also the share of rows labelled "none of these" that it declines
      values      correlations with those of the table, also for sentence embeddings of pairs
      questions   F1 and exact matches by SQuAD's rules, or MLQA's where the passages have no blanks
      entities    precision, recall and F1, of all and of each kind

    With --output it also writes metrics.json, labels.txt and mistakes.json, the fifty examples that are most wrong.

    Examples:
      mobilebert-tf evaluate --model=runs/classifier --input=dev.tsv
      mobilebert-tf evaluate --model=runs/exported/dynamic_int8.tflite --input=dev.tsv --output=runs/int8_score
      mobilebert-tf evaluate --model=mobilebert_mini --task=embedding --input=sts-test.tsv \\
          --text_column=sentence1 --text_pair_column=sentence2 --label_column=score
    """

    model: str = option("model directory or .tflite file", is_input=True)
    input: str = option("labelled table: .tsv, .csv or .jsonl, also compressed", is_input=True)
    task: str | None = option(
        "kind of task; default: what the model was fine-tuned for. embedding: sentence embeddings of any model. "
        "glue/sst2 and the other GLUE tasks: the columns of their tables and their score",
        None,
        choices=(*NAMES, *GLUE_NAMES),
    )
    text_column: str | None = option("column of the text; default: as in training", None)
    text_pair_column: str | None = option("column of the second text, for pairs; default: as in training", None)
    label_column: str | None = option("column of the label; default: as in training", None)
    skip_bad_rows: bool = option(
        "leave out unusable rows and print how many; without this flag the first such row is an error", False
    )
    merge_labels: bool = option("treat labels that differ only in capitals and blanks as one", False)
    predictions: str | None = option(
        "file for the answers: for questions the JSON that SQuAD's official script takes, for entities columns of "
        "words and labels, else one JSON object per line",
        None,
        identity=False,
    )
    output: str | None = option("directory for metrics.json; default: metrics are only printed", None, identity=False)
    json: bool = option("print the metrics as JSON instead of a table", False, identity=False)
    threads: int = option("threads of LiteRT", 1, identity=False, least=1, most=1024)
    batch_size: int = option("examples per batch in Keras", 32, identity=False, least=1, most=65_536)

    def run(self) -> None:
        """Score and print.

        Raises:
          UsageError: the model has no such task, or the table is broken or has labels that
            training never saw.
        """
        from mobilebert_tf.answering.fine_tuned import load_fine_tuned
        from mobilebert_tf.tasks.classification import ClassificationTask
        from mobilebert_tf.tasks.files import write_labels
        from mobilebert_tf.tasks.guessing import no_better_than_guessing
        from mobilebert_tf.tasks.review import write_review

        earlier = run_directory.find_run(self, "evaluate", self.output) if self.output else None
        is_done = earlier is not None and earlier.finished
        if earlier and is_done:
            print(earlier.finished_line, file=sys.stderr if self.json else sys.stdout)
            if not (self.predictions or self.show_mistakes):
                metrics = _read_metrics(earlier.directory / "metrics.json")
                print(json.dumps(metrics) if self.json else _table(metrics))
                return
        if self.predictions:
            refuse_inputs(self, "predictions")
            run_directory.refuse_sealed(Path(self.predictions), "predictions")
            _check_free(Path(self.predictions), self.output)
        model = load_fine_tuned(self.model, self.threads, self.batch_size, self.task)
        task = model.reads(self.text_column, self.text_pair_column, self.label_column)
        columns = ("text_column", "text_pair_column", "label_column")
        if fault := task.column_fault([self.input], [name for name in columns if getattr(self, name)]):
            raise UsageError(fault)
        if self.merge_labels:
            if not isinstance(task, ClassificationTask):
                raise UsageError(f"--merge_labels: is for classes, and {self.model} is for --task={task.name}")
            task = dataclasses.replace(task, merge_labels=True)
        with bad_rows.counting(self.skip_bad_rows) as left_out:
            examples = task.read(self.input)
        if left_out.bad:
            first = next(iter(left_out.bad.values()))
            print(f"evaluate: {counted(len(left_out.bad), 'row')} left out; the first: {first}", file=sys.stderr)
        features = task.features(examples, model.tokenizer)
        lost_text.say_of(self.input, examples, model.tokenizer, self.model)
        if "label" not in features:
            raise UsageError(
                f"{self.model}: sentence embeddings are scored on pairs; name their columns with --text_column, "
                "--text_pair_column and --label_column"
            )
        outputs = model.answer(features)
        if self.predictions:
            answers = task.decode(outputs, features)
            atomic.write_text(Path(self.predictions), task.predictions(examples, answers))
        scores = task.score(outputs, features)
        review = task.review(outputs, features, examples) if self.output or self.show_mistakes else None
        metrics = scores.all
        if self.output and not is_done:
            with run_directory.open_run(self, "evaluate", self.output) as run:
                atomic.write_json(run.directory / "metrics.json", {"evaluation": metrics})
                if review:
                    write_review(run.directory, review)
                if task.labels:
                    write_labels(run.directory, task.labels)
                run.finish(**{scores.name: scores.primary})
        print(json.dumps(metrics) if self.json else _table(metrics))
        if self.show_mistakes and review and (shown := what_is_wrong.examples(review)):
            print(f"\n{shown}", file=sys.stderr if self.json else sys.stdout)
        if not self.json and (warning := no_better_than_guessing(metrics)):
            print(f"evaluate: {warning}")
        if self.output and not self.json:
            print(f"evaluate: {self.output}/metrics.json")
            next_step.say(next_step.line("report", f"--input={self.output}"))


def _check_free(path: Path, output: str | None) -> None:
    """Raise UsageError if the file of the answers is there already, or would lie among the files of a run."""
    if path.exists():
        raise UsageError(f"--predictions={path}: exists; give another name, or delete it first")
    if output and path.resolve().is_relative_to(Path(output).resolve()):
        raise UsageError(
            f"--predictions={path}: lies in --output, which holds the run's files alone; give another place"
        )


def _read_metrics(path: Path) -> dict[str, Any]:
    """The figures of a finished run. Raises UsageError: they are not what a run writes."""
    fix = "give another --output, or delete that directory"
    figures = read_object(path, fix).get("evaluation")
    if not isinstance(figures, dict):
        raise UsageError(f"{path}: evaluation is missing; {fix}")
    read_score(figures, f"{path}: evaluation", fix)
    build(dict[str, Finite], {name: figures[name] for name in _FIGURES if name in figures}, f"{path}: evaluation", fix)
    return figures


_FIGURES = {
    "examples": ("examples", "{}"),
    "f1": ("F1", "{:.1%}"),
    "precision": ("precision", "{:.1%}"),
    "recall": ("recall", "{:.1%}"),
    "exact": ("exactly right", "{:.1%}"),
    "answered_f1": ("F1 where there is an answer", "{:.1%}"),
    "unanswered_f1": ("no answer where there is none", "{:.1%}"),
    "unanswered": ("questions without an answer", "{}"),
    "entities": ("entities", "{}"),
    "accuracy": ("accuracy", "{:.1%}"),
    "micro_f1": ("micro F1", "{:.1%}"),
    "macro_f1": ("macro F1", "{:.1%}"),
    "matthews": ("Matthews' correlation", "{:.1%}"),
    "loss": ("loss (nats)", "{:.4f}"),
    "calibration_error": ("calibration error", "{:.1%}"),
    "risk_coverage_area": ("mean risk over coverage", "{:.2%}"),
    "coverage_at_1": ("answered if 1 % may be wrong", "{:.1%}"),
    "coverage_at_2": ("answered if 2 % may be wrong", "{:.1%}"),
    "coverage_at_5": ("answered if 5 % may be wrong", "{:.1%}"),
    "majority_accuracy": ("most frequent class", "{:.1%}"),
    "answered": ("answered with a class", "{:.1%}"),
    "answered_accuracy": ("accuracy of those answered", "{:.1%}"),
    "none_found": ("texts of no class recognised", "{:.1%}"),
    "spearman": ("Spearman", "{:.1%}"),
    "pearson": ("Pearson", "{:.1%}"),
    "root_mean_square_error": ("root mean square error", "{:.4g}"),
    "mean_absolute_error": ("mean absolute error", "{:.4g}"),
}
"""Titles and formats of the figures that `Task.score` returns."""


def _table(metrics: Mapping[str, Any]) -> str:
    shown = ((metrics[name], title, form) for name, (title, form) in _FIGURES.items() if name in metrics)
    table = aligned([[title, form.format(value)] for value, title, form in shown])
    classes = what_is_wrong.classes(metrics)
    return f"{table}\n\n{classes}" if classes else table
