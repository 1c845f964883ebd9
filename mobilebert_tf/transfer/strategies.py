"""The three ways of the paper to order transfer and distillation, as lists of stages.

    progressive  layer 1, layer 2, ... layer L, then distillation   (PKT, the paper's choice)
    joint        all layers at once, then distillation              (JKT)
    auxiliary    one stage with all losses                          (AKT)

A plan is plain data: it can be printed before anything is built.
"""

from __future__ import annotations

import dataclasses
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
    feature_map: float = 100.0
    feature_map_mean: float = 5000.0
    feature_map_variance: float = 5.0
    attention: float = 1.0
    ground_truth_ratio: float = 0.5
    """alpha: share of the true words against the teacher's in distillation."""
    temperature: float = 1.0

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class StagePlan:
    """One stage: what it compares, what it trains, for how long."""

    name: str
    layers: tuple[int, ...]
    """Blocks (from 0) whose feature maps and attention are compared with the teacher's."""
    trains: str
    """blocks: the compared blocks alone. all: every variable of the student."""
    predicts: bool
    """Whether the heads' losses (masked words, distilled words, next sentence) count."""
    steps: int
    learning_rate: float
    warmup_steps: int
    end_factor: float


def plan(options: TransferOptions, num_layers: int) -> tuple[StagePlan, ...]:
    """The stages of a strategy for a student of `num_layers` blocks.

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
    every = tuple(range(num_layers))
    if options.strategy == "auxiliary":
        return (_final("auxiliary", every, options),)
    if options.strategy == "joint":
        return (_transfer("transfer", every, options), _final("distillation", (), options))
    layers = tuple(_transfer(f"transfer_{i + 1}", (i,), options) for i in every)
    return (*layers, _final("distillation", (), options))


def _transfer(name: str, layers: tuple[int, ...], options: TransferOptions) -> StagePlan:
    return StagePlan(
        name=name,
        layers=layers,
        trains="blocks",
        predicts=False,
        steps=options.transfer_steps,
        learning_rate=options.transfer_learning_rate,
        warmup_steps=max(1, options.transfer_steps // 10),
        end_factor=0.1,
    )


def _final(name: str, layers: tuple[int, ...], options: TransferOptions) -> StagePlan:
    return StagePlan(
        name=name,
        layers=layers,
        trains="all",
        predicts=True,
        steps=options.distillation_steps,
        learning_rate=options.distillation_learning_rate,
        warmup_steps=max(1, options.distillation_steps // 50),
        end_factor=1e-4,
    )


def show(stages: tuple[StagePlan, ...], options: TransferOptions) -> str:
    """The plan as a table."""
    maps = ["FMT"] if any(name.startswith("feature_map") for name in options.compared) else []
    layerwise = [*maps, *(["AT"] if options.attention else [])]
    words = ["MLM", *(["KD"] if options.ground_truth_ratio < 1.0 else []), "NSP"]
    rows = [("stage", "compares", "trains", "losses", "steps", "rate")]
    for stage in stages:
        if not stage.layers:
            compared = "-"
        elif len(stage.layers) == 1:
            compared = f"layer {stage.layers[0] + 1}"
        else:
            compared = f"layers {stage.layers[0] + 1}-{stage.layers[-1] + 1}"
        losses = " + ".join((layerwise if stage.layers else []) + (words if stage.predicts else []))
        rows.append((stage.name, compared, stage.trains, losses, f"{stage.steps:,}", f"{stage.learning_rate:g}"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return "\n".join("  ".join(cells).rstrip() for cells in padded)
