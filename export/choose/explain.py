"""Where a quantised file loses its answer: layer by layer against float32, and with parts computed otherwise."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import FailedError
from mobilebert_tf.export.quantize.quantizer import quantize
from mobilebert_tf.export.quantize.ranges import Ranges, plain_interpreter, run_tensors
from mobilebert_tf.export.recipes import EVERYTHING, Recipe, Rule
from mobilebert_tf.export.verify.examples import of_all_lengths
from mobilebert_tf.litert import flatbuffer
from mobilebert_tf.litert.runtime import fit, outputs_of
from mobilebert_tf.tasks.task import INPUTS, Features, Outputs, Task, all_values

MOVES = frozenset(
    ("CAST", "CONCATENATION", "GATHER", "PACK", "PAD", "RESHAPE", "SLICE", "SPLIT", "STRIDED_SLICE", "TRANSPOSE")
)
"""Operators that compute nothing: no row for them."""

INSTEAD = {"dynamic ranges": Rule(), "float32": Rule(operators=EVERYTHING, weights="float32")}
"""Arithmetic that a part is tried in. Dynamic ranges, for static recipes alone, keep int8 weights: they cost time, no
bytes."""

SINGLE = 5
"""Layers that are tried each for itself: those that add most."""

ENOUGH = 0.9
"""Share of the largest gain that counts as much as all of it."""

LOOKED_INTO = 32
"""Examples whose layers are compared: each has values by the ten thousand, and the kernels for it are slow."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """One operator's result in the quantised file against the float32 file. Rows of padding do not count."""

    name: str
    """Such as block_3/feedforward_1/intermediate/MatMul."""
    layers: str
    """For `Rule.layers`: this operator and no other."""
    operator: str
    """Its name with LiteRT."""
    relative_error: float
    """Root mean square of the difference over that of the float32 values: what was inherited, too."""
    signal_to_noise_db: float | None
    """The same as power of the values over power of the difference; None: there is none, or it is no number."""
    added_error: float
    """`relative_error` against what the float32 operator makes of the quantised file's operands: its own part."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """The logits of the quantised file if one part of the network is in other arithmetic."""

    name: str
    """A block, a kind of layer in all blocks, or one layer: block_3, intermediate, block_3/query_key/MatMul."""
    layers: str
    """For `Rule.layers`."""
    instead: str
    """Its arithmetic, one of INSTEAD."""
    logits_error: float
    """As `Explanation.logits_error`; lower by what the part costs. Neighbours in int8 still hand over and take int8:
    a layer whose result the next one rounds anyway gains nothing alone."""
    decision_agreement: float
    extra_bytes: int
    """That the file grows by, in one signature."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Explanation:
    """What is wrong with the file of one recipe."""

    recipe: str
    examples: int
    logits_error: float
    """Root mean square of the difference to the float32 file's logits over that of the latter."""
    decision_agreement: float
    """How far both files give the same answer, as in `Parity`."""
    layers: Sequence[Layer]
    """Those that add most first."""
    parts: Sequence[Part]
    """Those that help most first; what the recipe leaves in float32 anyway is not there."""
    mended: Recipe | None
    """The recipe with one part in other arithmetic: the smallest file that brings `ENOUGH` of what the best brings.
    None: no part helps."""


