"""One graph for all lengths: the same bits as graphs of their own, in every signature and in any order of them."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf.errors import FailedError
from mobilebert_tf.export.convert.lengths import parse_lengths
from mobilebert_tf.export.quantize import build
from mobilebert_tf.export.recipes import RECIPES, Recipe
from mobilebert_tf.export.rewrite.rules import REWRITES
from mobilebert_tf.litert import flatbuffer, one_graph
from mobilebert_tf.litert.compiled import IN_MEMORY
from mobilebert_tf.litert.instructions import estimate
from mobilebert_tf.litert.runtime import TfliteModel

from .test_heads import embedder
from .test_rewrite import OPTIONS, model

# 8 is the width inside a block, and 4 that of a head: sizes that are a length in one file and a width in another.
LENGTHS = [4, 5, 8, 9]


def shared(recipe: Recipe) -> Recipe:
    return dataclasses.replace(recipe, one_graph=True)


def both(network, recipe: str, directory: Path) -> list[Path]:
    """The file with a graph for each length, and that with one."""
    files = build.convert_lengths(network, LENGTHS)
    ends = {length: files[length] for length in (LENGTHS[0], LENGTHS[-1])}
    contents = [build.build(files, RECIPES[recipe], None), build.build(ends, shared(RECIPES[recipe]), None, LENGTHS)]
    paths = [directory / "apart.tflite", directory / "shared.tflite"]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def features(seed: int = 0) -> dict[str, np.ndarray]:
    """Texts of 2 to 9 ids in an order that makes lengths grow, shrink and stay."""
    random = np.random.default_rng(seed)
    real = np.array([3, 9, 2, 7, 7, 4, 8, 3])
    mask = (np.arange(9) < real[:, None]).astype(np.int32)
    ids = random.integers(5, 30, mask.shape).astype(np.int32) * mask
    segments = ((np.arange(9) >= real[:, None] // 2) * mask).astype(np.int32)
    return {"input_ids": ids, "input_mask": mask, "segment_ids": segments}


@pytest.mark.parametrize("name", [name for name in OPTIONS if name != "24_blocks"])
def test_answers_are_those_of_a_graph_for_each_length(name: str, tmp_path: Path):
    apart, together = (TfliteModel(path) for path in both(model(name), "float32", tmp_path))
    assert together.lengths == apart.lengths == LENGTHS
    # The kernels get the same shapes, so they sum in the same order.
    np.testing.assert_array_equal(together.run(features())["logits"], apart.run(features())["logits"])


@pytest.mark.parametrize("recipe", ["float16", "dynamic_int8", "dynamic_int8_per_tensor", "weight_int4"])
def test_answers_of_every_recipe(recipe: str, tmp_path: Path):
    apart, together = both(model("mean"), recipe, tmp_path)
    expected = TfliteModel(apart).run(features())["logits"]
    np.testing.assert_array_equal(TfliteModel(together).run(features())["logits"], expected)


def test_vectors(tmp_path: Path):
    apart, together = both(embedder("student"), "dynamic_int8", tmp_path)
    expected = TfliteModel(apart).run(features())["embedding"]
    np.testing.assert_array_equal(TfliteModel(together).run(features())["embedding"], expected)


@pytest.mark.parametrize("kind", ["QuestionAnsweringModel", "TokenClassificationModel"])
def test_answers_for_each_token(kind: str, tmp_path: Path):
    """Outputs have an axis of tokens too; both APIs, since buffers have the size of an output."""
    from mobilebert_tf import models
    from mobilebert_tf.model_directory import copy_encoder

    labels = () if kind == "QuestionAnsweringModel" else (3,)
    network = getattr(models, kind)(model("student").config, *labels)
    copy_encoder(model("student"), network)
    apart, together = both(network, "float32", tmp_path)
    expected = TfliteModel(apart).run(features())
    assert len(expected) == 2 - len(labels)
    for cache in ("", IN_MEMORY):
        answers = TfliteModel(together, weight_cache=cache).run(features())
        for name, values in expected.items():
            np.testing.assert_array_equal(answers[name], values)


def test_both_apis_and_all_caches_give_the_same_bits(tmp_path: Path):
    _, path = both(model("student"), "dynamic_int8", tmp_path)
    expected = TfliteModel(path).run(features())["logits"]
    assert len({row.tobytes() for row in expected}) == len(expected), "each text has an answer of its own"
    for cache in (IN_MEMORY, str(tmp_path / "cache"), str(tmp_path / "cache")):
        np.testing.assert_array_equal(TfliteModel(path, weight_cache=cache).run(features())["logits"], expected)


def test_a_signature_may_be_opened_twice(tmp_path: Path):
    """Two callables of one signature, and another between their calls, which share the size of the graph."""
    from mobilebert_tf.litert.compiled import CompiledFile

    _, path = both(model("student"), "float32", tmp_path)
    file = CompiledFile(path)
    first, second, other = (file.get_signature_runner(f"tokens_{length}") for length in (5, 5, 9))
    feeds = {name: rows[:1, :5] for name, rows in features().items()}
    wide = {name: rows[:1] for name, rows in features().items()}
    expected = first(**feeds)["logits"]
    np.testing.assert_array_equal(second(**feeds)["logits"], expected)
    assert other(**wide)["logits"].shape == (1, 3)
    np.testing.assert_array_equal(first(**feeds)["logits"], expected)


def test_a_file_is_not_read_whole_to_find_its_shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A copy of the file in memory would be part of the loading that `benchmark memory` measures."""
    from mobilebert_tf.litert.compiled import CompiledFile

    apart, together = both(model("student"), "float32", tmp_path)
    expected = [one_graph.any_shapes(path.read_bytes()) for path in (apart, together)]

    def refused(path: Path) -> bytes:
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr(Path, "read_bytes", refused)
    assert [one_graph.any_shapes_of(path) for path in (apart, together)] == expected
    assert CompiledFile(together).get_signature_runner("tokens_5").get_input_details()["input_ids"]["shape"][1] == 5


