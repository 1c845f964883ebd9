"""One fine-tuned model through several recipes: build, verify, score, time."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf import atomic
from mobilebert_tf.benchmarks.files import host
from mobilebert_tf.benchmarks.stats import summarize
from mobilebert_tf.errors import FailedError, UsageError, first_line
from mobilebert_tf.export.aware.network import quantized_outputs
from mobilebert_tf.export.aware.stored import Trained
from mobilebert_tf.export.choose.brought import compare_rewrites
from mobilebert_tf.export.choose.explain import Explanation, explain
from mobilebert_tf.export.choose.search import Cost, Examples, Search, search
from mobilebert_tf.export.make.sources import Source, Sources, lengths_of
from mobilebert_tf.export.mediapipe.metadata import add_metadata
from mobilebert_tf.export.quantize.build import allows_half, build
from mobilebert_tf.export.quantize.quantizer import check_rules
from mobilebert_tf.export.quantize.ranges import Ranges
from mobilebert_tf.export.recipes import RECIPES, REJECTED, TARGETS, Recipe
from mobilebert_tf.export.rewrite.rules import REWRITES
from mobilebert_tf.export.verify import compare
from mobilebert_tf.export.verify.examples import of_all_lengths
from mobilebert_tf.exported import Brought, Gpu, Latency, Variant
from mobilebert_tf.litert import flatbuffer, gpu
from mobilebert_tf.litert.half import half_outputs
from mobilebert_tf.litert.instructions import estimate
from mobilebert_tf.litert.multiply_adds import multiply_adds
from mobilebert_tf.litert.one_graph import signature_name
from mobilebert_tf.litert.operators import read_operators
from mobilebert_tf.litert.runtime import LOGITS, PROBABILITIES, TfliteModel
from mobilebert_tf.models import TaskModel
from mobilebert_tf.tasks.classification import ClassificationTask, softmax
from mobilebert_tf.tasks.embedding import EmbeddingTask, vector_fault
from mobilebert_tf.tasks.inference import keras_outputs
from mobilebert_tf.tasks.task import Features, Outputs, Task, concatenated, take, without_numbers
from mobilebert_tf.tokenization import Tokenizer

HALF_ROWS = 64
"""Most rows that are also run in float16: without native float16 arithmetic that takes several times as long."""

FEW = 8
"""Examples of the bit-exact checks, per signature: such a check needs no average, so few are enough."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checks:
    """Data and settings that the files of an export are made with and checked against."""

    calibration_features: Mapping[str, np.ndarray] | None
    """Examples [k, T] of real text whose activations determine static scales; None: there is no text."""
    parity_features: Mapping[str, np.ndarray]
    """Examples [n, T] on which file and Keras are compared, in every signature."""
    scored_features: Mapping[str, np.ndarray] | None
    """Labelled examples [m, T] for the task score; None: no score."""
    task: Task
    tokenizer: Tokenizer
    latency: host.Settings
    model: str = "the model"
    """Name of the model in messages."""
    equalizes: bool = True
    """Whether static files may hold the network in units per channel (`rewrite.equalize`)."""
    compares_rewrites: bool = False
    """Whether to convert and time the network without each rewrite too."""
    trained: Trained | None = None
    """Ranges that the model was fine-tuned with, used instead of calibrated ones."""
    max_drop: float | None = None
    """Largest loss of score for the search for the cheapest mixture of precisions; None: no search."""
    cost: Cost | None = None
    """Measure of cost in that search."""
    limits: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Fields that replace those in the gate of the recipe that the search finds."""
    explained_examples: int = 0
    """Most parity examples on which quantised files are compared layer by layer; 0: no such comparison."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Expected:
    """Outputs of the Keras model."""

    parity: Mapping[int, Outputs]
    """Outputs for the parity examples, by length T."""
    scored: Outputs | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Made:
    """All results of an export."""

    variants: Sequence[Variant]
    keras: dict[str, Any]
    """The task's figures for the Keras model; empty: there are no labelled examples."""
    largest_activation: float | None
    """Largest absolute value in the first recipe's float file, on the calibration examples; None: not measured."""
    brought: Sequence[Brought] = ()
    """Gain of each rewrite; empty unless `Checks.compares_rewrites`."""
    searched: Search | None = None
    """Result of the search; None: no `Checks.max_drop` was set."""
    explained: Mapping[str, Explanation] = dataclasses.field(default_factory=dict)
    """Errors layer by layer at the longest length, by recipe, for recipes that quantise."""


