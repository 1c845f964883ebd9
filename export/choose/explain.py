"""Sources of a quantised file's error: layer by layer against float32, and with parts in other arithmetic."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import FailedError
from mobilebert_tf.export.quantize.build import allows_half
from mobilebert_tf.export.quantize.quantizer import quantize
from mobilebert_tf.export.quantize.ranges import Ranges, plain_interpreter, run_tensors
from mobilebert_tf.export.recipes import EVERYTHING, Recipe, Rule
from mobilebert_tf.export.verify.examples import of_all_lengths
from mobilebert_tf.litert import flatbuffer
from mobilebert_tf.litert.instructions import estimate
from mobilebert_tf.litert.runtime import fit, outputs_of
from mobilebert_tf.tasks.task import INPUTS, Features, Outputs, Task, all_values

MOVES = frozenset(
    ("CAST", "CONCATENATION", "GATHER", "PACK", "PAD", "RESHAPE", "SLICE", "SPLIT", "STRIDED_SLICE", "TRANSPOSE")
)
"""Operators that compute nothing, so they have no row."""

DYNAMIC, FLOAT = "dynamic ranges", "float32"
"""Arithmetic that a part is tried in. Dynamic ranges, tried for static recipes only, keep the weights as they are: they
cost time but no bytes."""

SINGLE = 5
"""Number of layers that are also tried singly: those that add most error."""

ENOUGH = 0.75
"""Share of the largest gain that is as good as all of it, if it costs less."""

CHANGES = 3
"""The most parts that a mended recipe changes."""

AGAIN = 8
"""Number of parts that are tried again beside a changed one: those that gain most alone."""

WORTH = 0.2
"""The least share of the error that another changed part must remove."""

LOOKED_INTO = 32
"""Number of examples whose layers are compared: each has tens of thousands of values, and the kernels that keep all
tensors are slow."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """Error of one operator's result in the quantised file against the float32 file. Padding does not count."""

    name: str
    """Such as block_3/feedforward_1/intermediate/MatMul."""
    layers: str
    """Pattern for `Rule.layers` that matches this operator only."""
    operator: str
    """LiteRT's name of the operator."""
    relative_error: float
    """Root mean square of the difference over that of the float32 values; includes errors of earlier layers."""
    signal_to_noise_db: float | None
    """Power of the float32 values over power of the difference; None: there is no difference, or it is not finite."""
    added_error: float
    """Error that the operator itself adds: as `relative_error`, but the difference is to the result of the float32
    operator on the quantised file's operands."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """One part of the network in other arithmetic."""

    name: str
    """A block, a kind of layer in all blocks, or one layer: block_3, intermediate, block_3/query_key/MatMul."""
    layers: str
    """Pattern for `Rule.layers`."""
    instead: str
    """Arithmetic of the part, DYNAMIC or FLOAT."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part(Change):
    """Figures of the quantised file with a change."""

    logits_error: float
    """Error of the logits, as `Explanation.logits_error`, without the error that the part causes. Neighbours in int8
    still exchange int8 values with it: a single layer whose result the next one rounds anyway gains nothing."""
    decision_agreement: float
    extra_bytes: int
    """Bytes that the file grows by, with one signature."""
    extra_instructions: float | None
    """Millions of instructions that an inference grows by on a Cortex-A76, estimated; None: unknown."""

    @property
    def change(self) -> Change:
        """The change without its figures."""
        return Change(name=self.name, layers=self.layers, instead=self.instead)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Explanation:
    """Error of one recipe's file, by layer and by part."""

    recipe: str
    examples: int
    logits_error: float
    """Root mean square of the difference to the float32 file's logits over that of the float32 logits."""
    decision_agreement: float
    """Agreement of both files' answers, as in `Parity`."""
    layers: Sequence[Layer]
    """Largest added error first."""
    parts: Sequence[Part]
    """Largest gain first; parts that the recipe leaves in float32 anyway are left out."""
    steps: Sequence[Part]
    """Parts that `mended` changes, one after the other; the figures of each include those before it."""
    mended: Recipe | None
    """The recipe with these parts in other arithmetic, without those that a later one contains. Each is the cheapest of
    those that bring at least `ENOUGH` of the best gain. None: no part helps."""


