"""The search for the cheapest mixture: path against brute force, parts by hand, result by running the file."""

import collections
import dataclasses
import itertools

import numpy as np
import pytest

from mobilebert_tf.errors import FailedError
from mobilebert_tf.export.choose import cost, search, search_report
from mobilebert_tf.export.choose.cost import Costs, Estimated
from mobilebert_tf.export.quantize import build, ranges
from mobilebert_tf.export.recipes import RECIPES
from mobilebert_tf.litert import flatbuffer
from mobilebert_tf.litert.instructions import estimate
from mobilebert_tf.litert.runtime import TfliteModel
from mobilebert_tf.tasks.classification import ClassificationTask

from .test_rewrite import model

LENGTH = 7


@pytest.fixture(scope="module")
def files():
    return build.convert_lengths(model("student"), [5, LENGTH])


@pytest.fixture(scope="module")
def examples(files, tmp_path_factory):
    """80 texts of random ids, labelled as the float32 file decides, except every fifth, which is labelled wrong."""
    random = np.random.default_rng(0)
    real = random.integers(3, LENGTH + 1, (80, 1))
    mask = (np.arange(LENGTH)[None] < real).astype(np.int32)
    features = {
        "input_ids": random.integers(0, 30, mask.shape, dtype=np.int32) * mask,
        "input_mask": mask,
        "segment_ids": np.zeros_like(mask),
    }
    path = tmp_path_factory.mktemp("exact") / "exact.tflite"
    path.write_bytes(build.build(files, RECIPES["float32"], None))
    exact = TfliteModel(path).answer(features)["logits"]
    labels = exact.argmax(axis=1)
    labels[::5] = (labels[::5] + 1) % 3
    return search.Examples(
        task=ClassificationTask(("x", "y", "z")),
        features={**features, "label": labels.astype(np.int32)},
        keras={"logits": exact},
    )


@pytest.fixture(scope="module")
def measured(files, examples):
    return ranges.measure_ranges(files[LENGTH], {name: examples.features[name] for name in search.INPUTS})


@pytest.fixture(autouse=True, scope="module")
def files_kept():
    """Build each mixture once: all searches here make the same files of the same network."""
    kept = {}

    def once(files, recipe, ranges):
        key = tuple(files.values()), recipe.rules, recipe.half, ranges is None
        if key not in kept:
            kept[key] = build.build(files, recipe, ranges)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "build", once)
        yield


class Bytes:
    """The size of a file as its cost: repeatable, and lower for fewer bits."""

    unit = "bytes"

    def __call__(self, contents):
        return Costs(values={name: float(len(content)) for name, content in contents.items()})


def test_nothing_is_cheaper_and_better_than_what_lies_on_the_path():
    """Compare with all 256 mixtures of four parts at four levels, for random errors and costs."""
    random = np.random.default_rng(3)
    parts = [search.Part(name=f"part_{i}", layers="", group="", products=1) for i in range(4)]
    for _ in range(20):
        pairs = list(itertools.product([part.name for part in parts], search.LEVELS))
        errors, costs = (dict(zip(pairs, random.random(len(pairs)), strict=True)) for _ in range(2))
        start, steps = search.path_of(parts, errors, costs)

        def total(levels, of):
            return sum(of[pair] for pair in levels.items())

        mixtures = [
            dict(zip((part.name for part in parts), levels, strict=True))
            for levels in itertools.product(search.LEVELS, repeat=len(parts))
        ]
        assert total(start, costs) == min(total(mixture, costs) for mixture in mixtures)
        assert total(search.levels_after(start, steps, len(steps)), errors) == min(
            total(mixture, errors) for mixture in mixtures
        )
        seen = []
        for count in range(len(steps) + 1):
            levels = search.levels_after(start, steps, count)
            cost, error = total(levels, costs), total(levels, errors)
            seen.append((cost, error))
            assert not any(
                total(mixture, costs) < cost - 1e-9 and total(mixture, errors) < error - 1e-9 for mixture in mixtures
            )
        assert seen == sorted(seen) and [error for _, error in seen] == sorted((e for _, e in seen), reverse=True)