def make_variants(
    model: TaskModel,
    lengths: Sequence[int],
    recipes: Sequence[Recipe],
    checks: Checks,
    directory: Path,
    rewrites: Sequence[str] = tuple(REWRITES),
) -> Made:
    """Write `<recipe>.tflite` for each recipe into `directory`, or into `rejected/` below it, and measure each file.

    Every file holds the network after these `rewrites` and is compared with the Keras model.

    A recipe that fails does not stop the others; its row says why.

    Raises:
      UsageError: the Keras model's own outputs are NaN or infinite, or are no sentence embeddings where they should be.
      FailedError: the network cannot be converted, or a measuring process died.
    """
    scored, keras = checks.scored_features, {}
    expected = _Expected(
        parity={n: keras_outputs(model, checks.task, compare.crop(checks.parity_features, n)) for n in lengths},
        scored=None if scored is None else keras_outputs(model, checks.task, scored, show_progress=True),
    )
    _check_numbers(expected, checks)
    if scored is not None and expected.scored is not None:
        keras = checks.task.score(expected.scored, scored).all
    print(f"export: converting {', '.join(map(str, lengths))} word pieces", flush=True)
    sources = Sources(
        model, lengths, rewrites, checks.calibration_features, checks.trained, checks.equalizes, checks.latency.threads
    )
    searched = _searched(sources, expected, checks, one_graph=any(recipe.one_graph for recipe in recipes))
    recipes = [*recipes, searched.recipe] if searched else recipes
    rows, explained = [], {}
    for recipe in recipes:
        print(f"export: {recipe.name} ({recipe.description})", flush=True)
        source = sources.of(recipe)
        row = _built_and_verified(source, recipe, model, expected, checks, directory, lengths_of(recipe, lengths))
        rows.append(row)
        if row.file and checks.explained_examples and recipe.rules and recipe.target == TARGETS[0]:
            few = of_all_lengths(compare.crop(checks.parity_features, max(lengths)), checks.explained_examples)
            sound, ranges = _keeps_padding_out(model, few), _ranges_of(source, recipe)
            threads = checks.latency.threads
            longest = source.files[max(lengths)]
            explained[recipe.name] = explain(longest, recipe, checks.task, ranges, few, threads, sound)
    activations = sources.of(recipes[0]).ranges
    return Made(
        variants=_timed(rows, checks.latency, lengths, directory),
        keras=keras,
        largest_activation=activations.largest if activations and activations.examples else None,
        searched=searched,
        explained=explained,
        brought=compare_rewrites(model, max(lengths), rewrites, checks.latency) if checks.compares_rewrites else (),
    )


def _searched(sources: Sources, expected: _Expected, checks: Checks, one_graph: bool) -> Search | None:
    """The cheapest mixture of precisions within `Checks.max_drop`; None: it was not asked for."""
    scored = checks.scored_features
    if checks.max_drop is None or not checks.cost or scored is None or expected.scored is None:
        return None
    examples = Examples(task=checks.task, features=scored, keras=expected.scored)
    source = sources.of(RECIPES["static_int8"])
    assert source.ranges is not None
    result = search(source.files, source.ranges, examples, checks.max_drop, checks.cost, checks.limits)
    return dataclasses.replace(result, recipe=dataclasses.replace(result.recipe, one_graph=one_graph))


def _ranges_of(source: Source, recipe: Recipe) -> Ranges | None:
    """The ranges that a recipe needs; None: none, as its scales are found at run time."""
    return source.ranges if recipe.is_static or recipe.half else None


def _built_and_verified(
    source: Source,
    recipe: Recipe,
    model: TaskModel,
    expected: _Expected,
    checks: Checks,
    directory: Path,
    lengths: Sequence[int],
) -> Variant:
    """Build and verify the file of one recipe; the row of a recipe that fails has the reason and no file."""
    path = directory / f"{recipe.name}.tflite"
    files, ranges, trained = source.files, _ranges_of(source, recipe), checks.trained
    try:
        check_rules(files[max(files)], recipe)
        content = build(files, recipe, ranges, lengths)
        if recipe.target == "mediapipe":
            content = add_metadata(content, checks.tokenizer, checks.task)
        row = _verified(content, recipe, model, expected, checks, path)
        half, in_half = allows_half(recipe, ranges), None
        if half and row.passed and recipe.target == TARGETS[0]:
            in_half = _in_half(path, expected, checks)
            if in_half and compare.parity_fault(recipe.gate, checks.task, in_half):
                # In float16 the file would fail its gate. Exact results matter more than speed: leave the mark out.
                half, whole = False, dataclasses.replace(recipe, half=False)
                content = build(files, whole, ranges, lengths)
                row = _verified(content, recipe, model, expected, checks, path)
    except (FailedError, UsageError, RuntimeError) as error:
        # The quantizer refused the recipe, or LiteRT refused to load the file, or to run it (RuntimeError).
        path.unlink(missing_ok=True)
        reason = first_line(error).removeprefix(f"{path}: ")
        return Variant(name=recipe.name, description=recipe.description, target=recipe.target, reason=reason)
    return dataclasses.replace(
        row,
        half=half,
        half_parity=dataclasses.asdict(in_half) if in_half else {},
        bytes_of_lengths=_bytes_of_lengths(files, recipe, ranges, len(content), lengths),
        weight_bytes=flatbuffer.weight_bytes(content),
        trained=_as_trained(directory / row.file, model, trained, checks) if trained and trained.is_for(recipe) else {},
    )