def explain(
    content: bytes,
    recipe: Recipe,
    task: Task,
    ranges: Ranges | None,
    features: Mapping[str, np.ndarray],
    threads: int = 1,
) -> Explanation:
    """Compare a float32 file with what `recipe` makes of it, and try one part after another in other arithmetic.

    Args:
      content: of the float32 file, with one graph.
      recipe: one with rules.
      task: says how far two answers are the same.
      ranges: as `quantize` takes them.
      features: `input_ids`, `input_mask`, `segment_ids` [n, T] of a few examples.
      threads: of LiteRT.

    Raises:
      FailedError: as `quantize`.
    """
    quantized = quantize(content, recipe, ranges)
    few = of_all_lengths(features, LOOKED_INTO)
    layers = compare_layers(content, quantized, few, threads)
    reference = outputs_of(content, features, threads)
    error, agreement = _compare(task, reference, outputs_of(quantized, features, threads), features)
    parts = []
    tries = [
        (name, pattern, instead)
        for instead in (INSTEAD if recipe.is_static else ["float32"])
        for name, pattern in _parts(layers).items()
    ]
    for name, pattern, instead in track(tries, f"{recipe.name}: one part in other arithmetic", "files", len(tries)):
        try:
            changed = quantize(content, with_part(recipe, name, pattern, instead), ranges)
        except FailedError:
            continue  # a mixture that the quantizer does not make helps nobody
        if changed == quantized:
            continue
        rest, same = _compare(task, reference, outputs_of(changed, features, threads), features)
        grown = len(changed) - len(quantized)
        parts.append(
            Part(
                name=name,
                layers=pattern,
                instead=instead,
                logits_error=rest,
                decision_agreement=same,
                extra_bytes=grown,
            )
        )
    parts.sort(key=lambda part: _number(part.logits_error))
    chosen = _choose(parts, error)
    return Explanation(
        recipe=recipe.name,
        examples=len(features["input_ids"]),
        logits_error=error,
        decision_agreement=agreement,
        layers=layers,
        parts=parts,
        mended=with_part(recipe, chosen.name, chosen.layers, chosen.instead) if chosen else None,
    )


def _choose(parts: Sequence[Part], error: float) -> Part | None:
    """The one of `parts`, best first, to change in a file with this `error`."""
    if not parts or not _number(parts[0].logits_error) < _number(error):
        return None
    best = parts[0].logits_error
    # A file that gives no numbers gains all by any part that brings them back.
    allowed = error - ENOUGH * (error - best) if np.isfinite(error) else best
    return min((part for part in parts if part.logits_error <= allowed), key=lambda part: part.extra_bytes)


def with_part(recipe: Recipe, name: str, layers: str, instead: str) -> Recipe:
    """`recipe` with one more rule: what `layers` finds is in one of INSTEAD."""
    return dataclasses.replace(
        recipe,
        name=f"{recipe.name}_mended",
        description=f"{recipe.name} with {name} in {instead}",
        rules=(*recipe.rules, dataclasses.replace(INSTEAD[instead], layers=layers)),
    )


def compare_layers(
    content: bytes, quantized: bytes, features: Mapping[str, np.ndarray], threads: int = 1
) -> list[Layer]:
    """A row for every operator that computes, those that add most first.

    Args:
      content: of the float32 file, with one graph.
      quantized: of the file that `quantize` made of it.
      features: `input_ids`, `input_mask`, `segment_ids` [n, T].
      threads: of LiteRT.
    """
    operators = list(_operators(content))
    power = {result: np.zeros(3) for _, result, _ in operators}
    alone = _Alone(content, threads)
    runs = zip(run_tensors(content, features, threads), run_tensors(quantized, features, threads), strict=True)
    count = len(features["input_ids"])
    for row, ((exact, real), (found, _)) in enumerate(track(runs, "comparing layers", "examples", count)):
        own = alone.run(found, {name: features[name][row : row + 1] for name in INPUTS})
        for _, result, _ in operators:
            # What overflowed in the quantised file is infinite there and alone.
            with np.errstate(invalid="ignore"):
                differences = exact[result], found[result] - exact[result], found[result] - own[result]
            power[result] += [np.square(_real(one, real), dtype=np.float64).sum() for one in differences]
    layers = []
    for name, result, operator in operators:
        signal, noise, added = (float(value) for value in power[result])
        scale = max(signal, 1e-30)
        layers.append(
            Layer(
                name=name,
                # The quantizer puts a semicolon behind what it looks into.
                layers=f"^{re.escape(result)};$",
                operator=operator,
                relative_error=(noise / scale) ** 0.5,
                signal_to_noise_db=10 * math.log10(scale / noise) if 0 < noise < math.inf else None,
                added_error=(added / scale) ** 0.5,
            )
        )
    return sorted(layers, key=lambda layer: _number(layer.added_error), reverse=True)


