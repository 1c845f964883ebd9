"""`evaluate`: classifier + labelled table -> metrics."""

from __future__ import annotations

import dataclasses
import json

from mobilebert_tf import atomic, run_directory
from mobilebert_tf.commands import next_step
from mobilebert_tf.options import option
from mobilebert_tf.text_table import aligned


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Score a fine-tuned classifier on labelled text.

    Reads a model directory, which runs in Keras, or a .tflite file, which runs in LiteRT
    and has the other files of its export beside it; and a TSV, CSV or JSONL table.
    Prints accuracy, macro F1, loss, and what always guessing the most frequent class
    would score; with --output also writes metrics.json and labels.txt there.

    Examples:
      mobilebert-tf evaluate --model=runs/classifier --input=dev.tsv
      mobilebert-tf evaluate --model=runs/exported/dynamic_int8.tflite --input=dev.tsv --output=runs/int8_score
    """

    model: str = option("model directory or .tflite file", is_input=True)
    input: str = option("labelled table: .tsv, .csv or .jsonl, also compressed", is_input=True)
    task: str = option("kind of task", "classification", choices=("classification",))
    text_column: str | None = option("column of the text; left out: as in training", None)
    text_pair_column: str | None = option("column of the second text, for pairs; left out: as in training", None)
    label_column: str | None = option("column of the label; left out: as in training", None)
    merge_labels: bool = option("labels that differ only in capitals and blanks are one", False)
    output: str | None = option("directory for metrics.json; left out: metrics are only printed", None, identity=False)
    json: bool = option("print the metrics as JSON instead of a table", False, identity=False)
    threads: int = option("threads of LiteRT", 1, identity=False, least=1, most=1024)
    batch_size: int = option("examples at a time in Keras", 32, identity=False, least=1, most=65_536)

    def run(self) -> None:
        """Score and print.

        Raises:
          UsageError: the model is no classifier, or the table is broken or has labels that
            training never saw.
        """
        from mobilebert_tf.tasks.classifiers import load_classifier
        from mobilebert_tf.tasks.files import write_labels
        from mobilebert_tf.tasks.guessing import no_better_than_guessing

        done = run_directory.find_run(self, "evaluate", self.output) if self.output else None
        if done and done.finished:
            print(done.finished_line)
            return
        classifier = load_classifier(self.model, self.threads, self.batch_size)
        task = classifier.reads(self.text_column, self.text_pair_column, self.label_column)
        if self.merge_labels:
            task = dataclasses.replace(task, merge_labels=True)
        features = task.features(task.read(self.input), classifier.tokenizer)
        metrics = task.metrics(classifier.logits(features), features["label"])
        if self.output:
            with run_directory.open_run(self, "evaluate", self.output) as run:
                atomic.write_json(run.directory / "metrics.json", {"evaluation": metrics})
                write_labels(run.directory, task.labels)
                run.finish(accuracy=metrics["accuracy"])
        print(json.dumps(metrics) if self.json else _table(metrics))
        if not self.json and (warning := no_better_than_guessing(metrics)):
            print(f"evaluate: {warning}")
        if self.output and not self.json:
            print(f"evaluate: {self.output}/metrics.json\n{next_step.line('report', f'--input={self.output}')}")


def _table(metrics: dict) -> str:
    return aligned([
        ["examples", str(metrics["examples"])],
        ["accuracy", f"{metrics['accuracy']:.1%}"],
        ["macro F1", f"{metrics['macro_f1']:.1%}"],
        ["loss (nats)", f"{metrics['loss']:.4f}"],
        ["most frequent class", f"{metrics['majority_accuracy']:.1%}"],
    ])  # fmt: skip
