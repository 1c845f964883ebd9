"""The encoder against another implementation: Hugging Face's MobileBERT, same weights, same inputs."""

import json
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.models import ClassificationModel

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.npz"))

# Largest difference relative to the tensor's largest value. Float32 has 6e-8; sums of
# up to 192 terms through two blocks leave about 1e-6 (measured: 4e-7 to 2e-6), so 1e-5
# has room for another order of summation and none for another formula.
TOLERANCE = 1e-5


def to_config(values: dict) -> MobileBertConfig:
    """Hugging Face's configuration, its defaults and its deviations, in this project's words."""
    same = {
        name: values[name]
        for name in (
            "vocab_size",
            "embedding_size",
            "hidden_size",
            "intra_bottleneck_size",
            "intermediate_size",
            "num_attention_heads",
            "num_hidden_layers",
            "max_position_embeddings",
        )
    }
    return MobileBertConfig(
        **same,
        hidden_act=values.get("hidden_act", "relu"),
        normalization_type=values.get("normalization_type", "no_norm"),
        classifier_activation=True,
        embedding_and_ffn_norm_eps=1e-5,
        mask_constant=float(np.finfo(np.float32).min),
    )


def assign(model: ClassificationModel, state: dict[str, np.ndarray]) -> None:
    """Give the model the golden weights; every variable must be met and every weight used."""
    wanted = {}
    names = {
        "embeddings.word_embeddings": "embeddings/word_table",
        "embeddings.position_embeddings": "embeddings/position_table",
        "embeddings.token_type_embeddings": "embeddings/type_table",
        "embeddings.embedding_transformation": "embeddings/projection",
        "embeddings.LayerNorm": "embeddings/norm",
        "pooler.dense": "pooler",
        "classifier": "classifier/dense",
    }
    block = {
        "attention.self.query": "attention/query",
        "attention.self.key": "attention/key",
        "attention.self.value": "attention/value",
        "attention.output.dense": "attention_output/dense",
        "attention.output.LayerNorm": "attention_output/norm",
        "bottleneck.input.dense": "input_bottleneck/dense",
        "bottleneck.input.LayerNorm": "input_bottleneck/norm",
        "bottleneck.attention.dense": "query_key_bottleneck/dense",
        "bottleneck.attention.LayerNorm": "query_key_bottleneck/norm",
        "output.bottleneck.dense": "output_bottleneck/dense",
        "output.bottleneck.LayerNorm": "output_bottleneck/norm",
    }
    last = model.config.num_feedforward_networks - 1
    for i in range(last):
        block |= {
            f"ffn.{i}.intermediate.dense": f"feedforward_{i}/intermediate",
            f"ffn.{i}.output.dense": f"feedforward_{i}/output/dense",
            f"ffn.{i}.output.LayerNorm": f"feedforward_{i}/output/norm",
        }
    block |= {
        "intermediate.dense": f"feedforward_{last}/intermediate",
        "output.dense": f"feedforward_{last}/output/dense",
        "output.LayerNorm": f"feedforward_{last}/output/norm",
    }
    for layer in range(model.config.num_hidden_layers):
        names |= {f"encoder.layer.{layer}.{theirs}": f"block_{layer}/{ours}" for theirs, ours in block.items()}
    for key, value in state.items():
        key = key.removeprefix("mobilebert.")
        if key.startswith("qa_outputs"):
            continue
        stem, leaf = key.rsplit(".", 1)
        ours = names[stem]
        if ours.endswith("_table"):
            wanted[ours] = value
        elif "norm" in ours.rsplit("/", 1)[-1]:
            wanted[f"{ours}/{'gamma' if leaf == 'weight' else 'beta'}"] = value
        else:
            wanted[f"{ours}/{'kernel' if leaf == 'weight' else 'bias'}"] = value.T if leaf == "weight" else value
    assert {w.path for w in model.trainable_weights} == set(wanted)
    for weight in model.trainable_weights:
        weight.assign(wanted[weight.path])


def assert_close(ours, theirs) -> None:
    assert np.abs(np.asarray(ours) - theirs).max() <= TOLERANCE * np.abs(theirs).max()


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_equals_hugging_face(path):
    golden = np.load(path)
    state = {key.removeprefix("state/"): golden[key] for key in golden.files if key.startswith("state/")}
    model = ClassificationModel(to_config(json.loads(str(golden["meta"]))["config"]), num_labels=2)
    assign(model, state)
    for case in sorted({key.split("/")[0] for key in golden.files if key.startswith("case")}):
        inputs = {
            "input_ids": golden[f"{case}/input_ids"],
            "input_mask": golden[f"{case}/attention_mask"],
            "segment_ids": golden[f"{case}/token_type_ids"],
        }
        outputs = model.encoder(inputs)
        for ours, theirs in zip(outputs["feature_maps"], golden[f"{case}/hidden_states"], strict=True):
            assert_close(ours, theirs)
        for scores, theirs in zip(outputs["attention_scores"], golden[f"{case}/attentions"], strict=True):
            scores = np.asarray(scores, np.float64)
            powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
            assert_close(powers / powers.sum(axis=-1, keepdims=True), theirs)
        assert_close(outputs["pooled_output"], golden[f"{case}/pooler_output"])
        assert_close(model(inputs), golden[f"{case}/cls_logits"])
