"""The table of `studies/defaults.json`: accuracy of fine-tuning on each table, by default and at other rates."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

DEFAULT, PUBLISHED = "by default", "0.00005, 3 passes"
"""Names of two settings; a variant's name is `TABLE: SETTING`."""

HEAD = ("", "rows", "most frequent class", DEFAULT, "best of other rates", "at 5e-5, 3 passes")


def rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One row per table of texts, with means over seeds."""
    tables: dict[str, dict[str, Mapping[str, float]]] = {}
    for subject in document["subjects"]:
        table, _, setting = subject["name"].rpartition(": ")
        figures = [seen["figures"] for seen in subject["rounds"]]
        means = {name: statistics.mean(one[name] for one in figures) for name in figures[0]}
        tables.setdefault(table, {})[setting] = means
    table_rows: list[tuple[str, ...]] = []
    for table, settings in tables.items():
        default = settings[DEFAULT]
        others = {name: means["accuracy"] for name, means in settings.items() if name not in (DEFAULT, PUBLISHED)}
        best = max(others, key=lambda name: others[name], default=None)
        published = f"{settings[PUBLISHED]['accuracy']:.1%}" if PUBLISHED in settings else ""
        table_rows.append((
            table.split(",")[0],
            f"{default['training rows']:,.0f}",
            f"{default['majority class']:.1%}",
            f"{default['accuracy']:.1%}",
            f"{others[best]:.1%} ({float(best):.0e})".replace("e-0", "e-") if best else "",
            published,
        ))  # fmt: skip
    return table_rows
