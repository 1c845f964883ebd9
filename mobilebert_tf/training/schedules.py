"""Learning rate as a function of the step."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from mobilebert_tf.fields import one_of, within


@dataclasses.dataclass(frozen=True, kw_only=True)
class Schedule:
    """Linear warm-up from 0 to `peak`, then linear decay to `peak * end_factor` at `steps`.

    Source: BERT's `optimization.py`; MobileBERT's last stage ends at 1e-4 of the peak.
    With `end_factor` 1 the rate is constant after the warm-up.

    The other shape, "sawtooth", is that of one layer's phase in Google's layer-wise transfer
    (google-research/mobilebert `optimization.py`): from 0 up to the peak in a tenth of the
    steps, then slowly down to 0.9 of the peak.
    """

    peak: Annotated[float, within(0, 1e6)]
    steps: Annotated[int, within(1, 10**9)]
    warmup_steps: Annotated[int, within(0, 10**9)] = 0
    end_factor: Annotated[float, within(0, 1)] = 1e-4
    shape: Annotated[str, one_of("linear", "sawtooth")] = "linear"

    def at(self, step: Any) -> Any:
        """Learning rate of the update from `step` (scalar, from 0) to `step` + 1."""
        import tensorflow as tf  # imported here, so that a plan can be printed without it

        step = tf.cast(step, tf.float32)
        if self.shape == "sawtooth":
            share = step / float(self.steps)
            return self.peak * tf.minimum(0.9 + 0.1 * tf.sqrt(1.0 - share), 10.0 * share)
        warm = (step + 1.0) / float(max(self.warmup_steps, 1))
        falling = (step - self.warmup_steps) / float(max(self.steps - self.warmup_steps, 1))
        decayed = 1.0 - (1.0 - self.end_factor) * tf.clip_by_value(falling, 0.0, 1.0)
        return self.peak * tf.minimum(warm, decayed) if self.warmup_steps else self.peak * decayed
