"""The table of a study: medians with intervals, and what tells a variant from the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from mobilebert_tf.benchmarks.study import baseline_of, group_of


def head(document: Mapping[str, Any]) -> tuple[str, ...]:
    return ("", *document["settings"]["figures"], "runs")


def rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row a variant: of each figure median, 95 % interval of the mean, and p against the baseline.

    The p-value is of a paired t-test, pairs having the same seeds; with a single run there is none.
    """
    settings = document["settings"]
    by_name = {subject["name"]: subject["rounds"] for subject in document["subjects"]}
    found = []
    for name, seen in by_name.items():
        cells, baseline = [], baseline_of(name, settings["baseline"], by_name)
        for figure, form in settings["figures"].items():
            ours, theirs = (_values(rounds, figure) for rounds in (seen, by_name.get(baseline, [])))
            cells.append(_cell(ours, None if name == baseline else theirs, form))
        found.append((name, *cells, f"{len(seen)}"))
    return found


def published_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Figures of others under the same head, in italics, with their source in place of a number of runs.

    A group that has not been measured yet ("RTE: ...") has none to stand beside.
    """
    settings = document["settings"]
    measured = {group_of(subject["name"]) for subject in document["subjects"]}
    return [
        tuple(f"*{cell}*" if cell else "" for cell in (one["name"], *_published(settings, one), one["source"]))
        for one in settings.get("published", ())
        if not group_of(one["name"]) or group_of(one["name"]) in measured
    ]


def _published(settings: Mapping[str, Any], one: Mapping[str, Any]) -> list[str]:
    return [one["figures"].get(name, "") for name in settings["figures"]]


def _values(rounds: Sequence[Mapping[str, Any]], figure: str) -> np.ndarray:
    return np.array([one["figures"][figure] for one in rounds])


def _cell(ours: np.ndarray, theirs: np.ndarray | None, form: Mapping[str, Any]) -> str:
    scale, digits, unit = (100, 1, " %") if form["percent"] else (1, form["digits"], "")
    text = f"{scale * np.median(ours):.{digits}f}{unit}"
    if len(ours) > 1 and np.ptp(ours):
        half = scale * stats.t.ppf(0.975, len(ours) - 1) * ours.std(ddof=1) / np.sqrt(len(ours))
        text += f" ± {half:.{digits}f}"
        if theirs is not None and len(theirs) == len(ours) and np.ptp(ours - theirs):
            text += f" (p = {stats.ttest_rel(ours, theirs).pvalue:.2g})"
    return text
