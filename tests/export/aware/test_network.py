"""The network that is fine-tuned: equal to the Keras model without its grid, and to the int8 file with it."""

import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from mobilebert_tf.errors import UsageError
from mobilebert_tf.export.aware.network import Averaging, QuantizedNetwork, batch_answer, quantized_outputs
from mobilebert_tf.export.aware.products import QuantizedProducts
from mobilebert_tf.export.aware.recipe import layer_of
from mobilebert_tf.export.aware.stored import _products
from mobilebert_tf.export.aware.training_graph import Plan, grids_of
from mobilebert_tf.export.quantize.ranges import measure_ranges, run_tensors
from mobilebert_tf.export.recipes import RECIPES, Rule
from mobilebert_tf.export.rewrite.graph import Products
from mobilebert_tf.export.rewrite.network import map_arrays
from mobilebert_tf.export.rewrite.norms import find_breaks
from mobilebert_tf.export.rewrite.read import read_network, variables
from mobilebert_tf.export.rewrite.rules import rewrite
from mobilebert_tf.litert.runtime import TfliteModel
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.inference import keras_outputs
from mobilebert_tf.tasks.task import INPUTS

from ..test_rewrite import LENGTH, model
from .conftest import NAMES, features, file_of, made

RECIPE = RECIPES["static_int8"]
INPUT = {name: features()[name] for name in INPUTS}

TASK = ClassificationTask(("x", "y"))


def tensors(name):
    """The rewritten network of a Keras model, with its variables as tensors."""
    breaks = find_breaks(read_network(model(name)))
    network = map_arrays(variables(model(name)), lambda variable: tf.convert_to_tensor(variable.value))
    return rewrite(network, LENGTH, breaks=breaks)


@functools.cache
def float_logits(name):
    return keras_outputs(model(name), TASK, features())["logits"]


@pytest.mark.parametrize("name", NAMES)
def test_rewritten_tensors_of_a_batch_are_the_keras_model(name):
    logits = batch_answer(tensors(name), list(INPUT.values()), Products())["logits"].numpy()
    expected = float_logits(name)
    # float32 sums in another order differ by 1e-6, which 24 layers multiply.
    np.testing.assert_allclose(logits, expected, rtol=0, atol=2e-4 * np.abs(expected).max())


DEEP = pytest.param("24_blocks", marks=pytest.mark.slow)


@pytest.mark.parametrize("name", ["student", "narrow_attention", "no_bottleneck", "no_projection", "pooler", DEEP])
def test_gradients_of_rewritten_tensors_are_those_of_the_keras_model(name):
    """Gradients pass through the rewrites to gammas, betas, kernels, biases and tables."""
    weights = [weight.value for weight in model(name).trainable_weights]
    direction = tf.constant(np.random.default_rng(4).normal(0, 1, (64, 3)), tf.float32)

    def gradients(function):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(function() * direction)
        results = tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return [tf.convert_to_tensor(gradient).numpy() for gradient in results]

    own = gradients(lambda: batch_answer(tensors(name), list(INPUT.values()), Products())["logits"])
    reference = gradients(lambda: model(name)(INPUT, training=False))
    for weight, gradient, expected in zip(model(name).trainable_weights, own, reference, strict=True):
        if weight.path.endswith(("key/bias", "pooler")) and np.abs(expected).max() < 1e-3 * np.abs(reference[0]).max():
            continue  # the keys' bias cancels in the softmax: its gradient is rounding alone
        # float32 sums of some 400 rows in another order; in 24 layers values grow, and rounding errors with them.
        scale = np.abs(expected).max()
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=(2e-2 if name == "24_blocks" else 1e-3) * scale)


@pytest.mark.parametrize("name", NAMES)
def test_file_in_int8_gives_what_fake_quantisation_gives(name, tmp_path):
    path = tmp_path / "file.tflite"
    path.write_bytes(made(name).content)
    file = TfliteModel(path).answer(features(), LENGTH)["logits"]
    fake = quantized_outputs(model(name), made(name).trained, LENGTH, features())["logits"]
    floats = float_logits(name)
    scale, error = np.abs(floats).max(), np.abs(file - floats).mean()
    assert error > 1e-3 * scale  # int8 shows in these networks
    # Integers differ only where a number is within 1e-5 of the middle between two, or by float32 sums in attention;
    # so most texts have the same logits up to float32 rounding.
    same = (np.abs(fake - file).max(axis=1) < 1e-5 * scale).mean()
    assert same > 0.9 and np.abs(fake - file).mean() < 0.05 * error


