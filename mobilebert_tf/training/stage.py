"""One stretch of training as data: how long, on how much, at which rate, with which optimizer."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from mobilebert_tf.fields import one_of, within
from mobilebert_tf.training.schedules import Schedule


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerOptions:
    """Hyper-parameters; defaults are those of BERT and MobileBERT."""

    name: Annotated[str, one_of("adamw", "lamb")] = "adamw"
    beta_1: Annotated[float, within(0, 1)] = 0.9
    beta_2: Annotated[float, within(0, 1)] = 0.999
    epsilon: Annotated[float, within(0, 1)] = 1e-6
    weight_decay: Annotated[float, within(0, 1e6)] = 0.01
    bias_correction: bool = True
    """Google's own AdamW and LAMB have none; tf-models, Keras and PyTorch do."""
    clip_norm: Annotated[float, within(0, 1e30)] = 1.0
    """Largest norm of the gradient; 0 leaves it as it is."""
    clips_each_variable: bool = False
    """Whether that is the norm of each variable's gradient, as in tf-models, and not of all together."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """One stretch of training with one objective."""

    name: str
    index: int
    steps: Annotated[int, within(1, 10**9)]
    batch_size: Annotated[int, within(1, 10**7)]
    """Examples per step, over all replicas."""
    schedule: Schedule
    optimizer: OptimizerOptions = OptimizerOptions()
    first_example: Annotated[int, within(0, 10**15)] = 0
    """Examples that the stages before it have read: its data go on from there."""

    @property
    def directory(self) -> str:
        """Where its checkpoints lie below those of the run."""
        return f"{self.index:02}-{self.name}"

    def has_begun(self, run: Path) -> bool:
        """Whether the run in this directory has saved something of it."""
        return (run / "checkpoints" / self.directory / "checkpoint").exists()
