"""Each rewrite changes the network but not its answers: in float64, against the definition."""

import dataclasses
import functools

import numpy as np
import pytest

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import UsageError
from mobilebert_tf.export.rewrite import norms, rules
from mobilebert_tf.export.rewrite.read import read_network

from .numpy_network import logits

LENGTH, REAL = 7, 5

SMALL = dict(
    vocab_size=30, embedding_size=6, hidden_size=12, intra_bottleneck_size=8, num_attention_heads=2,
    intermediate_size=10, num_feedforward_networks=2, num_hidden_layers=2, max_position_embeddings=9,
)  # fmt: skip
PLAIN = dict(use_bottleneck=False, intra_bottleneck_size=12)
OPTIONS: dict[str, dict] = {
    "student": {},
    "one_block": dict(num_hidden_layers=1),
    "24_blocks": dict(num_hidden_layers=24, num_feedforward_networks=4),
    "one_feedforward": dict(num_feedforward_networks=1),
    "attention_of_the_whole_width": dict(key_query_shared_bottleneck=False),
    "narrow_attention": dict(use_bottleneck_attention=True),
    "no_bottleneck": dict(PLAIN, num_hidden_layers=3),
    "no_bottleneck_but_its_flags": dict(PLAIN, use_bottleneck_attention=True),
    "no_trigram": dict(trigram_input=False),
    "no_projection": dict(trigram_input=False, embedding_size=12),
    "trigram_of_the_whole_width": dict(embedding_size=12),
    "like_bert_with_no_norm": dict(PLAIN, trigram_input=False, embedding_size=12, classifier_activation=True),
    "pooler": dict(classifier_activation=True),
    "mean": dict(classifier_pooling="mean"),
    "pooler_of_the_mean": dict(classifier_pooling="mean", classifier_activation=True),
    "pair": dict(classifier_pooling="pair"),
    "pooler_of_the_pair": dict(classifier_pooling="pair", classifier_activation=True),
    "pair_with_layer_norm": dict(classifier_pooling="pair", normalization_type="layer_norm"),
    "relu6": dict(hidden_act="relu6"),
    "gelu": dict(hidden_act="gelu"),
    "gelu_tanh": dict(hidden_act="gelu_tanh"),
    "replacing_mask": dict(mask_mode="replace", mask_constant=-6.0),
    "endless_mask": dict(mask_constant=-1e9),
    "layer_norm": dict(normalization_type="layer_norm"),
    "layer_norm_of_bert": dict(PLAIN, normalization_type="layer_norm", embedding_and_ffn_norm_eps=1e-5),
}


@functools.cache
def model(name: str):
    """A model with random weights: gammas of either sign from 0.3 to 3, betas as large as the values they are added to.

    In a deep network gammas stay below 1.6, since NoNorm does not normalise and the values would overflow.
    """
    from mobilebert_tf.models import ClassificationModel

    config = MobileBertConfig(**{**SMALL, **OPTIONS[name]})
    model = ClassificationModel(config, num_labels=3)
    random = np.random.default_rng(5)
    largest = np.log(3.0 if config.num_hidden_layers < 4 else 1.6)
    for weight in model.trainable_weights:
        values = random.standard_normal(weight.shape)
        if weight.path.endswith("gamma"):
            values = np.sign(values) * np.exp(random.uniform(np.log(0.3), largest, weight.shape))
        elif weight.path.endswith("kernel"):
            values /= np.sqrt(weight.shape[0])
            if any(part in weight.path for part in ("query/", "key/", "pooler")):
                # The inputs of softmax and tanh stay small; if saturated, they would hide a wrong factor.
                values /= 20.0
        weight.assign(values)
    return model


@pytest.fixture(scope="module", params=OPTIONS)
def network(request):
    return read_network(model(request.param))


