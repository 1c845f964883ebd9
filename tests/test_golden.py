"""The encoder against another implementation: Hugging Face's MobileBERT with the same weights and inputs.

The golden files hold its weights. They are written here as a Hugging Face directory and
imported, which also tests the table of names.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from mobilebert_tf.model_directory import load_model_directory

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.npz"))

# Largest difference relative to the tensor's largest value. Float32 rounds at 6e-8; sums of
# up to 192 terms in two blocks leave about 1e-6 (measured: 4e-7 to 2e-6), so 1e-5
# leaves room for another order of summation but none for another formula.
TOLERANCE = 1e-5


def write_huggingface(golden, directory: Path, head: str) -> None:
    """Write the golden weights with one of their two heads, as `transformers` would save them."""
    state = {key.removeprefix("state/"): golden[key] for key in golden.files if key.startswith("state/")}
    other = {"classifier": "qa_outputs", "qa_outputs": "classifier"}[head]
    kept = {key: value for key, value in state.items() if not key.startswith(other)}
    safetensors.numpy.save_file(kept, directory / "model.safetensors")
    values = json.loads(str(golden["meta"]))["config"]
    (directory / "config.json").write_text(json.dumps({"model_type": "mobilebert", **values}))


def assert_close(ours, theirs) -> None:
    assert np.abs(np.asarray(ours) - theirs).max() <= TOLERANCE * np.abs(theirs).max()


def cases(golden):
    for case in sorted({key.split("/")[0] for key in golden.files if key.startswith("case")}):
        yield (
            case,
            {
                "input_ids": golden[f"{case}/input_ids"],
                "input_mask": golden[f"{case}/attention_mask"],
                "segment_ids": golden[f"{case}/token_type_ids"],
            },
        )


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_equals_hugging_face(path, tmp_path):
    golden = np.load(path)
    write_huggingface(golden, tmp_path, "classifier")
    model = load_model_directory(tmp_path).model
    for case, inputs in cases(golden):
        outputs = model.encoder(inputs)
        for output, expected in zip(outputs["feature_maps"], golden[f"{case}/hidden_states"], strict=True):
            assert_close(output, expected)
        for scores, expected in zip(outputs["attention_scores"], golden[f"{case}/attentions"], strict=True):
            scores = np.asarray(scores, np.float64)
            powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
            assert_close(powers / powers.sum(axis=-1, keepdims=True), expected)
        assert_close(outputs["pooled_output"], golden[f"{case}/pooler_output"])
        assert_close(model(inputs), golden[f"{case}/cls_logits"])


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_answers_equal_hugging_faces(path, tmp_path):
    golden = np.load(path)
    write_huggingface(golden, tmp_path, "qa_outputs")
    model = load_model_directory(tmp_path).model
    for case, inputs in cases(golden):
        outputs = model(inputs)
        assert_close(outputs["start_logits"], golden[f"{case}/qa_start_logits"])
        assert_close(outputs["end_logits"], golden[f"{case}/qa_end_logits"])
