"""CompiledModel and Interpreter, with and without XNNPACK's weight cache: the same answers, in less memory."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf.litert.compiled import IN_MEMORY
from mobilebert_tf.litert.packed import saved_by_cache
from mobilebert_tf.litert.runtime import TfliteModel


@pytest.fixture(scope="module")
def features() -> dict[str, np.ndarray]:
    """Rows for both signatures."""
    generator = np.random.default_rng(0)
    mask = (np.arange(48) < np.array([[5], [14], [30], [48]])).astype(np.int32)
    ids = generator.integers(5, 60, (4, 48)).astype(np.int32) * mask
    return {"input_ids": ids, "input_mask": mask, "segment_ids": np.zeros_like(ids)}


@pytest.mark.parametrize("name", ["float32", "dynamic_int8"])
@pytest.mark.parametrize("threads", [1, 2])
def test_both_apis_give_the_same_bits(export_directory: Path, features, tmp_path: Path, name: str, threads: int):
    """Kernels and order of sums are the same; the third run reads the cache that the second wrote."""
    path = export_directory / f"{name}.tflite"
    expected = TfliteModel(path, threads).run(features)
    cache = str(tmp_path / "weights.xnnpack")
    for where in (IN_MEMORY, cache, cache):
        answers = TfliteModel(path, threads, weight_cache=where).run(features)
        assert set(answers) == set(expected)
        for output, values in expected.items():
            np.testing.assert_array_equal(answers[output], values)
    assert Path(cache).stat().st_size > 0


def test_what_a_cache_saves_is_one_copy_a_signature_but_one(export_directory: Path):
    """Count the file's weights as the interpreter lists them: two signatures, so one copy of all products is saved."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    path = export_directory / "dynamic_int8.tflite"
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(str(path), experimental_op_resolver_type=plain)
    sizes = {details["index"]: int(np.prod(details["shape"])) for details in interpreter.get_tensor_details()}
    products = [details for details in interpreter._get_ops_details() if details["op_name"] == "FULLY_CONNECTED"]
    assert saved_by_cache(path.read_bytes()) == sum(sizes[int(details["inputs"][1])] for details in products) > 0


def test_the_contract_says_how(export_directory: Path):
    contract = json.loads((export_directory / "dynamic_int8.contract.json").read_text())
    cache = contract["runtime"]["weight_cache"]
    assert cache["kotlin"] == "xnnPackWeightCachePath" and cache["flag"] == "--xnnpack_weight_cache_file_path"
    assert cache["saves_bytes"] == saved_by_cache((export_directory / "dynamic_int8.tflite").read_bytes())


@pytest.mark.slow
def test_a_cache_saves_private_memory(tmp_path: Path):
    """Three signatures of a network with 12 MB of weights: two copies should be saved, at least one must be."""
    from mobilebert_tf.config import MobileBertConfig
    from mobilebert_tf.export.quantize import build
    from mobilebert_tf.export.recipes import RECIPES
    from mobilebert_tf.models import ClassificationModel

    config = MobileBertConfig(vocab_size=100, num_hidden_layers=12)
    model = ClassificationModel(config, 2)
    model({name: np.ones((1, 8), np.int32) for name in ("input_ids", "input_mask", "segment_ids")})
    content = build.build(build.convert_lengths(model, [8, 16, 24]), RECIPES["dynamic_int8"], None)
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    private = {}
    for cache in ("", IN_MEMORY):
        settings = {"path": str(path), "threads": 1, "runs": 1, "warm_up": 1, "sequence_lengths": [8], "cache": cache}
        words = [sys.executable, "-m", "mobilebert_tf.benchmarks.files.one_file", json.dumps(settings)]
        process = subprocess.run(words, capture_output=True, text=True, check=True)
        private[cache] = json.loads(process.stdout)[0]["memory_mib"]["private"]
    assert private[""] - private[IN_MEMORY] > saved_by_cache(content) / 2**20 / 2


@pytest.mark.slow
def test_both_apis_give_the_same_bits_at_full_width(tmp_path: Path):
    """All 24 layers at their published widths with a short word table, three signatures, all kinds of products.

    Compares the Interpreter with CompiledModel: without a cache, with one in memory, one being written, one existing.
    """
    from mobilebert_tf.benchmarks.library import one_network
    from mobilebert_tf.config import MobileBertConfig
    from mobilebert_tf.litert.compiled import CompiledFile
    from mobilebert_tf.litert.runtime import load_interpreter

    config = dataclasses.asdict(MobileBertConfig.preset("mobilebert", vocab_size=1000))
    texts = ["A text.", "Another one, and a little longer than that."]
    one_network.write(config, [8, 16, 32], one_network.RECIPES, texts, tmp_path)
    generator = np.random.default_rng(0)
    for recipe in one_network.RECIPES:
        path = tmp_path / f"{recipe}.tflite"
        cache = str(tmp_path / f"{recipe}.xnnpack")
        plain = load_interpreter(str(path), 1)
        caches = ("", IN_MEMORY, cache, cache)
        compiled = [CompiledFile(path, 1, file) for file in caches]
        names = sorted(plain.get_signature_list())
        assert len(names) == 3 and Path(cache).stat().st_size > 0
        for name in names:
            runner = plain.get_signature_runner(name)
            (shape,) = {tuple(about["shape"]) for about in runner.get_input_details().values()}
            mask = (np.arange(shape[1]) < shape[1] - 2).astype(np.int32)[None]
            ids = generator.integers(5, 1000, shape).astype(np.int32) * mask
            feeds = {"input_ids": ids, "input_mask": mask, "segment_ids": np.zeros_like(ids)}
            expected = runner(**feeds)
            assert all(np.isfinite(values).all() and values.std() > 0 for values in expected.values())
            for where, file in zip(caches, compiled, strict=True):
                answers = file.get_signature_runner(name)(**feeds)
                for output, values in expected.items():
                    np.testing.assert_array_equal(
                        answers[output], values, err_msg=f"{recipe}, {name}, {where or 'none'}"
                    )
