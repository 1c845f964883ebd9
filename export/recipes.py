"""How a network can be stored in a file, and how close to Keras each way has to stay."""

from __future__ import annotations

import dataclasses

from mobilebert_tf.errors import UsageError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gate:
    """What a file must reach to be published. None: not asked."""

    max_relative_error: float | None = None
    """Largest error of any logit, relative to the largest Keras logit."""
    min_decision_agreement: float | None = None
    """Share of examples for which file and Keras choose the same class."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """One row of the table below, and one file of an export."""

    name: str
    description: str
    quantize_weights: bool
    """int8 weights, a scale per output channel; activations are quantised as they come."""
    gate: Gate


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="float32",
            description="weights and arithmetic in float32",
            quantize_weights=False,
            # Rounding in another order of summation: 24 layers measured below 1e-5.
            gate=Gate(max_relative_error=1e-4),
        ),
        Recipe(
            name="dynamic_int8",
            description="weights int8, activations quantised per token while running",
            quantize_weights=True,
            gate=Gate(min_decision_agreement=0.97),
        ),
    )
}


def parse_recipes(names: str) -> list[Recipe]:
    """The recipes with these comma-separated names, in their order.

    Raises:
      UsageError: none is named, one is named twice, or one is unknown.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in RECIPES:
            raise UsageError(f"--recipes: there is no recipe {name!r}; there are {', '.join(RECIPES)}")
    if not wanted or len(set(wanted)) < len(wanted):
        raise UsageError(f"--recipes={names!r}: name each wanted recipe once; there are {', '.join(RECIPES)}")
    return [RECIPES[name] for name in wanted]
