"""`finetune --quantization_aware`: further training of a fine-tuned model with the rounding of its file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilebert_tf.commands import labelled_data
from mobilebert_tf.commands.declining import declining
from mobilebert_tf.errors import UsageError
from mobilebert_tf.run_directory import Run
from mobilebert_tf.tasks import TRAINED

if TYPE_CHECKING:
    from mobilebert_tf.commands.finetune import Finetune
    from mobilebert_tf.commands.labelled_data import LabelledData
    from mobilebert_tf.export.recipes import Recipe
    from mobilebert_tf.tasks.task import Task

CALIBRATION_EXAMPLES = 256
"""Examples that the ranges are first measured on."""

_NOT_WITH_IT = {
    "from_scratch": False,
    "dtype": "float32",
    "distribution": "default",
    "accumulate_steps": 1,
    "teacher_layer_epochs": 0.0,
}
"""Flags with the only value that they can have beside --quantization_aware."""

_FOR_IT_ALONE = ("quantization_recipe", "range_decay", "fixed_range_proportion")


def check(command: Finetune) -> Recipe | None:
    """The recipe to train for; None: --quantization_aware was not given.

    Raises:
      UsageError: there is no such recipe, or another flag does not go with it or without it.
    """
    from mobilebert_tf.export.aware.recipe import find_recipe

    if not command.quantization_aware:
        for field in dataclasses.fields(command):
            if field.name in _FOR_IT_ALONE and getattr(command, field.name) != field.default:
                raise UsageError(
                    f"--{field.name}: has no meaning without --quantization_aware; add it, or leave this out"
                )
        return None
    for name, only in _NOT_WITH_IT.items():
        value = getattr(command, name)
        if value != only:
            raise UsageError(f"--{name}={str(value).lower()}: does not go with --quantization_aware; leave it out")
    return find_recipe(command.quantization_recipe)


def own_task(command: Finetune) -> Task:
    """The task that the model was fine-tuned for. Raises UsageError: it has none that can be trained further."""
    from mobilebert_tf.checkpoints import shipped
    from mobilebert_tf.tasks.classification import ClassificationTask
    from mobilebert_tf.tasks.files import read_task

    if not shipped.located(Path(command.model)).exists():
        raise UsageError(f"--model={command.model}: no such model directory")
    task = read_task(Path(command.model))
    if task is None:
        raise UsageError(
            f"{command.model}: has no task, and --quantization_aware starts from a fine-tuned model; "
            f"fine-tune it first: mobilebert-tf finetune --model={command.model} --train={command.train} --output=DIR"
        )
    if task.name not in TRAINED:
        raise UsageError(f"{command.model}: is for --task={task.name}, which is not trained")
    if isinstance(task, ClassificationTask) and task.threshold and command.min_precision is None:
        raise UsageError(
            f"{command.model}: answers only where a class is sure enough, and --quantization_aware changes the "
            "probabilities; give again the share of its answers that must be right, such as --min_precision=0.95"
        )
    if isinstance(task, ClassificationTask):
        # A threshold is chosen anew after the training, which learns nothing from texts without a class.
        task = dataclasses.replace(task, threshold=0.0)
    return task


def train(command: Finetune, run: Run, strategy: Any, data: LabelledData, recipe: Recipe) -> None:
    """Calibrate, train, score, write the model directory with its ranges.

    Raises:
      UsageError: the model cannot be fine-tuned in this way.
      FailedError: the loss is not a number, or a signal stopped it.
    """
    from mobilebert_tf.commands.fitting import Network, fit
    from mobilebert_tf.data.shuffled import shuffled_batches
    from mobilebert_tf.export.aware import stored
    from mobilebert_tf.export.aware.network import Averaging, QuantizedAnswers, QuantizedNetwork
    from mobilebert_tf.models import TaskModel

    task = data.task
    source = command.load(task)
    model = source.model
    if not isinstance(model, TaskModel):
        raise UsageError(f"{command.model}: its model has {model.heads}, but its task.json is for {task.name}")
    try:
        grid = QuantizedNetwork(model, recipe, task.max_seq_length)
    except UsageError as error:
        raise UsageError(f"{command.model}: {error}") from None
    command.begin(run, source.tokenizer, "model")
    features = command.features(task, data, source.tokenizer)
    stage = command.stage(model, len(features["input_ids"]))
    command.say_what(model, data, stage, f"{command.model}, as {recipe.name}")
    labelled_data.show(command, data, source, run)
    # Also where a run goes on: its checkpoint then replaces all this.
    count = -(-min(CALIBRATION_EXAMPLES, len(data.training)) // command.batch_size)
    grid.calibrate(shuffled_batches(features, command.batch_size, command.seed).take(count), count)
    held_out = task.features(data.evaluation, source.tokenizer) if data.evaluation else None
    answers = QuantizedAnswers(model, grid.trained, task.max_seq_length)
    before = None
    if held_out:
        calibrated = answers(grid.trained, held_out)
        # With a temperature and thresholds of its own, as the trained model will have, so that both can be compared.
        own = task.tuned(calibrated, held_out)
        if command.min_precision is not None:
            own = own.declining(calibrated, held_out, command.min_precision)
        before = _scores(model, calibrated, own, held_out)
    moving = stage.steps - int(stage.steps * command.fixed_range_proportion)
    averaging = Averaging(decay=command.range_decay, steps=moving)
    network = Network(
        model=model,
        state=[*model.variables, *grid.state],
        predict=lambda batch: grid.answer(batch, averaging),
        answer=lambda features: answers(grid.trained, features),
    )
    metrics = fit(command, run, strategy, stage, network, data, features, held_out)
    trained, review = grid.trained, None
    if held_out:
        outputs = network.answer(held_out)
        task = declining(command, task.tuned(outputs, held_out), outputs, held_out)
        metrics |= {"before": before} | _scores(model, outputs, task, held_out)
        _say_scores(recipe.name, task, metrics)
        review = task.review(outputs, held_out, data.evaluation)
    command.save(run, model, source, task, metrics, review, lambda: stored.write(run.directory, trained))


def _say_scores(name: str, task: Task, metrics: dict[str, Any]) -> None:
    score = task.score_name
    before = metrics["before"]
    for when, figures in (("calibrated", before), ("fine-tuned", metrics)):
        rounded, floats = figures["quantized_evaluation"], figures["evaluation"]
        print(
            f"finetune: {when:10} {task.score_title} {rounded[score]:.1%}{_loss(rounded)} as {name}; in float32 "
            f"{floats[score]:.1%}{_loss(floats)}; {task.agreement_name} {figures['quantized_agreement']:.1%}"
        )
    after, first = metrics["quantized_evaluation"], before["quantized_evaluation"]
    if "loss" in after and after["loss"] > first["loss"]:
        print(
            "finetune: its loss is above that of the original model, calibrated; if a lower --learning_rate does not "
            "change that, export the original model"
        )


def _loss(metrics: dict[str, Any]) -> str:
    return f", loss {metrics['loss']:.3f}" if "loss" in metrics else ""


def _scores(model: Any, rounded: Any, task: Task, held_out: Any) -> dict[str, Any]:
    """Figures of the float32 outputs, and of the outputs rounded as in the file."""
    from mobilebert_tf.tasks.inference import keras_outputs

    floats = keras_outputs(model, task, held_out)
    return {
        "evaluation": task.score(floats, held_out).all,
        "quantized_evaluation": task.score(rounded, held_out).all,
        "quantized_agreement": float(task.agreement(floats, rounded, held_out).mean()),
    }
