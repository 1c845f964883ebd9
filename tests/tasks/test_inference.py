"""Running a Keras model over many examples: the same outputs as one by one, whatever is run together."""

import numpy as np
import pytest
import tensorflow as tf

from mobilebert_tf.tasks import inference
from mobilebert_tf.tasks.classification import ClassificationTask


@pytest.mark.parametrize("count", [1, 5, 37])
def test_outputs_are_those_of_each_alone(count, classifier_directory, monkeypatch):
    from mobilebert_tf.model_directory import load_model_directory

    # Ten batches are traced, one and two are not.
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

    found = inference.keras_outputs(seen, ClassificationTask(("x", "y")), features, batch_size=4)["logits"]
    for row in range(0, count, 4):
        alone = {name: values[row : row + 1] for name, values in features.items()}
        expected = np.asarray(model(alone))[0]
        # float32 in another order of sums.
        np.testing.assert_allclose(found[row], expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    # Texts of like length together, each batch as long as its longest text and one piece more, in steps.
    ordered = np.sort(mask.sum(axis=1))
    batches = [ordered[start : start + 4] for start in range(0, count, 4)]
    assert shapes == [(len(batch), min(-(-(batch.max() + 1) // 16) * 16, 40)) for batch in batches]
    # Many batches are one graph, whatever their lengths; few are run one by one.
    assert len(calls) == (1 if count == 37 else len(batches))
