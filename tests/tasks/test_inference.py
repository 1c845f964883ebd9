"""Running a Keras model over many examples: the same outputs as one by one, whatever is run together."""

import numpy as np
import pytest

from mobilebert_tf.tasks import inference
from mobilebert_tf.tasks.classification import ClassificationTask


@pytest.mark.parametrize("count", [1, 5, 37])
def test_outputs_are_those_of_each_alone(count, classifier_directory, monkeypatch):
    from mobilebert_tf.model_directory import load_model_directory

    # Ten batches of three lengths are traced, one and two are not.
    monkeypatch.setattr(inference, "LENGTH_STEP", 16)
    model = load_model_directory(classifier_directory).model
    random = np.random.default_rng(2)
    mask = (np.arange(40) < random.integers(3, 41, (count, 1))).astype(np.int32)
    ids = random.integers(5, 1000, (count, 40), dtype=np.int32) * mask
    features = {"input_ids": ids, "input_mask": mask, "segment_ids": np.zeros_like(mask)}
    lengths = []

    def seen(batch, training):
        lengths.append(batch["input_ids"].shape[1])
        return model(batch, training=training)

    found = inference.keras_outputs(seen, ClassificationTask(("x", "y")), features, batch_size=4)["logits"]
    for row in range(0, count, 4):
        alone = {name: values[row : row + 1] for name, values in features.items()}
        expected = np.asarray(model(alone))[0]
        # float32 in another order of sums.
        np.testing.assert_allclose(found[row], expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    # Many examples are run in lengths that they need, few in the one that they have.
    assert len(set(lengths)) > 1 if count == 37 else set(lengths) == {40}
    # Of many batches a graph a length is traced, few are run one by one.
    assert len(lengths) == (len(set(lengths)) if count == 37 else -(-count // 4))
