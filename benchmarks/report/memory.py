"""The table of `benchmark memory`: one row per file and kind of weight cache, by recipe and number of lengths."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from mobilebert_tf.benchmarks import schema
from mobilebert_tf.benchmarks.verdict import INVALID
from mobilebert_tf.text_table import aligned

CACHES = {"off": "none", "memory": "in memory", "new_file": "file, written", "file": "file, there already"}

HEAD = ("", "lengths", "weight cache", "private", "all lengths used", "to one length", "shared", "load",
        "load, to one length", "first inference", "bytes of the cache")  # fmt: skip


def table(document: Mapping[str, Any]) -> str:
    """The table and its notes for the terminal."""
    return "\n".join([aligned([list(HEAD), *map(list, rows(document))]), "", *notes(document)])


def markdown(document: Mapping[str, Any]) -> str:
    """The table and its notes in Markdown."""
    lines = [HEAD, ("---", *("---:" for _ in HEAD[1:])), *rows(document)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n\n" + " ".join(notes(document))


def rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Medians over rounds. Ratios are to the same network's file with one length and no cache, paired by round.

    Where a verdict is that times are invalid, times are left out: memory does not depend on how busy a machine is.
    """
    subjects = document["subjects"]
    plain = {
        one["title"]: one
        for one in subjects
        if len(one["sequence_lengths"]) == 1 and one["configuration"]["weight_cache"] == "off"
    }
    table: list[tuple[str, ...]] = []
    for one in subjects:
        by_round, cache = _rounds(one), one["configuration"]["weight_cache"]
        seen = list(by_round.values())
        if not seen:
            continue
        # The file with one length may be missing.
        base = plain.get(one["title"], one)
        other = _rounds(base) if base is not one else {}
        timed = schema.verdict(one) != INVALID
        ratios = ["", ""]
        if pairs := [(by_round[number], other[number]) for number in by_round if number in other]:
            ratios[0] = f"{statistics.median(_used(a) / max(_used(b), 0.1) for a, b in pairs):.2f}"
            if timed and schema.verdict(base) != INVALID:
                ratios[1] = f"{statistics.median(a['load_ms'] / b['load_ms'] for a, b in pairs):.2f}"
        bytes_of = [round_["cache_bytes"] for round_ in seen if round_.get("cache_bytes")]
        table.append((
            one["title"],
            f"{len(one['sequence_lengths'])}{', one graph' if one.get('one_graph') else ''}",
            CACHES[cache],
            f"{statistics.median(round_['memory_mib']['private'] for round_ in seen):.0f} MiB",
            f"{statistics.median(map(_used, seen)):.0f} MiB",
            ratios[0],
            f"{statistics.median(round_['memory_mib']['shared'] for round_ in seen):.0f} MiB",
            f"{statistics.median(round_['load_ms'] for round_ in seen):.0f} ms" if timed else "",
            ratios[1],
            f"{statistics.median(round_['first_ms'] for round_ in seen):.1f} ms" if timed else "",
            f"{statistics.median(bytes_of) / 1e6:.1f} MB" if bytes_of else "",
        ))  # fmt: skip
    return table


def notes(document: Mapping[str, Any]) -> list[str]:
    """The notes below the table, one sentence or more each."""
    machine = document["made_by"].get("machine", {})
    counts = max((len(one["rounds"]) for one in document["subjects"]), default=0)
    sentences = [
        f"{machine.get('model') or machine.get('processor', 'A machine')}, LiteRT's CompiledModel, one thread, "
        f"medians of {counts} fresh processes. Private: pages that loading and an inference of the longest length add, "
        "then of every length once; shared: mapped files, which the system can drop. Ratios are to the same network's "
        "file of one length without a cache."
    ]
    if any(one.get("one_graph") for one in document["subjects"]):
        sentences[0] += " One graph: made with `export --one_graph`."
    invalid = [one for one in document["subjects"] if schema.verdict(one) == INVALID]
    if invalid:
        reasons = "; ".join(f"{one['name']}: {', '.join(one['validity']['reasons'])}" for one in invalid)
        sentences.append(f"Times not shown, since invalid: {reasons}.")
    return sentences


def _rounds(subject: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    """Rounds by number.

    With an existing cache file, rounds that wrote it are left out: it exists only from the second process on.
    """
    warm = subject["configuration"]["weight_cache"] == "file"
    return {
        number: one
        for number, one in enumerate(subject["rounds"])
        if one.get("memory_mib") and not (warm and one.get("cache_written"))
    }


def _used(round_: Mapping[str, Any]) -> float:
    return float(round_["memory_used_mib"]["private"])
