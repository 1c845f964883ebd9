"""records -> model directory, from random weights."""

from __future__ import annotations

import dataclasses
from typing import Any

from mobilebert_tf.commands import next_step
from mobilebert_tf.commands.distillation import Inputs
from mobilebert_tf.commands.training_options import TrainingOptions, parameters, say_done
from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option
from mobilebert_tf.run_directory import Run
from mobilebert_tf.training.schedules import Schedule


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pretrain(TrainingOptions):
    """Train an IB-BERT teacher, or any other preset, on masked words and next sentences.

    Reads a directory of records (from `records`), and writes a model directory with
    checkpoints, log.jsonl and TensorBoard events. If it is killed at any moment, the same
    command continues and ends with the same weights.

      mobilebert-tf pretrain --model=ib_bert_large --records=records --output=teacher \\
          --steps=500000 --batch_size=4096 --optimizer=lamb --learning_rate=1.5e-3
      tensorboard --logdir=teacher/tensorboard
    """

    records: str = option(
        "directory of pretraining records, or of Google's TFRecords and their vocab.txt", is_input=True
    )
    held_out: str | None = option(
        "records that are only scored, every --measure_every steps and at the end", default=None, is_input=True
    )
    model: str = option(
        "preset (ib_bert_large, mobilebert, ...) or a config.json", default="ib_bert_large", is_input=True
    )
    steps: int = option("training steps", default=500_000, least=1, most=10**9)
    learning_rate: float = option(
        "peak rate of a schedule with linear warm-up and linear decay", default=1.5e-3, least=0, most=10
    )
    warmup_steps: int | None = option(
        "steps until the peak rate; default: 10,000, or a tenth of --steps where that is less",
        default=None,
        least=0,
        most=10**9,
    )

    def run(self) -> None:
        """Train, score, write the model directory.

        Raises:
          UsageError: the records or the configuration are wrong, or the output is another run's.
          FailedError: the loss is not a number, or the disk is full.
        """
        with self.open_run("pretrain") as run:
            self.refuse_idle_changes(run, lengthens=["steps"], scores=["held_out"])
            if self.is_done(run):
                return
            schedule, inputs = self._schedule(), self._read()
            with self.start(run) as strategy:
                self.begin(run, inputs.tokenizer, "records")
                self._train(run, strategy, inputs, schedule)

    def _schedule(self) -> Schedule:
        warmup = min(10_000, self.steps // 10) if self.warmup_steps is None else self.warmup_steps
        if warmup > self.steps:
            raise UsageError(
                f"--warmup_steps={warmup}: is more than --steps={self.steps}, so the rate would never decay; "
                "leave it out for a tenth of the steps"
            )
        return Schedule(peak=self.learning_rate, steps=self.steps, warmup_steps=warmup)

    def _read(self) -> Inputs:
        from mobilebert_tf.data.pretraining_input import load_records
        from mobilebert_tf.tasks import pretraining
        from mobilebert_tf.tokenization import Tokenizer

        # Before TensorFlow starts: what is wrong with the records should show at once.
        records = load_records(self.records)
        pretraining.check_next_sentence(records)
        tokenizer = Tokenizer.from_vocab(records.vocab)
        config = pretraining.config_for(self.model, records, tokenizer)
        return Inputs(records, pretraining.load_held_out(self.held_out, config, tokenizer), tokenizer, config)

    def _train(self, run: Run, strategy: Any, inputs: Inputs, schedule: Schedule) -> None:
        from mobilebert_tf.data.pretraining_input import batches, clear_read_errors
        from mobilebert_tf.model_directory import save_model_directory
        from mobilebert_tf.models import PretrainingModel
        from mobilebert_tf.training import loop
        from mobilebert_tf.training.stage import Stage
        from mobilebert_tf.transfer import held_out, objectives

        records, scored, tokenizer, config = inputs
        with strategy.scope():
            model = PretrainingModel(config, self.seed)
        print(
            f"pretrain: {self.model}, {parameters(model):,} parameters, "
            f"{records.count:,} examples of {records.max_seq_length} pieces"
        )
        stage = Stage(
            name="pretrain",
            index=0,
            steps=self.steps,
            batch_size=self.batch_size,
            schedule=schedule,
            optimizer=self.optimizer_options(),
        )
        measure = held_out.measurement(model, scored, examples=held_out.GLANCE) if scored else None
        with clear_read_errors(records, scored):
            loop.train(
                stage,
                objectives.pretraining(model),
                model.trainable_weights,
                model.variables,
                lambda start: batches(records, self.batch_size, self.seed, start * self.batch_size),
                run.directory,
                self.loop_options(strategy),
                measure=measure,
            )
            if not run.writes:
                return
            metrics: dict[str, Any] = {"parameters": parameters(model)}
            if scored:
                metrics["held_out"] = held_out.measurement(model, scored)()
                print(f"pretrain: held-out {held_out.show(metrics['held_out'])}")
        save_model_directory(run.directory, model, tokenizer, metrics=metrics)
        run.finish(**metrics)
        following = next_step.after_pretraining(self.output, self.records, config, self.steps)
        say_done("pretrain", run.directory, following)