def test_parts(files):
    """Multiplications by the configuration: H 12, I 8, E 6, intermediate 10; the last block has a single row."""
    parts = {part.name: part for part in search.parts_of(files[LENGTH])}
    assert list(parts) == [
        "embeddings",
        *(f"block_{i}/{what}" for i in (1, 2) for what in ("attention", "feedforward", "output_bottleneck")),
    ]
    assert parts["embeddings"].products == LENGTH * 18 * 12
    # Two bottlenecks and the value read the full width; then query and key; then the output.
    assert parts["block_1/attention"].products == LENGTH * (3 * 12 * 8 + 2 * 8 * 8 + 8 * 8)
    assert parts["block_1/feedforward"].products == LENGTH * 2 * 2 * 8 * 10
    assert parts["block_1/output_bottleneck"].products == LENGTH * 8 * 12
    assert parts["block_2/feedforward"].products == 2 * 2 * 8 * 10
    assert {part.group for part in parts.values()} == {"embeddings", "attention", "feedforward", "output_bottleneck"}


def test_a_mixture_changes_its_parts_and_no_others(files, measured):
    parts = search.parts_of(files[LENGTH])
    levels = {"block_1/feedforward": "static_int8", "block_2/attention": "dynamic_int8", "embeddings": "float16"}
    read = flatbuffer.read(build.build({LENGTH: files[LENGTH]}, search.mixture(parts, levels), measured))
    (graph,) = read.subgraphs
    kinds = collections.defaultdict(set)
    for operator, kind in zip(graph.operators, flatbuffer.kinds(read), strict=True):
        if kind == "FULLY_CONNECTED":
            block, layer = graph.tensors[operator.outputs[0]].name.decode().split("/")[:2]
            group = layer.split("_")[0] if layer.startswith(("feedforward", "output")) else "attention"
            rows, weights = (graph.tensors[i].type for i in operator.inputs[:2])
            kinds[f"{block}/{group}" if block.startswith("block") else block].add((rows, weights))
    real, int8 = flatbuffer.FLOAT32, flatbuffer.INT8
    assert kinds["block_1/feedforward"] == {(int8, int8)}
    assert kinds["block_2/attention"] == {(real, int8)}
    for name in ("block_1/attention", "block_1/output", "block_2/feedforward", "embeddings"):
        assert kinds[name] == {(real, real)}, name


@pytest.mark.parametrize("max_drop", [0.0, 0.1])
def test_the_cheapest_file_within_the_loss(files, measured, examples, max_drop, tmp_path):
    result = search.search(files, measured, examples, max_drop, Bytes())
    assert result.unit == "bytes" and result.searched_examples == result.scored_examples == 40
    by_name = {candidate.name: candidate for candidate in result.candidates}
    assert {"float32", "dynamic_int8", "static_int8", "dynamic_int4"} <= set(by_name)
    chosen = by_name[result.chosen]
    assert chosen.within and all(candidate.cost >= chosen.cost for candidate in result.candidates if candidate.within)
    assert [candidate.cost for candidate in result.candidates] == sorted(
        candidate.cost for candidate in result.candidates
    )
    for candidate in result.candidates:
        assert candidate.within == (-candidate.difference.score <= max_drop) and candidate.cost == candidate.bytes

    # Run the chosen recipe by hand: one half of the rows was used to choose it, the other half to score it.
    order = np.random.default_rng(0).permutation(80)
    path = tmp_path / "chosen.tflite"
    path.write_bytes(build.build(files, result.recipe, measured))
    assert path.stat().st_size == chosen.bytes
    labels = examples.features["label"]
    right = TfliteModel(path).answer(examples.features)["logits"].argmax(axis=1) == labels
    drop = right.astype(float) - (examples.keras["logits"].argmax(axis=1) == labels)
    assert drop[order[::2]].mean() == pytest.approx(chosen.difference.score)
    assert drop[order[1::2]].mean() == pytest.approx(result.scored.score)
    assert f"; a loss of {100 * max_drop:g} is allowed" in search_report.table(result)
    assert result.recipe.name == search.SEARCHED and result.recipe.gate.max_score_drop == max(max_drop, 0.02)


def test_the_gate_is_what_is_asked_for(files, measured, examples, tmp_path):
    """The limits given replace those of calibrated int8 and of the allowed loss, and the search keeps them: the
    cheapest file that loses little enough is too far from Keras, by NumPy."""
    limits = {"max_relative_error": 0.001, "max_score_drop": 0.004}
    own, result = (search.search(files, measured, examples, 0.1, Bytes(), options) for options in ({}, limits))
    assert result.recipe.gate.max_relative_error == 0.001 and result.recipe.gate.max_score_drop == 0.004
    order, exact = np.random.default_rng(0).permutation(80)[::2], examples.keras["logits"]
    errors = []
    for recipe in (own.recipe, result.recipe):
        path = tmp_path / f"{len(errors)}.tflite"
        path.write_bytes(build.build(files, recipe, measured))
        found = TfliteModel(path).answer(examples.features)["logits"]
        errors.append(np.abs(found - exact)[order].max() / np.abs(exact[order]).max())
    assert errors[1] <= 0.001 < errors[0]
    candidates = {candidate.name: candidate for candidate in result.candidates}
    assert candidates[result.chosen].within and not candidates[result.chosen].reason
    near = next(one for one in result.candidates if one.reason and not one.difference.loses_more_than(0.004))
    assert not near.within and near.reason.startswith("relative error") and "is above 0.001" in near.reason
    assert f"no: {near.reason}" in search_report.table(result)


