"""The explanation of a file's errors finds a planted fault, and its figures are right."""

import dataclasses
import json
import re

import numpy as np
import pytest

from mobilebert_tf.export.choose.explain import WORTH, compare_layers, explain
from mobilebert_tf.export.choose.explain_report import recipe_line, tables
from mobilebert_tf.export.quantize.build import convert_lengths
from mobilebert_tf.export.quantize.quantizer import quantize
from mobilebert_tf.export.quantize.ranges import measure_ranges
from mobilebert_tf.export.recipes import RECIPES, Rule, parse_recipes
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
    """12 texts of 4 to 9 tokens, with random ids in the padding, which must not be read."""
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
    """Run one example through a file: every tensor by name, int8 tensors dequantised."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    (name,) = interpreter.get_signature_list()
    interpreter.get_signature_runner(name)(**{key: values[row : row + 1] for key, values in features.items()})
    tensors = {}
    for details in interpreter.get_tensor_details():
        try:
            value = interpreter.get_tensor(details["index"])
        except ValueError:  # Scratch memory.
            continue
        if value.dtype == np.int8 and len(details["quantization"]) and details["quantization"][0]:
            scale, zero = details["quantization"]
            value = (value.astype(np.float64) - zero) * scale
        tensors[details["name"]] = value
    return tensors


@pytest.mark.parametrize("layer", ["block_1/feedforward_1/output", "block_1/query_key", "block_2/attention_output"])
def test_planted_fault_is_named_first_and_mended(content, features, ranges, layer, tmp_path):
    tensor = f"{layer}/MatMul;{layer}/add"
    planted = narrowed(ranges, tensor)
    sound = explain(content, STATIC, TASK, ranges, features)
    faulty = explain(content, STATIC, TASK, planted, features)
    assert faulty.layers[0].name == f"{layer}/MatMul"
    # Clipped at a fiftieth of its range the layer loses nearly everything; later layers slightly exceed their own
    # ranges. Attention scores, from query_key, are small here: only half of the logits' error is added by the fault.
    assert faulty.layers[0].added_error > 0.8 > 0.2 > faulty.layers[1].added_error
    assert faulty.logits_error > 1.4 * sound.logits_error
    # Ranges measured at run time repair a wrong range, as float32 does.
    alone = [part for part in faulty.parts if part.name == f"{layer}/MatMul"]
    assert {part.instead for part in alone} == {"dynamic ranges", "float32"}
    assert all(part.logits_error < 1.5 * sound.logits_error for part in alone)
    # The proposed recipe, saved to a file: it treats a few parts differently.
    path = tmp_path / "mended.json"
    path.write_text(recipe_line(faulty.mended))
    (mended,) = parse_recipes(str(path))
    own = len(STATIC.rules)
    assert mended == faulty.mended and mended.rules[:own] == STATIC.rules
    assert any(re.search(rule.layers, tensor + ";") for rule in mended.rules[own:])
    again = explain(content, mended, TASK, planted, features)
    assert again.logits_error < 1.5 * sound.logits_error
    # The figures of the last step are those of a file by the whole recipe.
    assert own < len(mended.rules) <= own + len(faulty.steps)
    assert again.logits_error == pytest.approx(faulty.steps[-1].logits_error)
    before = faulty.logits_error
    for number, step in enumerate(faulty.steps):
        assert step.logits_error < (1 - WORTH * (number > 0)) * before
        before = step.logits_error


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
        exact, int8 = run(content, features, row), run(quantized, features, row)
        own = np.maximum(int8[operand].astype(np.float64) @ exact[f"{layer}/MatMul"].T + exact[relu], 0.0)
        signal += np.square(exact[result][real], dtype=np.float64).sum()
        noise += np.square(int8[result][real] - exact[result][real]).sum()
        added += np.square(int8[result][real] - own[real]).sum()
    measured = rows[f"{layer}/MatMul"]
    # float32 sums, 1e-6 of the values, against float64; the errors compared are a hundredth of the values.
    assert measured.relative_error == pytest.approx(np.sqrt(noise / signal), rel=1e-3)
    assert measured.added_error == pytest.approx(np.sqrt(added / signal), rel=1e-3)
    assert measured.signal_to_noise_db == pytest.approx(10 * np.log10(signal / noise), rel=1e-3)
    assert 0 < measured.added_error < measured.relative_error


@pytest.mark.parametrize("network", ["student", "layer_norm"])
def test_each_row_finds_its_operator_and_no_other(network, features):
    content = convert_lengths(model(network), [LENGTH])[LENGTH]
    rows = compare_layers(content, content, features)
    (graph,) = flatbuffer.read(content).subgraphs
    results = [graph.tensors[operator.outputs[0]].name.decode() + ";" for operator in graph.operators]
    assert len(rows) > 30 and len({row.name for row in rows}) == len(rows)
    names = {"block_1/query_key/MatMul", "block_1/feedforward_1/output/add_1", "classifier/MatMul"}
    if network == "layer_norm":
        # The converter folds the gamma of the preceding norm into this product.
        names = {"block_2/feedforward_1/intermediate/MatMul", "block_1/attention_output/Rsqrt", "classifier/MatMul"}
    assert names <= {row.name for row in rows}
    for row in rows:
        # The file is compared with itself.
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
    explanation = explain(content, RECIPES[name], TASK, measure_ranges(content, features), features)
    names = {part.name for part in explanation.parts}
    assert {part.instead for part in explanation.parts} == (
        {"dynamic ranges", "float32"} if RECIPES[name].is_static else {"float32"}
    )
    assert {"embeddings", "block_1", "block_2", "classifier", "intermediate", "attention_output"} <= names
    errors = [part.logits_error for part in explanation.parts]
    assert errors == sorted(errors)
    if explanation.mended:
        assert min(errors) < explanation.logits_error
        assert json.loads(recipe_line(explanation.mended))["name"] == f"{name}_mended"
    printed = tables(explanation)
    assert explanation.layers[0].name in printed
    assert ("together" in printed) == (len(explanation.steps) > 1)


def test_dynamic_ranges_keep_the_weights_as_they_are(content, features, ranges):
    """A recipe for old runtimes keeps one scale a matrix, one of four bits its four bits."""
    coarse = dataclasses.replace(STATIC, rules=(*STATIC.rules[:1], Rule(weights="int4", activations="int8")))
    for recipe in (RECIPES["static_int8_per_tensor"], coarse):
        explanation = explain(content, recipe, TASK, ranges, features)
        dynamic = [part for part in explanation.parts if part.instead == "dynamic ranges"]
        # Biases stay in float32 beside them, and scales of what was rounded go: no weight grows.
        assert dynamic and all(part.extra_bytes < 500 for part in dynamic)
        added = explanation.mended.rules[len(recipe.rules) :]
        own = recipe.rules[1]
        assert all((rule.weights, rule.per_channel) == (own.weights, own.per_channel) for rule in added)


def test_what_may_not_be_proposed_is_not(content, features, ranges):
    free = explain(content, STATIC, TASK, ranges, features)
    asked = []

    def is_sound(candidate):
        asked.append(candidate)
        return len(asked) > 1

    second = explain(content, STATIC, TASK, ranges, features, is_sound=is_sound)
    assert second.mended is None or second.steps[0] != free.steps[0]
    assert explain(content, STATIC, TASK, ranges, features, is_sound=lambda _: False).mended is None


def test_what_stays_in_float_is_no_part(content, features, ranges):
    explanation = explain(content, RECIPES["static_int8"], TASK, ranges, features)
    # Attention is computed in float32 already, so it is not offered as a part to leave in float.
    assert "attention" not in {part.name for part in explanation.parts}
    attention = [row for row in explanation.layers if row.operator in ("SOFTMAX", "BATCH_MATMUL")]
    assert attention and all(row.added_error == 0.0 < row.relative_error for row in attention)
