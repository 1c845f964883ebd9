"""Changes to files as objects, checked through LiteRT and through the schema's own reader."""

import collections
import dataclasses

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.export.quantize import build, ranges
from mobilebert_tf.export.quantize.quantizer import quantize
from mobilebert_tf.export.recipes import DEFAULT, RECIPES, Recipe, Rule
from mobilebert_tf.litert import flatbuffer
from mobilebert_tf.litert.runtime import TfliteModel
from mobilebert_tf.models import ClassificationModel

from .test_rewrite import inputs, model

FEATURES = {"input_ids": inputs()[0][None], "input_mask": inputs()[1][None], "segment_ids": inputs()[2][None]}


@pytest.fixture(scope="module")
def files():
    return build.convert_lengths(model("student"), [5, 7])


@pytest.fixture(scope="module")
def measured(files):
    return ranges.measure_ranges(files[7], FEATURES)


def operators(content, name):
    """(operator, its graph's tensors, its version) for each operator of this name, over all graphs."""
    read = flatbuffer.read(content)
    number = getattr(schema.BuiltinOperator, name)
    for graph in read.subgraphs:
        for operator in graph.operators:
            code = read.operatorCodes[operator.opcodeIndex]
            if code.builtinCode == number:
                yield operator, graph.tensors, code.version


def test_lengths_share_the_weights(files):
    read = flatbuffer.read(build.build(files, RECIPES["float32"], None))
    assert [signature.signatureKey for signature in read.signatureDefs] == [b"tokens_5", b"tokens_7"]
    contents = [bytes(buffer.data) for buffer in read.buffers if buffer.data is not None and len(buffer.data) >= 64]
    # The kernels of all layers, and the word table.
    assert len(contents) > 20
    assert len(contents) == len(set(contents))


@pytest.mark.parametrize("name", RECIPES)
def test_every_length_computes_what_it_computes_alone(files, measured, name, tmp_path):
    both = tmp_path / "both.tflite"
    both.write_bytes(build.build(files, RECIPES[name], measured))
    for length in (5, 7):
        alone = tmp_path / "alone.tflite"
        alone.write_bytes(build.build({length: files[length]}, RECIPES[name], measured))
        features = {key: values[:, :length] for key, values in FEATURES.items()}
        logits = TfliteModel(both).answer(features, length)["logits"]
        np.testing.assert_array_equal(logits, TfliteModel(alone).answer(features, length)["logits"])


def test_buffers_stand_inside_and_equal_lists_and_names_once(files, measured):
    content = build.build(files, RECIPES["static_int8"], measured)
    read = schema.Model.GetRootAs(content)
    assert all(read.Buffers(i).Offset() == 0 for i in range(read.BuffersLength()))
    places = collections.defaultdict(set)
    names = set()
    for i in range(read.SubgraphsLength()):
        for j in range(read.Subgraphs(i).TensorsLength()):
            tensor = read.Subgraphs(i).Tensors(j)
            names.add(tensor.Name())
            quantization = tensor.Quantization()
            if quantization and quantization.ZeroPointLength() > 1:
                assert not quantization.ZeroPointAsNumpy().any()
                places[quantization.ZeroPointLength()].add(quantization._tab.Vector(quantization._tab.Offset(10)))
    assert places and all(len(offsets) == 1 for offsets in places.values())
    assert all(content.count(b"\0" + name + b"\0") == 1 for name in names)


def test_bytes_of_weights():
    """12 int8 weights with three scales, shared by two graphs, and a result without a buffer."""
    weights, result, model = schema.TensorT(), schema.TensorT(), schema.ModelT()
    weights.buffer, weights.quantization = 1, schema.QuantizationParametersT()
    weights.quantization.scale = np.ones(3, np.float32)
    result.buffer = 0
    model.buffers = [schema.BufferT(), schema.BufferT()]
    model.buffers[1].data = np.zeros(12, np.uint8)
    model.subgraphs = [schema.SubGraphT(), schema.SubGraphT()]
    for graph in model.subgraphs:
        graph.tensors = [result, weights]
    assert flatbuffer.weight_bytes(flatbuffer.write(model)) == 12 + 3 * 4


@pytest.mark.slow
def test_files_of_the_full_student_are_hardly_more_than_its_weights():
    """Names, shapes and zero points take two percent; each further length takes half a percent of an int8 file."""
    full = ClassificationModel(MobileBertConfig.preset("mobilebert"), num_labels=2)
    for weight in full.trainable_weights:
        if weight.path.endswith("gamma"):  # Gammas of one would fold to nothing.
            weight.assign(np.random.default_rng(0).uniform(0.5, 1.5, weight.shape))
    files = build.convert_lengths(full, [32, 64])
    measured = ranges.measure_ranges(files[64], {name: np.ones((1, 64), np.int32) for name in FEATURES})
    for name in DEFAULT:
        single = build.build({32: files[32]}, RECIPES[name], measured)
        assert flatbuffer.weight_bytes(single) < len(single) < 1.02 * flatbuffer.weight_bytes(single), name
        both = build.build(files, RECIPES[name], measured)
        assert len(both) - len(single) < 0.005 * len(single), name