def _operators(content: bytes) -> Iterator[tuple[str, str, str]]:
    """Of each operator that computes in float32: what to call it, the name of its result, its own name."""
    model = flatbuffer.read(content)
    (graph,) = model.subgraphs
    for operator, kind in zip(graph.operators, flatbuffer.kinds(model), strict=True):
        (index,) = operator.outputs
        tensor = graph.tensors[index]
        if kind in MOVES or tensor.type != flatbuffer.FLOAT32:
            continue
        result = tensor.name.decode()
        # The converter calls the logits after a function of its own; the weights keep their layer's name.
        known = result
        if index in graph.outputs and kind == "FULLY_CONNECTED":
            known = graph.tensors[operator.inputs[1]].name.decode()
        names = known.split(";")
        if kind == "FULLY_CONNECTED":
            # Of operations that became one the product; the gamma of the norm before it may stand first.
            names.sort(key=lambda one: not one.endswith("/MatMul"))
        yield names[0], result, kind


class _Alone:
    """Every operator of a float32 file on operands from elsewhere."""

    def __init__(self, content: bytes, threads: int):
        model = flatbuffer.read(content)
        (signature,) = model.signatureDefs
        self._ids = {one.name.decode(): one.tensorIndex for one in signature.inputs}
        (graph,) = model.subgraphs
        self._results = {
            graph.tensors[index].name.decode(): int(index) for operator in graph.operators for index in operator.outputs
        }
        self._length = int(graph.tensors[self._ids[INPUTS[0]]].shape[-1])
        cut, self._operands = flatbuffer.cut(model)
        self._interpreter = plain_interpreter(flatbuffer.write(cut), threads)

    def run(self, values: Mapping[str, np.ndarray], inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Results by name, of operands by name and the ids [1, T]."""
        for name, index in self._ids.items():
            self._interpreter.set_tensor(index, fit(inputs[name], self._length))
        for name, index in self._operands.items():
            self._interpreter.set_tensor(index, values[name])
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(index) for name, index in self._results.items()}


def _real(value: np.ndarray, real: np.ndarray) -> np.ndarray:
    """The part that belongs to real tokens, `real` [T].

    [T] and [T, W] have a row for each, [N, T, D] one in each head, and the scores [N, T, T] a column for each too.
    Where heads are as wide as the text is long, some of their channels go; the rest stands for them.
    """
    axes = {1: (0,), 2: (0,), 3: (1, 2)}.get(value.ndim, ())
    for axis in axes:
        if value.shape[axis] == len(real):
            value = np.compress(real, value, axis)
    return value


def _parts(layers: Sequence[Layer]) -> dict[str, str]:
    """`Rule.layers` by name: blocks and what is outside of them, kinds of layers, the worst layers."""
    regions: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for layer in sorted(layers, key=lambda layer: _natural(layer.name)):
        first, *middle = layer.name.split("/")
        # What has no scope in the file, as the logits, is found by its own name. A product that the converter drew a
        # norm into has the scopes of both, and belongs to both parts.
        inside = f"{re.escape(first)}/" in layer.layers
        regions.setdefault(first, rf"\b{first}/" if inside else layer.layers)
        if first.startswith("block_") and len(middle) > 1:
            kinds.setdefault(middle[-2], rf"\b{middle[-2]}/")
    worst = {layer.name: layer.layers for layer in layers[:SINGLE] if layer.added_error}
    return regions | kinds | worst


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that puts block_2 before block_10."""
    return [(int(digits or 0), text) for text, digits in re.findall(r"(\D+)(\d*)|", name)]


def _compare(task: Task, reference: Outputs, candidate: Outputs, features: Features) -> tuple[float, float]:
    """Relative error and agreement."""
    exact, values = all_values(reference), all_values(candidate)
    noise = np.square(values - exact, dtype=np.float64).sum()
    error = float(noise / max(np.square(exact, dtype=np.float64).sum(), 1e-30)) ** 0.5
    return error, float(task.agreement(reference, candidate, features).mean())


def _number(error: float) -> float:
    """For sorting: what is no number is the worst of errors."""
    return error if np.isfinite(error) else float("inf")
