"""The plans that a run may continue with, by the files in its directory."""

import json

import pytest

from mobilebert_tf.errors import UsageError
from mobilebert_tf.transfer import plan_file, resuming
from mobilebert_tf.transfer.strategies import TransferOptions, plan


def options(**changes):
    return TransferOptions(strategy="joint", transfer_steps=20, **changes)


@pytest.fixture
def ended(tmp_path):
    """A finished run of joint transfer and 500 steps of distillation."""
    stages = plan(options(distillation_steps=500), 2)
    (tmp_path / resuming.PLAN).write_text(json.dumps(plan_file.text_of(stages)))
    for stage in stages:
        place = tmp_path / "checkpoints" / stage.directory
        place.mkdir(parents=True)
        (place / "checkpoint").touch()
        (place / f"ckpt-{stage.steps}.index").touch()
    return tmp_path


def test_the_last_stage_may_be_made_longer(ended):
    """The warm-up is 2 % of the steps, so it may differ in the longer stage."""
    longer = plan(options(distillation_steps=1500), 2)
    assert longer[-1].schedule.warmup_steps != plan(options(distillation_steps=500), 2)[-1].schedule.warmup_steps
    resuming.check_goes_on(ended, longer)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"distillation_steps": 400}, "stage distillation ended with .* now"),
        ({"distillation_steps": 1500, "distillation_learning_rate": 9e-3}, "ended with schedule.peak .*, now 0.009"),
    ],
)
def test_what_has_ended_stays_what_it_was(ended, changes, said):
    with pytest.raises(UsageError, match=said):
        resuming.check_goes_on(ended, plan(options(**changes), 2))
