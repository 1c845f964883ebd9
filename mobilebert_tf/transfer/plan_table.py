"""A plan of stages as a table for the terminal, as `distill --print_stages` shows it."""

from __future__ import annotations

from mobilebert_tf.text_table import aligned, counted
from mobilebert_tf.training.schedules import Schedule
from mobilebert_tf.transfer.strategies import EMBEDDINGS, StagePlan
from mobilebert_tf.transfer.terms import TERMS


def show(stages: tuple[StagePlan, ...]) -> str:
    """The plan as a table."""
    rows = [("stage", "compares", "trains", "losses", "steps", "batch", "rate", "schedule", "optimizer")]
    for stage in stages:
        losses = " + ".join(f"{weight:g} {TERMS[name].short}" for name, weight in stage.losses)
        peaks = " / ".join(f"{stage.schedule.peak * factor:g}" for factor in _by_factor(stage))
        trained = " / ".join(_parts(parts) for parts in _by_factor(stage).values())
        batch = f"{stage.batch_size}" + (f" x {stage.sequence_length}" if stage.sequence_length else "")
        optimizer = f"{stage.optimizer.name}, {stage.moments} moments"
        rows.append(
            (
                *(stage.name, _compared(stage), trained, losses, f"{stage.steps:,}", batch, peaks),
                *(_schedule(stage.schedule), optimizer),
            )
        )
    last = stages[-1]
    updates, examples = sum(stage.steps for stage in stages), last.first_example + last.steps * last.batch_size
    total = ", ".join([counted(len(stages), "stage"), counted(updates, "update"), counted(examples, "example")])
    begins = _BEGINS[stages[0].initialization]
    return f"{aligned(rows, left=len(rows[0]))}\n{total}; the student begins with {begins}"


_BEGINS = {
    "teacher": "the teacher's embeddings and heads",
    "random": "random weights",
    "student": "its own weights",
}


def _schedule(schedule: Schedule) -> str:
    if schedule.shape == "sawtooth":
        return "sawtooth"
    warmup = f"up in {schedule.warmup_steps:,}, " if schedule.warmup_steps else ""
    return warmup + (f"down to {schedule.end_factor:g} of it" if schedule.end_factor != 1.0 else "constant")


def _compared(stage: StagePlan) -> str:
    if not stage.pairs:
        return "-"
    shown = ["embeddings"] if len(stage.layers) < len(stage.pairs) else []
    if any(block != teacher_block for block, teacher_block in stage.pairs):
        pairs = (f"{block + 1}:{teacher_block + 1}" for block, teacher_block in stage.pairs if block != EMBEDDINGS)
        return " + ".join([*shown, f"layers {', '.join(pairs)}"])
    return " + ".join([*shown, *([_blocks(stage.layers)] if stage.layers else [])])


def _by_factor(stage: StagePlan) -> dict[float, list[str]]:
    """The parts that a stage trains, by their factor of the learning rate, the highest first."""
    parts: dict[float, list[str]] = {}
    for part, factor in sorted(stage.trains, key=lambda item: -item[1]):
        parts.setdefault(factor, []).append(part)
    return parts


def _parts(parts: list[str]) -> str:
    blocks = tuple(int(part.removeprefix("block_")) for part in parts if part.startswith("block_"))
    others = [part for part in parts if not part.startswith("block_")]
    return " + ".join([*others, *([_blocks(blocks)] if blocks else [])])


def _blocks(layers: tuple[int, ...]) -> str:
    if len(layers) == 1:
        return f"layer {layers[0] + 1}"
    if list(layers) != list(range(layers[0], layers[0] + len(layers))):
        return f"layers {', '.join(f'{layer + 1}' for layer in layers)}"
    return f"layers {layers[0] + 1}-{layers[-1] + 1}"