def test_integers_inside_a_file_are_those_of_fake_quantisation():
    """Compare with LiteRT's plain kernels, which show their tensors; they round sums differently from XNNPACK's."""
    name, seen = "student", {}

    class Kept(QuantizedProducts):
        def _at(self, site, x, activation=None):
            seen[site] = super()._at(site, x, activation)
            return seen[site]

    material = made(name)
    network = rewrite(read_network(model(name)), LENGTH, breaks=material.trained.breaks)
    grids = grids_of(
        Plan(RECIPE, tuple(material.trained.ranges), {}),
        tf.constant(list(zip(*material.trained.ranges.values(), strict=True))),
    )
    shares: dict[str, list[float]] = {}
    few = {key: values[:16] for key, values in features().items()}
    for row, (values, real) in enumerate(run_tensors(material.content, few)):
        batch_answer(network, [tf.constant(few[key][row : row + 1]) for key in INPUTS], Kept(RECIPE, grids))
        for operand, result in _products(material.content):
            layer = layer_of(result)
            for site, tensor in ((f"{layer}/input", operand), (f"{layer}/output", result)):
                if site not in seen:
                    continue
                fake, integers = seen[site].numpy(), values[tensor]
                if len(fake) == LENGTH:
                    fake, integers = fake[real], integers[real]
                steps = np.abs(fake - integers) / grids[site].step.numpy()
                shares.setdefault(site, []).append((steps < 0.5).mean())
                if not site.startswith("block_2"):
                    assert steps.max() < 4.5, site
    means = {site: np.mean(values) for site, values in shares.items()}
    assert len(means) == len(material.trained.ranges)
    # Nothing is summed before the first product. From there about one sum in a hundred rounds to a neighbour, and
    # later layers carry that on: in the second of two blocks every third or fourth number is one step away.
    assert means["embeddings/input"] == 1.0
    assert min(share for site, share in means.items() if not site.startswith("block_2")) > 0.9
    assert np.mean(list(means.values())) > 0.85


@pytest.mark.parametrize("name", ["student", "narrow_attention", "attention_of_the_whole_width", "relu6", "gelu", DEEP])
def test_ranges_are_those_that_export_measures(name):
    """Compare with the ranges of a float file in LiteRT, on the same texts one by one; neither counts padding."""
    trained = made(name).trained
    expected = measure_ranges(made(name).floats, features()).by_tensor
    ranges = trained.instead_of(None, made(name).floats).by_tensor
    # In the last block two products may read the row of [CLS]: two sites for one tensor.
    assert len(trained.ranges) - len(ranges) == (name == "attention_of_the_whole_width")
    for tensor, (low, high) in ranges.items():
        least, most = expected[tensor]
        # float32 sums in another order: 1e-6 of the terms after 24 layers.
        tolerance = 1e-4 * max(abs(least), abs(most))
        assert low == pytest.approx(min(least, 0.0), abs=tolerance) and high == pytest.approx(
            max(most, 0.0), abs=tolerance
        )


def test_padding_that_takes_part_counts():
    """The mask of a later release lets padding through, so ranges must include the values of padding."""
    trained = made("replacing_mask").trained
    expected = measure_ranges(made("replacing_mask").floats, features()).by_tensor
    ranges = trained.instead_of(None, made("replacing_mask").floats).by_tensor
    for tensor, (low, high) in ranges.items():
        assert low <= expected[tensor][0] + 1e-4 and high >= expected[tensor][1] - 1e-4


def trained_logits(network, averaging):
    return tf.function(lambda batch: network.answer(batch, averaging), autograph=False)(INPUT)


