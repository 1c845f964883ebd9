"""How fast and how long to fine-tune where nobody says: from the size of the model and of the table."""

from __future__ import annotations

import dataclasses
import math

REFERENCE_RATE, REFERENCE_WEIGHTS = 5e-5, 85e6
"""BERT-base's rate (Devlin et al. 2018, appendix A.3) and the weights in its blocks."""

LEAST_STEPS = 300
"""Fewer leave a new head half trained, however small the table is."""

LEAST_EPOCHS, MOST_EPOCHS = 3.0, 100.0

FEW_ROWS = 512
"""Below so many a head that begins well is spoilt, not bettered, by steps of the whole length."""


@dataclasses.dataclass(frozen=True)
class Recommendation:
    """Settings of a fine-tuning."""

    learning_rate: float
    epochs: float


def finetuning(block_weights: int, examples: int, batch_size: int, head_begins_well: bool = False) -> Recommendation:
    """A rate that falls with the root of the model's size, and passes enough for LEAST_STEPS updates.

    Thin networks need, and bear, larger steps: a product of 96 channels changes by less than one of 768 when each of
    its weights moves as far. BERT-large gets 2.7e-5, BERT-base 5e-5, MobileBERT 1.0e-4, mobilebert_mini 2.6e-4, the
    demo's student 1e-3. Adam's steps are as long as the rate, whatever the gradients are, so the size of the
    model is all that it depends on.

    Args:
      block_weights: trainable weights of the encoder's blocks; tables of words say little about the rate.
      examples: of the training table.
      batch_size: examples per step.
      head_begins_well: whether the head has learnt what it can of the network as it is (`tasks.head_start`). Below
        FEW_ROWS the rate then falls with the root of their number too: the more of it is noise, the less is to move.
    """
    rate = REFERENCE_RATE * math.sqrt(REFERENCE_WEIGHTS / max(block_weights, 1))
    if head_begins_well:
        rate *= math.sqrt(min(1.0, max(examples, 1) / FEW_ROWS))
    epochs = LEAST_STEPS * batch_size / max(examples, 1)
    digits = -math.floor(math.log10(rate)) + 1  # two that count: it is printed, and typed again
    epochs = math.ceil(10 * min(max(epochs, LEAST_EPOCHS), MOST_EPOCHS)) / 10
    return Recommendation(round(rate, digits), epochs)
