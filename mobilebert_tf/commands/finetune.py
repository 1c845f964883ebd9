"""model directory + labelled table -> fine-tuned model directory."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mobilebert_tf.commands.training_options import TrainingOptions, done_line, parameters
from mobilebert_tf.options import option
from mobilebert_tf.run_directory import Run, freed_if_nothing_was_made

if TYPE_CHECKING:
    from mobilebert_tf.tasks.classification import ClassificationTask


class LabelledData(NamedTuple):
    """A task with its tables."""

    task: ClassificationTask
    training: list[Any]
    evaluation: list[Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finetune(TrainingOptions):
    """Fine-tune a pre-trained model on labelled text and score it on an evaluation table.

    Tables are TSV, CSV or JSONL (also .gz, .xz) with named columns; the labels are the
    values found in the training table. Writes a model directory with task.json,
    labels.txt and metrics.json.

      mobilebert-tf finetune --model=student --train=train.tsv --eval=dev.tsv --output=classifier
      mobilebert-tf finetune --model=student --train=reviews.jsonl --text_column=review \\
          --label_column=stars --epochs=5 --output=classifier
    """

    model: str = option("model directory to start from", is_input=True)
    train: str = option("labelled table", is_input=True)
    eval: str | None = option("labelled table that is only scored", default=None, is_input=True)
    data_dir: str | None = option("directory that --train and --eval are relative to", default=None, identity=False)
    task: str = option("kind of task", default="classification", choices=("classification",))
    text_column: str = option(
        "column of the text; several names, comma-separated: the first that a table has", default="text"
    )
    text_pair_column: str | None = option("column of the second text, for pairs", default=None)
    label_column: str = option("column of the label", default="label")
    max_seq_length: int = option("longest input in word pieces; longer ones are cut", default=128, least=3)
    epochs: float = option("passes over the training table", default=3.0, least=0)
    learning_rate: float = option("peak of the schedule: linear warm-up, linear decay", default=5e-5, least=0)
    warmup_proportion: float = option("share of the steps until the peak", default=0.1, least=0, most=1)
    from_scratch: bool = option(
        "random weights of the same architecture: the yardstick of what pre-training brings", default=False
    )

    def run(self) -> None:
        """Train, score, write the model directory.

        Raises:
          UsageError: the model or a table is wrong, or the output is another run's.
          FailedError: the loss is not a number, or the disk is full.
        """
        if self.data_dir:
            place = Path(self.data_dir)
            located: dict[str, Any] = {
                name: str(place / getattr(self, name)) for name in ("train", "eval") if getattr(self, name)
            }
            dataclasses.replace(self, data_dir=None, **located).run()
            return
        run = self.find_run("finetune")
        if self.is_done(run):
            return
        with freed_if_nothing_was_made(run):
            data = self._read()
            with self.start() as strategy:
                self._train(run, strategy, data)

    def _read(self) -> LabelledData:
        from mobilebert_tf.tasks.classification import ClassificationTask

        # Tables are read before TensorFlow starts: a wrong column should show at once.
        task = ClassificationTask.discover(
            self.train,
            max_seq_length=self.max_seq_length,
            text_column=self.text_column,
            text_pair_column=self.text_pair_column,
            label_column=self.label_column,
        )
        return LabelledData(task, task.read(self.train), task.read(self.eval) if self.eval else [])

    def _train(self, run: Run, strategy: Any, data: LabelledData) -> None:
        from mobilebert_tf.data.shuffled import shuffled_batches
        from mobilebert_tf.errors import UsageError
        from mobilebert_tf.model_directory import copy_encoder, load_model_directory, save_model_directory
        from mobilebert_tf.models import ClassificationModel
        from mobilebert_tf.tasks.inference import keras_logits
        from mobilebert_tf.training import loop
        from mobilebert_tf.training.schedules import Schedule
        from mobilebert_tf.training.stage import Stage
        from mobilebert_tf.transfer import objectives

        task, examples, evaluation = data
        with strategy.scope():
            source = load_model_directory(self.model, self.seed)
            if task.max_seq_length > source.config.max_position_embeddings:
                raise UsageError(
                    f"--max_seq_length {task.max_seq_length} is beyond the position table of {self.model}, "
                    f"{source.config.max_position_embeddings}"
                )
            model = ClassificationModel(source.config, len(task.labels), self.seed)
            if not self.from_scratch:
                copy_encoder(source.model, model)
        steps = max(1, int(len(examples) / self.batch_size * self.epochs))
        start = "random weights" if self.from_scratch else self.model
        print(
            f"finetune: {parameters(model):,} parameters from {start}; {len(examples):,} examples, "
            f"{len(task.labels)} labels, {steps:,} steps"
        )
        features = task.features(examples, source.tokenizer)
        stage = Stage(
            name="finetune",
            index=0,
            steps=steps,
            batch_size=self.batch_size,
            schedule=Schedule(peak=self.learning_rate, steps=steps, warmup_steps=int(steps * self.warmup_proportion)),
            optimizer=self.optimizer_options(),
        )
        loop.train(
            stage,
            objectives.classification(model),
            model.trainable_weights,
            model.variables,
            lambda start: shuffled_batches(features, self.batch_size, self.seed, start),
            run.directory,
            self.loop_options(strategy),
        )
        if not run.writes:
            return
        metrics: dict[str, Any] = {"parameters": parameters(model), "training_examples": len(examples)}
        if evaluation:
            held_out = task.features(evaluation, source.tokenizer)
            metrics["evaluation"] = task.metrics(keras_logits(model, held_out), held_out["label"])
            print(
                f"finetune: evaluation accuracy {metrics['evaluation']['accuracy']:.1%}, "
                f"majority class {metrics['evaluation']['majority_accuracy']:.1%}"
            )
        save_model_directory(run.directory, model, source.tokenizer, task, metrics)
        run.finish(**metrics)
        export = (
            f"mobilebert-tf export --model={self.output} --evaluation={self.eval or 'dev.tsv'} "
            f"--output={Path(self.output).with_name('export')}"
        )
        print(done_line("finetune", run.directory, export))