def explain(
    content: bytes,
    recipe: Recipe,
    task: Task,
    ranges: Ranges | None,
    features: Mapping[str, np.ndarray],
    threads: int = 1,
    is_sound: Callable[[bytes], bool] = lambda _: True,
) -> Explanation:
    """Compare a float32 file with its quantisation by `recipe`, and try one part after another in other arithmetic.

    Args:
      content: content of the float32 file, with one graph.
      recipe: recipe with rules.
      task: task that defines the agreement of two answers.
      ranges: ranges of the tensors, as for `quantize`.
      features: `input_ids`, `input_mask`, `segment_ids` [n, T] of a few examples.
      threads: number of LiteRT's threads.
      is_sound: whether a file may be proposed: texts must not depend on their padding, for example.

    Raises:
      FailedError: as `quantize`.
    """
    quantized = quantize(content, recipe, ranges)
    few = of_all_lengths(features, LOOKED_INTO)
    layers = compare_layers(content, quantized, few, threads)
    reference = outputs_of(content, features, threads)
    error, agreement = _compare(task, reference, outputs_of(quantized, features, threads), features)
    half = allows_half(recipe, ranges)
    instructions = _instructions(quantized, half)

    def tried(changes: Sequence[Change]) -> Part | None:
        """The last of these changes, with the figures of the file with all of them."""
        try:
            changed = quantize(content, with_changes(recipe, changes), ranges)
        except FailedError:
            return None  # the quantizer does not support this mixture, so it cannot be recommended
        if changed == quantized:
            return None
        rest, agreed = _compare(task, reference, outputs_of(changed, features, threads), features)
        needed = _instructions(changed, half)
        return Part(
            **dataclasses.asdict(changes[-1]),
            logits_error=rest,
            decision_agreement=agreed,
            extra_bytes=len(changed) - len(quantized),
            extra_instructions=None if instructions is None or needed is None else needed - instructions,
        )

    def may_be_proposed(changes: Sequence[Change]) -> bool:
        return is_sound(quantize(content, with_changes(recipe, changes), ranges))

    def needed(changes: Sequence[Change]) -> list[Change]:
        """The changes without those that a later one contains: the file is the same without them."""
        kept = list(changes)
        whole = quantize(content, with_changes(recipe, kept), ranges)
        for change in changes[:-1]:
            without = [one for one in kept if one != change]
            if quantize(content, with_changes(recipe, without), ranges) == whole:
                kept = without
        return kept

    tries = [
        Change(name=name, layers=pattern, instead=instead)
        for instead in ([DYNAMIC, FLOAT] if recipe.is_static else [FLOAT])
        for name, pattern in _parts(layers).items()
    ]
    shown = track(tries, f"{recipe.name}: one part in other arithmetic", "files", len(tries))
    parts = [part for change in shown if (part := tried([change]))]
    parts.sort(key=lambda part: _number(part.logits_error))
    steps = _steps(parts, error, tried, may_be_proposed, f"{recipe.name}: another part beside")
    return Explanation(
        recipe=recipe.name,
        examples=len(features["input_ids"]),
        logits_error=error,
        decision_agreement=agreement,
        layers=layers,
        parts=parts,
        steps=steps,
        mended=with_changes(recipe, needed(steps)) if steps else None,
    )


def _instructions(content: bytes, half: bool) -> float | None:
    """The estimate for a file as it is published: with the note by which float operations may run in float16."""
    if half:
        model = flatbuffer.read(content)
        flatbuffer.mark_half(model)
        content = flatbuffer.write(model)
    return estimate(content)


