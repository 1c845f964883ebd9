"""Ranges of tensors against the network in float64."""

import numpy as np

from mobilebert_tf.export.quantize import build, ranges
from mobilebert_tf.export.rewrite import rules
from mobilebert_tf.export.rewrite.read import read_network
from mobilebert_tf.export.verify.examples import of_all_lengths

from . import numpy_network
from .test_rewrite import LENGTH, REAL, inputs, model


def test_ranges_are_those_of_the_network():
    ids, mask, segments = inputs()
    features = {"input_ids": ids[None], "input_mask": mask[None], "segment_ids": segments[None]}
    (file,) = build.convert_lengths(model("student"), [LENGTH]).values()
    measured = ranges.measure_ranges(file, features)
    network = rules.rewrite(read_network(model("student")), LENGTH)
    x = numpy_network.embed(network.embeddings, ids, segments)
    block = network.blocks[0]
    after = numpy_network.run_block(block, x, mask, network)
    (name,) = [name for name in measured.by_tensor if name.startswith("block_1/output_bottleneck/add_1")]
    # float32, 1e-7, against float64; rows of padding do not count.
    np.testing.assert_allclose(measured.by_tensor[name], (after[:REAL].min(), after[:REAL].max()), rtol=1e-4)
    assert abs(after[REAL:]).max() > 0 and measured.examples == 1
    # The largest number in the network is the mask's constant.
    assert measured.largest >= 10_000.0
    products = [name for name in measured.by_tensor if "feedforward_1/intermediate" in name]
    assert products and all(measured.by_tensor[name][0] >= 0.0 for name in products)  # after relu


def test_examples_of_all_lengths():
    lengths = np.array([3, 9, 4, 4, 4, 4, 8, 3])
    mask = (np.arange(9) < lengths[:, None]).astype(np.int32)
    features = {"input_mask": mask, "input_ids": mask * lengths[:, None], "segment_ids": 0 * mask}
    assert of_all_lengths(features, 3)["input_mask"].sum(axis=1).tolist() == [3, 4, 9]
    assert sorted(of_all_lengths(features, 100)["input_mask"].sum(axis=1)) == sorted(lengths)
    chosen = of_all_lengths(features, 3)
    np.testing.assert_array_equal(chosen["input_ids"].max(axis=1), chosen["input_mask"].sum(axis=1))
