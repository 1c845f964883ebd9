"""The TensorFlow graph of a network against the same network in float64, and what the converter makes of it."""

import numpy as np
import pytest

from mobilebert_tf.export.rewrite import norms, rules
from mobilebert_tf.export.rewrite.read import read_network
from mobilebert_tf.litert.operators import read_operators

from .numpy_network import logits
from .test_rewrite import LENGTH, OPTIONS, inputs, model


def graph_logits(network, *rows):
    import tensorflow as tf

    from mobilebert_tf.export.rewrite import graph

    rows = [tf.constant(row[None], tf.int32) for row in rows]
    row_logits = graph.answer(network, *rows)[network.head.outputs[0]].numpy()
    assert row_logits.shape == (1, 3)
    return row_logits[0]


@pytest.mark.parametrize("name", [name for name in OPTIONS if name != "24_blocks"])
@pytest.mark.parametrize("rewrites", [(), tuple(rules.REWRITES)], ids=["as_trained", "rewritten"])
def test_graph_computes_its_network(name, rewrites):
    network = rules.rewrite(read_network(model(name)), LENGTH, rewrites)
    expected = logits(network, *inputs())
    # float32, 1e-7, against float64.
    np.testing.assert_allclose(graph_logits(network, *inputs()), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_graph_multiplies_where_units_begin_again():
    network = read_network(model("student"))
    network = norms.fold_norms(network, norms.find_breaks(network, most=1.0))
    assert network.blocks[0].output_bottleneck.scale is not None
    expected = logits(network, *inputs())
    # float32, 1e-7, against float64.
    np.testing.assert_allclose(graph_logits(network, *inputs()), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def convert(tmp_path, name, rewrites):
    from mobilebert_tf.export.convert.converter import convert
    from mobilebert_tf.export.convert.signatures import write_saved_model

    write_saved_model(model(name), LENGTH, LENGTH, tmp_path / "saved", rewrites)
    path = tmp_path / "file.tflite"
    path.write_bytes(convert(tmp_path / "saved"))
    return path


def test_operators_of_a_rewritten_student(tmp_path):
    network = read_network(model("student"))
    counts = read_operators(convert(tmp_path, "student", tuple(rules.REWRITES))).counts
    blocks, feedforwards = len(network.blocks), len(network.blocks[0].feedforwards)
    # Each block: products of its input, query with key, attention's output, two per feed-forward network, the output.
    # In the last block input bottleneck and query read a single row: two more. Then embeddings and head.
    assert counts["FULLY_CONNECTED"] == blocks * (4 + 2 * feedforwards) + 2 + 2
    # Each block: the mask, and residuals after attention, each feed-forward network and the block itself. Then types
    # and positions, and their row numbers in the joint table.
    assert counts["ADD"] == blocks * (3 + feedforwards) + 2
    # The mask needs one of each: padding flags become numbers once. The other MUL finds rows of the joint table.
    assert counts["MUL"] == 1 + counts["SUB"] == 1 + counts["CAST"] == 2
    # Query, key, value and context; in the last block query and context have one row and need none.
    assert counts["TRANSPOSE"] == 4 * blocks - 2
    assert counts["BATCH_MATMUL"] == 2 * counts["SOFTMAX"] == 2 * blocks
    assert set(counts) == {
        "FULLY_CONNECTED", "ADD", "MUL", "SUB", "CAST", "TRANSPOSE", "BATCH_MATMUL", "SOFTMAX", "RESHAPE",
        "EMBEDDING_LOOKUP", "PAD", "STRIDED_SLICE", "CONCATENATION",
    }  # fmt: skip


def test_rewrites_that_are_turned_off_show_in_the_file(tmp_path):
    def counts(without):
        return read_operators(convert(tmp_path, "student", rules.parse_rewrites(without))).counts

    network = read_network(model("student"))
    blocks, feedforwards = len(network.blocks), len(network.blocks[0].feedforwards)
    # The gammas of the residual sums. The converter itself folds the last one into the classifier, and those directly
    # after products.
    more = counts("join_products,fold_norms")["MUL"] - counts("join_products")["MUL"]
    assert more == blocks * (2 + feedforwards) - 1
    assert counts("first_token_only")["TRANSPOSE"] - counts("")["TRANSPOSE"] == 2
    # Five products, two bottlenecks and query, key and value, in place of two; in the last block in place of four.
    more = counts("join_products")["FULLY_CONNECTED"] - counts("")["FULLY_CONNECTED"]
    assert more == 3 * (blocks - 1) + 1


@pytest.mark.parametrize("name, operator", [("gelu", "GELU"), ("gelu_tanh", "GELU"), ("relu6", None)])
def test_activations_cost_one_operator_or_none(tmp_path, name, operator):
    counts = read_operators(convert(tmp_path, name, tuple(rules.REWRITES))).counts
    plain = read_operators(convert(tmp_path, "student", tuple(rules.REWRITES))).counts
    network = read_network(model(name))
    more = {operator: len(network.blocks) * len(network.blocks[0].feedforwards)} if operator else {}
    assert counts == {**plain, **more}


@pytest.mark.parametrize("name", ["layer_norm", "layer_norm_of_bert"])
def test_layer_norm_exports(tmp_path, name):
    from mobilebert_tf.litert.runtime import TfliteModel

    ids, mask, segments = inputs()
    expected = logits(read_network(model(name)), ids, mask, segments)
    file = TfliteModel(convert(tmp_path, name, tuple(rules.REWRITES)))
    features = {"input_ids": ids[None], "input_mask": mask[None], "segment_ids": segments[None]}
    answers = file.answer(features)["logits"]
    # float32, 1e-7, against float64.
    np.testing.assert_allclose(answers[0], expected, rtol=0, atol=1e-4 * np.abs(expected).max())