def test_all_signatures_name_one_graph(tmp_path: Path):
    apart, together = both(model("student"), "dynamic_int8", tmp_path)
    file = flatbuffer.read(together.read_bytes())
    assert len(file.subgraphs) == 1 and {one.subgraphIndex for one in file.signatureDefs} == {0}
    assert [one.signatureKey for one in file.signatureDefs] == [b"tokens_4", b"tokens_5", b"tokens_8", b"tokens_9"]
    assert together.stat().st_size < apart.stat().st_size
    assert one_graph.any_shapes(together.read_bytes()) == {
        "input_ids": [1, -1], "input_mask": [1, -1], "segment_ids": [1, -1], "logits": [1, 3]
    }  # fmt: skip
    assert not one_graph.any_shapes(apart.read_bytes())


def test_the_shapes_of_a_length_are_those_of_its_own_graph(tmp_path: Path):
    """So an estimate, which is made of shapes, differs only by the three operators that count positions."""
    apart, together = both(model("student"), "float32", tmp_path)
    own, whole = flatbuffer.read(apart.read_bytes()), flatbuffer.read(together.read_bytes())
    for length in LENGTHS:
        name = one_graph.signature_name(length)
        results = [
            [list(graph.tensors[i].shape) for operator in graph.operators for i in operator.outputs]
            for graph in (one_graph.graph_of(own, name), one_graph.graph_of(whole, name))
        ]
        assert [shape for shape in results[1] if shape not in results[0]] == []
        assert len(results[1]) == len(results[0]) + 3
        estimates = [estimate(path.read_bytes(), name) for path in (apart, together)]
        assert estimates[1] == pytest.approx(estimates[0], abs=0.002)  # three operators on a few integers


def test_a_graph_that_cannot_be_resized_is_refused():
    """Without the joint table of positions and segments the positions' rows are a constant of each length."""
    rewrites = [name for name in REWRITES if name not in ("join_tables", "cut_positions")]
    files = build.convert_lengths(model("student"), [5, 9], rewrites)
    with pytest.raises(FailedError, match="--one_graph: .* is a constant that depends on the length"):
        build.build(files, shared(RECIPES["float32"]), None)


def test_two_lengths_of_different_networks_are_refused():
    with pytest.raises(FailedError, match="--one_graph: the operators of two lengths differ"):
        files = {
            length: build.convert_lengths(model(name), [length])[length]
            for length, name in ((5, "gelu"), (9, "pooler"))
        }
        build.build(files, shared(RECIPES["float32"]), None)


def test_more_lengths_are_the_default():
    config = model("student").config
    assert parse_lengths(None, 9, config) == [9]
    wide = type(config)(max_position_embeddings=512)
    assert parse_lengths(None, 128, wide) == [32, 64, 128]
    assert parse_lengths(None, 128, wide, one_graph=True) == [16, 24, 32, 48, 64, 96, 128]
