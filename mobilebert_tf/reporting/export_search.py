"""The part of a page about a search for the cheapest mixture of precisions: sentences, picture and table."""

from __future__ import annotations

import dataclasses

from markupsafe import Markup
from matplotlib.figure import Figure

from mobilebert_tf.exported import Candidate, Searched
from mobilebert_tf.reporting.drawing import ACCENT, CARD, INK, MUTED, SECOND, WIDE, draw, figure
from mobilebert_tf.reporting.numbers import megabytes, points, significant
from mobilebert_tf.reporting.tables import Cell, Table
from mobilebert_tf.reporting.tradeoff import label, scales


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchPart:
    """All content about one search."""

    told: str
    chart: str
    chart_caption: str
    table: Table


def part(searched: Searched, number: int) -> SearchPart:
    """The part of a search; `number` makes its names on the page unique."""
    candidates = searched.candidates
    chosen = next(one for one in candidates if one.name == searched.chosen)
    scored = searched.scored
    told = (
        f"The search allowed a loss of {significant(100 * searched.max_drop)} points against Keras. The cheapest file "
        f"within that limit is “{chosen.name}” at {significant(chosen.cost)} {searched.unit}. On the "
        f"{searched.scored_examples} texts that had no part in the choice its difference from Keras is "
        f"{points(scored.score)} points ({points(scored.low)} to {points(scored.high)})."
    )
    capital = searched.score_name[:1].upper() + searched.score_name[1:]
    caption = (
        f"{capital} against Keras, on {searched.searched_examples} texts, and what an inference costs. The line is "
        "the search path: first every part of the network at its cheapest, then, step by step, the change that removes "
        "most error for its cost. Hollow points lose more than is allowed (below the dashed line) or are too far from "
        "Keras."
    )
    return SearchPart(
        told=told,
        chart=Markup(_chart(f"search-{number}", searched, chosen)),
        chart_caption=caption,
        table=_table(searched, chosen),
    )


def _chart(name: str, searched: Searched, chosen: Candidate) -> str:
    candidates = searched.candidates
    costs = [one.cost for one in candidates]
    drops = [100 * one.difference.score for one in candidates]
    allowed = -100 * searched.max_drop
    path = sorted((one for one in candidates if one.steps is not None), key=lambda one: one.steps or 0)

    def picture(width: int) -> Figure:
        drawn = figure(width, 400 if width == WIDE else 360)
        axes = drawn.subplots()
        axes.plot(
            [one.cost for one in path], [100 * one.difference.score for one in path], color=MUTED,
            linewidth=1.2, zorder=1,
        )  # fmt: skip
        places = []
        for one, cost, drop in zip(candidates, costs, drops, strict=True):
            best = one is chosen
            radius = 7.0 if best else 4.5
            axes.plot(
                [cost], [drop], "o", markersize=2 * radius, markeredgecolor=CARD if one.within else ACCENT,
                markerfacecolor=(SECOND if best else ACCENT) if one.within else CARD,
            )  # fmt: skip
            # The line shows the steps; a phone has no room for their names.
            if one.steps is None or best:
                places.append((one.name, cost, drop, radius, INK))
        axes.axhline(allowed, color=SECOND, linewidth=1.2, linestyle=(0, (4, 3)))
        scales(axes, costs, [*drops, allowed])
        axes.set_xlabel(f"{searched.unit} per inference")
        axes.set_title(f"{searched.score_name} against Keras, points")
        label(drawn, axes, places)
        return drawn

    description = "; ".join(
        f"{one.name} {significant(one.cost)} {searched.unit}, {points(one.difference.score)} points"
        for one in candidates
    )
    return draw(name, f"{searched.score_name} against cost along the search: {description}.", picture)


def _table(searched: Searched, chosen: Candidate) -> Table:
    rows = []
    for one in searched.candidates:
        levels = ", ".join(f"{count} {level}" for level, count in one.levels.items())
        verdict = (
            Cell("chosen" if one is chosen else "within", (), "passed")
            if one.within
            else Cell("not within", (one.reason,) if one.reason else ())
        )
        difference = one.difference
        rows.append((
            Cell(one.name, (levels,) if levels else ()),
            Cell(significant(one.cost)),
            Cell(megabytes(one.bytes)),
            Cell(points(difference.score), (f"{points(difference.low)} to {points(difference.high)}",)),
            verdict,
        ))  # fmt: skip
    caption = (
        "Every file that was scored, the cheapest first, with the number of parts of the network at each precision; "
        f"the difference of {searched.score_name} in points, with its 95 % interval."
    )
    head = ("File", searched.unit, "Size", "Against Keras", "Verdict")
    return Table("Searched files", head, tuple(rows), caption)
