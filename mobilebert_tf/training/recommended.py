"""Default learning rate and length of a fine-tuning, from the size of the model and of the table."""

from __future__ import annotations

import dataclasses
import math

REFERENCE_RATE, REFERENCE_WEIGHTS = 5e-5, 85e6
"""Learning rate of BERT-base (Devlin et al. 2018, appendix A.3) and number of weights in its blocks."""

LEAST_STEPS = 300
"""Minimum number of updates: after fewer a new head is only half trained, however small the table is."""

LEAST_EPOCHS, MOST_EPOCHS = 3.0, 100.0

FEW_ROWS = 512
"""Number of rows below which steps of full length make a head that begins well worse, not better."""


@dataclasses.dataclass(frozen=True)
class Recommendation:
    """Settings of a fine-tuning."""

    learning_rate: float
    epochs: float


def finetuning(block_weights: int, examples: int, batch_size: int, head_begins_well: bool = False) -> Recommendation:
    """A learning rate that falls with the root of the model's size, and epochs enough for LEAST_STEPS updates.

    Thin networks need, and tolerate, larger steps: a product over 96 channels changes less than one over 768 when each
    weight moves by the same amount. BERT-large gets 2.7e-5, BERT-base 5e-5, MobileBERT 1.0e-4, mobilebert_mini 2.6e-4,
    the demo's student 1e-3. Adam's steps are as long as the learning rate, whatever the size of the gradients, so the
    rate depends on nothing but the size of the model.

    Args:
      block_weights: number of trainable weights in the encoder's blocks; the word table says little about the rate.
      examples: number of examples in the training table.
      batch_size: examples per step.
      head_begins_well: whether the head was first fitted to the unchanged network (`tasks.head_start`). Below FEW_ROWS
        rows the rate then falls with the root of their number too: the noisier a step is, the shorter it should be.
    """
    rate = REFERENCE_RATE * math.sqrt(REFERENCE_WEIGHTS / max(block_weights, 1))
    if head_begins_well:
        rate *= math.sqrt(min(1.0, max(examples, 1) / FEW_ROWS))
    epochs = LEAST_STEPS * batch_size / max(examples, 1)
    digits = -math.floor(math.log10(rate)) + 1  # two significant digits: the rate is printed, and typed again
    epochs = math.ceil(10 * min(max(epochs, LEAST_EPOCHS), MOST_EPOCHS)) / 10
    return Recommendation(round(rate, digits), epochs)