def _steps(
    parts: Sequence[Part],
    error: float,
    tried: Callable[[Sequence[Change]], Part | None],
    may_be_proposed: Callable[[Sequence[Change]], bool],
    shown_as: str,
) -> list[Part]:
    """The parts to change in a file with this `error`: first one of `parts`, best first, then others beside it.

    The others get dynamic ranges, which cost no bytes.
    """
    steps: list[Part] = []
    again = [one.change for one in parts if one.instead == DYNAMIC and _number(one.logits_error) < _number(error)]
    again = again[:AGAIN]
    candidates = list(parts)
    while chosen := _choose(candidates, error):
        # The first may gain little: it is also an answer to what costs most.
        if steps and np.isfinite(error) and error - chosen.logits_error < WORTH * error:
            break
        if not may_be_proposed([step.change for step in (*steps, chosen)]):
            candidates.remove(chosen)
            continue
        steps.append(chosen)
        error = chosen.logits_error
        if len(steps) == CHANGES:
            break
        done = [step.change for step in steps]
        others = [change for change in again if change not in done]
        candidates = [
            part for change in track(others, shown_as, "files", len(others)) if (part := tried([*done, change]))
        ]
    return steps


def _choose(parts: Sequence[Part], error: float) -> Part | None:
    """The part to change in a file with this `error`; None: no part helps."""
    best = min((part.logits_error for part in parts), key=_number, default=error)
    if not _number(best) < _number(error):
        return None
    # If the file gives NaN or infinity, the gain is infinite and a share of it has no meaning: the best part is chosen.
    allowed = error - ENOUGH * (error - best) if np.isfinite(error) else best
    enough = [part for part in parts if part.logits_error <= allowed]
    if all(part.extra_instructions is not None for part in enough):
        return min(enough, key=lambda part: (part.extra_instructions, part.extra_bytes))
    return min(enough, key=lambda part: part.extra_bytes)


def with_changes(recipe: Recipe, changes: Sequence[Change]) -> Recipe:
    """`recipe` with a rule more for each change; where several match a layer, the last applies."""
    return dataclasses.replace(
        recipe,
        name=f"{recipe.name}_mended",
        description=f"{recipe.name} with {' and '.join(f'{one.name} in {one.instead}' for one in changes)}",
        rules=(*recipe.rules, *(_rule(recipe, one) for one in changes)),
    )


def _rule(recipe: Recipe, change: Change) -> Rule:
    if change.instead == FLOAT:
        return Rule(operators=EVERYTHING, layers=change.layers, weights="float32")
    own = next(rule for rule in reversed(recipe.rules) if rule.is_static)
    return Rule(layers=change.layers, weights=own.weights, per_channel=own.per_channel)


def compare_layers(
    content: bytes, quantized: bytes, features: Mapping[str, np.ndarray], threads: int = 1
) -> list[Layer]:
    """A row for every operator that computes, largest added error first.

    Args:
      content: content of the float32 file, with one graph.
      quantized: content of the same file after `quantize`.
      features: `input_ids`, `input_mask`, `segment_ids` [n, T].
      threads: number of LiteRT's threads.
    """
    operators = list(_operators(content))
    power = {result: np.zeros(3) for _, result, _ in operators}
    alone = _Alone(content, threads)
    runs = zip(run_tensors(content, features, threads), run_tensors(quantized, features, threads), strict=True)
    count = len(features["input_ids"])
    for row, ((exact, real), (rounded, _)) in enumerate(track(runs, "comparing layers", "examples", count)):
        own = alone.run(rounded, {name: features[name][row : row + 1] for name in INPUTS})
        for _, result, _ in operators:
            # A value that overflows in the quantised file may be infinite in the operator run alone, too.
            with np.errstate(invalid="ignore"):
                differences = exact[result], rounded[result] - exact[result], rounded[result] - own[result]
            power[result] += [np.square(_real(one, real), dtype=np.float64).sum() for one in differences]
    layers = []
    for name, result, operator in operators:
        signal, noise, added = (float(value) for value in power[result])
        scale = max(signal, 1e-30)
        layers.append(
            Layer(
                name=name,
                # The quantizer searches in the name with a semicolon appended.
                layers=f"^{re.escape(result)};$",
                operator=operator,
                relative_error=(noise / scale) ** 0.5,
                signal_to_noise_db=10 * math.log10(scale / noise) if 0 < noise < math.inf else None,
                added_error=(added / scale) ** 0.5,
            )
        )
    return sorted(layers, key=lambda layer: _number(layer.added_error), reverse=True)


