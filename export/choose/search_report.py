"""Result of a search for the cheapest mixture, for `report.json` and as a table for the terminal."""

from __future__ import annotations

import dataclasses

from mobilebert_tf.export.choose.explain_report import recipe_json
from mobilebert_tf.export.choose.search import Search
from mobilebert_tf.exported import Difference, Searched
from mobilebert_tf.text_table import aligned


def of_search(found: Search) -> Searched:
    """The search as `report.json` holds it."""
    values = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    for name in ("parts", "path"):
        values[name] = tuple(dataclasses.asdict(one) for one in values[name])
    return Searched(**{**values, "candidates": tuple(found.candidates), "recipe": recipe_json(found.recipe)})


def table(found: Search) -> str:
    """Table of all scored files, the cheapest first, and the score of the chosen file on the other texts."""
    rows = [["searched", found.unit, "MB", f"{found.score_name} to Keras", "within", "parts"]]
    for one in found.candidates:
        levels = ", ".join(f"{count} {level}" for level, count in one.levels.items())
        mark = " (chosen)" if one.name == found.chosen else ""
        within = "yes" if one.within else f"no: {one.reason}" if one.reason else "no"
        drop = f"{100 * one.difference.score:+.2f}"
        rows.append([one.name + mark, f"{one.cost:.3g}", f"{one.bytes / 1e6:.2f}", drop, within, levels])
    lines = [
        aligned(rows),
        f"{found.score_name} to Keras: points, on {found.searched_examples} texts; "
        f"a loss of {100 * found.max_drop:g} is allowed",
        f"{found.recipe.name}: {told(found.scored)} points on the other {found.scored_examples} texts",
    ]
    return "\n".join(lines)


def told(difference: Difference) -> str:
    """A difference of scores in points, with its interval."""
    return f"{100 * difference.score:+.2f} ({100 * difference.low:+.2f} to {100 * difference.high:+.2f})"
