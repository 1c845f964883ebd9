"""Results of `explain` as `explain.json`, as tables for the terminal, and as a recipe file."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from mobilebert_tf import provenance
from mobilebert_tf.export.choose.explain import Explanation, Part
from mobilebert_tf.export.recipes import Recipe, Rule
from mobilebert_tf.text_table import aligned

WORST = 10
"""Rows of a table on the terminal; `explain.json` has all."""


def as_json(
    model: Mapping[str, Any], length: int, examples_of: str, explained: Mapping[str, Explanation]
) -> dict[str, Any]:
    """The content of `explain.json`.

    Args:
      model: name and hash of the exported model.
      length: T of the signature that was examined.
      examples_of: description of the examples that the explanations are from.
      explained: explanations by recipe.
    """
    recipes = {}
    for name, one in explained.items():
        mended = recipe_json(one.mended) if one.mended else None
        recipes[name] = {**dataclasses.asdict(dataclasses.replace(one, mended=None)), "mended": mended}
    return {
        "made_by": provenance.describe(),
        "model": dict(model),
        "sequence_length": length,
        "examples_of": examples_of,
        "recipes": recipes,
    }


def recipe_json(recipe: Recipe) -> dict[str, Any]:
    """`recipe` as `parse_recipes` reads it from a file, without those fields of a rule that have their defaults."""
    plain = Rule()
    rules = [
        {name: value for name, value in dataclasses.asdict(rule).items() if value != getattr(plain, name)}
        for rule in recipe.rules
    ]
    return {**dataclasses.asdict(recipe), "rules": rules}


def recipe_line(recipe: Recipe) -> str:
    """The content of a recipe file in one line."""
    return json.dumps(recipe_json(recipe))


def tables(one: Explanation) -> str:
    """Tables of the layers that add most error, of each part's gain in other arithmetic, and of several together."""
    rows = [["layer", "adds", "in all", "dB"]]
    for layer in one.layers[:WORST]:
        ratio = layer.signal_to_noise_db
        rows.append([layer.name, _percent(layer.added_error), _percent(layer.relative_error), _decibel(ratio)])
    off = f"logits {_percent(one.logits_error)} off float32" if math.isfinite(one.logits_error) else "gave no numbers"
    lines = [
        f"{one.recipe}: {off}, same decision {one.decision_agreement:.1%} ({one.examples} examples)",
        aligned(rows),
        "adds: error of the layer itself; in all: with what it inherits (root mean squares, relative)",
        "",
    ]
    lines += [_costs("part", one.parts), "million: instructions more on a Cortex-A76, estimated"]
    if len(one.steps) > 1:
        lines += ["", _costs("together", one.steps)]
    return "\n".join(lines)


def _costs(title: str, parts: Sequence[Part]) -> str:
    """A table of parts in other arithmetic."""
    rows = [[title, "in", "logits off", "same decision", "kB more", "million"]]
    for part in parts:
        shares = [_percent(part.logits_error), f"{part.decision_agreement:.1%}", f"{part.extra_bytes / 1e3:+.0f}"]
        needed = "" if part.extra_instructions is None else f"{part.extra_instructions:+.2f}"
        rows.append([part.name, part.instead, *shares, needed])
    if title == "together":
        rows[2:] = [[f"and {row[0]}", *row[1:]] for row in rows[2:]]
    return aligned(rows)


def _percent(error: float) -> str:
    return f"{error:.2%}" if math.isfinite(error) else "no numbers"


def _decibel(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.1f}"
