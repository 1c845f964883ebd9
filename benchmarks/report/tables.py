"""Tables in Markdown: one row per file, one column per place."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf.benchmarks import schema, study_table
from mobilebert_tf.benchmarks.report import memory, peers
from mobilebert_tf.benchmarks.report.figures import Figure, Place, column
from mobilebert_tf.benchmarks.table import DIFFERENCES
from mobilebert_tf.text_table import aligned

OWN = {"peers": peers.markdown, "memory": memory.markdown}
"""Functions that make the tables of kinds of results with a table of their own."""

MARK = "\\*"
"""Mark after figures with a warning."""


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; the first column is aligned to the left, the others to the right."""
    cells = ([cell.replace("|", r"\|") for cell in row] for row in rows)
    lines = [list(head), ["---", *("---:" for _ in head[1:])], *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def latencies(figures: Sequence[Figure]) -> str:
    """Median, 90th and 99th percentile of every file at every place; below, the doubtful and invalid figures."""
    shown = [figure for figure in figures if figure.valid]
    lines = []
    if shown:
        places = list(dict.fromkeys(figure.place for figure in shown))
        columns = {place: [figure for figure in shown if figure.place == place] for place in places}
        rows = []
        for key in dict.fromkeys(figure.key for figure in shown):
            one = [figure for figure in shown if figure.key == key][-1]
            cells = [_cell([figure for figure in columns[place] if figure.key == key]) for place in places]
            threads = str(one.configuration.get("threads", 1))
            rows.append([f"`{one.label}`", one.length_label, threads, f"{one.bytes / 1e6:.1f} MB", *cells])
        heads = [column(columns[place]).title for place in places]
        lines.append(markdown(["", "T", "threads", "size", *heads], rows))
        lines.append("\n" + _about_medians(shown))
    doubtful = [figure for figure in shown if figure.reasons]
    if doubtful:
        lines.append("\n" + "\n".join(f"{MARK} {_said(figure)}  " for figure in doubtful))
    if invalid := [figure for figure in figures if not figure.valid]:
        lines.append(f"\nNot shown, since invalid: {'; '.join(map(_said, invalid))}.")
    return "\n".join(lines)


def terminal(figures: Sequence[Figure]) -> str:
    """The figures of one result for the terminal, followed by the verdicts' reasons."""
    shown = [figure for figure in figures if figure.valid]
    lines = []
    if shown:
        rows = [["file", "T", "threads", "MB", column(shown).unit, "p90", "ratio (95 % interval)", ""]]
        for figure in shown:
            summary, ratio = figure.subject["summary"], figure.ratio
            p90 = f"{summary['p90']:.2f}" if schema.has_inferences(figure.subject) else ""
            cells = [figure.label, figure.length_label, str(figure.configuration["threads"])]
            cells += [f"{figure.bytes / 1e6:.1f}", f"{summary['median']:.2f}", p90]
            if ratio and ratio["low"] is not None:
                interval = f"{ratio['median']:.3f} ({ratio['low']:.3f}-{ratio['high']:.3f})"
                cells += [interval, DIFFERENCES.get(ratio["difference"], "too few rounds")]
            else:
                cells += [f"{ratio['median']:.3f}" if ratio else "", ""]
            rows.append(cells)
        lines += [aligned(rows), "", column(shown).title]
    for figure in figures:
        if figure.reasons:
            judged = f"{schema.verdict(figure.subject)}: {', '.join(figure.reasons)}"
            lines.append(f"{figure.full_label} at {figure.length_label}: {judged}")
    return "\n".join(lines)


def ratios(figures: Sequence[Figure]) -> str | None:
    """Ratios to the baseline of each figure's own result, in Markdown; None: there are none."""
    rows = []
    for figure in figures:
        ratio = figure.ratio
        if not ratio or not figure.valid or figure.name == ratio["baseline"]:
            continue
        interval = ""
        if ratio.get("low") is not None:
            interval = f"{ratio['low']:.3f} to {ratio['high']:.3f}"
        elif figure.place.where in ("emulated", "estimated"):
            interval = "exact" if figure.place.where == "emulated" else "estimate"
        difference = DIFFERENCES.get(ratio.get("difference", ""), "")
        label, to = f"`{figure.full_label}`", f"`{ratio['baseline']}`"
        rows.append(
            [label, figure.length_label, figure.place.title, to, f"{ratio['median']:.3f}", interval, difference]
        )
    if not rows:
        return None
    head = ["", "T", "at", "to", "ratio", "95 % interval, paired by round", ""]
    return markdown(head, rows)


def others(results: Sequence[tuple[Path, Mapping[str, Any]]]) -> list[str]:
    """A table of each result that is not about files; where a kind has no table of its own, of medians."""
    tables = []
    for path, document in results:
        if "subjects" not in document:
            continue
        if document["kind"] in OWN:
            tables.append(f"{document['kind']} ({path.name})\n\n" + OWN[document["kind"]](document))
            continue
        if document["kind"] == "study":
            tables.append(f"study ({path.name})\n\n" + markdown(study_table.head(document), study_table.rows(document)))
            continue
        rows = []
        for subject in document["subjects"]:
            summary = subject["summary"]
            ratio = f"{subject['ratio']['median']:.3f}" if "ratio" in subject else ""
            rows.append([subject["name"], f"{summary['median']:.4g} {document['unit']}", f"{summary['runs']}", ratio])
        tables.append(f"{document['kind']} ({path.name})\n\n" + markdown(["", "median", "samples", "ratio"], rows))
    return tables


def published(figures: Sequence[Figure]) -> str:
    """Figures that others published about phones, followed by this project's own on devices, each with its source."""
    known = json.loads((Path(__file__).parent / "published.json").read_text(encoding="utf-8"))
    rows = [
        [one["source"], one["device"], one["path"], one["model"], str(one["sequence_length"]), one["ms"]]
        for one in known["figures"]
    ]
    for figure in figures:
        if figure.place.where != "device" or not figure.valid:
            continue
        own, summary = figure.configuration, figure.subject["summary"]
        of = "mean" if figure.subject.get("samples_are") == "means of processes" else "p50"
        path = (
            f"{own.get('accelerator', 'cpu').upper()}, {own.get('threads', 1)} threads, "
            f"{own.get('tool') or 'app'}, {of}"
        )
        rows.append(
            ["this project", figure.place.name, path, figure.label, str(figure.length), f"{summary['median']:.2f}"]
        )
    note = "Published by others, not measured here: other files, other runtimes, mostly other processors of the phone."
    if not any(figure.place.where == "device" for figure in figures):
        note += " This project has measured on no device; its host figures do not belong in this table."
    return markdown(["source", "device", "path", "model", "T", "ms"], rows) + "\n\n" + note


def _about_medians(shown: Sequence[Figure]) -> str:
    timed = [figure for figure in shown if figure.place.where in ("host", "device")]
    single = [figure for figure in timed if schema.has_inferences(figure.subject)]
    text = f"Median{' (90th, 99th percentile)' if single else ''} of one inference, batch 1. T: word pieces."
    if len(single) < len(timed):
        text += " A time without percentiles is the median over processes, each of which gives one figure alone."
    return text


def _cell(same: Sequence[Figure]) -> str:
    """The figure's cell; if there are several figures, of the last."""
    if not same:
        return ""
    figure = same[-1]
    summary = figure.subject["summary"]
    mark = MARK if figure.reasons else ""
    if figure.place.where in ("emulated", "estimated"):
        about = "≈ " if figure.place.where == "estimated" else ""
        return f"{about}{summary['median']:.1f}{mark}"
    percentiles = ("p90", "p99") if schema.has_inferences(figure.subject) else ()
    tail = ", ".join(f"{summary[key]:.2f}" for key in percentiles if key in summary)
    return f"{summary['median']:.2f}{f' ({tail})' if tail else ''}{mark}"


def _said(figure: Figure) -> str:
    length = f" at {figure.length}" if figure.length else ""
    return f"`{figure.full_label}`{length}, {_place(figure.place)}: {', '.join(figure.reasons) or 'no reason is given'}"


def _place(place: Place) -> str:
    return f"{place.where} {place.name}"
