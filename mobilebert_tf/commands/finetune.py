"""model directory + labelled table -> fine-tuned model directory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from mobilebert_tf import licences, notes
from mobilebert_tf.commands import (
    finetune_grid,
    finetune_quantized,
    labelled_data,
    next_step,
    teaching,
    teaching_layers,
    what_is_wrong,
)
from mobilebert_tf.commands.data_options import DataOptions
from mobilebert_tf.commands.declining import DeclineOptions, check_declining, declining
from mobilebert_tf.commands.finetune_grid import GridOptions
from mobilebert_tf.commands.keeping import KeepingOptions
from mobilebert_tf.commands.labelled_data import LabelledData
from mobilebert_tf.commands.teaching import TeacherOptions
from mobilebert_tf.commands.training_options import TrainingOptions, parameters, say_done
from mobilebert_tf.commands.updates import UpdateOptions
from mobilebert_tf.commands.what_is_wrong import MistakeOptions
from mobilebert_tf.config import POOLINGS
from mobilebert_tf.data import bad_rows, lost_text, tfds_table
from mobilebert_tf.data.few import few_of_each
from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option
from mobilebert_tf.run_directory import Run
from mobilebert_tf.text_table import counted

if TYPE_CHECKING:
    from mobilebert_tf.export.recipes import Recipe
    from mobilebert_tf.model_directory import LoadedModel
    from mobilebert_tf.models import ClassificationModel, Model
    from mobilebert_tf.tasks.review import Review
    from mobilebert_tf.tasks.task import Task
    from mobilebert_tf.tokenization import Tokenizer
    from mobilebert_tf.training.stage import Stage


_STAYS = {field.name for field in dataclasses.fields(DataOptions)} | {
    *("model", "from_scratch", "teacher_layer_epochs", "teacher_texts"),
}
"""Options that cannot be changed once a run has trained."""

_EACH_OTHERS = ("relu", "relu6")
"""Activations that can replace each other in a trained model."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finetune(
    DataOptions,
    MistakeOptions,
    DeclineOptions,
    TeacherOptions,
    GridOptions,
    UpdateOptions,
    KeepingOptions,
    TrainingOptions,
):
    """Fine-tune a pre-trained model on labelled text and score it on rows that are not trained on.

    Tables are TSV, CSV or JSONL (also .gz, .xz) with named columns, in UTF-8 or the UTF-16 of
    spreadsheets; the labels are the values found in the training table. Without --eval a tenth of the rows is held out
    and scored. Writes a model directory with task.json, labels.txt, metrics.json, data.json (what the tables hold and
    what is wrong with them), held_out.jsonl and mistakes.json, the scored rows that it gets most wrong.

    The kind of task follows from the table, unless --task names it. Numbers as labels, such as how similar two texts
    are, make a regression. Cells with several labels make a task in which a text has any number of labels; each label
    gets the threshold that is best on the scored rows. --task=qa takes SQuAD's JSON (1.1 and 2.0), or rows with
    question, context and answers; long passages are read in windows. --task=entities takes CoNLL's columns, a word
    and its label per line.

      mobilebert-tf finetune --model=mobilebert_mini --train=train.tsv --output=classifier
      mobilebert-tf finetune --model=student --train=reviews.jsonl --text_column=review \\
          --label_column=stars --epochs=5 --output=classifier

    The new head of a classifier is first fitted to the model as it is, so that a few rows are enough.

    Several --learning_rate or --seeds give one run each, in a directory below the output. The output itself is a model
    directory with the files of the best run, and its metrics.json has the figures of all.

      mobilebert-tf finetune --model=student --train=train.tsv --eval=dev.tsv --learning_rate=1e-4,3e-4 --seeds=5 \\
          --output=classifier

    --teacher names a larger model that was fine-tuned for the same task: its answers to the training texts, computed
    once, are learned beside the labels. Its vocabulary may be another one, except for qa and entities.

      mobilebert-tf finetune --model=student --train=train.tsv --eval=dev.tsv --teacher=large --output=classifier

    With --teacher_layer_epochs=5 the student first learns the teacher's feature maps, layer by layer, on the same texts
    and without their labels. The two must be equally wide between their blocks and share a vocabulary, as
    mobilebert_mini and all-MiniLM-L6-v2 do. --teacher_texts adds texts that nobody has labelled: a teacher fine-tuned
    on a few rows can teach on many.

      mobilebert-tf finetune --model=mobilebert_mini --train=labelled.tsv --teacher=large --teacher_layer_epochs=3 \\
          --teacher_texts=all.tsv --output=classifier

    --min_precision=0.95 makes a classifier that says "none of these" where no class is sure enough, so that 95 % of
    its answers on the scored rows are right; the contracts of its exported files state the threshold too.

    --quantization_aware trains an already fine-tuned model further with the rounding of its int8 file: the network is
    rewritten as `export` rewrites it, weights and activations are rounded where the recipe quantises, and gradients
    pass as if nothing were rounded. Ranges of activations start from float32 outputs of 256 examples, widen at once,
    narrow as moving averages, and stay fixed in the last part of the training. Use it when static int8 loses too much
    accuracy; a fifth of the fine-tuning learning rate is enough. The output is a model directory like any other, with
    the ranges in quantization.json, which `export` uses in place of a calibration.

      mobilebert-tf finetune --quantization_aware --model=classifier --train=train.tsv --eval=dev.tsv --output=aware
      mobilebert-tf export --model=aware --evaluation=dev.tsv --recipes=float32,static_int8 --output=exported
    """

    model: str = option("model directory to start from", is_input=True)
    epochs: float | None = option(
        "passes over the training table; default: as many as make 300 steps, from 3 to 100; with --quantization_aware "
        "1, for classifiers after --teacher_layer_epochs a third of it",
        default=None,
        least=0,
        most=1_000_000,
    )
    learning_rate: float | str | None = option(
        "peak rate of a schedule with linear warm-up and linear decay; several, comma-separated, are tried one after "
        "another; default: by the size of the model, 5e-5 for BERT-base and more for smaller models, less below 512 "
        "rows; with --quantization_aware, and for classifiers after --teacher_layer_epochs, a fifth of that",
        default=None,
        least=0,
        most=10,
        several=True,
    )
    warmup_proportion: float = option(
        "share of the steps in which the rate rises to its peak", default=0.1, least=0, most=1
    )
    from_scratch: bool = option(
        "begin with random weights in the same architecture, to see what pre-training brings", default=False
    )
    quantization_aware: bool = option(
        "train a fine-tuned --model further with weights and activations rounded as in its file; without dropout",
        default=False,
    )
    quantization_recipe: str = option(
        "recipe of `export` that decides what is rounded: static_int8, static_int8_per_tensor, or a .json file with "
        "rules for FULLY_CONNECTED and EMBEDDING_LOOKUP",
        default="static_int8",
        is_input=True,
    )
    hidden_act: str | None = option(
        "activation of the feed-forward layers, for a --model that has the other one; relu6 keeps their outputs at or "
        "below 6, so the steps of int8 stay small; default: the model's",
        default=None,
        choices=_EACH_OTHERS,
    )
    pooling: str | None = option(
        "what the head reads. cls: the first token, as in the paper. mean: the mean of all tokens, which learns more "
        "from few rows, but files must compute the last block for all tokens. pair: for two texts, the mean of each, "
        "their absolute difference and their product; default: the model's own, but pair for two texts where that is "
        "mean (mobilebert_mini)",
        default=None,
        choices=POOLINGS,
    )
    range_decay: float = option(
        "share of a range that each step of --quantization_aware keeps where the batch's range is narrower; the rest "
        "comes from the batch",
        default=0.99,
        least=0,
        most=1,
    )
    fixed_range_proportion: float = option(
        "share of the steps, at the end, in which ranges stay fixed", default=0.25, least=0, most=1
    )

    def run(self) -> None:
        """Train, score, write the model directory.

        Raises:
          UsageError: the model or a table is wrong, or the output is another run's.
          FailedError: the loss is not a number, or the disk is full.
        """
        located = self.located()
        if located != self:
            located.run()
            return
        recipe = finetune_quantized.check(self)
        has_trained = finetune_grid.run(self) if finetune_grid.has_several(self) else self.run_once(recipe)
        if has_trained:
            what_is_wrong.say(self, Path(self.output))
            evaluation = labelled_data.evaluation_table(self, Path(self.output))
            texts = [f"--evaluation={evaluation}"] if evaluation else []
            output = f"--output={next_step.beside(self.output, 'export')}"
            texts.append(f"--calibration={labelled_data.training_table(self, Path(self.output))}")
            export = next_step.line("export", f"--model={self.output}", *texts, output)
            say_done("finetune", Path(self.output), export)

    def located(self) -> Finetune:
        """The same options with full paths of all tables in place of --data_dir."""
        texts = self._located(self.teacher_texts) if self.teacher_texts else None
        return dataclasses.replace(super().located(), teacher_texts=texts)

    def run_once(self, recipe: Recipe | None) -> bool:
        """Train with one rate and seed; returns whether this process has trained and writes the output."""
        with self.open_run("finetune") as run:
            self.check_changes(run)
            if self.is_done(run):
                return False
            data = self.read()
            with self.start(run) as strategy:
                if recipe:
                    finetune_quantized.train(self, run, strategy, data, recipe)
                else:
                    self._train(run, strategy, data)
            return run.writes

    def check_changes(self, run: Run) -> None:
        """Raise UsageError if changed flags of a run that has trained would train nothing, or must not change.

        With other tables, rows that were trained on could be scored, and the best score would be of other rows.
        """
        stays = next((name for name in run.changed if name in _STAYS), None)
        if stays and (run.finished or any(run.directory.glob("checkpoints/*/checkpoint"))):
            other = "; `evaluate` scores it on other tables" if stays == "eval" else ""
            raise UsageError(
                f"{self.output}: has trained already, so --{stays} must stay as it was{other}; give another --output"
            )
        self.refuse_idle_changes(run, lengthens=["epochs"], scores=["min_precision"])

    def read(self) -> LabelledData:
        """Read task and tables. Raises UsageError: one is wrong, or a flag needs a table that is missing."""
        if self.distribution == "multi_worker" and any(
            map(tfds_table.is_name, filter(None, [self.train, self.eval, self.teacher_texts]))
        ):
            # TensorFlow Datasets computes with TensorFlow, which must not happen before the workers have met.
            raise UsageError("--distribution=multi_worker: reads only files; write the set to a table first")
        own_task = finetune_quantized.own_task(self) if self.quantization_aware else None
        data = labelled_data.read(self, own_task)
        if own_task is None:
            # From the whole table: --train_rows would give another length for each draw, and cut what is scored.
            data = labelled_data.with_fitting_length(self, data, self.model)
        if self.train_rows:
            data = dataclasses.replace(data, training=few_of_each(data.training, self.train_rows, self.seed))
        if self.pooling and "classifier" not in data.task.heads.present:
            raise UsageError(f"--pooling: is for one answer per text; --task={data.task.name} has answers within it")
        if self.pooling == "pair" and not data.task.judges_pairs:
            raise UsageError("--pooling=pair: is for two texts; --text_pair_column names the second one's column")
        self.keeps_best(bool(data.evaluation))
        teaching.check(self, data.task, self.model)
        if self.teacher_texts:
            with bad_rows.counting(self.skip_bad_rows) as left_out:
                unlabelled = data.task.read(self.teacher_texts, labelled=False)
            if left_out.bad:
                first = next(iter(left_out.bad.values()))
                notes.say(f"--teacher_texts: {counted(len(left_out.bad), 'row')} left out; the first: {first}")
            data = dataclasses.replace(data, unlabelled=unlabelled)
        check_declining(self, data.task, len(data.evaluation))
        return data

    def load(self, task: Task) -> LoadedModel:
        """The model to start from.

        Raises:
          UsageError: it is not a model, its position table is too short, or it has neither relu nor relu6.
        """
        from mobilebert_tf.model_directory import load_model_directory, with_config

        source = load_model_directory(self.model, self.seed)
        if self.hidden_act and source.config.hidden_act not in _EACH_OTHERS:
            raise UsageError(
                f"--hidden_act={self.hidden_act}: {self.model} has {source.config.hidden_act}, and its weights do not "
                "work with another activation; leave it out"
            )
        if self.hidden_act:
            source = with_config(source, self.seed, hidden_act=self.hidden_act)
        pooling = self._pooling(task, source.config.classifier_pooling)
        if pooling != source.config.classifier_pooling:
            source = with_config(source, self.seed, classifier_pooling=pooling)
        if task.max_seq_length > source.config.max_position_embeddings:
            raise UsageError(
                f"--max_seq_length {task.max_seq_length} is beyond the position table of {self.model}, "
                f"{source.config.max_position_embeddings}"
            )
        return source

    def _pooling(self, task: Task, own: str) -> str:
        """The pooling of the new head, for a model whose own head reads `own`.

        Raises:
          UsageError: the head is trained already, and reads something else.
        """
        if self.quantization_aware and self.pooling not in (None, own):
            raise UsageError(f"--pooling={self.pooling}: the head of {self.model} was trained for {own}")
        if self.quantization_aware or own == "cls" or "classifier" not in task.heads.present:
            return self.pooling or own
        # One mean of both texts hides what the two have in common.
        return self.pooling or ("pair" if task.judges_pairs else "mean")

    def stage(self, model: Model, examples: int) -> Stage:
        """The steps and learning rates for training a model on so many examples."""
        from mobilebert_tf.training.recommended import finetuning
        from mobilebert_tf.training.schedules import Schedule
        from mobilebert_tf.training.stage import Stage

        batch = self.batch_size * self.accumulate_steps
        size = sum(parameters(block) for block in model.encoder.blocks)
        recommended = finetuning(size, examples, batch, head_begins_well=self.begins_head(model))
        epochs, peak = recommended.epochs, recommended.learning_rate
        if self.quantization_aware:
            epochs, peak = 1.0, peak / 5
        elif self.teacher_layer_epochs and self.begins_head(model):  # what it knows would be lost at the full rate
            epochs, peak = epochs / 3, peak / 5
        epochs = epochs if self.epochs is None else self.epochs
        peak = peak if self.learning_rate is None else float(self.learning_rate)
        steps = max(1, int(examples / batch * epochs))
        return Stage(
            name="finetune",
            index=1 if self.teacher_layer_epochs else 0,
            steps=steps,
            batch_size=batch,
            schedule=Schedule(peak=peak, steps=steps, warmup_steps=int(steps * self.warmup_proportion)),
            optimizer=self.optimizer_options(),
        )

    def begins_head(self, model: Model) -> TypeGuard[ClassificationModel]:
        """Whether the head is fitted before the rest; several workers would each fit another head."""
        from mobilebert_tf.models import ClassificationModel

        otherwise = self.from_scratch or self.quantization_aware or self.distribution == "multi_worker"
        return isinstance(model, ClassificationModel) and not otherwise

    def _train(self, run: Run, strategy: Any, data: LabelledData) -> None:
        from mobilebert_tf.commands.fitting import Network, fit
        from mobilebert_tf.model_directory import copy_encoder
        from mobilebert_tf.models import build_model
        from mobilebert_tf.tasks.guessing import MORE_ROWS, no_better_than_guessing
        from mobilebert_tf.tasks.head_start import begin_head
        from mobilebert_tf.tasks.inference import keras_answers

        task = data.task
        with strategy.scope():
            source = self.load(task)
            self.begin(run, source.tokenizer, "model")
            model = build_model(source.config, task.heads, self.seed)
            if not self.from_scratch:
                copy_encoder(source.model, model)
        features = self.features(task, data, source.tokenizer)
        stage = self.stage(model, len(features["input_ids"]))
        self.say_what(model, data, stage, "random weights" if self.from_scratch else self.model)
        labelled_data.show(self, data, source, run)
        held_out = task.features(data.evaluation, source.tokenizer) if data.evaluation else None
        if self.teacher_layer_epochs:
            texts = teaching_layers.texts_of(task, data, features, source.tokenizer)
            teaching_layers.learn(self, run, strategy, model, texts, stage)
        if self.begins_head(model):
            # Also where a run goes on: its checkpoint then replaces all this.
            begin_head(model, task, features, self.seed)
        network = Network(
            model=model,
            state=model.variables,
            predict=lambda batch: model(batch, training=True),
            answer=keras_answers(model, task),
        )
        metrics = fit(self, run, strategy, stage, network, data, features, held_out)
        if not run.writes:
            return
        if held_out:
            outputs = network.answer(held_out)
            task = declining(self, task.tuned(outputs, held_out), outputs, held_out)
            scores = task.score(outputs, held_out)
            metrics |= {"score_name": scores.name, "score": scores.primary, "evaluation": scores.all}
            guess = scores.all.get("majority_accuracy")
            majority = f", majority class {guess:.1%}" if guess is not None else ""
            tuning = f"; {task.tuning}, chosen on it" if task.tuning else ""
            print(f"finetune: evaluation {task.score_title} {scores.primary:.1%}{majority}{tuning}")
            if warning := no_better_than_guessing(scores.all):
                higher = f"--learning_rate={3 * stage.schedule.peak:.2g}"
                then = f"; then try {higher}, more --epochs, or more rows"
                print(f"finetune: {warning}{'' if warning.endswith(MORE_ROWS) else then}")
        review = task.review(outputs, held_out, data.evaluation) if held_out else None
        self.save(run, model, source, task, metrics, review)

    def features(self, task: Task, data: LabelledData, tokenizer: Tokenizer) -> dict[str, Any]:
        """The features of the training table that the loss needs; warns if the vocabulary does not fit the language."""
        from mobilebert_tf.tasks.balance import balanced_weights
        from mobilebert_tf.tasks.task import INPUTS

        features = task.features(data.training, tokenizer)
        lost_text.say_of(self.train, data.training, tokenizer, self.model)
        weights = {"weight": balanced_weights(features["label"])} if self.class_weights else {}
        return {name: features[name] for name in (*INPUTS, *task.targets)} | weights

    def say_what(self, model: Model, data: LabelledData, stage: Stage, start: str) -> None:
        """Print the first line: model, examples, steps and learning rate."""
        print(
            f"finetune: {parameters(model):,} parameters from {start}; {counted(len(data.training), 'example')}, "
            f"{_answers(data.task)}, {counted(stage.steps, 'step')} of {stage.batch_size}"
            f"{_left_to_us(self.epochs, 'chosen by the size of the table')}, learning rate {stage.schedule.peak:g}"
            f"{_left_to_us(self.learning_rate, 'chosen by model and table')}"
        )

    def save(
        self,
        run: Run,
        model: Model,
        source: LoadedModel,
        task: Task,
        metrics: dict[str, Any],
        review: Review | None,
        more: Callable[[], None] = lambda: None,
    ) -> None:
        """Write the model directory; `more` writes what belongs to its weights."""
        from mobilebert_tf.model_directory import save_model_directory
        from mobilebert_tf.tasks.review import write_review

        if review:
            write_review(run.directory, review)
        save_model_directory(run.directory, model, source.tokenizer, task, metrics)
        licences.pass_on(run.directory, source.files[0].parent)
        more()
        run.finish(**metrics)


def _left_to_us(stated: object, how: str) -> str:
    return f" ({how})" if stated is None else ""


def _answers(task: Task) -> str:
    return (
        counted(len(task.labels), "label") if task.has_labels else _ANSWERS.get(task.answer_kind, "a number for each")
    )


_ANSWERS = {"span": "a part of its passage for each"}
