"""The GPU delegate's rules: refusals, the count of partitions, and that it takes files laid out for it."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from mobilebert_tf import cli
from mobilebert_tf.export.rewrite import rules
from mobilebert_tf.litert import gpu

from .test_rewrite import LENGTH, OPTIONS, inputs, model

FLOAT, INT32, INT8 = schema.TensorType.FLOAT32, schema.TensorType.INT32, schema.TensorType.INT8


def tensor(*shape, type=FLOAT):
    return SimpleNamespace(shape=list(shape), type=type)


def refusal(name, inputs, outputs, constant=(), version=1, **options):
    fixed = [place in constant for place in range(len(inputs))]
    return gpu.refusal(gpu.Operator(name, version, inputs, outputs, fixed, SimpleNamespace(**options)))


ROWS, IMAGE = tensor(8, 4), tensor(1, 8, 4)
PLAIN = {"adjX": False, "adjY": False}
FULL = {"weightsFormat": 0, "keepNumDims": True}


@pytest.mark.parametrize(
    ("reason", "operator"),
    [
        # Refused operators beside similar ones that are taken.
        (None, refusal("ADD", [tensor(1, 2, 8, 8), tensor(1, 8)], [tensor(1, 2, 8, 8)])),
        ("broadcast of [8, 4] to [1, 8, 4]", refusal("ADD", [IMAGE, ROWS], [IMAGE], {1})),
        ("broadcast of [2, 8] to [1, 2, 8, 8]", refusal("MUL", [tensor(1, 2, 8, 8), tensor(2, 8)], [IMAGE])),
        (None, refusal("MUL", [IMAGE, tensor(4)], [IMAGE], {1})),
        ("int32 tensors", refusal("MUL", [tensor(1, 8, type=INT32), tensor(type=INT32)], [tensor(1, 8)], {1})),
        ("not supported", refusal("EMBEDDING_LOOKUP", [tensor(8, type=INT32), ROWS], [ROWS], {1})),
        ("a constant table, which it cannot read", refusal("GATHER", [ROWS, tensor(8, type=INT32)], [ROWS], {0})),
        ("indices that are not a vector", refusal("GATHER", [ROWS, tensor(1, 8, type=INT32)], [IMAGE], {0})),
        (None, refusal("CAST", [tensor(1, 8, type=INT32)], [tensor(1, 8)])),
        ("a cast of other types than float32 and int32", refusal("CAST", [tensor(1, 8, type=INT8)], [tensor(1, 8)])),
        (None, refusal("FULLY_CONNECTED", [IMAGE, ROWS, tensor(8)], [IMAGE], {1, 2}, 9, **FULL)),
        ("version 12, it knows 9", refusal("FULLY_CONNECTED", [IMAGE, ROWS, tensor(8)], [IMAGE], {1, 2}, 12, **FULL)),
        ("another rank in the result", refusal("FULLY_CONNECTED", [IMAGE, ROWS], [ROWS], {1}, **FULL)),
        (None, refusal("BATCH_MATMUL", [tensor(1, 2, 8, 4), tensor(1, 2, 4, 8)], [tensor(1, 2, 8, 8)], **PLAIN)),
        ("a transposed input, which it multiplies as it is",
         refusal("BATCH_MATMUL", [IMAGE, IMAGE], [tensor(1, 8, 8)], adjX=False, adjY=True)),
        ("a constant input other than a matrix on the right",
         refusal("BATCH_MATMUL", [IMAGE, tensor(1, 4, 8)], [tensor(1, 8, 8)], {1}, **PLAIN)),
        (None, refusal("PAD", [IMAGE, tensor(3, 2, type=INT32)], [tensor(1, 10, 4)], {1})),
        ("rank 2", refusal("PAD", [ROWS, tensor(2, 2, type=INT32)], [tensor(10, 4)], {1})),
        ("rank 2", refusal("STRIDED_SLICE", [ROWS, *[tensor(2, type=INT32)] * 3], [ROWS], {1, 2, 3},
                           ellipsisMask=0, newAxisMask=0, shrinkAxisMask=0)),
        ("a slice that changes the rank",
         refusal("STRIDED_SLICE", [IMAGE, *[tensor(3, type=INT32)] * 3], [ROWS], {1, 2, 3},
                 ellipsisMask=0, newAxisMask=0, shrinkAxisMask=1)),
        (None, refusal("RESHAPE", [IMAGE, tensor(3, type=INT32)], [tensor(1, 4, 8)], {1})),
        ("int32 tensors", refusal("RESHAPE", [tensor(1, 8, type=INT32), tensor(1, type=INT32)], [tensor(8)], {1})),
        ("rank 5", refusal("RESHAPE", [IMAGE, tensor(5, type=INT32)], [tensor(1, 1, 1, 8, 4)], {1})),
        ("beta that is not 1", refusal("SOFTMAX", [IMAGE], [IMAGE], beta=0.5)),
        ("1 computed and 0 constant inputs", refusal("SUB", [IMAGE], [IMAGE])),
    ],
)  # fmt: skip
def test_rules(reason, operator):
    assert operator == reason


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ([True, True, True, True], 1),
        ([False, True, True, True], 1),
        ([True, False, True, True], 2),
        ([True, False, True, False], 2),
        ([False, False, False, False], 0),
    ],
)
def test_stretches_of_a_chain(taken, expected):
    """A chain of four operators, each of which reads the output of the one before."""
    places = [([i], [i + 1]) for i in range(4)]
    assert gpu._partitions(places, taken, {0}) == expected


def test_what_does_not_depend_on_the_processor_joins_a_later_stretch():
    """A lookup beside a cast: if the first operator is refused, all refused ones run first."""
    lookup, cast, add = ([0], [2]), ([1], [3]), ([2, 3], [4])
    assert gpu._partitions([lookup, cast, add], [False, True, True], {0, 1}) == 1
    assert gpu._partitions([cast, lookup, add], [True, False, True], {0, 1}) == 2


def test_ordinary_files_are_refused_in_pieces(export_directory):
    result = gpu.check((export_directory / "dynamic_int8.tflite").read_bytes(), graph=-1)
    assert not result.whole and result.partitions > 10
    refused = {what.partition(":")[0] for what in result.refused}
    assert {"EMBEDDING_LOOKUP", "FULLY_CONNECTED", "STRIDED_SLICE"} <= refused
    assert result.taken + sum(result.refused.values()) == result.operators
    # The operators that widen float16 weights are not counted, so the network is the same as in float32.
    plain = gpu.check((export_directory / "float32.tflite").read_bytes(), graph=-1)
    assert not plain.whole and {what.partition(":")[0] for what in plain.refused} & {"PAD", "EMBEDDING_LOOKUP"}
    assert gpu.check((export_directory / "float16.tflite").read_bytes(), graph=-1) == plain
    # Some tensors have their rows as a batch, which only the OpenCL backend can build.
    assert len(plain.batches) > 1


@pytest.mark.parametrize("name", [name for name in OPTIONS if name != "24_blocks"])
@pytest.mark.parametrize("rewrites", [(), tuple(rules.REWRITES)], ids=["as_trained", "rewritten"])
def test_layout_computes_the_same_network(name, rewrites):
    import tensorflow as tf

    from mobilebert_tf.export.rewrite import graph
    from mobilebert_tf.export.rewrite.layouts import Images
    from mobilebert_tf.export.rewrite.read import read_network

    from .numpy_network import logits

    network = rules.rewrite(read_network(model(name)), LENGTH, rewrites)
    expected = logits(network, *inputs())
    rows = [tf.constant(row[None], tf.int32) for row in inputs()]
    answers = graph.answer(network, *rows, Images())[network.head.outputs[0]].numpy()
    # float32, 1e-7, against float64.
    np.testing.assert_allclose(answers[0], expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    assert answers.shape == (1, 3)


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("student", ""),
        ("student", ",".join(rules.REWRITES)),
        ("replacing_mask", ""),
        ("layer_norm", ""),
        ("pair", ""),
        ("like_bert_with_no_norm", ""),
        pytest.param("gelu_tanh", "", marks=pytest.mark.slow),
        pytest.param("no_bottleneck", "", marks=pytest.mark.slow),
        pytest.param("narrow_attention", ",".join(rules.REWRITES), marks=pytest.mark.slow),
    ],
)
def test_delegate_takes_the_layout_in_one_piece(name, without):
    from mobilebert_tf.export.quantize.build import build, convert_lengths
    from mobilebert_tf.export.recipes import RECIPES

    files = convert_lengths(model(name), [LENGTH], rules.parse_rewrites(without), "gpu")
    for recipe in (RECIPES["gpu"], dataclasses.replace(RECIPES["float32"], target="gpu")):
        result = gpu.check(build(files, recipe, None))
        assert result.whole and result.batches == [1], result
        # Only integer operations are left to the CPU.
        assert {what.partition(":")[0] for what in result.refused} <= {"GATHER", "MUL", "ADD"}, result.refused
        assert all("int32" in what or "GATHER" in what for what in result.refused), result.refused


def test_export_verifies_the_file_like_the_others(classifier_directory, labelled_table, tmp_path):
    own = {"name": "gpu_float32", "target": "gpu", "gate": {"max_relative_error": 1e-4}}
    (tmp_path / "own.json").write_text(json.dumps(own))
    words = ["export", f"--model={classifier_directory}", f"--evaluation={labelled_table}", "--rounds=1", "--runs=1"]
    words += [f"--recipes=float32,gpu,{tmp_path}/own.json", "--sequence_lengths=16,48", f"--output={tmp_path}/out"]
    assert cli.run(words) == 0
    plain, *gpu_rows = json.loads((tmp_path / "out" / "report.json").read_text())["variants"]
    for row, bound in zip(gpu_rows, (1e-2, 1e-4), strict=True):
        assert row["passed"] and row["target"] == "gpu" and row["parity"]["examples"] == 60
        # The same bounds as for other files: one of float16 weights, one of float32.
        assert row["parity"]["max_relative_error"] < bound
        assert (row["gpu"]["partitions"], row["gpu"]["batches"]) == (1, [1])
    assert gpu_rows[1]["metrics"]["confusion"] == plain["metrics"]["confusion"]
    assert plain["gpu"]["partitions"] > 1
    markdown = (tmp_path / "out" / "report.md").read_text()
    assert "**For a GPU delegate: `gpu.tflite`.**" in markdown and "not run on a GPU" in markdown
    assert "EMBEDDING\\_LOOKUP: not supported" in markdown


def test_integers_are_refused(classifier_directory, tmp_path, capsys):
    own = {"name": "mine", "target": "gpu", "rules": [{"weights": "int8"}]}
    (tmp_path / "own.json").write_text(json.dumps(own))
    words = ["export", f"--model={classifier_directory}", f"--recipes={tmp_path}/own.json", f"--output={tmp_path}/out"]
    for target, message in (
        ("gpu", "quantise to integers, but a gpu file must have float weights"),
        ("tpu", "target: is 'tpu'"),
    ):
        (tmp_path / "own.json").write_text(json.dumps({**own, "target": target}))
        assert cli.run(words) == 2
        error = capsys.readouterr().err.strip()
        assert message in error and len(error.splitlines()) == 1
