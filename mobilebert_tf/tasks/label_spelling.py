"""Labels that differ only in how they are written: seldom meant, and a class of its own each."""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence

from mobilebert_tf import notes


def plain(label: str) -> str:
    """What is left of a label without the differences that people do not mean: capitals, blanks, characters that
    nobody sees, accents written as marks of their own, and the `.0` that programs put behind a whole number."""
    visible = "".join(c for c in unicodedata.normalize("NFC", label) if unicodedata.category(c) != "Cf")
    return _WHOLE_NUMBER.sub(r"\1", " ".join(visible.split()).casefold())


_WHOLE_NUMBER = re.compile(r"^([-+]?\d+)\.0+$")


def spellings(counts: Mapping[str, int]) -> list[str]:
    """One label for each group of those alike: its most frequent spelling, blanks around it taken off."""
    return sorted(" ".join(group[0].split()) for group in _groups(counts))


MANY = 12
"""Labels that a message lists; of more it gives the first ones and the number of the others."""


def unseen(label: str, labels: Sequence[str], whose: str = "that training saw") -> str:
    """What is said of a label that is none of a task's, with the one that may be meant, if one is like it."""
    known = ", ".join(labels[:MANY]) + (f" and {len(labels) - MANY:,} more" if len(labels) > MANY else "")
    near = difflib.get_close_matches(label, labels, n=1, cutoff=0.8)
    return f"label {label!r} is not one {whose} ({known}{f'; most like it: {near[0]!r}' if near else ''})"


def say_alike(path: str | os.PathLike[str], counts: Mapping[str, int], fix: str = "") -> None:
    """Say which labels of a table, with their numbers of rows, may be one, and what to do about it."""
    for group in _groups(counts):
        if len(group) > 1:
            each = ", ".join(f"{label!r} ({counts[label]:,} rows)" for label in group)
            notes.say(
                f"{path}: {each} differ only in capitals, blanks or how they are written, and are labels of their "
                f"own{fix}"
            )


_MISSING = ("", "#n/a", "n/a", "na", "nan", "none", "null")


def is_missing(cell: str) -> bool:
    """Whether a cell holds what programs write where there is no value."""
    return cell.strip().lower() in _MISSING


def say_missing(path: str | os.PathLike[str], counts: Mapping[str, int]) -> None:
    """Say which labels of a table, with their numbers of rows, may mean that there is none."""
    words = sorted(label for label in counts if is_missing(label))
    if words:
        each = ", ".join(f"{label!r} ({counts[label]:,} rows)" for label in words)
        notes.say(
            f"{path}: {each}: taken as a label like any other; if it means that there is none, leave the cell empty, "
            "and `finetune --skip_bad_rows` leaves out the row"
        )


def _groups(counts: Mapping[str, int]) -> list[list[str]]:
    """Labels that are alike, the most frequent first."""
    groups: dict[str, list[str]] = {}
    for label in sorted(counts, key=lambda label: (-counts[label], label)):
        groups.setdefault(plain(label), []).append(label)
    return list(groups.values())
