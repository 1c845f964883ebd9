"""Units per channel keep the function, in float64 and in a file, and make int8 errors smaller."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from mobilebert_tf.export.make.sources import Sources
from mobilebert_tf.export.quantize import build
from mobilebert_tf.export.quantize.peaks import measure_peaks
from mobilebert_tf.export.recipes import RECIPES
from mobilebert_tf.export.rewrite import rules
from mobilebert_tf.export.rewrite.equalize import Peaks, equalize, is_free
from mobilebert_tf.export.rewrite.read import read_network, variables
from mobilebert_tf.litert.operators import read_operators
from mobilebert_tf.litert.runtime import TfliteModel

from . import numpy_network
from .test_rewrite import LENGTH, OPTIONS, REAL, assert_same, inputs, model
from .test_rewrite_graph import graph_logits

APART = [name for name in rules.REWRITES if name != rules.JOIN]
NAMES = [name for name in OPTIONS if name != "24_blocks"]


def features():
    ids, mask, segments = inputs()
    return {"input_ids": ids[None], "input_mask": mask[None], "segment_ids": segments[None]}


@functools.cache
def peaks_of(name, rewrites=tuple(APART)):
    """The peaks of a network, computed eagerly: tracing takes longer than running the one text."""
    tf.config.run_functions_eagerly(True)
    try:
        return measure_peaks(rules.rewrite(read_network(model(name)), LENGTH, rewrites), features())
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rewrites", [APART, tuple(rules.REWRITES), ()], ids=["apart", "joined", "norms_and_all"])
def test_units_keep_the_logits(name, rewrites):
    trained = read_network(model(name))
    peaks = peaks_of(name, tuple(rewrite for rewrite in rewrites if rewrite in APART))
    equalized = rules.rewrite(trained, LENGTH, rewrites, peaks=peaks)
    assert_same(equalized, trained)
    # The weights did change; an unchanged network would pass the check above as well.
    plain = rules.rewrite(trained, LENGTH, rewrites)
    assert not np.allclose(equalized.blocks[0].key.kernel, plain.blocks[0].key.kernel)


@pytest.mark.parametrize("name", ["student", "gelu", "layer_norm", "layer_norm_of_bert", "narrow_attention"])
def test_graph_computes_units(name):
    network = rules.rewrite(read_network(model(name)), LENGTH, peaks=peaks_of(name))
    expected = numpy_network.logits(network, *inputs())
    # float32, 1e-7, against float64.
    np.testing.assert_allclose(graph_logits(network, *inputs()), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("name", "free"),
    [
        ("student", True),
        ("no_bottleneck", True),
        ("pooler", True),
        ("pair", True),
        ("gelu", True),
        ("layer_norm_of_bert", False),
    ],
)
def test_where_norms_fold_nothing_is_multiplied(name, free):
    assert is_free(rules.rewrite(read_network(model(name)), LENGTH, APART, peaks=peaks_of(name))) == free


def test_peaks_are_those_of_the_network_without_padding():
    network = rules.rewrite(read_network(model("student")), LENGTH, APART)
    peaks = peaks_of("student")
    ids, mask, segments = inputs()
    x = numpy_network.embed(network.embeddings, ids, segments)[:REAL]
    np.testing.assert_allclose(peaks["block_1/value"].reads, np.abs(x).max(axis=0), rtol=1e-5)  # float32
    np.testing.assert_allclose(
        # Padding rows hold the values of [CLS] and are counted.
        peaks["block_1/value"].power,
        np.square(x[[*range(REAL), *[0] * (LENGTH - REAL)]]).mean(axis=0),
        rtol=1e-5,
    )
    outputs = np.abs(numpy_network.dense(network.blocks[0].value, x)).max(axis=0)
    np.testing.assert_allclose(peaks["block_1/value"].makes, outputs, rtol=1e-4)
    # After the last block only the row of [CLS] is left.
    y = numpy_network.embed(network.embeddings, ids, segments)
    for block in network.blocks:
        y = numpy_network.run_block(block, y, mask, network)
    np.testing.assert_allclose(peaks["classifier"].reads, np.abs(y[0]), rtol=1e-3, atol=1e-5)


def test_the_unit_is_the_one_with_the_least_noise():
    network = rules.rewrite(read_network(model("student")), LENGTH, APART)
    peaks = dict(peaks_of("student"))
    name = "block_1/feedforward_1/output"
    random = np.random.default_rng(0)
    # All channels have the same distribution, but the fourth is a hundred times as wide.
    wide = np.where(np.arange(10) == 3, 100.0, 1.0)
    x = np.maximum(random.standard_normal((4000, 10)), 0.0) * wide
    peaks[name] = Peaks(reads=x.max(axis=0), power=np.square(x).mean(axis=0), makes=peaks[name].makes)
    before, after = (rewritten.blocks[0].feedforwards[0] for rewritten in (network, equalize(network, peaks)))
    # A bias is divided by the unit of its layer's output and by nothing else.
    chosen = before.intermediate.bias / after.intermediate.bias
    assert (x / chosen).max() == pytest.approx(1.0)
    kernel = before.output.dense.kernel

    def error(unit):
        """Mean squared error when values in this unit, and the weights that match it, are rounded to int8."""
        step = (x / unit).max() / 255.0
        weights = kernel * unit[:, None]
        steps = np.abs(weights).max(axis=0) / 127.0
        return np.square((np.round(x / unit / step) * step) @ (np.round(weights / steps) * steps) - x @ kernel).mean()

    size, weight = x.max(axis=0), np.abs(kernel).max(axis=1)
    others = [error(size**e / weight ** (1.0 - e)) for e in np.linspace(0.0, 1.0, 21)]
    # The estimate that is minimised assumes values of both signs; these are positive only, hence 1.3.
    assert error(chosen) < 1.3 * min(others) and error(chosen) < error(np.ones(10)) / 5


def with_a_large_channel(name):
    """A model with one hidden channel far above the others in its first feed-forward network, as real models have."""
    changed = model.__wrapped__(name)
    layers = variables(changed).blocks[0].feedforwards[0]
    bias, kernel, back = layers.intermediate.bias, layers.output.dense.kernel, layers.output.dense.bias
    offset = 300.0 * np.eye(bias.shape[0], dtype=np.float32)[3]
    bias.assign(bias + offset)
    back.assign(back - offset @ kernel)
    return changed


@pytest.mark.parametrize("name", ["student", "layer_norm_of_bert"])
def test_a_large_channel_costs_the_others_less(name, tmp_path):
    changed, recipe, errors = with_a_large_channel(name), RECIPES["static_int8"], []
    expected = numpy_network.logits(read_network(changed), *inputs())
    for equalizes in (False, True):
        source = Sources(changed, [LENGTH], tuple(rules.REWRITES), features(), equalizes=equalizes).of(recipe)
        file = tmp_path / f"{equalizes}.tflite"
        file.write_bytes(build.build(source.files, recipe, source.ranges))
        errors.append(np.abs(TfliteModel(file).answer(features())["logits"] - expected).max())
    # Without units the hidden layer's step is 300 / 255, larger than most of its values.
    assert errors[1] < errors[0] / 3, errors


def test_files_keep_the_multiplications_that_are_left(tmp_path):
    sources = Sources(model("layer_norm_of_bert"), [LENGTH], tuple(rules.REWRITES), features())
    plain, equalized = (
        sources.of(RECIPES["dynamic_int8"]).files[LENGTH],
        sources.of(RECIPES["static_int8"]).files[LENGTH],
    )
    logits, kinds = [], []
    for number, content in enumerate((plain, equalized)):
        file = tmp_path / f"{number}.tflite"
        file.write_bytes(content)
        logits.append(TfliteModel(file).answer(features())["logits"])
        kinds.append(read_operators(file).counts)
    # float32, 1e-7, summed in another order and in other units.
    np.testing.assert_allclose(logits[1], logits[0], rtol=0, atol=1e-4 * np.abs(logits[0]).max())
    # In both blocks the input of query, key and value, attention's output, and input and output of two feed-forward
    # networks; in the last block also the row of [CLS], which the query reads separately.
    assert kinds[1]["MUL"] == kinds[0]["MUL"] + 2 * (1 + 1 + 2 * 2) + 1 and "FLOOR_DIV" not in kinds[1]
