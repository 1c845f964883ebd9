"""One stretch of training as data: how long, on how much, at which rate, with which optimizer."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mobilebert_tf.fields import bounded
from mobilebert_tf.training.schedules import Schedule


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerOptions:
    """Hyper-parameters; defaults are those of BERT and MobileBERT."""

    name: str = bounded("adamw", choices=("adamw", "lamb"))
    beta_1: float = bounded(0.9, least=0, most=1)
    beta_2: float = bounded(0.999, least=0, most=1)
    epsilon: float = bounded(1e-6, least=0, most=1)
    weight_decay: float = bounded(0.01, least=0, most=1e6)
    bias_correction: bool = True
    """Google's own AdamW and LAMB have none; tf-models, Keras and PyTorch do."""
    clip_norm: float = bounded(1.0, least=0, most=1e30)
    """Largest norm of the gradient; 0 leaves it as it is."""
    clips_each_variable: bool = False
    """Whether that is the norm of each variable's gradient, as in tf-models, and not of all together."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """One stretch of training with one objective."""

    name: str
    index: int
    steps: int = bounded(least=1, most=10**9)
    batch_size: int = bounded(least=1, most=10**7)
    """Examples per step, over all replicas."""
    schedule: Schedule
    optimizer: OptimizerOptions = OptimizerOptions()
    first_example: int = bounded(0, least=0)
    """Examples that the stages before it have read: its data go on from there."""

    @property
    def directory(self) -> str:
        """Where its checkpoints lie below those of the run."""
        return f"{self.index:02}-{self.name}"

    def has_begun(self, run: Path) -> bool:
        """Whether the run in this directory has saved something of it."""
        return (run / "checkpoints" / self.directory / "checkpoint").exists()
