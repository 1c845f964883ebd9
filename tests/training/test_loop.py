"""The loop on a small regression, where every number can be computed in another way."""

import dataclasses
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.training import loop
from mobilebert_tf.training.schedules import Schedule
from mobilebert_tf.training.stage import OptimizerOptions, Stage


def stage(steps=20, **changes):
    return Stage(
        name="fit",
        index=0,
        steps=steps,
        batch_size=4,
        schedule=Schedule(peak=0.1, steps=steps),
        optimizer=OptimizerOptions(weight_decay=0.0),
        **changes,
    )


def problem():
    """A linear problem: the variable, the objective, and batches that depend only on their number."""
    weight = keras.Variable(np.zeros((3, 1), np.float32), name="kernel")

    def objective(batch):
        return {"loss": tf.reduce_mean(tf.square(batch["x"] @ weight.value - batch["y"]))}

    def batches(start):
        def batch(i):
            x = tf.random.stateless_normal((4, 3), (i, 7))
            return {"x": x, "y": x @ tf.constant([[1.0], [-2.0], [0.5]])}

        return tf.data.Dataset.range(start, 1 << 40).map(batch)

    return weight, objective, batches


def fit(directory, steps_per_call=10, checkpoint_every=10, keep=2, **changes):
    directory.mkdir(exist_ok=True)
    weight, objective, batches = problem()
    options = loop.LoopOptions(steps_per_call=steps_per_call, checkpoint_every=checkpoint_every, keep_checkpoints=keep)
    loop.train(stage(**changes), objective, [weight], [weight], batches, directory, options)
    return np.asarray(weight)


def rows(directory):
    return [json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()]


def test_it_learns_as_plain_adam_does(tmp_path):
    trained = fit(tmp_path / "run", steps=30)
    weight, objective, batches = problem()
    reference = keras.optimizers.Adam(
        keras.optimizers.schedules.PolynomialDecay(0.1, 30, 1e-5), epsilon=1e-6, global_clipnorm=1.0
    )
    for batch in batches(0).take(30):
        with tf.GradientTape() as tape:
            tape.watch(weight.value)
            value = objective(batch)["loss"]
        reference.apply([tape.gradient(value, weight.value)], [weight])
    # Thirty float32 steps, with epsilon in another place (see test_optimizers).
    np.testing.assert_allclose(trained, np.asarray(weight), rtol=1e-3)


def test_steps_per_call_change_nothing(tmp_path):
    one, many = fit(tmp_path / "one", steps_per_call=1), fit(tmp_path / "many", steps_per_call=7)
    np.testing.assert_array_equal(one, many)
    assert [row["step"] for row in rows(tmp_path / "many")] == [7, 14, 20]


def test_the_log_says_what_happened(tmp_path):
    fit(tmp_path / "run")
    first, second = rows(tmp_path / "run")
    assert (first["stage"], first["step"], second["step"]) == ("fit", 10, 20)
    assert first["loss"] > second["loss"] > 0 and first["learning_rate"] > second["learning_rate"]
    assert list((tmp_path / "run" / "tensorboard" / "fit").iterdir())


def test_the_journal_says_where_a_run_is(tmp_path):
    fit(tmp_path / "run", steps=25, first_example=100)
    lines = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    assert [(line["event"], line["step"], line["example"]) for line in lines] == [
        ("begun", 0, 100),
        ("saved", 10, 140),
        ("saved", 20, 180),
        ("done", 25, 200),
    ]


def test_held_out_text_is_measured_now_and_then_and_changes_nothing(tmp_path):
    weight, objective, batches = problem()
    (tmp_path / "run").mkdir()
    options = loop.LoopOptions(steps_per_call=4, measure_every=10)
    sums = []

    def measure():
        sums.append(float(np.abs(np.asarray(weight)).sum()))
        return {"words": sums[-1]}

    loop.train(stage(steps=30), objective, [weight], [weight], batches, tmp_path / "run", options, measure=measure)
    measured = {row["step"]: row["held_out/words"] for row in rows(tmp_path / "run") if "held_out/words" in row}
    # Measured before the first step, every ten steps rounded up to whole calls of four, and at the end.
    assert list(measured) == [0, 12, 24, 30]
    assert measured[0] == 0.0 and list(measured.values()) == pytest.approx(sums, rel=1e-5)  # rows have six digits
    np.testing.assert_array_equal(weight, fit(tmp_path / "plain", steps=30, steps_per_call=4))


