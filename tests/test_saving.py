"""Models as Keras's own: saved whole, loaded and cloned, alone and inside another Keras model."""

from pathlib import Path

import keras
import numpy as np
import pytest

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.encoder import MobileBertEncoder
from mobilebert_tf.models import ClassificationModel, PretrainingModel, QuestionAnsweringModel, TokenClassificationModel

CONFIG = MobileBertConfig(
    vocab_size=50, embedding_size=8, hidden_size=16, intra_bottleneck_size=8, num_hidden_layers=2,
    num_attention_heads=2, intermediate_size=16, max_position_embeddings=32,
)  # fmt: skip
IDS = np.array([[2, 10, 12, 3, 0, 0]], np.int32)
ROWS = {"input_ids": IDS, "input_mask": np.sign(IDS), "segment_ids": 0 * IDS}


def test_an_encoder_in_a_functional_model(tmp_path: Path) -> None:
    inputs = {name: keras.Input((6,), dtype="int32", name=name) for name in ROWS}
    outputs = keras.layers.Dense(2)(MobileBertEncoder(CONFIG)(inputs)["sequence_output"][:, 0])
    model = keras.Model(inputs, outputs)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    # The same operations on the same weights.
    np.testing.assert_array_equal(again(ROWS), model(ROWS))
    clone = keras.models.clone_model(model)
    assert [w.shape for w in clone.weights] == [w.shape for w in model.weights]
    assert np.abs(np.asarray(clone(ROWS)) - np.asarray(model(ROWS))).max() > 0  # its own weights


@pytest.mark.parametrize(
    "model",
    [
        lambda: ClassificationModel(CONFIG, 3, seed=4),
        lambda: TokenClassificationModel(CONFIG, 3),
        lambda: QuestionAnsweringModel(CONFIG),
        lambda: PretrainingModel(CONFIG, masked_words=False),
    ],
    ids=["classification", "tokens", "answers", "pretraining"],
)
def test_models(model, tmp_path: Path) -> None:
    model = model()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.heads == model.heads and again.get_config() == model.get_config()
    for loaded, saved in zip(again.weights, model.weights, strict=True):
        np.testing.assert_array_equal(loaded, saved)
