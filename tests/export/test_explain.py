"""Does the explanation find a fault that was planted, and are its figures right?"""

import dataclasses
import json
import re

import numpy as np
import pytest

from mobilebert_tf.export.choose.explain import compare_layers, explain
from mobilebert_tf.export.choose.explain_report import recipe_line, tables
from mobilebert_tf.export.quantize.build import convert_lengths
from mobilebert_tf.export.quantize.quantizer import quantize
from mobilebert_tf.export.quantize.ranges import measure_ranges
from mobilebert_tf.export.recipes import RECIPES, parse_recipes
from mobilebert_tf.litert import flatbuffer
from mobilebert_tf.tasks.classification import ClassificationTask

from .test_rewrite import model

LENGTH = 9
STATIC = RECIPES["static_int8"]
TASK = ClassificationTask(("x", "y"))


@pytest.fixture(scope="module")
def content():
    return convert_lengths(model("student"), [LENGTH])[LENGTH]


@pytest.fixture(scope="module")
def features():
    """12 texts of 4 to 9 tokens; what stands in the padding is not there to be read."""
    random = np.random.default_rng(3)
    mask = (np.arange(LENGTH) < random.integers(4, LENGTH + 1, (12, 1))).astype(np.int32)
    ids = random.integers(1, 30, (12, LENGTH)).astype(np.int32)
    return {"input_ids": ids, "input_mask": mask, "segment_ids": np.zeros_like(mask)}


@pytest.fixture(scope="module")
def ranges(content, features):
    return measure_ranges(content, features)


def narrowed(ranges, tensor):
    low, high = ranges.nearest[tensor]
    return dataclasses.replace(ranges, nearest={**ranges.nearest, tensor: (low / 50, high / 50)})


