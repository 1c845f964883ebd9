"""Search for the cheapest mixture of precisions whose score stays within a loss.

The products of a network are divided into parts: attention, feed-forward and output bottleneck of each block;
embeddings; pooler. Each part can have any of the levels below. For each part at each level, alone, two numbers are
measured: the error that it adds to the outputs, and its cost. Powers of the parts' errors add up, and so do costs, so
for every price of an error there is one best mixture. The path through these begins with every part at its cheapest
level; each step takes one part to a better level, the step that removes most error for its cost first. Only files on
this path, and a few uniform ones, are scored and held against the recipe's gate: first on a grid, then by bisection
where they begin to pass. The mixture chosen on one half of the labelled examples is scored on the other.
"""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import numpy as np

from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import FailedError
from mobilebert_tf.export.choose.cost import Costs
from mobilebert_tf.export.quantize.build import build
from mobilebert_tf.export.quantize.ranges import Ranges
from mobilebert_tf.export.recipes import HEAD, INT8_TABLES, RECIPES, SEARCHED, Gate, Recipe, Rule
from mobilebert_tf.export.verify.compare import measure_parity, paired_difference, parity_fault
from mobilebert_tf.export.verify.examples import of_all_lengths
from mobilebert_tf.exported import Candidate, Difference
from mobilebert_tf.litert import flatbuffer
from mobilebert_tf.litert.multiply_adds import multiply_adds
from mobilebert_tf.litert.products import vector_instructions
from mobilebert_tf.litert.runtime import outputs_of
from mobilebert_tf.tasks.task import INPUTS, Outputs, Task, all_values, of_examples, take

LEVELS: dict[str, Rule] = {
    "static_int8": Rule(activations="int8"),
    "dynamic_int8": Rule(),
    "dynamic_int4": Rule(weights="int4"),
    "float16": Rule(weights="float16", activations="float"),
}
"""Precisions that a part can have."""

UNIFORM = ("float32", "dynamic_int8", "static_int8", "dynamic_int4")
"""Recipes that are measured in addition to the path."""

GRID = 7
"""Number of points on the path that are scored before the bisection."""

EXAMPLES = 48
"""Number of examples for measuring errors, of all lengths."""