def test_halves_between_points_of_the_grid(files, measured, examples, monkeypatch):
    """Give the grid two ends only and a loss that vanishes at some size: the search finds the first step within the
    loss, having tried the step before it, and makes no more files than halving needs."""
    int4, half = (len(build.build(files, RECIPES[name], measured)) for name in ("dynamic_int4", "float16"))
    enough = (int4 + half) // 2

    def compared(content, half, gate):
        return search.Difference(score=0.0 if len(content) >= enough else -1.0, low=0, high=0), ""

    monkeypatch.setattr(search, "GRID", 2)
    monkeypatch.setattr(search, "UNIFORM", ())
    monkeypatch.setattr(search, "_compared", compared)
    result = search.search(files, measured, examples, 0.5, Bytes())
    tried, steps = {candidate.steps: candidate for candidate in result.candidates}, len(result.path)
    (chosen,) = (candidate.steps for candidate in result.candidates if candidate.name == result.chosen)
    assert 2 < chosen < steps - 2
    assert tried[chosen].bytes >= enough > tried[chosen - 1].bytes
    assert {0, steps} < set(tried) and len(tried) <= 2 + np.ceil(np.log2(steps))


def test_the_cost_is_that_of_a_phone(files, measured, examples, tmp_path, monkeypatch):
    """Estimate the cost at the longest length: that of a file of this length alone, more than at a shorter one."""
    monkeypatch.setattr(search, "UNIFORM", ("float32", "static_int8"))
    result = search.search(files, measured, examples, 0.1, Estimated())
    assert result.unit == "million estimated instructions"
    costs = {candidate.name: candidate.cost for candidate in result.candidates}
    for name in ("float32", "static_int8"):
        alone = {n: build.build({n: files[n]}, RECIPES[name], measured) for n in (5, LENGTH)}
        assert costs[name] == pytest.approx(estimate(alone[LENGTH])) and costs[name] > estimate(alone[5])
    within = {candidate.name: candidate.cost for candidate in result.candidates if candidate.within}
    assert within[result.chosen] == min(within.values())
    # Where the cost of a file is unknown, the error says what else there is.
    monkeypatch.setattr(cost, "estimate", lambda content, signature: None)
    with pytest.raises(FailedError, match="--max_drop: float16 has an operator .* --counter, or --cost=milliseconds"):
        search.search(files, measured, examples, 0.1, Estimated())


def test_no_file_within(files, measured, examples, monkeypatch):
    worse = search.Difference(score=-0.1, low=-0.2, high=0.0)
    monkeypatch.setattr(search, "_compared", lambda content, half, gate: (worse, ""))
    with pytest.raises(FailedError, match="--max_drop=0.005: even float32 loses more than that"):
        search.search(files, measured, dataclasses.replace(examples), 0.005, Bytes())


def test_labels_that_take_turns_are_in_both_halves(examples):
    turns = dataclasses.replace(examples, features={**examples.features, "label": np.arange(80, dtype=np.int32) % 2})
    halves = [turns.half(which) for which in (0, 1)]
    assert [half.count for half in halves] == [40, 40]
    for half in halves:
        assert 10 < half.features["label"].sum() < 30  # binomial: 20 +- 3.2
        np.testing.assert_array_equal(half.keras["logits"].shape, (40, 3))
    rows = np.concatenate([half.features["input_ids"] for half in halves])
    assert sorted(map(bytes, rows)) == sorted(map(bytes, examples.features["input_ids"]))


def test_just_what_is_allowed_is_allowed():
    """0.9 - 0.88 is 0.020000000000000018 in floating point; it must still count as 0.02."""
    at, above = (search.Difference(score=score - 0.9, low=-1, high=1) for score in (0.88, 0.879))
    assert not at.loses_more_than(0.02) and above.loses_more_than(0.02)
    assert not search.Difference(score=-0.0, low=0, high=0).loses_more_than(0.0)
