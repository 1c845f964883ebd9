"""Recipes: the ways to store a network in a file, and how close to Keras each file has to stay."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any

from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import Share, build, one_of, read, within
from mobilebert_tf.names import plain_name
from mobilebert_tf.run_directory import fingerprint

PRODUCTS = ("FULLY_CONNECTED",)
"""Operators that multiply by weights."""

TABLES = ("EMBEDDING_LOOKUP",)
"""Operators that look up rows of a table."""

EVERYTHING = ("*",)
"""Every operator that the quantizer knows."""

TARGETS = ("litert", "mediapipe", "gpu")
"""Consumers that a file can be laid out for. litert: apps that run it themselves, with a signature for each length.
mediapipe: its TextClassifier or TextEmbedder, with one length, probabilities or a vector, and vocabulary and labels
packed inside. gpu: a GPU delegate, with one length, float arithmetic and the delegate's own tensor layout."""

REJECTED = "rejected"
"""Directory, beside the published files, for files that fail their gate."""

WEIGHTS = ("float32", "float16", "int8", "int4")
ACTIVATIONS = ("float", "dynamic", "int8", "int16")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """Precision of some operators. If several rules match an operator, the last one applies."""

    operators: tuple[str, ...] = PRODUCTS
    """Operator names, as in LiteRT."""
    layers: str = ".*"
    """Regular expression, searched for in the name of the operator's result: block_3/feedforward_1/intermediate. Blocks
    count from 1 here, and from 0 in the model's variables."""
    weights: Annotated[str, one_of(*WEIGHTS)] = "int8"
    """float32: the operator is left as it is, whatever earlier rules say."""
    activations: Annotated[str, one_of(*ACTIVATIONS)] = "dynamic"
    """float: weights are converted back to float before use. dynamic: int8, one scale per row, computed at run time.
    int8, int16: one scale for the whole tensor, measured beforehand by calibration."""
    per_channel: bool = True
    """Whether each output channel, or row of a table, has its own scale instead of one scale for all."""

    @property
    def bits(self) -> int:
        return int(self.weights.removeprefix("int"))

    @property
    def activation_bits(self) -> int:
        return int(self.activations.removeprefix("int"))

    @property
    def is_static(self) -> bool:
        """Whether activations are quantised with ranges measured beforehand."""
        return self.activations.startswith("int") and self.weights != "float32"