class Cost(Protocol):
    """Function that measures the cost of files."""

    @property
    def unit(self) -> str: ...

    def __call__(self, contents: Mapping[str, bytes]) -> Costs:
        """Costs of one inference at each file's longest length, by name, from the contents by name."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """Products that have the same level."""

    name: str
    """Such as block_3/feedforward."""
    layers: str
    """Pattern for `Rule.layers`."""
    group: str
    """Group of the parts whose costs are measured together, such as feedforward."""
    products: int
    """Multiplications and additions of one inference."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """Change of one part to a better level."""

    part: str
    level: str
    error: float
    """Power of the outputs' error that the step removes, relative to that of the outputs."""
    cost: float
    """Expected additional cost."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
    """Result of a search."""

    max_drop: float
    """Largest loss of the score, as a share."""
    score_name: str
    unit: str
    """Unit of the costs."""
    parts: Sequence[Part]
    path: Sequence[Step]
    candidates: Sequence[Candidate]
    """Scored files, the cheapest first."""
    chosen: str
    """Name of the cheapest candidate within the loss; if measurements do not separate several, the one with fewest
    operations, then bytes."""
    recipe: Recipe
    searched_examples: int
    scored: Difference
    """Score of the chosen file against Keras on the other half of the examples."""
    scored_examples: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Examples:
    """Labelled examples with the outputs of Keras."""

    task: Task
    features: Mapping[str, np.ndarray]
    """`input_ids`, `input_mask`, `segment_ids` [R, T], `label` [n]."""
    keras: Outputs

    @property
    def count(self) -> int:
        """Number of examples, n."""
        return len(self.features["label"])

    def half(self, which: int) -> Examples:
        """Half of the examples, `which` 0 or 1, chosen at random because every other row may have the same label."""
        chosen = np.sort(np.random.default_rng(0).permutation(self.count)[which::2])
        features, rows = of_examples(self.features, chosen)
        return Examples(task=self.task, features=features, keras=take(self.keras, rows))


def search(
    files: Mapping[int, bytes],
    ranges: Ranges,
    examples: Examples,
    max_drop: float,
    cost: Cost,
    limits: Mapping[str, float] = MappingProxyType({}),
) -> Search:
    """Find the cheapest mixture whose score falls by no more than `max_drop`, and that is as near to Keras as its gate
    demands.

    Args:
      files: float32 files by length, from `convert_lengths`.
      ranges: ranges for `build`, measured on text that is not among the examples.
      examples: labelled examples: one half for the search, the other for the score of its result.
      max_drop: largest loss of the score against Keras, as a share.
      cost: function that measures the cost of files.
      limits: fields that replace those in the gate of the recipe.

    Raises:
      FailedError: no mixture is within the loss, or a file cannot be built.
    """
    searched, scored = examples.half(0), examples.half(1)
    parts = parts_of(files[max(files)])
    errors = _errors(files, ranges, parts, searched)
    start, steps = path_of(parts, errors, _costs(files, ranges, parts, cost))

    def recipe_of(key: int | str) -> Recipe:
        best = RECIPES[key] if isinstance(key, str) else mixture(parts, levels_after(start, steps, key))
        # The gate applies to all examples; the search kept the loss on half of them.
        limits_of_gate = {"max_score_drop": max(max_drop, best.gate.max_score_drop or 0.0), **limits}
        return dataclasses.replace(best, gate=dataclasses.replace(best.gate, **limits_of_gate))

    contents: dict[int | str, bytes] = {}
    differences: dict[int | str, Difference] = {}
    faults: dict[int | str, str] = {}

    def is_within(key: int | str) -> bool:
        if key not in contents:
            recipe = recipe_of(key)
            contents[key] = build(files, recipe, ranges)
            differences[key], faults[key] = _compared(contents[key], searched, recipe.gate)
        return not faults[key] and not differences[key].loses_more_than(max_drop)

    grid = sorted({round(point) for point in np.linspace(0, len(steps), GRID)})
    for key in track([*UNIFORM, *grid], "searching: scores", "files", len(UNIFORM) + len(grid)):
        is_within(key)
    passing = next((i for i, key in enumerate(grid) if is_within(key)), None)
    if passing:
        low, high = grid[passing - 1], grid[passing]
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if is_within(middle) else (middle, high)
    names = {key: key if isinstance(key, str) else f"{key} of {len(steps)} steps" for key in contents}
    # All files in one call, so that they are timed in the same rounds.
    costs = cost({names[key]: content for key, content in contents.items()})
    candidates = {
        key: Candidate(
            name=names[key],
            steps=None if isinstance(key, str) else key,
            cost=costs.values[names[key]],
            bytes=len(contents[key]),
            difference=differences[key],
            within=is_within(key),
            reason=faults[key],
            levels={} if isinstance(key, str) else dict(collections.Counter(levels_after(start, steps, key).values())),
        )
        for key in contents
    }
    within = {key: one for key, one in candidates.items() if one.within}
    if not within:
        raise FailedError(
            f"--max_drop={max_drop:g}: even float32 loses more than that against Keras, or is farther from it than the "
            "limits allow; raise --max_drop, or the limits"
        )
    cheapest = costs.cheapest([one.name for one in within.values()])

    def work(key: int | str) -> tuple[float, int]:
        """Sort key of files whose costs are not separated: operations, then bytes."""
        return vector_instructions(multiply_adds(contents[key]), recipe_of(key).half), len(contents[key])

    chosen = min((key for key in within if within[key].name in cheapest), key=work)
    best = recipe_of(chosen)
    recipe = dataclasses.replace(
        best,
        name=SEARCHED,
        description=f"the cheapest within {100 * max_drop:g} points: {_told(within[chosen])}",
    )
    return Search(
        max_drop=max_drop,
        score_name=examples.task.score_title,
        unit=cost.unit,
        parts=parts,
        path=steps,
        candidates=sorted(candidates.values(), key=lambda one: one.cost),
        chosen=within[chosen].name,
        recipe=recipe,
        searched_examples=searched.count,
        scored=_compared(contents[chosen], scored, recipe.gate)[0],
        scored_examples=scored.count,
    )


def parts_of(content: bytes) -> list[Part]:
    """The parts of a float32 file with one graph; the head stays dynamic and is not one of them."""
    model = flatbuffer.read(content)
    (graph,) = model.subgraphs
    products: collections.Counter[tuple[str, str, str]] = collections.Counter()
    for operator, kind in zip(graph.operators, flatbuffer.kinds(model), strict=True):
        if kind != "FULLY_CONNECTED" or operator.outputs[0] in graph.outputs:
            continue
        rows = int(np.prod(graph.tensors[operator.outputs[0]].shape[:-1]))
        weights = int(np.prod(graph.tensors[operator.inputs[1]].shape))
        products[_part(graph.tensors[operator.outputs[0]].name.decode())] += rows * weights
    return [
        Part(name=name, layers=layers, group=group, products=count) for (name, layers, group), count in products.items()
    ]


def _part(result: str) -> tuple[str, str, str]:
    """Name, layers and group of the part that a product with this result belongs to."""
    scope, layer, *_ = result.split("/")
    if not scope.startswith("block_"):
        return scope, f"^{re.escape(scope)}/", scope
    if layer.startswith("feedforward_"):
        return f"{scope}/feedforward", f"^{scope}/feedforward_", "feedforward"
    if layer == "output_bottleneck":
        return f"{scope}/output_bottleneck", f"^{scope}/output_bottleneck/", "output_bottleneck"
    return f"{scope}/attention", f"^{scope}/(?!feedforward_|output_bottleneck/)", "attention"


def mixture(parts: Sequence[Part], levels: Mapping[str, str]) -> Recipe:
    """The recipe with each part at its level in `levels`, by name; a part without one stays in float32."""
    rules = [
        dataclasses.replace(LEVELS[levels[part.name]], layers=part.layers) for part in parts if part.name in levels
    ]
    gate = RECIPES["static_int8"].gate
    return Recipe(name=SEARCHED, description="a mixture", rules=(INT8_TABLES, *rules, HEAD), half=True, gate=gate)


def path_of(
    parts: Sequence[Part], errors: Mapping[tuple[str, str], float], costs: Mapping[tuple[str, str], float]
) -> tuple[dict[str, str], list[Step]]:
    """The cheapest level of each part, and the steps to better levels, those that gain most for their cost first.

    A level that is worse than another and no cheaper, or whose error lies above the line between its neighbours in
    cost, is never the best choice and has no step.

    Args:
      parts: parts of the network.
      errors: power of the outputs' error by part and level.
      costs: costs by part and level.
    """
    start, steps = {}, []
    for part in parts:
        points = sorted((costs[part.name, level], errors[part.name, level], level) for level in LEVELS)
        hull: list[tuple[float, float, str]] = []
        for point in points:
            if hull and point[1] >= hull[-1][1]:
                continue
            while len(hull) > 1 and _gain(hull[-1], point) >= _gain(hull[-2], hull[-1]):
                hull.pop()
            hull.append(point)
        start[part.name] = hull[0][2]
        steps += [
            Step(part=part.name, level=after[2], error=before[1] - after[1], cost=after[0] - before[0])
            for before, after in zip(hull, hull[1:], strict=False)
        ]
    return start, sorted(steps, key=lambda step: step.error / step.cost, reverse=True)


def _gain(before: tuple[float, float, str], after: tuple[float, float, str]) -> float:
    """Error removed per unit of cost."""
    return (before[1] - after[1]) / (after[0] - before[0])


def levels_after(start: Mapping[str, str], steps: Sequence[Step], count: int) -> dict[str, str]:
    """The level of each part after the first `count` steps."""
    return {**start, **{step.part: step.level for step in steps[:count]}}


def _errors(
    files: Mapping[int, bytes], ranges: Ranges, parts: Sequence[Part], examples: Examples
) -> dict[tuple[str, str], float]:
    """Power of the error that each part at each level alone adds to the outputs, over that of float32's outputs."""
    longest = {max(files): files[max(files)]}
    few = of_all_lengths({name: examples.features[name] for name in INPUTS}, EXAMPLES)
    exact = all_values(outputs_of(build(longest, mixture(parts, {}), ranges), few)).astype(np.float64)
    power = max(float(np.square(exact).sum()), 1e-30)
    pairs = [(part.name, level) for part in parts for level in LEVELS]
    errors = {}
    for name, level in track(pairs, "searching: errors", "files", len(pairs)):
        outputs = all_values(outputs_of(build(longest, mixture(parts, {name: level}), ranges), few))
        error = float(np.square(outputs - exact).sum()) / power
        errors[name, level] = error if np.isfinite(error) else float("inf")
    return errors


