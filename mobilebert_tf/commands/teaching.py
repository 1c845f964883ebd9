"""`finetune --teacher`: a larger model, fine-tuned for the same task, whose answers are learned beside the labels."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilebert_tf.commands import teaching_layers
from mobilebert_tf.commands.training_options import parameters
from mobilebert_tf.data import lost_text
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.options import option
from mobilebert_tf.run_directory import fingerprint
from mobilebert_tf.tasks.task import INPUTS
from mobilebert_tf.text_table import some

if TYPE_CHECKING:
    import numpy as np

    from mobilebert_tf.checkpoints.checkpoint import Architecture
    from mobilebert_tf.commands.labelled_data import LabelledData
    from mobilebert_tf.tasks.examples import Example
    from mobilebert_tf.tasks.task import Features, Outputs, Task
    from mobilebert_tf.training.loop import Objective

ANSWERS = "teacher_"
"""Prefix of the names of features that are the teacher's outputs."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TeacherOptions:
    """Flags of `finetune` about its teacher."""

    teacher: str | None = option(
        "model directory, of any size, that was fine-tuned for the same task and labels; for qa and entities with the "
        "same vocabulary",
        default=None,
        is_input=True,
    )
    teacher_weight: float = option(
        "share of the distance from --teacher's answers in the loss; the rest is the distance from the labels",
        default=0.5,
        least=0,
        most=1,
    )
    teacher_layer_epochs: float = option(
        "passes over the texts of --train and --teacher_texts in which the student first learns to reproduce the "
        "feature maps of --teacher, layer by layer, before it sees a label; 0: none; for a teacher with the same "
        "vocabulary and the same width between its blocks",
        default=0.0,
        least=0,
        most=1e6,
    )
    teacher_texts: str | None = option(
        "table of more texts for --teacher_layer_epochs, with the columns of --train; labels are not needed: for "
        "tables of which only a few rows are labelled",
        default=None,
        is_input=True,
    )
    teacher_temperature: float = option(
        "divides the logits of --teacher and student, so that less likely classes count more; not for regression",
        default=2.0,
        least=0.01,
        most=1000,
    )


def check(command: TeacherOptions, task: Task, model: str) -> None:
    """Raise UsageError unless the teacher, if there is one, does the task that `model` is to learn.

    TensorFlow is not started.
    """
    from mobilebert_tf.checkpoints.conversion import open_checkpoint

    if command.teacher is None:
        for field in dataclasses.fields(TeacherOptions):
            if getattr(command, field.name) != field.default:
                raise UsageError(f"--{field.name}: has no meaning without --teacher; add it, or leave this out")
        return
    place = f"--teacher={command.teacher}"
    if task.name == "regression" and command.teacher_temperature != TeacherOptions.teacher_temperature:
        raise UsageError("--teacher_temperature: divides logits, and --task=regression has none; leave it out")
    if not task.can_be_taught:
        raise UsageError(f"{place}: --task={task.name} learns from its labels alone; leave --teacher out")
    if not Path(command.teacher).is_dir():
        raise UsageError(f"{place}: no such model directory")
    architecture = open_checkpoint(Path(command.teacher)).architecture
    its = architecture.task
    if its is None:
        raise UsageError(f"{place}: has no task; fine-tune it first for the same one, with the same --train")
    if its.name != task.name:
        raise UsageError(f"{place}: is for --task={its.name}, not for {task.name}")
    if set(its.labels) != set(task.labels):
        missing, foreign = sorted(set(task.labels) - set(its.labels)), sorted(set(its.labels) - set(task.labels))
        said = [f"lacks {_few(missing)}"] * bool(missing) + [f"also has {_few(foreign)}"] * bool(foreign)
        raise UsageError(f"{place}: its labels differ from those of --train: it {' and '.join(said)}")
    if its.judges_pairs != task.judges_pairs and (Path(command.teacher) / "task.json").exists():
        number = "two texts" if its.judges_pairs else "one text"
        raise UsageError(
            f"{place}: judges {number} at a time, but --train has {'one' if its.judges_pairs else 'two'}; "
            "see --text_pair_column"
        )
    if architecture.tokenizer is None:
        raise UsageError(f"{place}: has no vocab.txt; put the vocabulary it was trained with there")
    if command.teacher_texts and not command.teacher_layer_epochs:
        raise UsageError("--teacher_texts: is for learning layers; give --teacher_layer_epochs too, such as 3")
    if task.taught_by_token or command.teacher_layer_epochs:
        student = open_checkpoint(Path(model)).architecture
        _check_pieces(place, architecture, student, task)
        if command.teacher_layer_epochs:
            teaching_layers.taught_by(architecture.config, student.config)