def test_versions_are_what_the_converter_of_tensorflow_gives(tmp_path):
    """The same network quantised by both: where both have an operator on the same types, the versions agree.

    With int16 activations TensorFlow's converter refuses this network, for its CAST.
    """
    import tensorflow as tf

    from mobilebert_tf.export.convert.signatures import write_saved_model

    write_saved_model(model("student"), 7, 7, tmp_path / "saved")
    features = [{name: tf.constant(values, tf.int32) for name, values in FEATURES.items()}]
    for name, bits in (("dynamic_int8", 0), ("static_int8_full", 8)):
        converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved"))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if bits:
            converter.representative_dataset = lambda: (("tokens_7", one) for one in features)
        reference = versions(converter.convert())
        files = build.convert_lengths(model("student"), [7])
        own = versions(build.build(files, RECIPES[name], ranges.measure_ranges(files[7], FEATURES)))
        common = reference.keys() & own.keys()
        wanted = {"BATCH_MATMUL", "SOFTMAX", "TRANSPOSE", "ADD", "PAD", "STRIDED_SLICE", "CONCATENATION"}
        # TensorFlow leaves matrices this small in float if activations are float.
        assert {one for one, *_ in common} >= wanted | ({"FULLY_CONNECTED", "QUANTIZE"} if bits else set())
        # TensorFlow's file has only the highest version of an operator used on several types. The version of MUL
        # depends on scales, which the two find differently.
        for operator in {one for one, *_ in common} - {"MUL"}:
            assert _highest(own, operator) == _highest(reference, operator), (name, operator)


def _highest(found, operator):
    return max(version for (one, *_), version in found.items() if one == operator)


@pytest.mark.parametrize("per_channel", [True, False])
def test_version_of_a_product_with_dynamic_activations(per_channel):
    import tensorflow as tf

    kernel = tf.constant(np.random.default_rng(0).standard_normal((64, 64)), tf.float32)
    bias = tf.ones(64)
    function = tf.function(lambda x: tf.matmul(x, kernel) + bias, input_signature=[tf.TensorSpec((3, 64))])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    plain = converter.convert()
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter._experimental_disable_per_channel = not per_channel
    recipe = Recipe(name="mine", description="", rules=(Rule(per_channel=per_channel),))
    read = flatbuffer.read(quantize(plain, recipe, None))
    flatbuffer.use_asymmetric_inputs(read)
    flatbuffer.set_versions(read)
    assert versions(flatbuffer.write(read)) == versions(converter.convert())


def versions(content):
    """{(operator, (type, per channel or not) of each input, the bias included if there is one): version} of a file."""
    read = flatbuffer.read(content)
    names = {code: name for name, code in vars(schema.BuiltinOperator).items()}
    by_operator = {}
    for graph in read.subgraphs:
        for operator in graph.operators:
            code = read.operatorCodes[operator.opcodeIndex]
            tensors = [graph.tensors[i] for i in operator.inputs if i >= 0]
            kinds = tuple(
                (
                    t.type,
                    t.quantization is not None
                    and t.quantization.scale is not None
                    and np.size(t.quantization.scale) > 1,
                )
                for t in tensors
            )
            by_operator[(names[max(code.builtinCode, code.deprecatedBuiltinCode)], kinds)] = code.version
    return by_operator


def test_a_rule_for_layers_holds_for_these_alone(files):
    recipe = Recipe(name="mine", description="", rules=(Rule(), Rule(layers="feedforward_1/output", weights="float32")))
    kinds = {}
    for operator, tensors, _ in operators(build.build(files, recipe, None), "FULLY_CONNECTED"):
        kinds[tensors[operator.outputs[0]].name.decode().split(";")[0]] = tensors[operator.inputs[1]].type
    left = {name for name, kind in kinds.items() if kind == schema.TensorType.FLOAT32}
    assert left and all("feedforward_1/output" in name for name in left)
    assert all("feedforward_1/output" not in name for name in kinds.keys() - left)


def test_the_last_rule_counts(files):
    twice = (Rule(), Rule(layers="feedforward_1", weights="float32"), Rule())
    content = build.build(files, Recipe(name="mine", description="", rules=twice), None)
    kinds = {tensors[operator.inputs[1]].type for operator, tensors, _ in operators(content, "FULLY_CONNECTED")}
    assert kinds == {schema.TensorType.INT8}


def test_half_is_marked_only_where_values_allow_it(files, measured):
    def marked(recipe, found):
        read = flatbuffer.read(build.build(files, recipe, found))
        return any(one.name == b"reduced_precision_support" for one in read.metadata or ())

    half = RECIPES["float16"]
    small = dataclasses.replace(measured, largest=16_376.0)
    large = dataclasses.replace(measured, largest=16_377.0)
    assert marked(half, small) and not marked(half, large) and not marked(half, None)
    assert not marked(RECIPES["dynamic_int8"], small)