def _costs(
    files: Mapping[int, bytes], ranges: Ranges, parts: Sequence[Part], cost: Cost
) -> dict[tuple[str, str], float]:
    """Expected cost of each part at each level, less its cost in float16: measured for all parts of a group together,
    and divided among them in proportion to their products."""
    longest = {max(files): files[max(files)]}
    everything = {part.name: "float16" for part in parts}
    groups = list(dict.fromkeys(part.group for part in parts))
    contents = {"float16": build(longest, mixture(parts, everything), ranges)}
    for group in groups:
        for level in LEVELS:
            if level != "float16":
                changed = {part.name: level for part in parts if part.group == group}
                contents[f"{group}: {level}"] = build(longest, mixture(parts, everything | changed), ranges)
    measured = cost(contents).values
    products = collections.Counter[str]()
    for part in parts:
        products[part.group] += part.products
    return {
        (part.name, level): (measured.get(f"{part.group}: {level}", measured["float16"]) - measured["float16"])
        * part.products
        / products[part.group]
        for part in parts
        for level in LEVELS
    }


def _compared(content: bytes, examples: Examples, gate: Gate) -> tuple[Difference, str]:
    """The difference of the scores of a file and Keras, and the limit of the gate that it misses; empty: none."""
    outputs, task = outputs_of(content, examples.features), examples.task
    difference = paired_difference(task, examples.keras, outputs, examples.features)
    parity = measure_parity(task, examples.keras, outputs, examples.features)
    return difference, parity_fault(gate, task, parity) or ""


def _told(candidate: Candidate) -> str:
    return ", ".join(f"{count} parts {level}" for level, count in candidate.levels.items()) or candidate.name
