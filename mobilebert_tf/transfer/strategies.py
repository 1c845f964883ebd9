"""The three ways of the paper to order transfer and distillation, as lists of stages.

    progressive  layer 1, layer 2, ... layer L, then distillation   (PKT, the paper's choice)
    joint        all layers at once, then distillation              (JKT)
    auxiliary    one stage with all losses                          (AKT)

A plan is plain data: it can be printed before anything is built.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from mobilebert_tf.errors import UsageError

STRATEGIES = ("progressive", "joint", "auxiliary")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransferOptions:
    """How much of what. The weights of the losses are those of Google's release; the paper gives none."""

    strategy: str = "progressive"
    transfer_steps: int = 10_000
    """Steps per layer (progressive), or of the one transfer stage (joint)."""
    distillation_steps: int = 500_000
    transfer_learning_rate: float = 1.5e-3
    distillation_learning_rate: float = 1.5e-3
    layer_factor: float = 1.0
    """Of the rate, for the blocks that a layer-wise stage compares."""
    lower_factor: float = 0.0
    """Of the rate, for the blocks below them; 0 freezes these."""
    trains_embeddings: bool = False
    """Whether the embeddings train in layer-wise stages, as the blocks below do."""
    layers_per_stage: int = 1
    """Of progressive transfer."""
    compares_embeddings: bool = False
    """Whether the embeddings' output is a feature map too: it is compared with that of the first block's stage,
    in which the embeddings train."""
    transfer_shape: str = "linear"
    transfer_warmup: float = 0.1
    """Share of a layer-wise stage until its peak."""
    transfer_end_factor: float = 0.1
    distillation_warmup: float = 0.02
    distillation_end_factor: float = 1e-4
    optimizer: str = "adamw"
    bias_correction: bool = True
    feature_map: float = 100.0
    feature_map_mean: float = 5000.0
    feature_map_variance: float = 5.0
    attention: float = 1.0
    ground_truth_ratio: float = 0.5
    """alpha: share of the true words against the teacher's in distillation."""
    temperature: float = 1.0

    @classmethod
    def named(cls, plan: str, **changes: Any) -> TransferOptions:
        """The options of one of `PLANS`, with changes to single ones; those that are None change nothing.

        Raises:
          UsageError: there is no such plan.
        """
        if plan not in PLANS:
            raise UsageError(f"--plan={plan}: there are {', '.join(PLANS)}")
        given = {name: value for name, value in changes.items() if value is not None}
        return cls(**{**PLANS[plan], **given})

    def without(self, names: str) -> TransferOptions:
        """The same with these of `ABLATIONS`, comma-separated, left out.

        Raises:
          UsageError: a name is unknown.
        """
        options = self
        for name in filter(None, names.split(",")):
            if name not in ABLATIONS:
                raise UsageError(f"--without={names}: {name!r} is unknown; there are {', '.join(ABLATIONS)}")
            options = dataclasses.replace(options, **ABLATIONS[name])
        return options

    @property
    def compared(self) -> dict[str, float]:
        """Weights of the terms that compare layers, those of weight 0 left out."""
        terms = ("feature_map", "feature_map_mean", "feature_map_variance", "attention")
        return {name: getattr(self, name) for name in terms if getattr(self, name)}


ABLATIONS: dict[str, dict[str, Any]] = {
    "feature_maps": dict(feature_map=0.0, feature_map_mean=0.0, feature_map_variance=0.0),
    "attention": dict(attention=0.0),
    "distillation": dict(ground_truth_ratio=1.0),
}
"""What the paper's ablation takes away (FMT, AT, PD), as changes to the options."""


EMBEDDINGS = -1