Limit = Annotated[float, within(0, 1e300)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gate:
    """Limits that a file must meet to be published. None: no limit."""

    max_relative_error: Limit | None = None
    """Largest error of any logit, relative to the largest Keras logit."""
    min_decision_agreement: Share | None = None
    """Smallest share of examples for which file and Keras choose the same class."""
    max_score_drop: Share | None = 0.02
    """Largest loss of accuracy against Keras, as a share of the examples; checked if there are labels."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """Description of one file of an export; `RECIPES` below lists the built-in ones."""

    name: str
    description: str
    rules: tuple[Rule, ...] = ()
    target: Annotated[str, one_of(*TARGETS)] = "litert"
    """One of TARGETS."""
    half: bool = False
    """Whether ARM processors with float16 arithmetic may use it for everything that is left in float."""
    one_graph: bool = False
    """Whether all lengths share a graph, which the runtime resizes; only for `litert`."""
    gate: Gate = Gate(min_decision_agreement=0.97)

    @property
    def is_static(self) -> bool:
        """Whether activations are quantised with ranges that calibration has to measure."""
        return any(rule.is_static for rule in self.rules)


def check_layers(recipe: Recipe, results: Collection[tuple[str, str]]) -> None:
    """Refuse a rule whose `layers` match nothing: a typo would silently leave those layers in float.

    Args:
      recipe: recipe whose rules are checked.
      results: name of each operator that a rule can apply to, and name of its result.

    Raises:
      UsageError: a rule matches no layer.
    """
    for rule in recipe.rules:
        # HEAD may match nothing: the built-in recipes are also used for networks without a classifier.
        if rule.layers not in (Rule.layers, HEAD.layers) and not any(
            (operator in rule.operators or rule.operators == EVERYTHING) and re.search(rule.layers, result)
            for operator, result in results
        ):
            raise UsageError(
                f"recipe {recipe.name}: its rule for layers {rule.layers!r} matches no {' or '.join(rule.operators)}; "
                "layers have names like block_3/feedforward_1/intermediate, `export --explain` lists them"
            )


INT8_GATE = Gate(max_relative_error=0.2, min_decision_agreement=0.97)
"""Gate of int8 with ranges computed at run time: fine-tuned MiniLM is off by 0.1 of the largest logit on 872 texts."""

STATIC_GATE = Gate(max_relative_error=0.5, min_decision_agreement=0.95)
"""Gate of int8 with calibrated ranges: texts near the border between two classes change sides, and MiniLM's file is off
by 0.3 of the largest logit. A file that was off by 1.2 still kept 97 % of the decisions."""

INT8_TABLES = Rule(operators=TABLES)
"""Rule for the tables of word pieces and of positions with types: int8 with a scale for each row."""

HEAD = Rule(layers="^classifier")
"""Rule for the classifier: scales computed at run time, so that logits larger than those of the calibration texts are
not clipped."""

_FLOAT_ENDS = Rule(operators=("INPUT", "OUTPUT"), weights="float32")

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="float32",
            description="weights and arithmetic in float32",
            # Sums in another order round differently: 24 layers measured below 1e-5.
            gate=Gate(max_relative_error=1e-4),
        ),
        Recipe(
            name="float16",
            description="weights in float16, arithmetic in float",
            rules=(Rule(operators=(*PRODUCTS, *TABLES), weights="float16", activations="float"),),
            half=True,
            gate=Gate(max_relative_error=1e-2, min_decision_agreement=0.99),
        ),
        Recipe(
            name="dynamic_int8",
            description="weights int8, activations quantised per token while running",
            rules=(INT8_TABLES, Rule()),
            gate=INT8_GATE,
        ),
        Recipe(
            name="dynamic_int8_per_tensor",
            description="the same with one scale a matrix: for runtimes before 2.18",
            rules=(Rule(operators=(*PRODUCTS, *TABLES), per_channel=False),),
            gate=INT8_GATE,
        ),
        Recipe(
            name="static_int8",
            description="products in int8 by calibrated scales, attention and sums in float",
            rules=(INT8_TABLES, Rule(activations="int8"), HEAD),
            half=True,
            gate=STATIC_GATE,
        ),
        Recipe(
            name="static_int8_per_tensor",
            description="the same with one scale a matrix: for runtimes before 2.18",
            rules=(
                Rule(operators=TABLES, per_channel=False),
                Rule(activations="int8", per_channel=False),
                Rule(layers="^classifier", per_channel=False),
            ),
            half=True,
            gate=STATIC_GATE,
        ),
        Recipe(
            name="static_int8_full",
            description="everything in int8 by calibrated scales",
            rules=(Rule(operators=EVERYTHING, activations="int8"), INT8_TABLES, _FLOAT_ENDS),
        ),
        Recipe(
            name="static_int16x8",
            description="weights int8, activations int16 by calibrated scales",
            rules=(Rule(operators=EVERYTHING, activations="int16"), INT8_TABLES, _FLOAT_ENDS),
        ),
        Recipe(
            name="weight_int4",
            description="weights int4, arithmetic in float32",
            rules=(INT8_TABLES, Rule(weights="int4", activations="float")),
        ),
        Recipe(
            name="dynamic_int4",
            description="weights int4, activations quantised per token while running",
            rules=(INT8_TABLES, Rule(weights="int4")),
        ),
        Recipe(
            name="mediapipe",
            description="dynamic int8 for MediaPipe's TextClassifier or TextEmbedder: one length, vocabulary inside",
            rules=(INT8_TABLES, Rule()),
            target="mediapipe",
            gate=INT8_GATE,
        ),
        Recipe(
            name="gpu",
            description="weights in float16, laid out for a GPU delegate, one length; never run on a GPU",
            rules=(Rule(weights="float16", activations="float"),),
            target="gpu",
            gate=Gate(max_relative_error=1e-2, min_decision_agreement=0.99),
        ),
    )
}

DEFAULT = ("float32", "float16", "dynamic_int8", "static_int8")
"""Recipes of an export that names none; without text to calibrate on, only those that need none."""


SEARCHED = "cheapest"
"""Name of the recipe that `--max_drop` finds."""


def parse_recipes(names: str | None, has_text: bool = True) -> list[Recipe]:
    """The recipes with these comma-separated names, in this order; a name that ends in .json is a file of the user's.

    Args:
      names: recipe names and files; None: those of `DEFAULT`.
      has_text: whether there is text to calibrate on.

    Raises:
      UsageError: no recipe is named, a recipe is named twice, is unknown or needs text, or a file is invalid.
    """
    if names is None:
        return [RECIPES[name] for name in DEFAULT if has_text or not RECIPES[name].is_static]
    chosen: list[Recipe] = []
    for name in filter(None, (name.strip() for name in names.split(","))):
        if name.endswith(".json"):
            chosen += _read(Path(name))
        elif name in RECIPES:
            chosen.append(RECIPES[name])
        else:
            raise UsageError(
                f"--recipes: there is no recipe {name!r}; choose from {', '.join(RECIPES)}, or give a .json file"
            )
    if not chosen or len({recipe.name for recipe in chosen}) < len(chosen):
        raise UsageError(f"--recipes={names!r}: name each wanted recipe once; choose from {', '.join(RECIPES)}")
    for recipe in chosen:
        if recipe.is_static and not has_text:
            raise UsageError(
                f"--recipes: {recipe.name} needs texts to calibrate on; give --calibration (best the task's own "
                "training text) or --evaluation"
            )
    return chosen


def in_one_graph(recipes: Sequence[Recipe]) -> list[Recipe]:
    """The recipes, with one graph for all lengths where files by them have several.

    Raises:
      UsageError: none has several.
    """
    if all(recipe.target != "litert" for recipe in recipes):
        names = " and ".join(recipe.name for recipe in recipes)
        raise UsageError(f"--one_graph: files by {names} have one length; leave it out, or add another recipe")
    return [dataclasses.replace(recipe, one_graph=recipe.target == "litert") for recipe in recipes]


def with_content(names: str | None) -> str | None:
    """The names of recipes with a hash of each file: the same name with other rules is another recipe."""
    words = [word.strip() for word in (names or "").split(",")]
    if not any(word.endswith(".json") for word in words):
        return names
    return ",".join(f"{word}@{fingerprint(word)}" if word.endswith(".json") else word for word in words)


def _read(path: Path) -> list[Recipe]:
    """The recipes in a file: an object, or a list of objects, with the fields of `Recipe`."""
    if not path.exists():
        raise UsageError(f"{path}: no such file")
    content: list[dict[str, Any]] | dict[str, Any] = read(path, list[dict[str, Any]] | dict[str, Any])
    if content == []:
        raise UsageError(f"{path}: has no recipe")
    return [_recipe(path, values) for values in (content if isinstance(content, list) else [content])]


def _recipe(path: Path, content: dict[str, Any]) -> Recipe:
    values = {"description": f"as in {path.name}", "gate": {}, **content}
    if isinstance(values.get("rules"), list):
        values["rules"] = [_listed(rule) for rule in values["rules"]]
    recipe: Recipe = build(Recipe, values, f"{path}", refuses_unknown=True)
    plain_name(recipe.name, f"{path}: name of a recipe, and so of its file")
    if recipe.name in RECIPES:
        raise UsageError(f"{path}: {recipe.name!r} is the name of a built-in recipe; choose another")
    for rule in recipe.rules:
        _check_operators(rule, f"{path}: a rule of {recipe.name}")
        try:
            re.compile(rule.layers)
        except re.error as error:
            raise UsageError(f"{path}: layers {rule.layers!r} is not a regular expression ({error})") from None
        if rule.weights.startswith("float") and rule.activations.startswith("int"):
            raise UsageError(
                f"{path}: a rule of {recipe.name} has weights {rule.weights} and activations {rule.activations}; "
                "such activations need weights int8 or int4, and float weights need activations float"
            )
    if recipe.one_graph and recipe.target != "litert":
        raise UsageError(f"{path}: {recipe.name} has one length, being for {recipe.target}; leave one_graph out")
    if recipe.target == "gpu" and any(rule.weights.startswith("int") for rule in recipe.rules):
        raise UsageError(
            f"{path}: the rules of {recipe.name} quantise to integers, but a gpu file must have float weights"
        )
    return recipe


def _check_operators(rule: Rule, place: str) -> None:
    from litert_quantizer.qtyping import TFLOperationName

    if not rule.operators:
        raise UsageError(f"{place}: operators: is empty; leave it out for {' and '.join(PRODUCTS)}")
    known = [operator.value for operator in TFLOperationName]
    if unknown := [operator for operator in rule.operators if operator not in known]:
        near = difflib.get_close_matches(unknown[0].upper(), known, 3, 0.5) or PRODUCTS
        raise UsageError(f"{place}: operators: the quantizer knows no {unknown[0]!r}; it knows {', '.join(near)} ...")


def _listed(rule: Any) -> Any:
    """A rule as JSON whose `operators` may be a single name, with a list in its place."""
    if isinstance(rule, dict) and isinstance(rule.get("operators"), str):
        return {**rule, "operators": [rule["operators"]]}
    return rule
