"""The student, the plan of stages and the inputs of a `distill` command line, before anything is built."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks.files import read_json
from mobilebert_tf.transfer import plan_file, strategies
from mobilebert_tf.transfer.pairing import check_pair
from mobilebert_tf.transfer.strategies import StagePlan

if TYPE_CHECKING:
    from mobilebert_tf.checkpoints.checkpoint import Checkpoint
    from mobilebert_tf.commands.distill import Distill
    from mobilebert_tf.data.pretraining_input import RecordSet
    from mobilebert_tf.tokenization import Tokenizer


class Inputs(NamedTuple):
    """Records, tokenizer and model configuration of one training run."""

    records: RecordSet
    held_out: RecordSet | None
    tokenizer: Tokenizer
    config: MobileBertConfig


_SAID_BY_A_FILE = (
    *("strategy", "transfer_steps", "distillation_steps", "total_steps", "batch_size", "transfer_batch_size"),
    *("transfer_learning_rate", "distillation_learning_rate", "sequence_length", "transfer_sequence_length"),
    *("optimizer", "weight_decay", "clip_norm", "moments", "initialization", "attention_weight"),
    *("relation_weight", "relation_heads", "whole_text", "group_by_length"),
    *("ground_truth_ratio", "temperature", "layer_map", "layers_per_stage", "compare_embeddings"),
)
"""Flags that are refused beside a plan in a file, which states them for each stage."""


def student_config(model: str) -> MobileBertConfig:
    """The configuration of a preset, a JSON file or a model directory. Raises UsageError."""
    if goes_on(model):
        from mobilebert_tf.checkpoints.conversion import open_checkpoint

        return open_checkpoint(model).config
    if not model.endswith(".json"):
        return MobileBertConfig.preset(model)
    if not Path(model).exists():
        raise UsageError(f"{model}: no such file; give a preset, a config.json or a model directory")
    return MobileBertConfig.from_dict(read_json(Path(model)), source=model)


def goes_on(student: str) -> bool:
    """Whether --student is a model directory, whose training goes on."""
    return Path(student).is_dir()


def plan_of(
    command: Distill, teacher: MobileBertConfig, student: MobileBertConfig, predicts: bool
) -> tuple[tuple[StagePlan, ...], tuple[int, ...]]:
    """The stages that the flags or the file in --plan ask for, and the teacher layer for each student layer.

    Attention cannot be compared where teacher and student have different numbers of heads; relations replace it there.

    Raises:
      UsageError: flags contradict each other, or the file is no plan.
    """
    if goes_on(command.student):
        if command.initialization:
            raise UsageError(f"--initialization: {command.student} starts from its own weights; leave it out")
        if "opt" in command.without.split(","):
            raise UsageError(f"--without=opt: {command.student} has its norms and activation already; leave it out")
    other_heads = teacher.num_attention_heads != student.num_attention_heads
    weights = {"attention": 0.0, "relations": 1.0} if other_heads else {}
    given = {"attention": command.attention_weight, "relations": command.relation_weight}
    changes: dict[str, Any] = {
        **weights,
        **{name: weight for name, weight in given.items() if weight is not None},
        "relation_heads": command.relation_heads or teacher.num_attention_heads,
        "whole_text": command.whole_text,
        "group_by_length": command.group_by_length,
        "transfer_steps": command.transfer_steps,
        "distillation_steps": command.distillation_steps,
        "total_steps": command.total_steps,
        "transfer_learning_rate": command.transfer_learning_rate,
        "distillation_learning_rate": command.distillation_learning_rate,
        "transfer_batch_size": command.transfer_batch_size,
        "sequence_length": command.sequence_length,
        "transfer_sequence_length": command.transfer_sequence_length,
        "moments": command.moments,
        "initialization": "student" if goes_on(command.student) else command.initialization,
        "ground_truth_ratio": command.ground_truth_ratio,
        "temperature": command.temperature,
    }
    optimizer: dict[str, Any] = {"weight_decay": command.weight_decay, "clip_norm": command.clip_norm}
    if command.optimizer:
        optimizer["name"] = command.optimizer
    if command.plan.endswith(".json"):
        for field in dataclasses.fields(command):
            if field.name in _SAID_BY_A_FILE and getattr(command, field.name) != field.default:
                raise UsageError(f"--{field.name}: the plan in {command.plan} sets it for every stage; change it there")
        for name in filter(None, command.without.split(",")):
            if name != "opt":
                raise UsageError(
                    f"--without={name}: the plan in {command.plan} sets it for every stage; change it there"
                )
        stages = plan_file.read(command.plan)
        taught_by = strategies.compared_layers(stages, student.num_hidden_layers, teacher.num_hidden_layers)
        if goes_on(command.student):
            return strategies.placed(stages, "student"), taught_by
        if stages[0].initialization == "student":
            raise UsageError(
                f"{command.plan}: its student starts from its own weights, but --student={command.student} has none; "
                "give a model directory"
            )
        return stages, taught_by
    taught_by = strategies.map_layers(command.layer_map, student.num_hidden_layers, teacher.num_hidden_layers)
    options = strategies.TransferOptions.named(
        command.plan,
        strategy=command.strategy,
        batch_size=command.batch_size,
        layers_per_stage=command.layers_per_stage,
        compares_embeddings=command.compare_embeddings,
        optimizer=optimizer,
        **changes,
    ).without(command.without)
    return strategies.plan(options, student.num_hidden_layers, predicts, taught_by), taught_by


def inputs_of(command: Distill, checkpoint: Checkpoint, plan: tuple[StagePlan, ...]) -> Inputs:
    """Read the inputs and check them against each other before TensorFlow starts. Raises UsageError."""
    from mobilebert_tf.data.pretraining_input import load_records
    from mobilebert_tf.tasks import pretraining
    from mobilebert_tf.tokenization import Tokenizer

    records = load_records(command.records)
    if any(name == "next_sentence" for stage in plan for name, _ in stage.losses):
        pretraining.check_next_sentence(records)
    tokenizer = checkpoint.architecture.tokenizer
    if tokenizer is None:
        raise UsageError(f"{command.teacher}: has no vocab.txt; put the vocabulary it was trained with there")
    if not Tokenizer.from_vocab(records.vocab).reads_like(tokenizer):
        raise UsageError(
            f"{command.records}: made with a vocabulary other than that of the teacher {command.teacher}, or with "
            "other rules for case and accents"
        )
    config = _built_config(command, records, tokenizer)
    if "opt" in command.without.split(","):
        config = dataclasses.replace(config, **strategies.WITHOUT_OPT)
    check_pair(checkpoint.config, config)
    return Inputs(records, pretraining.load_held_out(command.held_out, config, tokenizer), tokenizer, config)


def _built_config(command: Distill, records: RecordSet, tokenizer: Tokenizer) -> MobileBertConfig:
    """The student's configuration with the records' vocabulary."""
    from mobilebert_tf.checkpoints.conversion import open_checkpoint
    from mobilebert_tf.tasks import pretraining

    if not goes_on(command.student):
        return pretraining.config_for(command.student, records, tokenizer)
    student = open_checkpoint(command.student)
    pretraining.check_length(student.config, records)
    if student.architecture.tokenizer is None or not student.architecture.tokenizer.reads_like(tokenizer):
        raise UsageError(
            f"--student={command.student}: its vocabulary differs from that of the teacher {command.teacher}"
        )
    return student.config
