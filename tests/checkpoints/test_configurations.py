"""Configurations in Google's and Hugging Face's form, field by field."""

import json
from pathlib import Path

import pytest

from mobilebert_tf.checkpoints.google_config import from_google, to_google
from mobilebert_tf.checkpoints.huggingface_config import deviations, from_huggingface, to_huggingface
from mobilebert_tf.config import PRESETS, Heads, MobileBertConfig
from mobilebert_tf.errors import UsageError

from .conftest import ARCHITECTURES

HERE = Path("config.json")

# Google's published files, as facts: first the shared part, then the rest by the file's name.
PUBLISHED = dict(
    attention_probs_dropout_prob=0.1,
    embedding_size=128,
    hidden_size=512,
    initializer_range=0.02,
    max_position_embeddings=512,
    num_attention_heads=4,
    num_hidden_layers=24,
    trigram_input=True,
    type_vocab_size=2,
    use_bottleneck=True,
    vocab_size=30522,
)
STUDENT = dict(
    PUBLISHED,
    classifier_activation=False,
    hidden_act="relu",
    hidden_dropout_prob=0.0,
    intermediate_size=512,
    intra_bottleneck_size=128,
    normalization_type="no_norm",
)
GOOGLE = {
    "mobilebert": dict(STUDENT, key_query_shared_bottleneck=True, num_feedforward_networks=4),
    "mobilebert_tiny": dict(STUDENT, use_bottleneck_attention=True, num_feedforward_networks=2),
    "ib_bert_large": dict(
        PUBLISHED, hidden_act="gelu", hidden_dropout_prob=0.1, intermediate_size=4096, intra_bottleneck_size=1024
    ),
    "bert_base": dict(
        attention_probs_dropout_prob=0.1,
        hidden_act="gelu",
        hidden_dropout_prob=0.1,
        hidden_size=768,
        initializer_range=0.02,
        intermediate_size=3072,
        max_position_embeddings=512,
        num_attention_heads=12,
        num_hidden_layers=12,
        type_vocab_size=2,
        vocab_size=30522,
    ),
}


@pytest.mark.parametrize("preset", GOOGLE)
def test_googles_files_are_the_presets(preset):
    assert from_google(GOOGLE[preset], HERE) == MobileBertConfig.preset(preset)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_survives_googles_form(preset):
    config = MobileBertConfig.preset(preset)
    written = json.loads(json.dumps(to_google(config, Heads())))
    assert from_google(written, HERE) == config


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name != "ib_bert"])
def test_every_architecture_survives_hugging_faces_form(name):
    config = ARCHITECTURES[name]
    written = json.loads(json.dumps(to_huggingface(config, Heads(), ())))
    assert from_huggingface(written, HERE) == config


def test_a_file_with_defaults_only():
    """The defaults of transformers' `MobileBertConfig` differ from the released model, as by a pooler."""
    config = from_huggingface({"model_type": "mobilebert"}, HERE)
    released = MobileBertConfig.preset("mobilebert")
    differing = {name for name, value in vars(config).items() if value != getattr(released, name)}
    assert differing == {"classifier_activation", "mask_constant", "classifier_dropout_prob"}
    assert config.classifier_activation and config.classifier_dropout_prob == 0.0


def test_hugging_faces_deviations():
    values = {"model_type": "mobilebert", "normalization_type": "layer_norm", "hidden_act": "gelu"}
    config = from_huggingface(values, HERE)
    assert (config.layer_norm_eps, config.inner_norm_eps, config.hidden_act) == (1e-12, 1e-5, "gelu")
    assert config.mask_constant < -3e38 and deviations(config, Heads()) == []
    bert = from_huggingface({"model_type": "bert"}, HERE)
    assert (bert.inner_norm_eps, bert.hidden_act, bert.classifier_activation) == (1e-12, "gelu", True)
    (said,) = deviations(MobileBertConfig.preset("mobilebert_without_opt"), Heads())
    assert "1e-12 here and 1e-05 there" in said
    means = MobileBertConfig.preset("debug_student", classifier_pooling="mean")
    assert deviations(means, Heads()) == []
    assert "mean of the tokens here, and the first one there" in deviations(means, Heads(("classifier",), 2))[0]
    pairs = MobileBertConfig.preset("debug_student", classifier_pooling="pair")
    assert "nothing there has such a head" in deviations(pairs, Heads(("classifier",), 2))[0]


@pytest.mark.parametrize(
    "values, message",
    [
        ({"model_type": "distilbert"}, "model_type is 'distilbert'"),
        ({"model_type": "mobilebert", "hidden_act": "swish"}, "hidden_act is 'swish'"),
        ({"model_type": "mobilebert", "normalization_type": "rms"}, "normalization_type: is 'rms'"),
        ({"model_type": "mobilebert", "rotary": True}, "field 'rotary' is unknown"),
        ({"model_type": "mobilebert", "true_hidden_size": 64}, "true_hidden_size is 64, its other fields make it 128"),
        ({"model_type": "bert", "position_embedding_type": "relative"}, "position_embedding_type is 'relative'"),
        ({"model_type": "bert", "is_decoder": True}, "is_decoder is True"),
        ({"model_type": "bert", "embedding_size": 128}, "field 'embedding_size' is unknown"),
        ({"model_type": "bert", "num_hidden_layers": "twelve"}, "num_hidden_layers: is 'twelve'"),
        ({"model_type": "bert", "mobilebert_tf": 3}, "'mobilebert_tf' is not an object"),
    ],
)
def test_what_changes_the_computation_is_refused(values, message):
    with pytest.raises(UsageError, match=message):
        from_huggingface(values, HERE)


@pytest.mark.parametrize(
    "values, message",
    [
        ({}, "lacks vocab_size"),
        ({"vocab_size": 30, "hidden_act": "tanh"}, "hidden_act is 'tanh'"),
        ({"vocab_size": 30, "share_layers": True}, "field 'share_layers' is unknown"),
        ({"vocab_size": 30, "num_attention_heads": 7}, "7 heads do not divide"),
    ],
)
def test_what_google_would_not_say_is_refused(values, message):
    with pytest.raises(UsageError, match=message):
        from_google(values, HERE)


def test_manual_layer_norm_has_its_epsilon():
    config = from_google({"vocab_size": 30, "normalization_type": "manual_layer_norm"}, HERE)
    assert (config.normalization_type, config.layer_norm_eps) == ("layer_norm", 1e-6)


def test_what_hugging_face_cannot_hold_is_refused():
    with pytest.raises(UsageError, match="cannot hold IB-BERT"):
        to_huggingface(MobileBertConfig.preset("ib_bert_large"), Heads(), ())
    headless = MobileBertConfig.preset("bert_base", classifier_activation=False)
    with pytest.raises(UsageError, match="always has a pooler"):
        to_huggingface(headless, Heads.of(["classifier"], 2), ("a", "b"))