def test_snapshots_are_written_at_the_end_of_their_call(tmp_path):
    weight, objective, batches = problem()
    (tmp_path / "run").mkdir()
    seen = {}
    snapshots = loop.Snapshots(frozenset([3, 8, 29]), lambda step: seen.update({step: np.asarray(weight).copy()}))
    options = loop.LoopOptions(steps_per_call=4)
    arguments = objective, [weight], [weight], batches, tmp_path / "run", options
    loop.train(stage(steps=30), *arguments, snapshots=snapshots)
    assert list(seen) == [4, 8, 30]  # 3 and 29 are rounded up; the last call ends with the stage
    np.testing.assert_array_equal(seen[30], weight)
    assert not np.array_equal(seen[4], seen[8])


def test_checkpoints_are_kept_to_the_number_asked_for(tmp_path):
    fit(tmp_path / "run", steps=50, keep=2)
    kept = {path.stem for path in (tmp_path / "run" / "checkpoints" / "00-fit").glob("ckpt-*.index")}
    assert kept == {"ckpt-40", "ckpt-50"}


def test_a_finished_stage_comes_back_from_its_checkpoint(tmp_path):
    first = fit(tmp_path / "run")
    logged = rows(tmp_path / "run")
    np.testing.assert_array_equal(fit(tmp_path / "run"), first)
    assert rows(tmp_path / "run") == logged


def test_a_loss_that_is_not_finite_stops_with_step_and_examples(tmp_path):
    weight, objective, batches = problem()

    def poisoned(start):
        def spoil(i, batch):
            factor = tf.where(i + start == 13, np.nan, 1.0)
            return {"x": batch["x"], "y": batch["y"] * factor}

        return batches(start).enumerate().map(spoil)

    (tmp_path / "run").mkdir()
    options = loop.LoopOptions(checkpoint_every=10)
    with pytest.raises(FailedError, match=r"nan at step 14 of 20 \(batch of examples 52 to 55"):
        loop.train(stage(), objective, [weight], [weight], poisoned, tmp_path / "run", options)
    assert {p.stem for p in (tmp_path / "run" / "checkpoints" / "00-fit").glob("*.index")} == {"ckpt-10"}


def test_brackets_in_a_path_are_no_pattern_for_tensorflow(tmp_path):
    first = fit(tmp_path / "run [2]")
    np.testing.assert_array_equal(fit(tmp_path / "run [2]"), first)


def test_a_truncated_checkpoint_is_named(tmp_path):
    fit(tmp_path / "run", steps=10)
    data = next((tmp_path / "run" / "checkpoints" / "00-fit").glob("*.data-*"))
    data.write_bytes(data.read_bytes()[:20])
    with pytest.raises(UsageError, match="ckpt-10.*damaged") as caught:
        fit(tmp_path / "run", steps=10)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", ["short", "list lost", "flipped"])
def test_the_newest_checkpoint_is_damaged_and_the_one_before_it_kept(what, tmp_path, capsys):
    """The run continues from the older one, says so, and ends with the weights of an undisturbed run."""
    expected = fit(tmp_path / "run", steps=40, keep=9)
    stage = tmp_path / "run" / "checkpoints" / "00-fit"
    for step in (30, 40):
        data = stage / f"ckpt-{step}.data-00000-of-00001"
        content = bytearray(data.read_bytes())
        content[8] ^= 1
        data.write_bytes(content if what == "flipped" else content[:20])
    if what == "list lost":
        (stage / "checkpoint").unlink()
    np.testing.assert_array_equal(fit(tmp_path / "run", steps=40, keep=9), expected)
    printed = capsys.readouterr().err
    assert "ckpt-40: is damaged" in printed and f"using the one before it, {stage / 'ckpt-20'}" in printed
    assert "continues at step 20 of 40" in printed


