"""The parts of a network that are trained, and their rates."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import UsageError
from mobilebert_tf.models import ClassificationModel
from mobilebert_tf.training import parts


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return ClassificationModel(MobileBertConfig.preset("debug_student", vocab_size=50, num_hidden_layers=4), 2)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("embeddings", {"embeddings"}),
        ("embeddings, block_0..block_2", {"embeddings", "block_0", "block_1", "block_2"}),
        ("block_3,classifier", {"block_3", "classifier"}),
        ("", set()),
    ],
)
def test_parts_by_name(model, text, expected):
    weights = model.trainable_weights
    frozen = parts.chosen(text, weights, "freeze")
    assert frozen == expected
    left = {weight.path.split("/")[0] for weight in parts.trained(weights, frozen, "freeze")}
    assert left == {"embeddings", "block_0", "block_1", "block_2", "block_3", "classifier"} - expected


@pytest.mark.parametrize("text, strange", [("pooler", "pooler"), ("block_2..block_4", "block_4")])
def test_parts_that_are_not_there(model, text, strange):
    with pytest.raises(
        UsageError, match=f"--freeze={text}: there is no part {strange}; choose from embeddings, block_0..bl"
    ):
        parts.chosen(text, model.trainable_weights, "freeze")


@pytest.mark.parametrize(
    "text, said",
    [("block_3..block_1", "block_3..block_1 runs backwards"), (" ,", "names no part; choose from embeddings")],
)
def test_parts_that_are_none(model, text, said):
    with pytest.raises(UsageError, match=f"--freeze={text}: {said}"):
        parts.chosen(text, model.trainable_weights, "freeze")


def test_all_of_it_frozen(model):
    everything = parts.chosen("embeddings,block_0..block_3,classifier", model.trainable_weights, "freeze")
    with pytest.raises(UsageError, match="leaves nothing to train; leave a part out, such as classifier"):
        parts.trained(model.trainable_weights, everything, "freeze")


def test_factors_fall_from_the_head_down(model):
    by_part = dict(
        zip(map(parts.part_of, model.trainable_weights), parts.factors(model.trainable_weights, 0.5, 4), strict=True)
    )
    assert by_part == {
        "classifier": 1.0, "block_3": 0.5, "block_2": 0.25, "block_1": 0.125, "block_0": 0.0625, "embeddings": 0.03125,
    }  # fmt: skip
    assert parts.shown({"block_1", "classifier", "embeddings", "block_0"}) == "embeddings, block_0, block_1, classifier"


@pytest.mark.parametrize("frozen, passed", [("", True), ("embeddings,block_0..block_1", False), ("embeddings", False)])
def test_no_gradient_passes_into_what_is_frozen(model, frozen, passed, monkeypatch):
    """A gradient reaches the embeddings' output only if the embeddings are trained."""
    asked = []

    @tf.custom_gradient
    def probe(x):
        def gradient(upstream):
            asked.append(True)
            return upstream

        return tf.identity(x), gradient

    embeddings = type(model.encoder.embeddings)
    real = embeddings.call
    monkeypatch.setattr(embeddings, "call", lambda self, *rest, **named: probe(real(self, *rest, **named)))
    ids = np.arange(24, dtype=np.int32).reshape(2, 12)
    batch = {"input_ids": ids, "input_mask": ids * 0 + 1, "segment_ids": ids * 0}
    weights = model.trainable_weights
    variables = [v.value for v in parts.trained(weights, parts.chosen(frozen, weights, "freeze"), "freeze")]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(variables)
        loss = tf.reduce_sum(model(batch, training=True))
    gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
    assert len(gradients) == len(variables) and bool(asked) == passed
