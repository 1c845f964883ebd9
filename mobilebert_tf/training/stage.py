"""One stretch of training as data: its steps, batch size, learning rate and optimizer."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from mobilebert_tf.fields import one_of, within
from mobilebert_tf.training.schedules import Schedule


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerOptions:
    """Hyper-parameters of the optimizer; defaults are those of BERT and MobileBERT."""

    name: Annotated[str, one_of("adamw", "lamb")] = "adamw"
    beta_1: Annotated[float, within(0, 1 - 1e-7)] = 0.9
    beta_2: Annotated[float, within(0, 1 - 1e-7)] = 0.999
    epsilon: Annotated[float, within(0, 1)] = 1e-6
    weight_decay: Annotated[float, within(0, 1e6)] = 0.01
    bias_correction: bool = True
    """Whether the moments are corrected: not in Google's own AdamW and LAMB, but in tf-models, Keras and PyTorch."""
    clip_norm: Annotated[float, within(0, 1e30)] = 1.0
    """Largest norm of the gradient; 0: no clipping."""
    clips_each_variable: bool = False
    """Whether `clip_norm` limits each variable's gradient, as in tf-models, instead of all together."""


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
    """Number of examples that the stages before this one have read: its data continue from there."""

    @property
    def directory(self) -> str:
        """Directory of the stage's checkpoints, below those of the run."""
        return f"{self.index:02}-{self.name}"

    def has_begun(self, run: Path) -> bool:
        """Whether the run in the directory `run` has saved a checkpoint of this stage."""
        return (run / "checkpoints" / self.directory / "checkpoint").exists()
