"""Results of `benchmark host` as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mobilebert_tf.benchmarks import schema
from mobilebert_tf.benchmarks.stats import FASTER, NONE, SLOWER
from mobilebert_tf.benchmarks.verdict import BUSY, INVALID, OK
from mobilebert_tf.text_table import aligned

DIFFERENCES = {FASTER: "faster", SLOWER: "slower", NONE: "no difference"}
"""Meanings of ratios in words; UNKNOWN, for which there are too few rounds, is not among them."""


def host_table(document: Mapping[str, Any]) -> str:
    """Latency in ms, memory, and the ratio to the baseline with its 95 % interval, or with few rounds its range.

    Invalid subjects have no row; they are named below the table with their reasons.
    """
    shown = [one for one in document["subjects"] if one["validity"]["verdict"] != INVALID]
    notes = ["", _note(document), *_resizing(shown)]
    notes += [
        f"{_named(subject)}: {subject['validity']['verdict']}: {'; '.join(subject['validity']['reasons'])}"
        for subject in document["subjects"]
        if subject["validity"]["verdict"] != OK
    ]
    shown = [{**one, "ratio": schema.valid_ratio(one, document["subjects"])} for one in shown]
    return (aligned(_rows(shown)) if shown else "no figures") + "\n".join(notes)


def _rows(subjects: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    ratios = [one["ratio"] for one in subjects if one["ratio"]]
    low, high, spread = (
        ("low", "high", "95 % interval") if _has_interval(ratios) else ("min", "max", "min-max of rounds")
    )
    head = ["file", "T", "MB", "load ms", "first", "median", "p90", "p99", "MiB"]
    rows = [[*head, *([f"ratio ({spread})", ""] if ratios else [])]]
    for subject in subjects:
        summary, rounds = subject["summary"], subject["rounds"]
        row = [subject["name"], schema.length_label(subject), f"{subject['bytes'] / 1e6:.1f}"]
        row += [f"{_middle(rounds, 'load_ms'):.1f}", f"{_middle(rounds, 'first_ms'):.2f}"]
        row += [f"{summary['median']:.2f}"]
        row += [f"{summary[key]:.2f}" if schema.has_inferences(subject) else "" for key in ("p90", "p99")]
        private = [one["memory_mib"]["private"] for one in rounds if one.get("memory_mib")]
        row.append(f"{sorted(private)[len(private) // 2]:.1f}" if private else "-")
        if ratio := subject["ratio"]:
            row += [
                f"{ratio['median']:.3f} ({ratio[low]:.3f}-{ratio[high]:.3f})",
                DIFFERENCES.get(ratio["difference"], "too few rounds"),
            ]
        elif ratios:
            row += ["", ""]
        rows.append(row)
    return rows


def _resizing(subjects: Sequence[Mapping[str, Any]]) -> list[str]:
    """The cost of a change of length, if the lengths of some files share one graph."""
    lines = []
    for name in dict.fromkeys(one["name"] for one in subjects):
        own = [one for one in subjects if one["name"] == name and any("resize_ms" in seen for seen in one["rounds"])]
        costs = sorted(_middle(one["rounds"], "resize_ms") for one in own)
        if not own:
            continue
        if own[0].get("shares_of_lengths"):
            lines.append(f"{name}: one graph for all lengths; the changes between texts are part of the mean")
        else:
            span = f"{costs[0]:.2f}" if len(costs) == 1 else f"{costs[0]:.2f} to {costs[-1]:.2f}"
            lines.append(f"{name}: one graph for all lengths; after a text of another length it takes {span} ms more")
    return lines


def _named(subject: Mapping[str, Any]) -> str:
    length = subject.get("sequence_length")
    return f"{subject['name']} at {length}" if length else str(subject["name"])


def _middle(rounds: Sequence[Mapping[str, Any]], key: str) -> float:
    values = sorted(float(one[key]) for one in rounds)
    return values[len(values) // 2]


def _note(document: Mapping[str, Any]) -> str:
    busy = max((seen["foreign_cores"] for one in document["subjects"] for seen in one["rounds"]), default=0.0)
    threads = sorted({one["configuration"]["threads"] for one in document["subjects"]})
    counts = " or ".join(map(str, threads))
    note = f"\nhost figures, {counts} thread{'s' if threads != [1] else ''}, batch 1; MiB is private memory"
    if busy >= BUSY:
        note += f"; other processes took up to {busy:.1f} cores meanwhile, so expect noise"
    return note


def _has_interval(ratios: Sequence[Mapping[str, Any]]) -> bool:
    return bool(ratios) and all(ratio.get("low") is not None for ratio in ratios)
