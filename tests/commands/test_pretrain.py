"""What `pretrain` makes of its flags."""

import pytest

from mobilebert_tf.commands.pretrain import Pretrain


@pytest.mark.parametrize("steps, warmup", [(900, 90), (100_000, 10_000), (500_000, 10_000), (5, 0)])
def test_the_rate_comes_down_again_however_few_the_steps(steps: int, warmup: int) -> None:
    """A warm-up of 10,000 steps, as BERT's, would be all of a short run."""
    schedule = Pretrain(output="x", records="x", steps=steps)._schedule()
    assert schedule.warmup_steps == warmup
    assert float(schedule.at(steps - 1)) < 0.21 * schedule.peak
    assert float(schedule.at(warmup)) == pytest.approx(schedule.peak, rel=1e-4)
