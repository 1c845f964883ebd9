"""`finetune --teacher_layer_epochs`: before it sees a label, the student learns the layers of its fine-tuned teacher.

The texts are those of the task, and every feature map of the student is trained to be like the teacher's. Feature maps
say more about a text than its label does, so a student that has learned them needs less from the labels.

Source: MobileBERT §3.5 (joint transfer); for a fine-tuned teacher TinyBERT, arXiv 1909.10351, §3.2.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilebert_tf.errors import DivergedError, FailedError, UsageError
from mobilebert_tf.tasks.task import INPUTS, Features, Task
from mobilebert_tf.text_table import counted
from mobilebert_tf.training.schedules import Schedule
from mobilebert_tf.training.stage import Stage
from mobilebert_tf.transfer import strategies
from mobilebert_tf.transfer.strategies import StagePlan

if TYPE_CHECKING:
    from mobilebert_tf.commands.finetune import Finetune
    from mobilebert_tf.commands.labelled_data import LabelledData
    from mobilebert_tf.config import MobileBertConfig
    from mobilebert_tf.models import Model
    from mobilebert_tf.run_directory import Run
    from mobilebert_tf.tokenization import Tokenizer

FLAG = "--teacher_layer_epochs"

BATCH = 2
"""Examples per step, as a multiple of those in a step with labels: a feature map says more about them, and larger
batches are faster."""

RATE = 1e-3
"""Peak of the learning rate, which falls to a hundredth."""

WARMUP = 0.02
"""Share of the steps in which the rate rises."""


def taught_by(teacher: MobileBertConfig, student: MobileBertConfig) -> tuple[int, ...]:
    """The teacher's block for each block of the student. Raises UsageError: their layers cannot be compared."""
    if teacher.hidden_size != student.hidden_size:
        raise UsageError(
            f"{FLAG}: feature maps are {teacher.hidden_size} wide in the teacher and {student.hidden_size} in the "
            "student, and cannot be compared; leave it out"
        )
    if student.num_hidden_layers > teacher.num_hidden_layers:
        raise UsageError(
            f"{FLAG}: the student has {student.num_hidden_layers} layers, more than the teacher's "
            f"{teacher.num_hidden_layers}; leave it out"
        )
    return strategies.map_layers("even", student.num_hidden_layers, teacher.num_hidden_layers)


def texts_of(task: Task, data: LabelledData, features: Mapping[str, Any], tokenizer: Tokenizer) -> Features:
    """The inputs of the training table's texts, [R, T], and of those of --teacher_texts."""
    inputs = {name: features[name] for name in INPUTS}
    if not data.unlabelled:
        return inputs
    more = task.features(data.unlabelled, tokenizer)
    together = {name: np.concatenate([own, more[name]]) for name, own in inputs.items()}
    # A table of all texts may have the labelled ones too.
    places = {ids.tobytes(): place for place, ids in reversed(list(enumerate(together["input_ids"])))}
    return {name: values[sorted(places.values())] for name, values in together.items()}


def learn(command: Finetune, run: Run, strategy: Any, model: Model, texts: Features, following: Stage) -> None:
    """Train the encoder of `model` to have the teacher's feature maps.

    Args:
      texts: features of all texts, [R, T], labelled or not.
      following: the stage that learns the labels; once it has begun, nothing is left to do here.
    """
    from mobilebert_tf.data.shuffled import shuffled_batches
    from mobilebert_tf.model_directory import load_model_directory
    from mobilebert_tf.training import loop, parts
    from mobilebert_tf.training.dtypes import activations, frozen_copy
    from mobilebert_tf.transfer import objectives

    if following.has_begun(run.directory):
        return
    assert command.teacher, "checked before"
    with strategy.scope():
        with activations("float32"):
            teacher = load_model_directory(command.teacher).model
        teacher = frozen_copy(teacher, command.dtype)
    count = len(texts["input_ids"])
    stage = stage_of(command, teacher.config, model.config, count)
    print(
        f"finetune: the layers of {command.teacher} come first: {counted(stage.steps, 'step')} of {stage.batch_size} "
        f"on {counted(count, 'text')}, without labels"
    )
    # The pooler comes after the last feature map.
    frozen = parts.chosen(command.freeze or "", model.trainable_weights, "freeze") | {"pooler"}
    trained = [variable for variable in model.encoder.trainable_weights if parts.part_of(variable) not in frozen]
    if not trained:
        raise UsageError(f"--freeze={command.freeze}: leaves no layer to teach; leave {FLAG} out")
    try:
        loop.train(
            stage,
            objectives.transfer(teacher, model, stage),
            trained,
            model.variables,
            lambda start: shuffled_batches(texts, stage.batch_size, command.seed, start),
            run.directory,
            dataclasses.replace(command.loop_options(strategy), slices=command.accumulate_steps),
            is_followed=True,
        )
    except DivergedError as error:
        # Its rate is fixed here, so a smaller one, as the error advises, cannot be given.
        said = str(error).partition("Try a smaller")[0]
        raise FailedError(f"{said}Leave {FLAG} out in a new --output, or use --dtype=float32") from None


def stage_of(command: Finetune, teacher: MobileBertConfig, student: MobileBertConfig, examples: int) -> StagePlan:
    """The stage: joint transfer of all layers."""
    batch = BATCH * command.batch_size * command.accumulate_steps
    steps = max(1, int(examples / batch * command.teacher_layer_epochs))
    return StagePlan(
        name="teacher_layers",
        index=0,
        steps=steps,
        batch_size=batch,
        schedule=Schedule(peak=RATE, steps=steps, warmup_steps=int(steps * WARMUP), end_factor=0.01),
        optimizer=command.optimizer_options(),
        pairs=tuple(enumerate(taught_by(teacher, student))),
        trains=(("all", 1.0),),
        losses=strategies.TransferOptions(attention=0.0).compared,
    )
