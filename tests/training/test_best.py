"""The best weights of a stage with given scores, also if the run is killed in between."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mobilebert_tf.training import loop
from mobilebert_tf.training.best import Best, affordable_rows
from mobilebert_tf.training.schedules import Schedule
from mobilebert_tf.training.stage import OptimizerOptions, Stage

STEPS = 20


class Killed(Exception):
    pass


def run(directory, scores, losses=None, patience=None, killed_at=None, killed_in="measure", checkpoint_every=1000):
    """Train `STEPS` steps of a weight that counts them; `scores` by step are measured every second step."""
    directory.mkdir(exist_ok=True)
    weight = keras.Variable(np.zeros(1, np.float32), name="kernel")
    stage = Stage(
        name="fit",
        index=0,
        steps=STEPS,
        batch_size=1,
        schedule=Schedule(peak=0.0, steps=STEPS),
        optimizer=OptimizerOptions(weight_decay=0.0),
    )

    def objective(batch):
        weight.assign_add([1.0])
        return {"loss": tf.reduce_sum(weight.value) * 0.0}

    def step():
        return int(np.asarray(weight)[0])

    def measure():
        if step() == killed_at and killed_in == "measure":
            raise Killed
        return {"score": scores.get(step(), 0.0), "loss": (losses or {}).get(step(), 0.0)}

    best = Best(directory, stage, [weight], "score", patience)
    if killed_in == "checkpoint":
        saw = best.saw

        def dying(done, values):
            better = saw(done, values)
            if done == killed_at:
                raise Killed  # after the weights are written, before the checkpoint that names them is
            return better

        best.saw = dying
    loop.train(
        stage,
        objective,
        [weight],
        [weight],
        lambda start: tf.data.Dataset.range(start, 1000).map(lambda i: {"x": i}),
        directory,
        loop.LoopOptions(steps_per_call=2, measure_every=2, checkpoint_every=checkpoint_every, keep_checkpoints=99),
        measure=measure,
        best=best,
    )
    trained = step()
    best.restore()
    return best, trained, step()


SCORES = {2: 0.5, 4: 0.7, 6: 0.6, 8: 0.7, 10: 0.9, 12: 0.8, 14: 0.9, 16: 0.2}


def test_highest_score_then_lowest_loss_then_earliest(tmp_path):
    best, trained, restored = run(tmp_path / "a", SCORES)
    assert (best.step, best.score, best.latest_score, best.measurements) == (10, 0.9, 0.0, 11)
    assert (trained, restored) == (STEPS, 10)
    assert run(tmp_path / "b", SCORES, losses={10: 0.3, 14: 0.2})[0].step == 14
    assert run(tmp_path / "c", SCORES, losses={10: 0.2, 14: 0.3})[0].step == 10


def test_nan_is_never_best(tmp_path):
    best, _, restored = run(tmp_path / "a", {0: np.nan, 2: np.nan, 4: 0.1, 6: np.nan})
    assert best.step == restored == 4
    best, trained, restored = run(tmp_path / "b", dict.fromkeys(range(0, 21, 2), np.nan))
    assert not best.is_known and restored == trained == STEPS


def test_what_training_began_with_may_be_the_best(tmp_path):
    """The initial weights are the best, as with a head that begins well and that every step makes worse."""
    best, trained, restored = run(tmp_path / "a", {0: 0.95} | SCORES)
    assert best.is_known and (best.step, best.score, trained, restored) == (0, 0.95, STEPS, 0)
    place = tmp_path / "b"
    with pytest.raises(Killed):
        run(place, {0: 0.95} | SCORES, killed_at=10, checkpoint_every=4)
    best, trained, restored = run(place, {0: 0.95} | SCORES)
    assert (best.step, trained, restored) == (0, STEPS, 0)


def test_patience_counts_measurements_without_a_better_one(tmp_path):
    best, trained, restored = run(tmp_path / "a", SCORES, patience=2)
    assert (best.step, trained, restored) == (4, 8, 4)
    assert best.is_exhausted and best.seen == 8
    # A stage that has ended early does not train further if it is run again.
    again, trained, restored = run(tmp_path / "a", SCORES, patience=2)
    assert (again.step, trained, restored) == (4, 8, 4)
    assert run(tmp_path / "b", SCORES, patience=3)[:2][1] == 16


@pytest.mark.parametrize("killed_in", ["measure", "checkpoint"])
@pytest.mark.parametrize("killed_at", [2, 4, 10, 14])
@pytest.mark.parametrize("checkpoint_every", [6, 1000])
def test_killed_anywhere_ends_the_same(killed_at, killed_in, checkpoint_every, tmp_path):
    place = tmp_path / "run"
    with pytest.raises(Killed):
        run(place, SCORES, killed_at=killed_at, killed_in=killed_in, checkpoint_every=checkpoint_every)
    best, trained, restored = run(place, SCORES, checkpoint_every=checkpoint_every)
    assert (best.step, trained, restored, best.measurements, best.latest_score) == (10, STEPS, 10, 11, 0.0)


def test_what_was_found_after_the_last_checkpoint_counts_for_nothing_if_the_rest_is_other(tmp_path):
    """A run that continues with changed flags takes another course, so better weights of the first are not its own."""
    place = tmp_path / "run"
    with pytest.raises(Killed):
        run(place, SCORES, killed_at=10, killed_in="checkpoint")
    best, _, restored = run(place, SCORES | {10: 0.0, 12: 0.0, 14: 0.0})
    assert best.step == restored == 4


def test_a_damaged_newest_checkpoint(tmp_path):
    place = tmp_path / "run"
    run(place, SCORES)
    for data in (place / "checkpoints" / "00-fit").glob("ckpt-20.data*"):
        data.write_bytes(data.read_bytes()[:10])
    best, trained, restored = run(place, SCORES)
    assert (best.step, trained, restored) == (10, STEPS, 10)


def test_weights_that_are_gone_are_not_claimed(tmp_path):
    """Only an old checkpoint is whole, and the best weights that it names were replaced; the rest is another course."""
    place = tmp_path / "run"
    run(place, SCORES, checkpoint_every=2)
    for data in (place / "checkpoints" / "00-fit").glob("ckpt-*.data*"):
        if "ckpt-2." not in data.name:
            data.write_bytes(data.read_bytes()[:10])
    for step in (18, 16, 14, 12, 10, 8, 6, 4):
        (place / "checkpoints" / "00-fit" / f"ckpt-{step}.index").unlink(missing_ok=True)
    best, trained, restored = run(place, {2: 0.5, 8: 0.2}, checkpoint_every=2)
    assert (best.step, trained, restored) == (8, STEPS, 8)


def test_measurements_take_a_fifth_of_the_training():
    # 100 steps of 32 rows cost as much as 9,600 rows forward; a fifth of that is 1,920 rows.
    assert affordable_rows(100, 32, least=512) == 1920
    assert affordable_rows(10, 4, least=512) == 512