PLANS: dict[str, dict[str, Any]] = {
    # AdamW, a warm-up and a decay in every stage, so that small runs end well too.
    "default": {},
    # 24 x 10,000 and 500,000 steps, lower layers frozen; the schedule of a phase is not in the paper.
    "paper": dict(optimizer="lamb", transfer_warmup=0.0, transfer_end_factor=1.0),
    # The released code: a layer in its phase at three times the rate in a sawtooth, those below at a
    # tenth of that, fresh moments in every phase (it zeroes them at the borders).
    "google": dict(
        optimizer="lamb",
        bias_correction=False,
        layer_factor=3.0,
        lower_factor=0.3,
        transfer_shape="sawtooth",
    ),
    # Everything up to the layer at one rate, embeddings included. (It clips each variable by itself; here it is
    # the global norm.)
    "tf_models": dict(
        optimizer="lamb", lower_factor=1.0, trains_embeddings=True, transfer_warmup=0.0, transfer_end_factor=1.0
    ),
}
"""Published ways of doing it, as changes to the defaults."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StagePlan:
    """One stage: what it compares, what it trains, for how long."""

    name: str
    pairs: tuple[tuple[int, int], ...]
    """Blocks (from 0) whose feature maps and attention are compared: the student's, the teacher's.
    EMBEDDINGS stands for what goes into the first block; it has no attention."""
    trains: tuple[tuple[str, float], ...]
    """Parts of the student ("embeddings", "block_3"; "all" is everything), each with its factor of the rate."""
    predicts: bool
    """Whether the heads' losses (masked words, distilled words, next sentence) count."""
    steps: int
    learning_rate: float
    warmup_steps: int
    end_factor: float
    shape: str = "linear"

    @property
    def layers(self) -> tuple[int, ...]:
        """The student's blocks that are compared."""
        return tuple(ours for ours, _ in self.pairs if ours != EMBEDDINGS)


def plan(
    options: TransferOptions, num_layers: int, predicts: bool = True, taught_by: tuple[int, ...] | None = None
) -> tuple[StagePlan, ...]:
    """The stages of a strategy for a student of `num_layers` blocks.

    With a teacher that predicts no words a stage that compares all layers and trains everything
    takes the place of distillation.

    Args:
      predicts: whether the teacher has the heads for masked words and next sentence.
      taught_by: the teacher's block for each of the student's; the same one if left out.

    Raises:
      UsageError: the strategy is unknown, or a stage would have no steps.
    """
    if options.strategy not in STRATEGIES:
        raise UsageError(f"--strategy {options.strategy!r} is unknown; there are {', '.join(STRATEGIES)}")
    if options.transfer_steps < 1 or options.distillation_steps < 1:
        raise UsageError(
            "a plan whose stages have no steps trains nothing; "
            "give --transfer_steps and --distillation_steps of at least 1"
        )
    if not options.compared:
        raise UsageError("--without=feature_maps,attention leaves nothing to compare; `pretrain` needs no teacher")
    every: Pairs = tuple(enumerate(taught_by or range(num_layers)))
    if options.compares_embeddings:
        every = ((EMBEDDINGS, EMBEDDINGS), *every)
    if options.strategy == "auxiliary":
        return (_final("auxiliary", every, predicts, options),)
    last = _final("distillation", (), True, options) if predicts else _final("joint", every, False, options)
    if options.strategy == "joint":
        return (_transfer("transfer", every, options), last)
    return (*_layerwise(every, options), last)


Pairs = tuple[tuple[int, int], ...]


def _layerwise(every: Pairs, options: TransferOptions) -> Iterator[StagePlan]:
    """Stages of so many layers each, from below; the embeddings go with the first."""
    start = 1 if options.compares_embeddings else 0
    blocks, size = every[start:], options.layers_per_stage
    for first in range(0, len(blocks), size):
        pairs = blocks[first : first + size]
        last = first + len(pairs)
        name = f"transfer_{last}" if len(pairs) == 1 else f"transfer_{first + 1}_to_{last}"
        yield _transfer(name, every[:start] + pairs if first == 0 else pairs, options)