def run(content, features, row):
    """An example through a file, by hand: what is there, by name, not yet dequantised; and scales by name."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    (name,) = interpreter.get_signature_list()
    interpreter.get_signature_runner(name)(**{key: values[row : row + 1] for key, values in features.items()})
    found = {}
    for one in interpreter.get_tensor_details():
        try:
            value = interpreter.get_tensor(one["index"])
        except ValueError:  # Scratch memory.
            continue
        if value.dtype == np.int8 and len(one["quantization"]) and one["quantization"][0]:
            scale, zero = one["quantization"]
            value = (value.astype(np.float64) - zero) * scale
        found[one["name"]] = value
    return found


@pytest.mark.parametrize("layer", ["block_1/feedforward_1/output", "block_1/query_key", "block_2/attention_output"])
def test_planted_fault_is_named_first_and_mended(content, features, ranges, layer, tmp_path):
    tensor = f"{layer}/MatMul;{layer}/add"
    planted = narrowed(ranges, tensor)
    sound = explain(content, STATIC, TASK, ranges, features)
    faulty = explain(content, STATIC, TASK, planted, features)
    assert faulty.layers[0].name == f"{layer}/MatMul"
    # Clipped at a fiftieth of the range nearly nothing is left of the layer; what comes after leaves its own
    # range a little. The scores of attention, of query_key, are small here: half the logits' error is as before.
    assert faulty.layers[0].added_error > 0.8 > 0.2 > faulty.layers[1].added_error
    assert faulty.logits_error > 1.4 * sound.logits_error
    # Ranges found while running mend a range that is wrong, as float32 does.
    alone = [part for part in faulty.parts if part.name == f"{layer}/MatMul"]
    assert {part.instead for part in alone} == {"dynamic ranges", "float32"}
    assert all(part.logits_error < 1.5 * sound.logits_error for part in alone)
    # A file of one's own with one part otherwise.
    path = tmp_path / "mended.json"
    path.write_text(recipe_line(faulty.mended))
    (mended,) = parse_recipes(str(path))
    assert mended == faulty.mended and mended.rules[:-1] == STATIC.rules
    assert re.search(mended.rules[-1].layers, tensor + ";")
    again = explain(content, mended, TASK, planted, features)
    assert again.logits_error < 1.5 * sound.logits_error
    (chosen,) = (
        part for part in faulty.parts if mended.description == f"{STATIC.name} with {part.name} in {part.instead}"
    )
    assert again.logits_error == pytest.approx(chosen.logits_error)


def test_figures_are_those_of_numpy(content, features, ranges):
    quantized = quantize(content, STATIC, ranges)
    rows = {row.name: row for row in compare_layers(content, quantized, features)}
    layer = "block_1/feedforward_1/intermediate"
    operand = "block_1/attention_output/add_1"
    relu = f"{layer}/Relu;{layer}/add"
    result = f"{layer}/MatMul;{relu}"
    signal = noise = added = 0.0
    for row, mask in enumerate(features["input_mask"]):
        real = mask.astype(bool)
        exact, found = run(content, features, row), run(quantized, features, row)
        own = np.maximum(found[operand].astype(np.float64) @ exact[f"{layer}/MatMul"].T + exact[relu], 0.0)
        signal += np.square(exact[result][real], dtype=np.float64).sum()
        noise += np.square(found[result][real] - exact[result][real]).sum()
        added += np.square(found[result][real] - own[real]).sum()
    one = rows[f"{layer}/MatMul"]
    # float32 sums against float64: 1e-6 of the values, which are a hundred times their errors.
    assert one.relative_error == pytest.approx(np.sqrt(noise / signal), rel=1e-3)
    assert one.added_error == pytest.approx(np.sqrt(added / signal), rel=1e-3)
    assert one.signal_to_noise_db == pytest.approx(10 * np.log10(signal / noise), rel=1e-3)
    assert 0 < one.added_error < one.relative_error


@pytest.mark.parametrize("network", ["student", "layer_norm"])
def test_each_row_finds_its_operator_and_no_other(network, features):
    content = convert_lengths(model(network), [LENGTH])[LENGTH]
    rows = compare_layers(content, content, features)
    (graph,) = flatbuffer.read(content).subgraphs
    results = [graph.tensors[operator.outputs[0]].name.decode() + ";" for operator in graph.operators]
    assert len(rows) > 30 and len({row.name for row in rows}) == len(rows)
    names = {"block_1/query_key/MatMul", "block_1/feedforward_1/output/add_1", "classifier/MatMul"}
    if network == "layer_norm":
        # The converter draws the gamma of the norm before it into this product.
        names = {"block_2/feedforward_1/intermediate/MatMul", "block_1/attention_output/Rsqrt", "classifier/MatMul"}
    assert names <= {row.name for row in rows}
    for row in rows:
        # A file against itself.
        assert row.relative_error == row.added_error == 0.0 and row.signal_to_noise_db is None
        assert sum(bool(re.search(row.layers, result)) for result in results) == 1


@pytest.mark.parametrize(
    "network, name",
    [
        ("layer_norm", "static_int8_full"),
        ("pooler", "dynamic_int8"),
        ("gelu", "float16"),
        ("narrow_attention", "weight_int4"),
    ],
)
def test_networks_and_recipes_of_all_kinds(network, name, features):
    content = convert_lengths(model(network), [LENGTH])[LENGTH]
    found = explain(content, RECIPES[name], TASK, measure_ranges(content, features), features)
    names = {part.name for part in found.parts}
    assert {part.instead for part in found.parts} == (
        {"dynamic ranges", "float32"} if RECIPES[name].is_static else {"float32"}
    )
    assert {"embeddings", "block_1", "block_2", "classifier", "intermediate", "attention_output"} <= names
    errors = [part.logits_error for part in found.parts]
    assert errors == sorted(errors)
    if found.mended:
        assert min(errors) < found.logits_error
        assert json.loads(recipe_line(found.mended))["name"] == f"{name}_mended"
    assert found.layers[0].name in tables(found)


def test_what_stays_in_float_is_no_part(content, features, ranges):
    found = explain(content, RECIPES["static_int8"], TASK, ranges, features)
    # Attention is computed in float32 there: nothing to leave.
    assert "attention" not in {part.name for part in found.parts}
    attention = [row for row in found.layers if row.operator in ("SOFTMAX", "BATCH_MATMUL")]
    assert attention and all(row.added_error == 0.0 < row.relative_error for row in attention)
