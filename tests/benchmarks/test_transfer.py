"""`benchmark transfer`: a peer's lines, the ratios, refusals, and one real stage."""

import json
import sys

import pytest

from mobilebert_tf import cli
from mobilebert_tf.benchmarks.library import transfer
from mobilebert_tf.benchmarks.library.transfer import CASES, FULL, SMALL, Case, Pair, Settings
from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import FailedError

# The output of tf-models' stages; 5 is the last layer-wise stage of six layers.
PRINTED = """import a shim
stage 0 (layer-wise): median 100.0 ms/step = 10.00 steps/s; build+first 3.9s; loss 5.1 -> 4.1; trainable 53
stage 5 (layer-wise): median 250.0 ms/step = 4.00 steps/s; build+first 17.9s; loss 6.7 -> 1.5; trainable 283
stage 6 (pretrain (MLM) distill): median 500.0 ms/step = 2.00 steps/s
"""


def test_a_peers_lines_become_rounds_by_layer():
    assert transfer.read_peer("x", PRINTED, [6, 0]) == {
        6: {"samples": [0.25], "first_step_seconds": 17.9},
        0: {"samples": [0.5], "first_step_seconds": None},
    }
    with pytest.raises(FailedError, match="stage 5 "):
        transfer.read_peer("x", PRINTED.replace("stage 5", "stage 4"), [6, 0])


def test_peers_are_compared_round_by_round(monkeypatch, tmp_path):
    """This project is measured by a stub; the peer is a real process that leaves a file in its directory."""
    rounds = iter([[0.1, 0.1], [0.5, 0.5], [0.2, 0.2], [0.5, 0.5]])
    monkeypatch.setattr(transfer, "_ours", lambda case, settings: {"samples": next(rounds), "first_step_seconds": 1.5})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "peer.py").write_text(f"open('left', 'w'); print({PRINTED!r})")
    cases = [Case(pair=SMALL, stage="transfer_6"), Case(pair=FULL, stage="transfer_24")]
    peers = {"other": f"{sys.executable} peer.py"}
    subjects = transfer.measure(cases, Settings(rounds=2), peers)
    assert [subject.name for subject in subjects] == [
        "mobilebert_tf, 6 layers: layer 6", "mobilebert_tf, 24 layers: layer 24", "other, 6 layers: layer 6",
    ]  # fmt: skip
    # 0.1 and 0.2 s against 0.25 s; the peer has no stage to compare with the full pair.
    ratio = subjects[0].details["ratio"]
    assert (ratio["median"], ratio["min"], ratio["max"]) == pytest.approx((0.6, 0.4, 0.8))
    assert "ratio" not in subjects[1].details
    assert not (tmp_path / "left").exists()


def test_the_small_pair_has_the_peers_shapes():
    """tf-models prints 5,793,024 and 5,476,608 parameters for the encoders, each with a pooler of 256 x 256 + 256."""
    assert SMALL.batch_size == 16 and SMALL.student.shares_query_key_bottleneck
    assert SMALL.teacher.use_bottleneck_attention and not SMALL.student.use_bottleneck_attention
    from mobilebert_tf.encoder import MobileBertEncoder

    counts = [MobileBertEncoder(config).count_params() for config in (SMALL.teacher, SMALL.student)]
    assert [count + 256 * 256 + 256 for count in counts] == [5_793_024, 5_476_608]


def test_every_case_is_a_stage_of_its_plan():
    from mobilebert_tf.transfer import strategies

    cases = [case for size in CASES.values() for case in size]
    assert len({case.name for case in cases}) == len(cases) == 10
    for case in cases:
        plan = strategies.plan(strategies.TransferOptions.named(case.plan), case.pair.student.num_hidden_layers)
        stage = next(stage for stage in plan if stage.name == case.stage)
        assert stage.layers == ((case.layer - 1,) if case.layer else ())


@pytest.mark.slow
def test_a_stage_is_measured():
    pair = Pair(
        name="debug",
        teacher=MobileBertConfig.preset("debug_teacher"),
        student=MobileBertConfig.preset("debug_student"),
        batch_size=2,
    )
    settings = Settings(sequence_length=16, predictions=3, steps=2, rounds=1)
    frozen, trained = transfer.measure(
        [Case(pair=pair, stage="transfer_2"), Case(pair=pair, stage="transfer_2", plan="tf_models")], settings, {}
    )
    for subject in (frozen, trained):
        (measured,) = subject.rounds
        assert len(measured["samples"]) == 2 and min(measured["samples"]) > 0
        assert measured["first_step_seconds"] > max(measured["samples"])
        assert measured["thread_seconds_per_step"] > 0
    assert frozen.rounds[0]["first_loss"] == trained.rounds[0]["first_loss"]
    from mobilebert_tf.models import PretrainingModel

    paths = [variable.path for variable in PretrainingModel(pair.student).trainable_weights]
    top = sum(path.startswith("block_1/") for path in paths)
    below = sum(path.startswith(("block_0/", "embeddings/")) for path in paths)
    assert frozen.rounds[0]["trained_variables"] == top > 0
    assert trained.rounds[0]["trained_variables"] == top + below


def test_wrong_use_is_one_line(tmp_path, capsys):
    existing = tmp_path / "there.json"
    existing.write_text("{}")
    new = f"--output={tmp_path / 'new.json'}"
    for flags, message in (
        ([f"--output={existing}"], "exists; give another name"),
        ([new, "--sizes=huge"], "must be small, full, or both"),
        ([new, "--sizes=small,small"], "must be small, full, or both"),
        ([new, "--peers=python"], "is not NAME=COMMAND"),
        ([new, "--sizes=full", "--peers=a=b"], "which --sizes=full leaves out"),
        ([new, "--steps=0"], "--steps=0: must be at least 1"),
    ):
        assert cli.run(["benchmark", "transfer", *flags]) == 2
        error = capsys.readouterr().err.strip()
        assert message in error and len(error.splitlines()) == 1
    assert existing.read_text() == "{}" and not (tmp_path / "new.json").exists()


def test_the_table_shows_what_was_measured():
    rounds = [{"samples": [0.5], "first_step_seconds": 3.0, "peak_memory_mib": 1234.0}]
    written = {
        "subjects": [
            {"name": "a", "summary": {"median": 0.5}, "ratio": {"median": 0.25}, "rounds": rounds},
            {"name": "b", "summary": {"median": 2.0}, "rounds": [{"samples": [2.0], "first_step_seconds": None}]},
        ]
    }
    first, second = transfer.table(json.loads(json.dumps(written))).splitlines()[1:]
    assert first.split() == ["a", "2.00", "3.0", "s", "1234", "MiB", "4.00"]
    assert second.split() == ["b", "0.50", "-", "-"]