@pytest.mark.parametrize("name", ["../../../mine/ckpt-1", "*", "ckpt-*"])
def test_a_list_of_checkpoints_that_leads_elsewhere(name, tmp_path):
    """TensorFlow deletes files that the list names once there are newer checkpoints."""
    fit(tmp_path / "run", steps=10)
    foreign = tmp_path / "mine" / "ckpt-1.index"
    foreign.parent.mkdir()
    foreign.write_text("mine")
    stage = tmp_path / "run" / "checkpoints" / "00-fit"
    stamps = "all_model_checkpoint_timestamps: 2e9\n" * 2
    (stage / "checkpoint").write_text(
        f'model_checkpoint_path: "ckpt-10"\nall_model_checkpoint_paths: "{name}"\n'
        f'all_model_checkpoint_paths: "ckpt-10"\n{stamps}last_preserved_timestamp: 1e9\n'
    )
    with pytest.raises(UsageError, match="which is not a checkpoint of this stage"):
        fit(tmp_path / "run", steps=40)
    assert foreign.read_text() == "mine" and (stage / "ckpt-10.index").exists()


REPLICAS = """
import sys
import numpy as np, tensorflow as tf
from mobilebert_tf import quiet; quiet.start_tensorflow()
from pathlib import Path
from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.models import ClassificationModel
from mobilebert_tf.training import loop
from mobilebert_tf.training.schedules import Schedule
from mobilebert_tf.training.stage import Stage
from mobilebert_tf.training import objectives

place, devices = Path(sys.argv[1]), int(sys.argv[2])
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
loop.set_up(0)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]) if devices == 2 else tf.distribute.get_strategy()
config = MobileBertConfig.preset(
    "debug_student", vocab_size=50, attention_probs_dropout_prob=0.0, classifier_dropout_prob=0.0
)

def batches(start):
    def batch(i):
        ids = tf.random.stateless_uniform((8, 12), (i, 1), 0, 50, tf.int32)
        zeros = tf.zeros((8, 12), tf.int32)
        return {"input_ids": ids, "input_mask": zeros + 1, "segment_ids": zeros, "label": ids[:, 0] % 2}
    return tf.data.Dataset.range(start, 1 << 40).map(batch)

with strategy.scope():
    model = ClassificationModel(config, 2)
    stage = Stage(name="fit", index=0, steps=12, batch_size=8, schedule=Schedule(peak=1e-3, steps=12))
options = loop.LoopOptions(strategy=strategy)
objective = objectives.classes(lambda batch: model(batch, training=True))
loop.train(stage, objective, model.trainable_weights, model.variables, batches, place, options)
np.savez(place / "weights.npz", *[np.asarray(w) for w in model.trainable_weights])
"""


@pytest.mark.slow
def test_two_replicas_equal_one_device_with_the_same_global_batch(tmp_path):
    results = []
    for devices in (1, 2):
        place = tmp_path / str(devices)
        place.mkdir()
        subprocess.run([sys.executable, "-c", REPLICAS, str(place), str(devices)], check=True, capture_output=True)
        results.append(np.load(place / "weights.npz"))
    one, two = results
    moved = 0.0
    for name in one.files:
        # Sums over the batch in another order, through twelve steps of Adam at 1e-3, whose
        # normalisation turns the rounding of a tiny gradient into a visible part of a step.
        np.testing.assert_allclose(one[name], two[name], atol=2e-4)
        moved = max(moved, float(np.abs(one[name]).max()))
    assert moved > 0.05


def test_bfloat16_trains_with_float32_weights(tmp_path):
    from mobilebert_tf.config import MobileBertConfig
    from mobilebert_tf.models import ClassificationModel
    from mobilebert_tf.training import objectives

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = ClassificationModel(MobileBertConfig.preset("debug_student", vocab_size=50), 2)
        ids = tf.random.stateless_uniform((8, 12), (3, 1), 0, 50, tf.int32)
        zeros = tf.zeros_like(ids)
        batch = {"input_ids": ids, "input_mask": zeros + 1, "segment_ids": zeros, "label": ids[:, 0] % 2}
        assert model.encoder(batch)["sequence_output"].dtype == tf.bfloat16
        loop.train(
            dataclasses.replace(stage(steps=20), schedule=Schedule(peak=1e-2, steps=20)),
            objectives.classes(lambda batch: model(batch, training=True)),
            model.trainable_weights,
            model.variables,
            lambda _: tf.data.Dataset.from_tensors(batch).repeat(),
            tmp_path,
            loop.LoopOptions(),
        )
    finally:
        keras.config.set_dtype_policy(before)
    assert {str(weight.dtype) for weight in model.trainable_weights} == {"float32"}
    first, second = rows(tmp_path)
    assert second["loss"] < first["loss"]