def _check_numbers(expected: _Expected, checks: Checks) -> None:
    """Raise UsageError if the Keras outputs are not finite, or are not valid sentence embeddings."""
    compared = [(outputs, checks.parity_features) for outputs in expected.parity.values()]
    if expected.scored is not None and checks.scored_features is not None:
        compared.append((expected.scored, checks.scored_features))
    for outputs, features in compared:
        bad = without_numbers(outputs)
        if bad.any():
            raise UsageError(
                f"{checks.model}: its own {' and '.join(outputs)} are NaN or infinite in {bad.sum()} of {len(bad)} "
                "examples, so no file can be compared with them; train it again, with a lower learning rate"
            )
        if fault := _vector_fault(checks.task, outputs, features):
            raise UsageError(f"{checks.model}: {fault}, so it is not a model of sentence embeddings; train it again")


def _vector_fault(task: Task, outputs: Outputs, features: Features) -> str | None:
    """A description of what is wrong with sentence embeddings; None: nothing, or the task is another one."""
    return vector_fault(outputs["embedding"], features["input_ids"]) if isinstance(task, EmbeddingTask) else None


def _in_half(path: Path, expected: _Expected, checks: Checks) -> compare.Parity | None:
    """Parity of the file with Keras in float16 arithmetic; None: it cannot be run in float16 here."""
    length = max(expected.parity)
    inputs = compare.crop(checks.parity_features, length)
    rows = np.unique(np.linspace(0, len(inputs["input_ids"]) - 1, HALF_ROWS).round().astype(int))
    few = take(inputs, rows)
    outputs = half_outputs(path, few, length)
    if outputs is None:
        return None
    return compare.measure_parity(checks.task, take(expected.parity[length], rows), outputs, few)


def _as_trained(path: Path, model: TaskModel, trained: Trained, checks: Checks) -> dict[str, Any]:
    file = TfliteModel(path, checks.latency.threads)
    inputs = {n: compare.crop(checks.parity_features, n) for n in file.lengths}
    expected = [quantized_outputs(model, trained, file.lengths[-1], one) for one in inputs.values()]
    candidate = [file.answer(one, n) for n, one in inputs.items()]
    together = (concatenated(one) for one in (expected, candidate, list(inputs.values())))
    return dataclasses.asdict(compare.measure_parity(checks.task, *together))


def _bytes_of_lengths(
    files: Mapping[int, bytes], recipe: Recipe, ranges: Ranges | None, whole: int, lengths: Sequence[int]
) -> dict[int, int]:
    if recipe.one_graph:
        return {length: whole if length == max(lengths) else 0 for length in lengths}
    totals = [len(build({n: files[n] for n in lengths[:k]}, recipe, ranges)) for k in range(1, len(lengths))]
    totals = [0, *totals, whole]
    return {length: after - before for length, before, after in zip(lengths, totals, totals[1:], strict=False)}


