"""The size of every preset, and the encoder's documented outputs."""

import contextlib

import numpy as np
import pytest

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.encoder import MobileBertEncoder
from mobilebert_tf.errors import UsageError
from mobilebert_tf.models import PretrainingModel


def parameters(model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@pytest.fixture
def not_random(monkeypatch) -> None:
    """Initialise weights with zeros, since drawing a hundred million random numbers takes most of the time."""
    import keras

    def zeros(self, shape, dtype=None):
        return keras.ops.zeros(shape, dtype)

    monkeypatch.setattr(keras.initializers.TruncatedNormal, "__call__", zeros)


# From the released configurations by arithmetic; the student's also by summing the official
# SavedModel's variables. The pooler is counted if the configuration has one.
@pytest.mark.parametrize(
    "preset, encoder",
    [
        ("mobilebert", 24_581_888),
        ("mobilebert_without_opt", 24_581_888),
        ("mobilebert_tiny", 15_485_696),
        ("bert_base", 109_482_240),
        pytest.param("bert_large", 335_141_888, marks=pytest.mark.slow),
        pytest.param("ib_bert_large", 294_467_840, marks=pytest.mark.slow),
    ],
)
def test_encoder_parameters(preset, encoder, not_random):
    assert parameters(MobileBertEncoder(MobileBertConfig.preset(preset))) == encoder


@pytest.mark.parametrize(
    "preset, total",
    [
        ("mobilebert", 36_597_564),
        ("mobilebert_tiny", 27_501_372),
        pytest.param("bert_base", 110_106_428, marks=pytest.mark.slow),
        pytest.param("ib_bert_large", 306_483_516, marks=pytest.mark.slow),
    ],
)
def test_pretraining_parameters(preset, total, not_random):
    assert parameters(PretrainingModel(MobileBertConfig.preset(preset))) == total


def inputs(batch=2, length=12, vocab=50, seed=0):
    random = np.random.default_rng(seed)
    mask = np.ones((batch, length), np.int32)
    mask[0, 7:] = 0
    return {
        "input_ids": random.integers(0, vocab, (batch, length)).astype(np.int32),
        "input_mask": mask,
        "segment_ids": random.integers(0, 2, (batch, length)).astype(np.int32),
    }


@pytest.mark.parametrize("preset", ["debug_teacher", "debug_student"])
def test_outputs_have_the_promised_shapes(preset):
    config = MobileBertConfig.preset(preset, vocab_size=50)
    outputs = MobileBertEncoder(config)(inputs())
    assert outputs["sequence_output"].shape == (2, 12, 32)
    assert outputs["pooled_output"].shape == (2, 32)
    assert [tuple(x.shape) for x in outputs["feature_maps"]] == [(2, 12, 32)] * 3
    assert [tuple(x.shape) for x in outputs["attention_scores"]] == [(2, 4, 12, 12)] * 2


@pytest.mark.parametrize("change", [{}, {"use_bottleneck_attention": True}, {"key_query_shared_bottleneck": False}])
def test_padding_changes_nothing(change):
    """With the additive mask a padded key has a probability of exactly 0. Only the trigram of the last
    real token sees its right neighbour, as in the released code."""
    encoder = MobileBertEncoder(MobileBertConfig.preset("debug_student", vocab_size=50, **change))
    batch = inputs()
    scrambled = {**batch, "input_ids": batch["input_ids"].copy()}
    scrambled["input_ids"][0, 8:] = 7
    before, after = (np.asarray(encoder(x)["sequence_output"]) for x in (batch, scrambled))
    np.testing.assert_array_equal(before[0, :7], after[0, :7])
    assert not np.array_equal(before[0, 7:], after[0, 7:])


def test_fewer_layers_are_the_first_layers():
    encoder = MobileBertEncoder(MobileBertConfig.preset("debug_student", vocab_size=50))
    whole, part = encoder(inputs()), encoder(inputs(), num_layers=1)
    np.testing.assert_array_equal(part["sequence_output"], whole["feature_maps"][1])
    assert len(part["attention_scores"]) == 1


def test_trigram_is_next_this_previous():
    """Compare with the sum written out in NumPy, with zeros past either end."""
    layer = MobileBertEncoder(MobileBertConfig.preset("debug_student", vocab_size=50)).embeddings
    batch = inputs()
    words = np.asarray(layer.word_table)[batch["input_ids"]]
    nothing = np.zeros_like(words[:, :1])
    trigram = np.concatenate(
        [np.concatenate([words[:, 1:], nothing], 1), words, np.concatenate([nothing, words[:, :-1]], 1)], axis=-1
    )
    expected = (
        trigram @ np.asarray(layer.projection.kernel)
        + np.asarray(layer.type_table)[batch["segment_ids"]]
        + np.asarray(layer.position_table)[:12]
    )
    # Float32 sums of fifty products in another order.
    np.testing.assert_allclose(layer.sum(batch["input_ids"], batch["segment_ids"]), expected, atol=1e-6)


def test_masked_scores_can_be_replaced():
    """In Google's later code a padded key's score is the constant itself."""
    config = MobileBertConfig.preset("debug_student", vocab_size=50, mask_mode="replace", mask_constant=-6.0)
    scores = np.asarray(MobileBertEncoder(config)(inputs())["attention_scores"][0])
    np.testing.assert_array_equal(scores[0, :, :, 7:], -6.0)


@pytest.mark.parametrize(
    "change, word",
    [
        ({"num_attention_heads": 5}, "heads"),
        ({"hidden_act": "swish"}, "hidden_act"),
        ({"use_bottleneck": False}, "must equal hidden_size"),
        ({"num_hidden_layers": 0}, "num_hidden_layers"),
        ({"mask": -1}, "unknown field"),
    ],
)
def test_impossible_shapes_are_refused(change, word):
    with pytest.raises(UsageError, match=word):
        MobileBertConfig.preset("mobilebert", **change)


def test_a_mistyped_preset_is_guessed():
    with pytest.raises(UsageError, match="did you mean mobilebert_tiny"):
        MobileBertConfig.preset("mobilebert_tinny")


def test_plain_bert_may_stack_feedforwards():
    config = MobileBertConfig.preset(
        "debug_student", vocab_size=50, use_bottleneck=False, intra_bottleneck_size=32, trigram_input=False
    )
    assert MobileBertEncoder(config)(inputs())["sequence_output"].shape == (2, 12, 32)


def test_weights_that_are_read_later_are_not_drawn_but_what_follows_is_the_same():
    import keras

    from mobilebert_tf.layers.dense import initial_weights_left_out

    config = MobileBertConfig.preset("debug_student", vocab_size=50)
    following = []
    for left_out in (False, True):
        keras.utils.set_random_seed(5)
        with initial_weights_left_out() if left_out else contextlib.nullcontext():
            encoder = MobileBertEncoder(config)
        kernels = [np.asarray(weight) for weight in encoder.weights if weight.path.endswith("kernel")]
        assert kernels and all(kernel.any() != left_out for kernel in kernels)
        following.append(np.asarray(MobileBertEncoder(config).weights[0]))
    np.testing.assert_array_equal(*following)
    assert following[0].any()