def _operators(content: bytes) -> Iterator[tuple[str, str, str]]:
    """The display name, the result's name and the kind of each operator that computes in float32."""
    model = flatbuffer.read(content)
    (graph,) = model.subgraphs
    for operator, kind in zip(graph.operators, flatbuffer.kinds(model), strict=True):
        (index,) = operator.outputs
        tensor = graph.tensors[index]
        if kind in MOVES or tensor.type != flatbuffer.FLOAT32:
            continue
        result = tensor.name.decode()
        # The converter names the logits after a function of its own; the weights keep their layer's name.
        full_name = result
        if index in graph.outputs and kind == "FULLY_CONNECTED":
            full_name = graph.tensors[operator.inputs[1]].name.decode()
        names = full_name.split(";")
        if kind == "FULLY_CONNECTED":
            # A fused operator has the names of all its operations; the gamma of a norm may come before the product.
            names.sort(key=lambda one: not one.endswith("/MatMul"))
        yield names[0], result, kind


class _Alone:
    """Interpreter that runs each operator of a float32 file by itself, on operands from elsewhere."""

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
        """Results by name, from `values`, the operands by name, and `inputs`, the ids [1, T]."""
        for name, index in self._ids.items():
            self._interpreter.set_tensor(index, fit(inputs[name], self._length))
        for name, index in self._operands.items():
            self._interpreter.set_tensor(index, values[name])
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(index) for name, index in self._results.items()}


def _real(value: np.ndarray, real: np.ndarray) -> np.ndarray:
    """The values that belong to real tokens; `real`, bool [T], marks these.

    [T] and [T, W] have a row per token, [N, T, D] one in each head, and the scores [N, T, T] a column per token too.
    Where heads are as wide as the text is long, some of their channels are dropped; the others represent them.
    """
    axes = {1: (0,), 2: (0,), 3: (1, 2)}.get(value.ndim, ())
    for axis in axes:
        if value.shape[axis] == len(real):
            value = np.compress(real, value, axis)
    return value


def _parts(layers: Sequence[Layer]) -> dict[str, str]:
    """Patterns for `Rule.layers` by name: blocks and scopes outside blocks, kinds of layers, the worst layers."""
    regions: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for layer in sorted(layers, key=lambda layer: _natural(layer.name)):
        first, *middle = layer.name.split("/")
        # Results without a scope in the file, such as the logits, are found by their own name. A product that the
        # converter fused with a norm has the scopes of both, and belongs to both parts.
        inside = f"{re.escape(first)}/" in layer.layers
        regions.setdefault(first, rf"\b{first}/" if inside else layer.layers)
        if first.startswith("block_") and len(middle) > 1:
            kinds.setdefault(middle[-2], rf"\b{middle[-2]}/")
    worst = {layer.name: layer.layers for layer in layers[:SINGLE] if layer.added_error}
    return regions | kinds | worst


def _natural(name: str) -> list[tuple[int, str]]:
    """A sort key that puts block_2 before block_10."""
    return [(int(digits or 0), text) for text, digits in re.findall(r"(\D+)(\d*)|", name)]


def _compare(task: Task, reference: Outputs, candidate: Outputs, features: Features) -> tuple[float, float]:
    """Relative error of the candidate's values, and mean agreement of its answers with the reference's."""
    exact, values = all_values(reference), all_values(candidate)
    noise = np.square(values - exact, dtype=np.float64).sum()
    error = float(noise / max(np.square(exact, dtype=np.float64).sum(), 1e-30)) ** 0.5
    return error, float(task.agreement(reference, candidate, features).mean())


def _number(error: float) -> float:
    """Sort key of an error: NaN counts as infinite."""
    return error if np.isfinite(error) else float("inf")
