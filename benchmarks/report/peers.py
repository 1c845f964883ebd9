"""The table of `benchmark peers`: one row per file, with its times and all other figures."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from mobilebert_tf.benchmarks import schema
from mobilebert_tf.benchmarks.verdict import INVALID
from mobilebert_tf.text_table import aligned

Subject = Mapping[str, Any]


def table(document: Mapping[str, Any]) -> str:
    """The table, its notes and the verdicts' reasons for the terminal."""
    head, rows = cells(document)
    doubts = [f"{one['name']}{_at(one)}: {one['validity']['verdict']}: {'; '.join(one['validity']['reasons'])}"
              for one in document["subjects"] if one["validity"]["reasons"]]  # fmt: skip
    return "\n".join([aligned([list(head), *map(list, rows)]), "", *notes(document), *doubts])


def markdown(document: Mapping[str, Any]) -> str:
    """The table and its notes in Markdown. Invalid figures are left out and named in the notes."""
    head, rows = cells(document)
    lines = [head, ("---", *("---:" for _ in head[1:])), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n\n" + " ".join(notes(document))


def cells(document: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Titles of the columns, and rows; empty columns are left out."""
    length = document["settings"]["sequence_length"]
    subjects = document["subjects"]
    threads = sorted({one["configuration"]["threads"] for one in subjects})
    counted = document.get("instructions")
    columns: dict[str, dict[str, str]] = {"size": {}}
    for number in threads:
        unit = f"{number} thread{'' if number == 1 else 's'}"
        columns |= {f"{length} pieces, {unit}": {}, f"ratio, {unit}": {}}
    of_texts = f"texts of {document['settings'].get('texts')}"
    later = (
        of_texts,
        "ratio, texts",
        "ARM instructions",
        "of the texts",
        "load",
        "first inference",
        "memory",
        "steps a second",
    )
    columns |= {name: {} for name in later}
    for one in subjects:
        name, number = one["name"], one["configuration"]["threads"]
        columns["size"][name] = f"{one['bytes'] / 1e6:.1f} MB"
        if not _valid(one):
            continue
        at = one.get("sequence_length") == length
        unit = f"{number} thread{'' if number == 1 else 's'}"
        ms, ratio = (f"{length} pieces, {unit}", f"ratio, {unit}") if at else (of_texts, "ratio, texts")
        columns[ms][name] = _ms(one["summary"]["median"])
        if against := schema.valid_ratio(one, subjects):
            columns[ratio][name] = _ratio(against["median"])
        if at and number == threads[0]:
            columns["load"][name] = f"{_median(one, 'load_ms'):.0f} ms"
            columns["first inference"][name] = _ms(_median(one, "first_ms"))
            private = [seen["memory_mib"]["private"] for seen in one["rounds"] if seen.get("memory_mib")]
            columns["memory"][name] = f"{statistics.median(private):.0f} MiB" if private else ""
    for one in (counted or {}).get("subjects", ()):
        about = "≈ " if counted and counted["where"] == "estimated" else ""
        columns["ARM instructions"][one["name"]] = f"{about}{_million(one['million'])}"
        if "million_over_texts" in one:
            columns["of the texts"][one["name"]] = f"{about}{_million(one['million_over_texts'])}"
    for one in document.get("fine_tuning", {}).get("subjects", ()):
        if not _valid(one):
            continue
        first = next((subject["name"] for subject in subjects if subject["peer"] == one["peer"]), one["name"])
        columns["steps a second"][first] = f"{1 / one['summary']['median']:.2f}"
    if scored := document.get("scores"):
        columns[scored["name"]] = {one["name"]: f"{one['score']:.1%}" for one in scored["subjects"]}
    names = list(dict.fromkeys(one["name"] for one in subjects))
    kept = {title: column for title, column in columns.items() if column}
    rows = [(name, *(column.get(name, "") for column in kept.values())) for name in names]
    return ("", *kept), rows


def notes(document: Mapping[str, Any]) -> list[str]:
    """The notes below the table: what the columns mean, and which figures are left out."""
    settings, subjects = document["settings"], document["subjects"]
    rounds = max((len(one["rounds"]) for one in subjects), default=0)
    baseline = next((one["ratio"]["baseline"] for one in subjects if one.get("ratio")), None)
    machine = document["made_by"].get("machine", {})
    sentences = [
        f"{machine.get('model') or machine.get('processor', 'A machine')}, batch 1, {rounds} rounds, a fresh process "
        "for each; milliseconds are of this machine, not of a phone."
    ]
    if baseline:
        sentences.append(f"Ratios are of times, to {baseline}, paired by round.")
    sentences.append("Memory: private pages that loading and the first inference add.")
    if counted := document.get("instructions"):
        how = "estimated for" if counted["where"] == "estimated" else "counted on"
        sentences.append(f"Instructions of an inference in millions, {how} a {counted['core'].title()}.")
    if settings.get("texts"):
        sentences.append(
            f"Texts of {settings['texts']}: the mean over them; ONNX Runtime and PyTorch get each at its own length, "
            "a file the shortest of its lengths that a text fits in."
        )
    if trained := document.get("fine_tuning"):
        sentences.append(
            f"Steps: fine-tuning, batch {trained['batch_size']} of {settings['sequence_length']} word pieces, AdamW, "
            f"{trained['threads']} threads."
        )
    if scored := document.get("scores"):
        examples = next((one["examples"] for one in scored["subjects"]), 0)
        sentences.append(
            f"{scored['name']}: of {examples:,} pairs' cosines with what people said, without fine-tuning."
        )
    if invalid := [one for one in subjects if not _valid(one)]:
        shown = "; ".join(f"{one['name']}{_at(one)} ({', '.join(one['validity']['reasons'])})" for one in invalid)
        sentences.append(f"Not shown, since invalid: {shown}.")
    for one in document.get("fine_tuning", {}).get("subjects", ()):
        if not _valid(one):
            sentences.append(f"Steps of {one['name']} are invalid: {', '.join(one['validity']['reasons'])}.")
    for one in document.get("instructions", {}).get("failed", ()):
        sentences.append(f"Not counted: {one['name']} ({one['reason']}).")
    for one in document.get("not_measured", ()):
        sentences.append(f"Not measured: {one['peer']} ({one['reason']}).")
    return sentences


def _valid(subject: Subject) -> bool:
    return schema.verdict(subject) != INVALID


def _at(subject: Subject) -> str:
    length, threads = subject.get("sequence_length"), subject["configuration"]["threads"]
    return f" at {length or 'texts'}, {threads} thread{'' if threads == 1 else 's'}"


def _median(subject: Subject, key: str) -> float:
    return statistics.median(float(one[key]) for one in subject["rounds"])


def _ms(value: float) -> str:
    return f"{value:.1f} ms" if value >= 1 else f"{value:.2f} ms"


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def _million(value: float) -> str:
    return f"{value:.0f} M" if value >= 10 else f"{value:.2g} M"
