"""Labels that differ only in capitals and blanks: seldom meant, and a class of its own each."""

from __future__ import annotations

import os
from collections.abc import Mapping

from mobilebert_tf import notes


def plain(label: str) -> str:
    """What is left of a label without the differences that people do not mean."""
    return " ".join(label.split()).casefold()


def spellings(counts: Mapping[str, int]) -> list[str]:
    """One label for each group of those alike: its most frequent spelling, blanks around it taken off."""
    return sorted(" ".join(group[0].split()) for group in _groups(counts))


def say_alike(path: str | os.PathLike[str], counts: Mapping[str, int]) -> None:
    """Say which labels of a table, with their numbers of rows, may be one."""
    for group in _groups(counts):
        if len(group) > 1:
            each = ", ".join(f"{label!r} ({counts[label]:,} rows)" for label in group)
            notes.say(
                f"{path}: {each} differ only in capitals or blanks and are labels of their own; "
                "--merge_labels makes them one"
            )


def _groups(counts: Mapping[str, int]) -> list[list[str]]:
    """Labels that are alike, the most frequent first."""
    groups: dict[str, list[str]] = {}
    for label in sorted(counts, key=lambda label: (-counts[label], label)):
        groups.setdefault(plain(label), []).append(label)
    return list(groups.values())
