"""`prototypes`: model + a few sentences per class -> classifier without training."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mobilebert_tf import licences, notes, quiet, run_directory
from mobilebert_tf.commands import next_step
from mobilebert_tf.data import lost_text
from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option

if TYPE_CHECKING:
    from mobilebert_tf.tasks.examples import Example
    from mobilebert_tf.tasks.task import Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prototypes:
    """Make a classifier from a few sentences per class, without training.

    Every class is kept as the mean of its sentences' embeddings. A text belongs to the nearest class, or to "none of
    these" if that class is not near enough or not clearly nearer than the next. Both bounds are chosen by leave-one-out
    tests: each sentence is left out of its class, and each class is left out altogether. Writes a model directory with
    prototypes.json, which `evaluate`, `predict` and `export` take like any classifier.

    Five to twenty sentences per class are a good start; with about a hundred, try `finetune` too.

    Examples:
      mobilebert-tf prototypes --model=mobilebert_mini --examples=intents.tsv --output=intents
      mobilebert-tf predict --model=intents --text="Wake me up at seven."
      mobilebert-tf export --model=intents --calibration=intents.tsv --output=app
    """

    model: str = option("model directory whose sentence embeddings are used", is_input=True)
    examples: str = option("labelled table: .tsv, .csv or .jsonl, also compressed", is_input=True)
    output: str = option("directory for the classifier", identity=False)
    text_column: str | None = option("column of the text; default: text", None)
    label_column: str | None = option("column of the class; default: label", None)
    max_seq_length: int | None = option(
        "longest text in word pieces; longer ones are cut; default: 128, or fewer if the model has fewer positions",
        None,
        least=3,
        most=100_000,
    )
    threshold: float | None = option(
        "least cosine with the nearest class; default: chosen by the leave-one-out tests", None, least=-1, most=1
    )
    margin: float | None = option(
        "least lead of that cosine over the next class; default: chosen by the leave-one-out tests",
        None,
        least=0,
        most=2,
    )

    def run(self) -> None:
        """Embed, average, choose the bounds, write.

        Raises:
          UsageError: the table is broken, has one class, or a class without text; or --model is not a model.
        """
        from mobilebert_tf.tasks.classification import ClassificationTask
        from mobilebert_tf.tasks.task import NONE

        columns = {name: getattr(self, name) for name in ("text_column", "label_column") if getattr(self, name)}
        # Tables are read before TensorFlow starts: a wrong column should show at once.
        table = ClassificationTask.discover(self.examples, **columns)
        if NONE in table.labels:
            raise UsageError(
                f"{self.examples}: {NONE!r} marks texts of no class and is not a class; leave these rows out here; "
                "`evaluate` accepts them"
            )
        examples = table.read(self.examples)
        filled = {example.label for example in examples}
        empty = [label for number, label in enumerate(table.labels) if number not in filled]
        if empty:
            raise UsageError(
                f"{self.examples}: class {empty[0]!r} has no row with text; write some, or delete its rows"
            )
        say_contradictions(self.examples, table, examples)
        with run_directory.open_run(self, "prototypes", self.output) as run:
            if run.finished:
                print(run.finished_line)
                return
            self._write(run, table, examples)

    def _write(self, run: run_directory.Run, table: Task, examples: Sequence[Example]) -> None:
        quiet.start_tensorflow()
        import numpy as np

        from mobilebert_tf.model_directory import load_model_for, save_model_directory
        from mobilebert_tf.tasks.embedding import check_vectors
        from mobilebert_tf.tasks.inference import keras_outputs
        from mobilebert_tf.tasks.prototypes import PrototypesTask, centroids_of, choose_bounds

        loaded = load_model_for(self.model, "embedding")
        positions = loaded.config.max_position_embeddings
        length = self.max_seq_length or min(PrototypesTask.max_seq_length, positions)
        if length > positions:
            raise UsageError(f"--max_seq_length {length} is beyond the position table of {self.model}, {positions}")
        task = PrototypesTask(
            labels=table.labels,
            max_seq_length=length,
            text_column=table.text_column,
            label_column=table.label_column,
        )
        features = task.features(examples, loaded.tokenizer)
        lost_text.say_of(self.examples, examples, loaded.tokenizer, self.model)
        vectors = keras_outputs(loaded.model, task, features, show_progress=len(examples) > 100)["embedding"]
        check_vectors(vectors, features["input_ids"], self.model)
        labels, count = features["label"], len(task.labels)
        chosen = choose_bounds(vectors, labels, count, self.threshold, self.margin)
        task = dataclasses.replace(
            task,
            centroids=tuple(
                tuple(float(f"{value:.9g}") for value in row) for row in centroids_of(vectors, labels, count)
            ),
            threshold=chosen.threshold,
            margin=chosen.margin,
        )
        sizes = np.bincount(labels, minlength=count)
        smallest, largest = sizes.min(), sizes.max()
        sentences = f"{smallest} to {largest}" if smallest < largest else f"{largest}"
        print(
            f"prototypes: {count} classes of {sentences} sentences; the answer is the nearest if "
            f"its cosine is at least {task.threshold:.3f} and {task.margin:.3f} above the next, else none of these"
        )
        own_class = "each class has one sentence, so it is unknown whether a class recognises its own; give more"
        if chosen.right is not None:
            own_class = f"{chosen.right:.1%} of the sentences, left out of their class, return to it"
        print(
            f"prototypes: {own_class}; of those of a class that is left out, {chosen.none_found:.1%} are answered as "
            "none of these"
        )
        save_model_directory(run.directory, loaded.model, loaded.tokenizer, task)
        licences.pass_on(run.directory, loaded.files[0].parent)
        run.finish(right=chosen.right, none_found=chosen.none_found)
        print(f"prototypes: {run.directory}/prototypes.json")
        next_step.say(next_step.line("predict", f"--model={self.output}", "--text=..."))
        output = f"--output={next_step.beside(self.output, 'export')}"
        next_step.say(next_step.line("export", f"--model={self.output}", f"--calibration={self.examples}", output))


def say_contradictions(path: str, table: Task, examples: Sequence[Example]) -> None:
    """Report the sentences that are examples of several classes."""
    from mobilebert_tf.tasks.task import text_key

    classes_of: dict[str, set[object]] = {}
    for example in examples:
        classes_of.setdefault(text_key(example), set()).add(example.label)
    several = {text: classes for text, classes in classes_of.items() if len(classes) > 1}
    if several:
        text, numbers = next(iter(several.items()))
        classes = [label for number, label in enumerate(table.labels) if number in numbers]
        count = "1 sentence is" if len(several) == 1 else f"{len(several):,} sentences are"
        notes.say(
            f"{path}: {count} in several classes, for example {text[:60]!r} in {' and '.join(classes)}; decide on one"
        )
