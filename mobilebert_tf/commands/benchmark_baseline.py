"""`benchmark baseline`: the simple methods that a classifier has to beat."""

from __future__ import annotations

import dataclasses
from typing import Any

from mobilebert_tf import atomic, run_directory
from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option
from mobilebert_tf.tasks.glue_names import GLUE_NAMES


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkBaseline:
    """Score logistic regression on tf-idf or static vectors, with the tables of a classifier.

    Neither takes word order into account, and both train in seconds: a network that does not beat them is not worth
    its size. Static vectors are a teacher's sentence embeddings of single word pieces, reduced to 256 dimensions and
    weighted by rank, as model2vec makes them. Needs scikit-learn (the extra `baselines`).

    Examples:
      mobilebert-tf benchmark baseline --kind=tfidf --train=train.tsv --eval=dev.tsv --output=tfidf
      mobilebert-tf benchmark baseline --kind=static --teacher=all-MiniLM-L6-v2 --train=train.tsv --eval=dev.tsv \\
          --output=static
    """

    train: str = option("labelled table", is_input=True)
    eval: str = option("labelled table that is scored", is_input=True)
    output: str = option("directory for metrics.json", identity=False)
    kind: str = option("tfidf: words and pairs of words. static: vectors of word pieces", choices=("tfidf", "static"))
    teacher: str | None = option(
        "model whose sentence embeddings the static vectors are made from", None, is_input=True
    )
    task: str | None = option(
        "glue/sst2 and the other GLUE tasks of classes: their columns, labels and score; default: any table of classes",
        None,
        choices=GLUE_NAMES,
    )
    text_column: str | None = option("column of the text; of several names the first that a table has", None)
    text_pair_column: str | None = option("column of the second text, for pairs", None)
    label_column: str | None = option("column of the label", None)
    rows: int = option(
        "number of training rows to use, drawn at random by --seed, as many of each class; 0: all",
        0,
        least=0,
        most=10**9,
    )
    seed: int = option("random seed for drawing --rows", 0, least=0, most=2**31 - 1)

    def run(self) -> None:
        """Fit, score, write, print.

        Raises:
          UsageError: a table is broken, static vectors have no teacher, or scikit-learn is not installed.
        """
        from mobilebert_tf.benchmarks.library import baselines
        from mobilebert_tf.data.few import few_of_each
        from mobilebert_tf.tasks import glue
        from mobilebert_tf.tasks.classification import ClassificationTask
        from mobilebert_tf.tasks.table_kind import guess_kind
        from mobilebert_tf.tasks.task import Task

        if (self.kind == "static") != (self.teacher is not None):
            raise UsageError("--kind=static: needs --teacher, whose vectors it uses; --kind=tfidf takes no --teacher")
        with run_directory.open_run(self, "benchmark baseline", self.output) as run:
            if run.finished:
                print(run.finished_line)
                return
            names = ("text_column", "text_pair_column", "label_column")
            given = {name: getattr(self, name) for name in names if getattr(self, name)}
            if self.task:
                task = glue.discover(self.task, self.train, **given)
            else:
                guess = guess_kind(
                    self.train, self.label_column or Task.label_column, self.text_column or Task.text_column
                )
                if guess.kind != ClassificationTask.name:
                    raise UsageError(f"{self.train}: {guess.reason}: --task={guess.kind}; this command is for classes")
                task = ClassificationTask.discover(self.train, **given)
            if not isinstance(task, ClassificationTask):
                raise UsageError(f"--task={self.task}: predicts values; this command is for classes")
            training, held_out = task.read(self.train), task.read(self.eval)
            if self.rows:
                training = few_of_each(training, self.rows, self.seed)
                if len({example.label for example in training}) < 2:
                    raise UsageError(f"--rows={self.rows}: all rows drawn are of one class; give more")
            metrics: dict[str, Any]
            if self.teacher:
                tokenizer, table = baselines.static_of(self.teacher)
                metrics = baselines.static(task, training, held_out, tokenizer, table)
            else:
                metrics = baselines.tfidf(task, training, held_out)
            score = {"score_name": task.score_name, "score": metrics[task.score_name]}
            written = {**score, "evaluation": metrics, "training_examples": len(training)}
            atomic.write_json(run.directory / "metrics.json", written)
            run.finish(accuracy=metrics["accuracy"])
        print(f"benchmark baseline: {self.kind} {metrics['accuracy']:.1%} on {metrics['examples']:,} rows")