def map_layers(text: str, student: int, teacher: int) -> tuple[int, ...]:
    """The teacher's block (from 0) for each of the student's.

    Args:
      text: "even": every n-th; "last": the uppermost; or the teacher's layers by number, from 1,
        comma-separated.
      student, teacher: how many blocks each has.

    Raises:
      UsageError: the student has more blocks than the teacher, or the numbers do not fit.
    """
    if text in ("even", "last") and student > teacher:
        raise UsageError(f"the student has {student} layers, more than the teacher's {teacher}; name them: --layer_map")
    if text == "even":
        return tuple((i + 1) * teacher // student - 1 for i in range(student))
    if text == "last":
        return tuple(range(teacher - student, teacher))
    words = text.split(",")
    if len(words) != student or not all(word.isdigit() and 1 <= int(word) <= teacher for word in words):
        raise UsageError(
            f"--layer_map={text}: must be even, last, or {student} numbers from 1 to {teacher} with commas between"
        )
    return tuple(int(word) - 1 for word in words)


def _transfer(name: str, pairs: Pairs, options: TransferOptions) -> StagePlan:
    blocks = [ours for ours, _ in pairs if ours != EMBEDDINGS]
    trains = [(f"block_{layer}", options.layer_factor) for layer in blocks]
    if options.lower_factor:
        trains = [(f"block_{layer}", options.lower_factor) for layer in range(blocks[0])] + trains
    if (EMBEDDINGS, EMBEDDINGS) in pairs:
        trains = [("embeddings", options.layer_factor), *trains]
    elif options.trains_embeddings:
        trains = [("embeddings", options.lower_factor), *trains]
    return StagePlan(
        name=name,
        pairs=pairs,
        trains=tuple(trains),
        predicts=False,
        steps=options.transfer_steps,
        learning_rate=options.transfer_learning_rate,
        warmup_steps=_warmup(options.transfer_steps, options.transfer_warmup),
        end_factor=options.transfer_end_factor,
        shape=options.transfer_shape,
    )


def _final(name: str, pairs: Pairs, predicts: bool, options: TransferOptions) -> StagePlan:
    return StagePlan(
        name=name,
        pairs=pairs,
        trains=(("all", 1.0),),
        predicts=predicts,
        steps=options.distillation_steps,
        learning_rate=options.distillation_learning_rate,
        warmup_steps=_warmup(options.distillation_steps, options.distillation_warmup),
        end_factor=options.distillation_end_factor,
    )


def _warmup(steps: int, share: float) -> int:
    return max(1, round(steps * share)) if share else 0


def show(stages: tuple[StagePlan, ...], options: TransferOptions) -> str:
    """The plan as a table."""
    maps = ["FMT"] if any(name.startswith("feature_map") for name in options.compared) else []
    layerwise = [*maps, *(["AT"] if options.attention else [])]
    words = ["MLM", *(["KD"] if options.ground_truth_ratio < 1.0 else []), "NSP"]
    rows = [("stage", "compares", "trains", "losses", "steps", "rate")]
    for stage in stages:
        losses = " + ".join((layerwise if stage.pairs else []) + (words if stage.predicts else []))
        compared = _compared(stage)
        peaks = " / ".join(f"{stage.learning_rate * factor:g}" for factor in _by_factor(stage))
        trained = " / ".join(_parts(parts) for parts in _by_factor(stage).values())
        rows.append((stage.name, compared, trained, losses, f"{stage.steps:,}", peaks))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return "\n".join("  ".join(cells).rstrip() for cells in padded)


def _compared(stage: StagePlan) -> str:
    if not stage.pairs:
        return "-"
    shown = ["embeddings"] if len(stage.layers) < len(stage.pairs) else []
    if any(ours != theirs for ours, theirs in stage.pairs):
        pairs = (f"{ours + 1}:{theirs + 1}" for ours, theirs in stage.pairs if ours != EMBEDDINGS)
        return " + ".join([*shown, f"layers {', '.join(pairs)}"])
    return " + ".join([*shown, _blocks(stage.layers)])


def _by_factor(stage: StagePlan) -> dict[float, list[str]]:
    """What a stage trains, the highest rate first."""
    parts: dict[float, list[str]] = {}
    for part, factor in sorted(stage.trains, key=lambda item: -item[1]):
        parts.setdefault(factor, []).append(part)
    return parts


def _parts(parts: list[str]) -> str:
    blocks = tuple(int(part.removeprefix("block_")) for part in parts if part.startswith("block_"))
    others = [part for part in parts if not part.startswith("block_")]
    return " + ".join([*others, *([_blocks(blocks)] if blocks else [])])


def _blocks(layers: tuple[int, ...]) -> str:
    return f"layer {layers[0] + 1}" if len(layers) == 1 else f"layers {layers[0] + 1}-{layers[-1] + 1}"
