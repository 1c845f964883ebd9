"""Random models of `transformers` are imported and compared, then exported, loaded there and compared again.

Needs the extra `huggingface` (torch and transformers); skipped without it.
"""

import dataclasses
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.model_directory import load_model_directory
from mobilebert_tf.tokenizer_files import write_huggingface_tokenizer

pytestmark = pytest.mark.transformers

SIDE = Path(__file__).with_name("huggingface_side.py")
NAMES = ("mobilebert", "no_pooler", "tiny", "without_opt", "bert")
KINDS = (
    "Model",
    "ForPreTraining",
    "ForMaskedLM",
    "ForNextSentencePrediction",
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForQuestionAnswering",
)
# Relative to the tensor's largest value, as in test_golden.py: some float32 roundings in each layer.
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def models(shared_data, tmp_path_factory) -> Path:
    """For each model a directory with `theirs`, the saved model, and `outputs.npz`, its inputs and outputs."""
    if not all(importlib.util.find_spec(name) for name in ("torch", "transformers")):
        pytest.skip("needs the extra: pip install 'mobilebert_tf[huggingface]'")
    place = tmp_path_factory.mktemp("transformers")
    # Only Google's rule splits a word of 150 letters; the other makes it [UNK].
    texts = [*json.loads((shared_data / "unicode" / "blns.json").read_text()), "the " + "run" * 50, "Ünïcödé"]
    vocab = str(shared_data / "vocab" / "vocab.txt")
    (place / "tokenizer.json").write_text(json.dumps({"vocab": vocab, "texts": texts}))
    other_side("make", place)
    return place


def other_side(what: str, place: Path) -> None:
    process = subprocess.run([sys.executable, str(SIDE), what, str(place)], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr[-2000:]


def convert(source: Path, output: Path, to: str) -> None:
    assert cli.run(["convert", f"--input={source}", f"--output={output}", f"--to={to}"]) == 0


def assert_close(ours, theirs) -> None:
    assert np.abs(np.asarray(ours) - theirs).max() <= TOLERANCE * np.abs(theirs).max()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_imported_models_compute_the_same(name, kind, models):
    directory = models / f"{name}-{kind}"
    expected = np.load(directory / "outputs.npz")
    model = load_model_directory(directory / "theirs").model
    inputs = {
        "input_ids": expected["input_ids"].astype(np.int32),
        "input_mask": expected["attention_mask"].astype(np.int32),
        "segment_ids": expected["token_type_ids"].astype(np.int32),
        "masked_lm_positions": np.tile(np.arange(20, dtype=np.int32), (3, 1)),
    }
    outputs = model.encoder(inputs)
    for number, ours in enumerate(outputs["feature_maps"]):
        assert_close(ours, expected[f"hidden_states_{number}"])
    for number, scores in enumerate(outputs["attention_scores"]):
        scores = np.asarray(scores, np.float64)
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        assert_close(powers / powers.sum(axis=-1, keepdims=True), expected[f"attentions_{number}"])
    ours = model(inputs)
    heads = {
        "Model": {"sequence_output": "last_hidden_state", "pooled_output": "pooler_output"},
        "ForPreTraining": {
            "masked_word_logits": "prediction_logits",
            "next_sentence_logits": "seq_relationship_logits",
        },
        "ForMaskedLM": {"masked_word_logits": "logits"},
        "ForNextSentencePrediction": {"next_sentence_logits": "logits"},
        "ForQuestionAnswering": {"start_logits": "start_logits", "end_logits": "end_logits"},
    }
    if kind in heads:
        for here, there in heads[kind].items():
            assert_close(ours[here], expected[there])
    else:
        assert_close(ours, expected["logits"])


def test_there_and_back(models):
    """Convert through this project's format and Google's; `transformers` then finds all weights, and equal ones."""
    for name in NAMES:
        for kind in KINDS:
            directory = models / f"{name}-{kind}"
            convert(directory / "theirs", directory / "keras", "keras")
            convert(directory / "keras", directory / "tf1", "tf1")
            convert(directory / "tf1", directory / "back", "huggingface")
    directory = models / "tokenizer"
    tokenizer = load_model_directory(directory / "theirs").tokenizer
    texts = json.loads((models / "tokenizer.json").read_text())["texts"]
    assert tokenizer.rules.max_characters_per_word == 100
    assert [tokenizer.encode(text).ids for text in texts] == json.loads((directory / "ids.json").read_text())
    convert(directory / "theirs", directory / "back", "huggingface")
    # Also with Google's limit of 200 characters a word.
    long = dataclasses.replace(tokenizer, rules=dataclasses.replace(tokenizer.rules, max_characters_per_word=200))
    (directory / "long").mkdir()
    write_huggingface_tokenizer(directory / "long", long, 40)
    (directory / "long_ids.json").write_text(json.dumps([long.encode(text).ids for text in texts]))
    other_side("check", models)