@pytest.mark.parametrize(
    "name, rules",
    [
        ("student", ()),
        ("narrow_attention", ()),
        ("no_bottleneck", ()),
        pytest.param("24_blocks", (), marks=pytest.mark.slow),
        # Blocks that differ cannot share one traced function, and one block has nothing to round.
        ("no_bottleneck", (Rule(layers="^block_1/", weights="float32"), Rule(layers="^block_2/.*output"))),
        ("pooler", (Rule(layers="^(block_1|embeddings)/", weights="float32"),)),
    ],
)
def test_step_of_training_computes_the_whole_network(name, rules):
    """Compare blocks traced as one function, each rewritten where it runs, with the network run directly."""
    recipe = dataclasses.replace(RECIPE, rules=(*RECIPE.rules, *rules))
    network = QuantizedNetwork(model(name), recipe, LENGTH)
    network.calibrate([features()], 1)
    before = network.trained
    logits = trained_logits(network, Averaging(steps=0)).numpy()
    assert network.trained.ranges == before.ranges
    grids = grids_of(
        Plan(recipe, tuple(before.ranges), {}), tf.constant(list(zip(*before.ranges.values(), strict=True)))
    )
    whole = batch_answer(tensors(name), list(INPUT.values()), QuantizedProducts(recipe, grids))["logits"].numpy()
    floats = float_logits(name)
    # The same float32 operations, but about one in 10,000 rounds to a neighbour, and everything after it differs.
    assert (np.abs(logits - whole).max(axis=1) < 1e-4 * np.abs(floats).max()).mean() > 0.8
    assert np.abs(logits - whole).mean() < 0.2 * np.abs(whole - floats).mean()
    if rules:
        assert not any(site.startswith("block_1/") for site in before.ranges)


def test_gradients_reach_every_weight_through_rounding():
    network = QuantizedNetwork(model("student"), RECIPE, LENGTH)
    network.calibrate([features()], 1)
    weights = model("student").trainable_weights
    values = [weight.value for weight in weights]
    exact = keras_gradients(values)

    @tf.function(autograph=False)
    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(network.answer(INPUT, Averaging(steps=0))))
        return [tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, values)]

    for weight, gradient, expected in zip(weights, gradients(), exact, strict=True):
        gradient = gradient.numpy()
        if weight.path.endswith("key/bias"):
            continue  # cancels in the softmax
        # Rounding adds noise to the gradient but keeps its direction.
        cosine = np.vdot(gradient, expected) / np.linalg.norm(gradient) / np.linalg.norm(expected)
        assert cosine > 0.9, weight.path


def keras_gradients(values):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(model("student")(INPUT, training=False)))
    return [tf.convert_to_tensor(gradient).numpy() for gradient in tape.gradient(loss, values)]


def test_ranges_follow_batches_by_hand():
    averaging = Averaging(decay=0.75, steps=1)
    ranges = tf.constant([[-4.0, -1.0], [2.0, 8.0]])
    updated = averaging.after(ranges, tf.constant([[-2.0, -3.0], [2.4, 4.0]]))
    # An end moves inwards by a quarter of the way, and outwards at once.
    np.testing.assert_allclose(updated, [[-3.5, -3.0], [2.4, 7.0]])


def test_ranges_move_and_then_stay():
    network = QuantizedNetwork(model("student"), RECIPE, LENGTH)
    network.calibrate([{name: values[:1] for name, values in features().items()}], 1)
    averaging = Averaging(steps=1)
    ranges = [network.trained.ranges]
    for _ in range(3):
        trained_logits(network, averaging)
        ranges.append(network.trained.ranges)
    # Ranges of 64 texts are wider than those of the first one: they are adopted in the first step, then unchanged.
    assert ranges[1] == ranges[2] == ranges[3]
    wider = [ranges[1][site][1] - ranges[1][site][0] > high - low for site, (low, high) in ranges[0].items()]
    assert np.mean(wider) > 0.9 and all(low <= 0.0 <= high for low, high in ranges[1].values())


def test_training_brings_back_what_rounding_took(tmp_path):
    """Train 4-bit weights until the file gives the float network's answers."""
    fresh = model.__wrapped__("student")
    recipe = dataclasses.replace(RECIPE, rules=(Rule(weights="int4", activations="int8"),))
    network = QuantizedNetwork(fresh, recipe, LENGTH)
    network.calibrate([features()], 1)
    float_answers = keras_outputs(fresh, TASK, features())["logits"]

    def error_of_file():
        path = tmp_path / "file.tflite"
        path.write_bytes(file_of(fresh, network.trained).content)
        return np.square(TfliteModel(path).answer(features(), LENGTH)["logits"] - float_answers).mean()

    weights, optimizer = fresh.trainable_weights, keras.optimizers.Adam(2e-3)

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(network.answer(INPUT, Averaging(steps=60)) - float_answers))
        optimizer.apply(tape.gradient(loss, [weight.value for weight in weights]), weights)

    before = error_of_file()
    for _ in range(100):
        step()
    # Measured: 663 before, 50 to 100 after, depending on the last steps.
    assert error_of_file() < 0.3 * before


def test_layer_norm_is_refused():
    with pytest.raises(UsageError, match="the model has layer_norm, whose gammas the converter may move"):
        QuantizedNetwork(model("layer_norm"), RECIPE, LENGTH)
