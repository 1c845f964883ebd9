"""The table of a study: medians with intervals, and the significance of differences from the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from mobilebert_tf.benchmarks.study import baseline_of, group_of


def head(document: Mapping[str, Any]) -> tuple[str, ...]:
    return ("", *document["settings"]["figures"], "runs")


def rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One row per variant: median, 95 % interval of the mean, and p-value against the baseline of each figure.

    The p-value is that of a paired t-test, with pairs of equal seeds; a single training has none. If a step is
    repeated on one training, such as fine-tuning of one distilled student, the mean of the repetitions counts once,
    and the last column reads, for example, "3 x 2".
    """
    settings = document["settings"]
    by_name = {subject["name"]: subject["rounds"] for subject in document["subjects"]}
    table = []
    for name, seen in by_name.items():
        cells, baseline = [], baseline_of(name, settings["baseline"], by_name)
        for figure, form in settings["figures"].items():
            ours, theirs = (values(rounds, figure) for rounds in (seen, by_name.get(baseline, [])))
            cells.append(_cell(ours, None if name == baseline else theirs, form))
        trainings = len(_trainings(seen))
        repeated = f" x {len(seen) // trainings}" if trainings < len(seen) else ""
        table.append((name, *cells, f"{trainings}{repeated}"))
    return table


def published_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Rows of other people's figures in italics, with their source instead of the number of runs.

    Those of a group that has not been measured yet ("RTE: ...") are left out.
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


def values(rounds: Sequence[Mapping[str, Any]], figure: str) -> np.ndarray:
    """The values of a figure of one variant: the mean over the runs of each training, as those are not independent."""
    return np.array([np.mean([one["figures"][figure] for one in runs]) for runs in _trainings(rounds)])


def _trainings(rounds: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Runs grouped by training: those whose first command with a seed is the same."""
    by_training: dict[str, list[Mapping[str, Any]]] = {}
    for number, one in enumerate(rounds):
        shared = next((each for each in one.get("commands", ()) if "--seed=" in each), f"{number}")
        by_training.setdefault(shared, []).append(one)
    return list(by_training.values())


def _cell(ours: np.ndarray, theirs: np.ndarray | None, form: Mapping[str, Any]) -> str:
    scale, digits, unit = (100, 1, " %") if form["percent"] else (1, form["digits"], "")
    text = f"{scale * np.median(ours):.{digits}f}{unit}"
    if len(ours) > 1 and np.ptp(ours):
        half = scale * stats.t.ppf(0.975, len(ours) - 1) * ours.std(ddof=1) / np.sqrt(len(ours))
        text += f" ± {half:.{digits}f}"
        if theirs is not None and len(theirs) == len(ours) and np.ptp(ours - theirs):
            text += f" (p = {stats.ttest_rel(ours, theirs).pvalue:.2g})"
    return text
