"""Running a Keras model over many examples gives the outputs of running them one by one."""

import numpy as np
import pytest
import tensorflow as tf

from mobilebert_tf.tasks import inference
from mobilebert_tf.tasks.classification import ClassificationTask


@pytest.mark.parametrize("count", [1, 5, 37])
def test_outputs_are_those_of_each_alone(count, classifier_directory, monkeypatch):
    from mobilebert_tf.model_directory import load_model_directory

    # Ten batches (37 examples) are traced as a graph; one or two are not.
    monkeypatch.setattr(inference, "LENGTH_STEP", 16)
    model = load_model_directory(classifier_directory).model
    random = np.random.default_rng(2)
    mask = (np.arange(40) < random.integers(3, 41, (count, 1))).astype(np.int32)
    ids = random.integers(5, 1000, (count, 40), dtype=np.int32) * mask
    features = {"input_ids": ids, "input_mask": mask, "segment_ids": np.zeros_like(mask)}
    calls, shapes = [], []

    def seen(batch, training):
        calls.append(batch["input_ids"].shape)
        noted = tf.py_function(lambda shape: shapes.append(tuple(shape.numpy())), [tf.shape(batch["input_ids"])], [])
        with tf.control_dependencies([noted] if noted is not None else []):
            return tf.identity(model(batch, training=training))

    outputs = inference.keras_outputs(seen, ClassificationTask(("x", "y")), features, batch_size=4)["logits"]
    for row in range(0, count, 4):
        alone = {name: values[row : row + 1] for name, values in features.items()}
        expected = np.asarray(model(alone))[0]
        # float32 sums in another order.
        np.testing.assert_allclose(outputs[row], expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    # Batches hold texts of similar length, and are as long as their longest text and one piece, rounded up to a step.
    ordered = np.sort(mask.sum(axis=1))
    batches = [ordered[start : start + 4] for start in range(0, count, 4)]
    assert shapes == [(len(batch), min(-(-(batch.max() + 1) // 16) * 16, 40)) for batch in batches]
    # Many batches share one traced graph, whatever their lengths; few batches each call the model.
    assert len(calls) == (1 if count == 37 else len(batches))
