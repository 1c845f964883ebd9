"""Heads other than a classifier's: rewrites, units and layouts keep their answers, against the definition."""

import functools

import numpy as np
import pytest

from mobilebert_tf.export.quantize.peaks import measure_peaks
from mobilebert_tf.export.rewrite import rules
from mobilebert_tf.export.rewrite.layouts import Images, Rows
from mobilebert_tf.export.rewrite.read import read_network

from . import numpy_network
from .test_rewrite import LENGTH, REAL, inputs, model

APART = [name for name in rules.REWRITES if name != rules.JOIN]
NAMES = ["student", "no_bottleneck", "narrow_attention", "pooler", "gelu", "layer_norm", "replacing_mask"]


@functools.cache
def embedder(name):
    """A model of sentence embeddings with the encoder of `model(name)`."""
    from mobilebert_tf.model_directory import copy_encoder
    from mobilebert_tf.models import EmbeddingModel

    embedding_model = EmbeddingModel(model(name).config)
    copy_encoder(model(name), embedding_model)
    return embedding_model


def batch():
    return {
        name: row[None].astype(np.int32)
        for name, row in zip(("input_ids", "input_mask", "segment_ids"), inputs(), strict=True)
    }


def expected_of(name):
    return numpy_network.logits(read_network(embedder(name)), *inputs())


@pytest.mark.parametrize("name", NAMES)
def test_the_network_is_the_keras_model(name):
    vector = np.asarray(embedder(name)(batch()))[0]
    np.testing.assert_allclose(vector, expected_of(name), rtol=0, atol=1e-4)  # float32, values up to one
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_rewrites_and_units_keep_the_vector(name):
    trained = read_network(embedder(name))
    peaks = measure_peaks(rules.rewrite(trained, LENGTH, APART), batch())
    for rewritten in (rules.rewrite(trained, LENGTH), rules.rewrite(trained, LENGTH, peaks=peaks)):
        # The last block keeps all rows for the mean, or takes their mean early unless a LayerNorm follows.
        assert not rewritten.blocks[-1].first_token_only
        assert rewritten.blocks[-1].mean_only == (name != "layer_norm")
        vector = numpy_network.logits(rewritten, *inputs())
        np.testing.assert_allclose(vector, expected_of(name), rtol=0, atol=1e-9)  # float64


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layout", [Rows(), Images()], ids=["rows", "images"])
def test_graph_computes_the_vector(name, layout):
    import tensorflow as tf

    from mobilebert_tf.export.rewrite import graph

    network = rules.rewrite(read_network(embedder(name)), LENGTH)
    rows = [tf.constant(row[None], tf.int32) for row in inputs()]
    vector = graph.answer(network, *rows, layout)[network.head.outputs[0]].numpy()
    np.testing.assert_allclose(vector, expected_of(name)[None], rtol=0, atol=1e-4)  # float32, values up to one


def test_padding_is_no_part_of_the_mean():
    """Ids after the first padding token change nothing; the trigram lets the last real token see that first one."""
    ids, mask, segments = (row.copy() for row in inputs())
    ids[REAL + 1 :] = (ids[REAL + 1 :] + 3) % 30
    vector = numpy_network.logits(read_network(embedder("student")), ids, mask, segments)
    np.testing.assert_array_equal(vector, expected_of("student"))
    mask[REAL] = 1
    assert np.abs(numpy_network.logits(read_network(embedder("student")), ids, mask, segments) - vector).max() > 1e-3
