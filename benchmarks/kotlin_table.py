"""Tables of the app's Kotlin on a JVM: its tokenizer, and what an answer takes beyond the network."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

TOKENIZER_HEAD = ("", "speed", "allocated a character")
ANSWERS_HEAD = ("", "word pieces", "network", "all else", "share of the network")


def tokenizer_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row an implementation; what is not measured of the library is empty."""
    settings = document["settings"]
    rows: list[tuple[str, ...]] = []
    for subject in document["subjects"]:
        speed = settings["bytes_of_a_part"] / 1e6 / subject["summary"]["median"]
        allocated = [one for seen in subject["rounds"] for one in seen.get("allocated_bytes", ())]
        each = f"{statistics.median(allocated) / settings['characters_of_a_part']:.1f} bytes" if allocated else ""
        rows.append((subject["name"], f"{speed:.1f} MB/s", each))
    return rows


def note(document: Mapping[str, Any]) -> str:
    """Protocol, and how much of what is allocated is the result itself: three numbers of four bytes a piece."""
    settings = document["settings"]
    text = settings["parts"] * settings["bytes_of_a_part"] / 1e6
    result = 3 * 4 * settings["pieces_of_a_part"] / settings["characters_of_a_part"]
    return (
        f"{text:.0f} MB of Wikipedia, in parts of {settings['bytes_of_a_part'] / 1e3:.0f} kB; medians of "
        f"{settings['rounds']} JVMs, of the library in processor time. Ids and places themselves, which are what is "
        f"returned, take {result:.1f} bytes a character."
    )


def answers_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row an export and signature; medians."""
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
