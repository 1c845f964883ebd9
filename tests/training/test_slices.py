"""A batch in slices gives the same as the whole batch."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import UsageError
from mobilebert_tf.models import ClassificationModel, TokenClassificationModel
from mobilebert_tf.training import loop, objectives
from mobilebert_tf.training.schedules import Schedule
from mobilebert_tf.training.slices import WEIGHT, in_slices
from mobilebert_tf.training.stage import Stage

ROWS, LENGTH = 8, 12


def config():
    return MobileBertConfig.preset(
        "debug_student",
        vocab_size=50,
        initializer_range=0.3,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        classifier_dropout_prob=0.0,
    )


def batch():
    draw = np.random.default_rng(0)
    ids = draw.integers(4, 50, (ROWS, LENGTH)).astype(np.int32)
    labels = draw.integers(0, 3, (ROWS, LENGTH)).astype(np.int32)
    # The slices range from no labelled word to labels for all words.
    labels[np.arange(LENGTH) >= np.array([0, 0, 1, 3, 5, 8, 12, 12])[:, None]] = -1
    zeros = np.zeros_like(ids)
    features = {"input_ids": ids, "input_mask": zeros + 1, "segment_ids": zeros, "label": ids[:, 0] % 2}
    return {name: tf.constant(values) for name, values in {**features, "token_label": labels}.items()}


@pytest.mark.parametrize("slices", [2, 4, 8])
@pytest.mark.parametrize("kind", ["classes", "tokens"])
def test_gradients_are_those_of_the_whole(kind, slices):
    """Words are unevenly spread over the slices; slices with more words must have more weight."""
    keras.utils.set_random_seed(1)
    if kind == "classes":
        model = ClassificationModel(config(), 2)
        objective = objectives.classes(lambda batch: model(batch, training=True))
    else:
        model = TokenClassificationModel(config(), 3)
        objective = objectives.tokens(lambda batch: model(batch, training=True))
    variables = [v.value for v in model.trainable_weights]

    def of_part(batch):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            scalars = objective(batch)
        return scalars, tape.gradient(scalars["loss"], variables, unconnected_gradients="zero")

    expected, whole = tf.function(lambda: of_part(batch()), autograph=False)()
    sliced, parts = tf.function(lambda: in_slices(of_part, batch(), slices), autograph=False)()
    expected.pop(WEIGHT, None)
    assert set(sliced) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(sliced[name], value, rtol=1e-5)
    largest = 0.0
    for exact, other in zip(whole, parts, strict=True):
        exact = np.asarray(tf.convert_to_tensor(exact))
        # float32 sums in another order.
        np.testing.assert_allclose(np.asarray(other), exact, rtol=2e-4, atol=2e-6)
        largest = max(largest, float(np.abs(exact).max()))
    assert largest > 0.1


def train(place, slices, rows=ROWS):
    place.mkdir()
    weight = keras.Variable(np.zeros((3, 1), np.float32), name="kernel")

    def objective(batch):
        return {"loss": tf.reduce_mean(tf.square(batch["x"] @ weight.value - batch["y"])), WEIGHT: tf.constant(2.0)}

    def draw(i):
        x = tf.random.stateless_normal((rows, 3), (i, 7))
        return {"x": x, "y": x @ tf.constant([[1.0], [-2.0], [0.5]])}

    stage = Stage(name="fit", index=0, steps=20, batch_size=rows, schedule=Schedule(peak=0.1, steps=20))
    batches = lambda start: tf.data.Dataset.range(start, 100).map(draw)  # noqa: E731
    loop.train(stage, objective, [weight], [weight], batches, place, loop.LoopOptions(slices=slices))
    return np.asarray(weight)


def test_the_loop_ends_at_the_same_weights(tmp_path):
    whole = train(tmp_path / "whole", 1)
    # Twenty steps of Adam with gradients that differ by rounding.
    np.testing.assert_allclose(train(tmp_path / "parts", 4), whole, rtol=1e-4)
    assert np.abs(whole).min() > 0.1
    logs = [(tmp_path / name / "log.jsonl").read_text() for name in ("whole", "parts")]
    assert all('"loss"' in log and '"weight"' not in log for log in logs)


def test_parts_must_be_equal(tmp_path):
    with pytest.raises(UsageError, match="a batch of 8 cannot be divided into 3 equal parts on 1 devices"):
        train(tmp_path / "run", 3)