def _verified(
    content: bytes, recipe: Recipe, model: TaskModel, expected: _Expected, checks: Checks, path: Path
) -> Variant:
    name = path.name
    atomic.write_bytes(path, content)
    task, file = checks.task, TfliteModel(path, checks.latency.threads)
    parity_task = task
    inputs = {n: compare.crop(checks.parity_features, n) for n in file.lengths}
    candidate = {n: file.run(inputs[n], n) for n in file.lengths}
    reference = {n: expected.parity[n] for n in candidate}
    if PROBABILITIES in file.outputs:
        # Compare like with like: the file returns probabilities.
        reference = {n: {LOGITS: softmax(outputs[LOGITS])} for n, outputs in reference.items()}
        candidate = {n: {LOGITS: outputs[PROBABILITIES]} for n, outputs in candidate.items()}
        if isinstance(task, ClassificationTask):
            # Temperature and threshold apply to logits, so probabilities are compared without them.
            parity_task = dataclasses.replace(task, temperature=1.0, threshold=0.0)
    by_length = {n: compare.measure_parity(parity_task, reference[n], candidate[n], inputs[n]) for n in candidate}
    whole = (concatenated(list(values.values())) for values in (reference, candidate, inputs))
    parity = compare.measure_parity(parity_task, *whole)
    few = {key: values[:FEW] for key, values in checks.parity_features.items()}
    changes = compare.Changes(
        padding=compare.padding_changes(file, few, model.config.vocab_size, model.config.trigram_input),
        order=compare.order_changes(file, few),
        threads=compare.thread_changes(path, few),
    )
    operators = read_operators(path)
    metrics: dict[str, Any] = {}
    difference = None
    unscored = 0
    if checks.scored_features is not None and expected.scored is not None:
        outputs = file.answer(checks.scored_features, show_progress=True)
        unscored = int(without_numbers(outputs).sum())
        if not unscored:
            metrics = task.score(outputs, checks.scored_features).all
            difference = compare.paired_difference(task, expected.scored, outputs, checks.scored_features)
    # Graphs are in the order of their lengths, so the last one is the longest.
    residency = gpu.check(content, graph=-1)
    reason = compare.fault(recipe.gate, task, parity, changes, operators, difference, unscored)
    reason = reason or _vector_fault(task, candidate[max(candidate)], checks.parity_features)
    if recipe.target == "gpu" and not residency.whole:
        reason = reason or f"a GPU delegate would not take it in one piece: {', '.join(residency.refused)}"
    if reason:
        (path.parent / REJECTED).mkdir(exist_ok=True)
        name = f"{REJECTED}/{name}"
        path.replace(path.parent / name)
    return Variant(
        name=recipe.name,
        description=recipe.description,
        target=recipe.target,
        file=name,
        bytes=len(content),
        one_graph=recipe.one_graph and len(file.lengths) > 1,
        sha256=hashlib.sha256(content).hexdigest(),
        metrics=metrics,
        difference=difference,
        parity=dataclasses.asdict(parity),
        parity_of_lengths={length: dataclasses.asdict(one) for length, one in by_length.items()},
        changes=dataclasses.asdict(changes),
        ops=operators.counts,
        multiply_adds=multiply_adds(content),
        instructions=_instructions(content, file.lengths),
        op_versions=operators.versions,
        oldest_runtime=operators.oldest_runtime or "",
        gpu=Gpu(**dataclasses.asdict(residency)),
        passed=reason is None,
        reason=reason or "",
    )


def _keeps_padding_out(model: TaskModel, features: Mapping[str, np.ndarray]) -> Callable[[bytes], bool]:
    """A function that tells whether the outputs of a file's content are the same whatever its padding holds."""

    def is_kept_out(content: bytes) -> bool:
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "candidate.tflite"
            path.write_bytes(content)
            file = TfliteModel(path)
            return not compare.padding_changes(file, features, model.config.vocab_size, model.config.trigram_input)

    return is_kept_out


def _instructions(content: bytes, lengths: Sequence[int]) -> dict[int, float]:
    """Estimates by length, empty if any is missing."""
    estimates = {length: estimate(content, signature_name(length)) for length in lengths}
    known = {length: round(million, 3) for length, million in estimates.items() if million is not None}
    return known if len(known) == len(estimates) else {}


def _timed(rows: Sequence[Variant], settings: host.Settings, lengths: Sequence[int], directory: Path) -> list[Variant]:
    """The rows with the latency of their files at every length they have, all timed in the same rounds."""
    files = {row.name: directory / row.file for row in rows if row.file}
    lengths_of = {files[row.name]: [n for n in lengths if n in row.bytes_of_lengths] for row in rows if row.file}
    measured = host.measure_lengths(lengths_of, settings)
    timed = []
    for row in rows:
        path = files.get(row.name)
        if path:
            by_length = zip(lengths_of[path], zip(*measured[path], strict=True), strict=True)
            latency = {length: _latency(rounds, settings) for length, rounds in by_length}
            row = dataclasses.replace(row, latency_ms=latency)
        timed.append(row)
    return timed


def _latency(rounds: Sequence[Mapping[str, Any]], settings: host.Settings) -> Latency:
    """Latency of a file at one length, from the rounds that timed it."""
    samples = [seen["samples"] for seen in rounds]
    return Latency(
        **dataclasses.asdict(summarize(samples)),
        threads=settings.threads,
        rounds=tuple(float(np.median(one)) for one in samples),
        foreign_cores=max(seen["foreign_cores"] for seen in rounds),
    )
