"""Options that every training command has, and how they become the loop's."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from mobilebert_tf.options import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Shared fields of `pretrain`, `distill` and `finetune`."""

    batch_size: int = option("examples per step, over all devices", default=32, least=1)
    optimizer: str | None = option("adamw, or lamb for very large batches", default="adamw", choices=("adamw", "lamb"))
    weight_decay: float = option("share of each matrix taken off per unit of learning rate", default=0.01, least=0)
    clip_norm: float = option("largest global norm of the gradient, 0 for no limit", default=1.0, least=0)
    seed: int = option(
        "starts everything random: weights, order of the data, dropout", default=0, least=0, most=2**32 - 1
    )
    dtype: str = option(
        "type of activations; weights stay float32. float16 is not offered: MobileBERT's [CLS] overflows it",
        default="float32",
        choices=("float32", "bfloat16"),
    )
    distribution: str = option(
        "default: one device. mirrored: all accelerators of this machine",
        default="default",
        choices=("default", "mirrored"),
    )
    steps_per_call: int = option(
        "steps inside one call of the compiled function; also steps per log row", default=10, least=1
    )
    checkpoint_every: int = option("steps between checkpoints", default=200, identity=False, least=1)
    keep_checkpoints: int = option("checkpoints kept per stage", default=2, identity=False, least=1)

    def optimizer_options(self) -> Any:
        from mobilebert_tf.training.optimizers import OptimizerOptions

        name = self.optimizer or "adamw"
        return OptimizerOptions(name=name, weight_decay=self.weight_decay, clip_norm=self.clip_norm)

    def loop_options(self) -> Any:
        from mobilebert_tf.training.loop import LoopOptions

        return LoopOptions(
            steps_per_call=self.steps_per_call,
            checkpoint_every=self.checkpoint_every,
            keep_checkpoints=self.keep_checkpoints,
        )

    def start(self) -> Any:
        """Start TensorFlow as asked; returns the distribution strategy, whose scope models are built in."""
        from mobilebert_tf import quiet

        quiet.start_tensorflow()
        import keras
        import tensorflow as tf

        from mobilebert_tf.training import loop

        loop.set_up(self.seed)
        keras.config.set_dtype_policy("mixed_bfloat16" if self.dtype == "bfloat16" else "float32")
        return tf.distribute.MirroredStrategy() if self.distribution == "mirrored" else tf.distribute.get_strategy()


def parameters(model: Any) -> int:
    """How many numbers training can change."""
    import numpy as np

    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def done_line(name: str, directory: Path, next_command: str) -> str:
    """The last lines of every training command."""
    return f"{name}: wrote {directory}\nnext: {next_command}"
