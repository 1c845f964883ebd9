"""Tables of the app's Kotlin code on a JVM: speed of its tokenizer, and time of an answer beyond the network's."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

TOKENIZER_HEAD = ("", "speed", "allocated a character")
ANSWERS_HEAD = ("", "word pieces", "network", "all else", "share of the network")


def tokenizer_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One row per implementation; figures that are not measured for the library are empty."""
    settings = document["settings"]
    rows: list[tuple[str, ...]] = []
    for subject in document["subjects"]:
        speed = settings["bytes_of_a_part"] / 1e6 / subject["summary"]["median"]
        allocated = [size for seen in subject["rounds"] for size in seen.get("allocated_bytes", ())]
        each = f"{statistics.median(allocated) / settings['characters_of_a_part']:.1f} bytes" if allocated else ""
        rows.append((subject["name"], f"{speed:.1f} MB/s", each))
    return rows


def note(document: Mapping[str, Any]) -> str:
    """The protocol, and the part of the allocated bytes that is the result: three four-byte numbers per word piece."""
    settings = document["settings"]
    text = settings["parts"] * settings["bytes_of_a_part"] / 1e6
    result = 3 * 4 * settings["pieces_of_a_part"] / settings["characters_of_a_part"]
    return (
        f"{text:.0f} MB of Wikipedia, in parts of {settings['bytes_of_a_part'] / 1e3:.0f} kB; medians of "
        f"{settings['rounds']} JVMs, of the library in processor time. Ids and places themselves, which are what is "
        f"returned, take {result:.1f} bytes a character."
    )


def answers_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Medians, in one row per export and signature."""
    return [
        (
            subject["name"],
            f"{subject['pieces']:.0f}",
            f"{subject['network_ms']:.2f} ms",
            f"{subject['beyond_ms'] * 1e3:.0f} µs",
            f"{subject['beyond_share']:.1%}",
        )
        for subject in document["subjects"]
    ]
