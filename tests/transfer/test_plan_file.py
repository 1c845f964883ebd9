"""A plan written and read back is the same plan; errors in a plan are named by stage and field."""

import json

import pytest

from mobilebert_tf.errors import UsageError
from mobilebert_tf.transfer import plan_file, plan_table, strategies


@pytest.mark.parametrize("name", strategies.PLANS)
@pytest.mark.parametrize("strategy", strategies.STRATEGIES)
def test_every_plan_survives_the_file(name, strategy, tmp_path):
    options = strategies.TransferOptions.named(name, strategy=strategy, compares_embeddings=True, sequence_length=64)
    plan = strategies.plan(options, 5, taught_by=(0, 2, 4, 6, 8))
    path = tmp_path / "stages.json"
    path.write_text(json.dumps(plan_file.text_of(plan)))
    assert plan_file.read(path) == plan


def written(tmp_path, change):
    """Write a plan of two stages to a file after a change."""
    stages = plan_file.text_of(strategies.plan(strategies.TransferOptions(), 1))
    path = tmp_path / "stages.json"
    path.write_text(json.dumps(change(stages)))
    return path


def test_a_stage_can_say_other_than_its_neighbours(tmp_path):
    """One stage may have its own batch, length, rate and losses, which no flag can set; positions are computed."""

    def change(stages):
        stages[0] |= {"batch_size": 8, "sequence_length": 16, "steps": 5, "losses": [["feature_map", 2]]}
        stages[0]["schedule"] |= {"peak": 1, "warmup_steps": 1}
        for stage in stages:
            del stage["first_example"], stage["index"], stage["schedule"]["steps"]
        return stages

    first, second = plan_file.read(written(tmp_path, change))
    assert (first.batch_size, first.sequence_length, first.steps, first.losses) == (8, 16, 5, (("feature_map", 2.0),))
    assert (first.schedule.peak, first.schedule.steps) == (1.0, 5)
    assert (second.index, second.first_example, second.schedule.steps) == (1, 40, 500_000)
    assert "8 x 16" in plan_table.show((first, second)).splitlines()[1]


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda s: {}, "it must be a list; a plan is a list of stages"),
        (lambda s: [], "has no stages"),
        (lambda s: [s[0], 3], "\\[1\\]: is 3; it must be an object"),
        (lambda s: [s[0] | {"stepz": 3}], "stage 1: unknown field 'stepz'"),
        (lambda s: [s[0] | {"steps": 5}], "so its rate would never reach the peak"),
        (lambda s: [s[0] | {"steps": "3"}], "stage 1: steps: is '3'; it must be a whole number"),
        (lambda s: [s[0] | {"losses": [["mse", 1.0]]}], "no loss is called 'mse'"),
        (lambda s: [s[0] | {"pairs": [[1, 2, 3]]}], "stage 1: pairs: \\[0\\]: is .* a list of length 2"),
        (lambda s: [s[0] | {"optimizer": {"nme": "lamb"}}], "stage 1: optimizer: unknown field 'nme'"),
        (lambda s: [{k: v for k, v in s[0].items() if k != "trains"}], "stage 1: has no 'trains'"),
        (lambda s: [s[0], s[1] | {"name": "/tmp/elsewhere"}], "stage 2: name: '/tmp/elsewhere' is not a plain name"),
        (lambda s: [s[0], s[1] | {"name": "../../elsewhere"}], "stage 2: name: '../../elsewhere' is not a plain name"),
        (lambda s: [s[0] | {"optimizer": {"name": "sgd"}}], "optimizer: name: is 'sgd'; it must be one of adamw, lamb"),
        (lambda s: [s[0] | {"sequence_length": 0}], "sequence_length: is 0; it must be a whole number of at least 2"),
        (
            lambda s: [s[0] | {"schedule": s[0]["schedule"] | {"peak": -1.0}}],
            "peak: is -1.0; it must be a number of at least 0",
        ),
        (lambda s: [s[0] | {"schedule": s[0]["schedule"] | {"peak": float("nan")}}], "peak: is nan"),
        (lambda s: [s[0] | {"losses": [["feature_map", -1.0]]}], "losses: \\[0\\]: \\[1\\]: is -1.0"),
        (lambda s: [s[0] | {"steps": 10**15}], "steps: is 1000000000000000; it must be .* at most 1,000,000,000"),
        (lambda s: [s[0] | {"moments": "old"}], "moments: is 'old'; it must be one of new, kept"),
        (lambda s: [s[0], s[1] | {"name": ""}], "stage 2: name: '' is not a plain name"),
        (lambda s: [s[0], s[1] | {"name": s[0]["name"]}], "stages: two are called 'transfer_1'"),
    ],
)
def test_what_is_no_plan_is_refused(change, said, tmp_path):
    with pytest.raises(UsageError, match=said):
        plan_file.read(written(tmp_path, change))


def test_a_file_that_is_not_there_or_no_json(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        plan_file.read(tmp_path / "x.json")
    (tmp_path / "x.json").write_text("[")
    with pytest.raises(UsageError, match="not readable as JSON"):
        plan_file.read(tmp_path / "x.json")
