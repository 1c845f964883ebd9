"""`quantization.json` of a model directory: the ranges that a network was fine-tuned with, for its export."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from mobilebert_tf import atomic, provenance
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.export.aware.recipe import layer_of, result_of, rule_of
from mobilebert_tf.export.quantize.ranges import Ranges
from mobilebert_tf.export.recipes import PRODUCTS, TARGETS, Recipe, Rule
from mobilebert_tf.export.rewrite.norms import Breaks
from mobilebert_tf.fields import Finite
from mobilebert_tf.fields import read as read_json
from mobilebert_tf.litert import flatbuffer
from mobilebert_tf.weights_file import WEIGHTS

FILE = "quantization.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trained:
    """Recipe and ranges that a network was fine-tuned with."""

    recipe: Recipe
    ranges: Mapping[str, tuple[float, float]]
    """Least and largest value by site: `LAYER/input` and `LAYER/output` of a product; an input that is the result of
    another product has that one's output as its site."""
    breaks: Breaks
    """Breaks of the streams, for the folding of norms."""

    def is_for(self, recipe: Recipe) -> bool:
        """Whether a file by `recipe` computes on the grid that the network was fine-tuned for."""
        return recipe.rules == self.recipe.rules and recipe.target == TARGETS[0]

    def instead_of(self, measured: Ranges | None, content: bytes) -> Ranges:
        """`measured`, with the ranges of tensors replaced by trained ones, for a float32 file with one graph.

        Raises:
          FailedError: the file's network is not the fine-tuned one.
        """
        trained: dict[str, tuple[float, float]] = {}
        missing = set(self.ranges)
        for operand, result in _products(content):
            layer = layer_of(result)
            if rule_of(self.recipe, PRODUCTS[0], result) != rule_of(self.recipe, PRODUCTS[0], result_of(layer)):
                raise FailedError(
                    f"{FILE}: the rules of {self.recipe.name} treat the layer {layer} and its result in a file, "
                    f"{result}, differently; change their layers so that the same rule matches both"
                )
            for site, tensor in ((f"{layer}/input", operand), (f"{layer}/output", result)):
                if site in self.ranges:
                    trained[tensor] = self.ranges[site]
                    missing.discard(site)
        if missing:
            raise FailedError(
                f"{FILE}: has a range for {min(missing)}, which this network lacks; does it belong to another one?"
            )
        if measured is None:
            return Ranges(by_tensor=trained, nearest=trained, largest=math.inf, examples=0)
        return dataclasses.replace(
            measured, by_tensor={**measured.by_tensor, **trained}, nearest={**measured.nearest, **trained}
        )


def _products(content: bytes) -> Iterator[tuple[str, str]]:
    """Names of every product's input and result."""
    model = flatbuffer.read(content)
    (graph,) = model.subgraphs
    for operator, kind in zip(graph.operators, flatbuffer.kinds(model), strict=True):
        if kind in PRODUCTS:
            yield graph.tensors[operator.inputs[0]].name.decode(), graph.tensors[operator.outputs[0]].name.decode()


def write(directory: Path, trained: Trained) -> None:
    """Write the file beside the weights that it belongs to."""
    recipe = trained.recipe
    atomic.write_json(
        directory / FILE,
        {
            "weights_sha256": provenance.sha256(directory / WEIGHTS),
            "recipe": recipe.name,
            "rules": [dataclasses.asdict(rule) for rule in recipe.rules],
            "breaks": trained.breaks,
            "ranges": trained.ranges,
        },
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Content:
    """The content of the file."""

    weights_sha256: str
    recipe: str
    rules: tuple[Rule, ...]
    breaks: Breaks
    ranges: dict[str, tuple[Finite, Finite]]


def read(directory: Path) -> Trained | None:
    """The recipe and ranges that a model directory was fine-tuned with; None: it has no such file.

    Raises:
      UsageError: the file is damaged, or its ranges belong to other weights.
    """
    path = directory / FILE
    if not path.exists():
        return None
    way_on = f"fine-tune again with --quantization_aware, or delete {FILE} and let export calibrate on text"
    values: _Content = read_json(path, _Content, way_on, refuses_unknown=True)
    if not (directory / WEIGHTS).exists() or provenance.sha256(directory / WEIGHTS) != values.weights_sha256:
        raise UsageError(f"{path}: its ranges were trained with other weights than those of {WEIGHTS}; {way_on}")
    recipe = Recipe(name=values.recipe, description="", rules=values.rules)
    return Trained(recipe=recipe, ranges=values.ranges, breaks=values.breaks)
