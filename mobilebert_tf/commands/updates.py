"""Flags of `finetune` about its updates: which weights, how fast, and from how many batches."""

from __future__ import annotations

import dataclasses

from mobilebert_tf.options import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class UpdateOptions:
    """Flags of `finetune` about its updates."""

    accumulate_steps: int = option(
        "batches of --batch_size that make one step together: the effect of a batch that many times as large, in the "
        "memory of one",
        default=1,
        least=1,
        most=10_000,
    )
    freeze: str | None = option(
        "parts that stay as they are, such as embeddings,block_0..block_3 (block_0 is the first, which `export "
        "--explain` calls block_1); no gradient is computed for them if all below them are frozen too",
        default=None,
    )
    layer_decay: float = option(
        "factor on the learning rate from each block to the one below; the head has the full rate, the embeddings the "
        "lowest",
        default=1.0,
        least=0.01,
        most=1,
    )