def inputs():
    ids = np.random.default_rng(2).integers(1, 30, LENGTH)
    mask = (np.arange(LENGTH) < REAL).astype(int)
    return ids, mask, np.array([0, 0, 1, 1, 1, 0, 1])


def assert_same(changed, network):
    expected = logits(network, *inputs())
    assert np.isfinite(expected).all() and np.abs(expected).max() > 1e-3
    # float64 rounds at 1e-16, and some hundred successive sums multiply that: 2e-14 was the largest
    # error seen, at 24 blocks. A wrong factor anywhere changes the logits by order one.
    np.testing.assert_allclose(logits(changed, *inputs()), expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_read_network_is_the_keras_model(network, request):
    ids, mask, segments = inputs()
    keras_model = model(request.node.callspec.params["network"])
    rows = {"input_ids": ids, "input_mask": mask, "segment_ids": segments}
    expected = keras_model({name: row[None].astype("int32") for name, row in rows.items()}).numpy()[0]
    # float32, 1e-7, against float64.
    np.testing.assert_allclose(
        logits(network, ids, mask, segments), expected, rtol=0, atol=1e-4 * np.abs(expected).max()
    )


@pytest.mark.parametrize("name", ["pair", "pair_with_layer_norm"])
@pytest.mark.parametrize("layout", ["Rows", "Images"])
def test_no_second_text_is_a_pair_of_the_first_and_itself(name, layout):
    """Features of pairs always have a second text, if only a [SEP]; with no such segment the first is read twice."""
    import tensorflow as tf

    from mobilebert_tf.export.rewrite import graph, layouts

    ids, mask, _ = inputs()
    rows = [row[None].astype("int32") for row in (ids, mask, 0 * ids)]
    expected = model(name)(dict(zip(("input_ids", "input_mask", "segment_ids"), rows, strict=True))).numpy()
    for network in (read_network(model(name)), rules.rewrite(read_network(model(name)), LENGTH)):
        answers = graph.answer(network, *map(tf.constant, rows), getattr(layouts, layout)())["logits"].numpy()
        np.testing.assert_allclose(answers, expected, rtol=0, atol=1e-4 * np.abs(expected).max())  # float32


@pytest.mark.parametrize("name", rules.REWRITES)
def test_each_rewrite_keeps_the_logits(network, name):
    assert_same(rules.REWRITES[name](network, LENGTH), network)


@pytest.mark.parametrize("name", rules.REWRITES)
def test_all_rewrites_but_one_keep_the_logits(network, name):
    assert_same(rules.rewrite(network, LENGTH, [one for one in rules.REWRITES if one != name]), network)


def test_all_rewrites_keep_the_logits(network):
    assert_same(rules.rewrite(network, LENGTH), network)


@pytest.mark.parametrize("most", [1.0, 2.0, 1e9])
def test_norms_fold_with_units_of_any_size(network, most):
    assert_same(norms.fold_norms(network, norms.find_breaks(network, most)), network)


def test_no_norm_leaves_nothing_behind(network):
    if network.embeddings.norm.epsilon is not None:
        assert norms.fold_norms(network) is network
        return
    folded = norms.fold_norms(network, norms.find_breaks(network, most=1e9))
    assert folded.embeddings.norm is None
    for block in folded.blocks:
        ends = [block.attention_output, *(one.output for one in block.feedforwards)]
        ends += [block.output_bottleneck] if block.output_bottleneck else []
        assert all(end.norm is None and end.scale is None for end in ends)
        assert all(one is None or one.norm is None for one in (block.input_bottleneck, block.query_key_bottleneck))


def test_gamma_of_zero_costs_a_multiplication(network):
    if network.embeddings.norm.epsilon is not None:
        pytest.skip("LayerNorm")
    for where in ("attention_output", "output_bottleneck"):
        end = getattr(network.blocks[0], where)
        if end is None:
            continue
        gamma = end.norm.gamma.copy()
        gamma[3], gamma[4] = 0.0, 1e-30
        norm = dataclasses.replace(end.norm, gamma=gamma)
        block = dataclasses.replace(network.blocks[0], **{where: dataclasses.replace(end, norm=norm)})
        changed = dataclasses.replace(network, blocks=(block, *network.blocks[1:]))
        folded = norms.fold_norms(changed)
        assert getattr(folded.blocks[0], where).scale[3] == 0.0
        assert_same(folded, changed)


@pytest.mark.parametrize("most", [1.0, 4.0, 16.0])
def test_units_stay_within_bounds(most):
    random = np.random.default_rng(0)
    gammas = [np.exp(random.normal(0, 0.5, 20)) for _ in range(30)]
    steps = norms._steps(gammas, norms._breaks(gammas, most))
    for gamma, step in zip(gammas, steps, strict=True):
        scale = 1.0 if step.scale is None else step.scale
        np.testing.assert_allclose(scale * step.after, gamma * step.before)
        assert np.abs([step.before, step.after]).max() <= most * (1 + 1e-12)
        assert np.abs([step.before, step.after]).min() >= (1 - 1e-12) / most
    for step, following in zip(steps, steps[1:], strict=False):
        np.testing.assert_array_equal(step.after, following.before)
    left = sum(step.scale is not None for step in steps)
    assert left == 30 if most == 1.0 else 0 < left < 15


def test_what_the_small_rewrites_do(network):
    assert all(block.query_scale == 1.0 for block in rules.fold_attention_scale(network).blocks)
    first = rules.first_token_only(network)
    reads_one = network.head.reads == "first_token"
    assert [block.first_token_only for block in first.blocks] == [False] * (len(network.blocks) - 1) + [reads_one]
    linear = network.blocks[-1].feedforwards[-1].output.norm.epsilon is None
    early = [block.mean_only for block in rules.mean_early(network).blocks]
    assert early == [False] * (len(network.blocks) - 1) + [network.head.reads in ("mean", "pair") and linear]
    shared = rules.share_mask(network).mask
    assert shared.shared and shared.constant == max(network.mask.constant, -10_000.0)
    assert len(rules.cut_positions(network, LENGTH).embeddings.position_table) == LENGTH


@pytest.mark.parametrize(
    "name, every_row, first_row",
    [
        ("student", [("input_bottleneck", "query_key_bottleneck", "value"), ("query", "key")],
         [("query_key_bottleneck", "value")]),
        ("attention_of_the_whole_width", [("input_bottleneck", "query", "key", "value")], [("key", "value")]),
        ("narrow_attention", [("query", "key", "value")], [("key", "value")]),
        ("no_bottleneck", [("query", "key", "value")], [("key", "value")]),
        ("layer_norm", [("input_bottleneck", "query_key_bottleneck", "value"), ("query", "key")],
         [("query_key_bottleneck", "value")]),
    ],
)  # fmt: skip
def test_products_of_the_same_rows_are_joined(name, every_row, first_row):
    network = rules.join_products(rules.first_token_only(read_network(model(name))))
    assert [joint.names for joint in network.blocks[0].joints] == every_row
    assert [joint.names for joint in network.blocks[-1].joints] == first_row


def test_names_of_rewrites():
    assert rules.parse_rewrites("") == tuple(rules.REWRITES)
    left = rules.parse_rewrites("fold_norms, share_mask, mean_early")
    assert left == ("fold_attention_scale", "first_token_only", "join_products", "cut_positions", "join_tables")
    with pytest.raises(UsageError, match="no rewrite 'norms'; choose from fold_norms, fold_attention_scale"):
        rules.parse_rewrites("norms")


def test_rewrites_left_out_are_left_out(network):
    untouched = rules.rewrite(network, LENGTH, ())
    assert untouched is network
    norms_only = rules.rewrite(network, LENGTH, ["fold_norms"])
    assert norms_only.mask == network.mask and norms_only.blocks[0].query_scale != 1.0