def _check_pieces(place: str, teacher: Architecture, student: Architecture, task: Task) -> None:
    """Raise UsageError unless both cut a text into the same word pieces."""
    teacher_pieces, student_pieces = (
        model.tokenizer and (model.tokenizer.vocab_sha256, model.tokenizer.stated_rules) for model in (teacher, student)
    )
    if teacher_pieces != student_pieces:
        what = f"--task={task.name} is" if task.taught_by_token else "layers (--teacher_layer_epochs) are"
        raise UsageError(
            f"{place}: its vocabulary differs from that of --model, but {what} taught word piece by word piece; use a "
            "teacher with the same vocabulary"
        )
    if task.max_seq_length > teacher.config.max_position_embeddings:
        raise UsageError(
            f"{place}: takes at most {teacher.config.max_position_embeddings} word pieces; give --max_seq_length"
        )


def _few(labels: Sequence[str]) -> str:
    return some([repr(label) for label in labels], 3)


def learn(
    command: TeacherOptions, task: Task, data: LabelledData, features: Features, held_out: Features | None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The teacher's outputs for the training table, as features of batches, and the teacher's own figures.

    Args:
      features: the student's features of the training table.
      held_out: the student's features of the evaluation table.

    Raises:
      FailedError: some outputs are NaN or infinite.
    """
    from mobilebert_tf.model_directory import load_model_for
    from mobilebert_tf.tasks.inference import keras_outputs
    from mobilebert_tf.tasks.task import without_numbers
    from mobilebert_tf.training.dtypes import activations

    place = command.teacher
    assert place, "asked before"
    with activations("float32"):
        teacher = load_model_for(place)
    its = teacher.task
    assert its, "checked before"
    facts: dict[str, Any] = {"parameters": parameters(teacher.model)}
    size = f"{facts['parameters']:,} parameters"
    print(f"finetune: {place}, {size}, teaches; it answers {len(data.training):,} examples once", flush=True)

    def answers(examples: Sequence[Example], own: Features) -> Outputs:
        inputs = own
        if not task.taught_by_token:
            inputs = its.features([dataclasses.replace(one, label=None) for one in examples], teacher.tokenizer)
        if examples is data.training:
            lost_text.say_of("--teacher", examples, teacher.tokenizer, place)
        key = _key(place, inputs)
        if key not in _answered:
            _answered[key] = keras_outputs(teacher.model, its, inputs, show_progress=True)
        outputs = task.as_taught(its, _answered[key])
        if without_numbers(outputs).any():
            raise FailedError(f"--teacher={place}: gives answers that are NaN or infinite; train it again")
        return outputs

    if held_out:
        outputs = answers(data.evaluation, held_out)
        scores = task.tuned(outputs, held_out).score(outputs, held_out)  # chosen on these rows, as for the student
        facts["evaluation"] = scores.all
        print(f"finetune: the teacher itself has {task.score_title} {scores.primary:.1%} on the rows that are scored")
    outputs = answers(data.training, features)
    return {f"{ANSWERS}{name}": values for name, values in outputs.items()}, facts


_answered: dict[str, Outputs] = {}
"""Outputs of teachers by directory, content and texts: several rates and seeds in one process ask the same."""


def _key(teacher: str, features: Features) -> str:
    digest = hashlib.sha256(f"{Path(teacher).resolve()} {fingerprint(teacher)}".encode())
    for name in INPUTS:
        digest.update(features[name].tobytes())
    return digest.hexdigest()


def objective(command: TeacherOptions, task: Task, predict: Callable[[Mapping[str, Any]], Any]) -> Objective:
    """The task's own loss and the distance from the teacher's answers, weighted as the flags say.

    Source: Hinton et al. 2015, arXiv 1503.02531, section 2.
    """
    weight, temperature = command.teacher_weight, command.teacher_temperature

    def of_batch(batch: Mapping[str, Any]) -> dict[str, Any]:
        output = predict(batch)
        scalars = task.objective(lambda _: output)(batch)
        answers = {name: batch[f"{ANSWERS}{name}"] for name in task.outputs}
        distance = task.distance_from_teacher(output, answers, temperature, batch)
        loss = (1.0 - weight) * scalars["loss"] + weight * distance
        return {**scalars, "loss": loss, "label_loss": scalars["loss"], "teacher_distance": distance}

    return of_batch
