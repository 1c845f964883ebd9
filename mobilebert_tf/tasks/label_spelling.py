"""Labels that differ only in spelling: seldom intended, yet each is a class of its own."""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence

from mobilebert_tf import notes
from mobilebert_tf.text_table import counted, some


def plain(label: str) -> str:
    """A label without differences that nobody intends: capitals, blanks, invisible characters, accents as separate
    marks, and the `.0` that programs add to a whole number."""
    visible = "".join(c for c in unicodedata.normalize("NFC", label) if unicodedata.category(c) != "Cf")
    return _WHOLE_NUMBER.sub(r"\1", " ".join(visible.split()).casefold())


_WHOLE_NUMBER = re.compile(r"^([-+]?\d+)\.0+$")


def spellings(counts: Mapping[str, int]) -> list[str]:
    """The most frequent spelling of each group of labels that are alike, with blanks normalised, sorted."""
    return sorted(" ".join(group[0].split()) for group in _groups(counts))


MANY = 12
"""Maximum number of labels that a message lists; it counts the others."""


def unseen(label: str, labels: Sequence[str], whose: str = "that training saw") -> str:
    """The message about a label that is not one of a task's, with the most similar one, if any."""
    near = difflib.get_close_matches(label, labels, n=1, cutoff=0.8)
    return f"label {label!r} is not one {whose} ({some(labels, MANY)}{f'; most similar: {near[0]!r}' if near else ''})"


def say_alike(path: str | os.PathLike[str], counts: Mapping[str, int], fix: str = "") -> None:
    """Report the labels of a table, with their numbers of rows, that may be the same, and the fix."""
    for group in _groups(counts):
        if len(group) > 1:
            each = ", ".join(f"{label!r} ({counted(counts[label], 'row')})" for label in group)
            notes.say(f"{path}: {each} differ only in capitals, blanks or spelling, and count as different labels{fix}")


_MISSING = ("", "#n/a", "n/a", "na", "nan", "none", "null")


def is_missing(cell: str) -> bool:
    """Whether a cell holds a mark that programs write for a missing value."""
    return cell.strip().lower() in _MISSING


def say_missing(path: str | os.PathLike[str], counts: Mapping[str, int]) -> None:
    """Report the labels of a table, with their numbers of rows, that may mark a missing label."""
    words = sorted(label for label in counts if is_missing(label))
    if words:
        each = ", ".join(f"{label!r} ({counted(counts[label], 'row')})" for label in words)
        notes.say(
            f"{path}: {each}: taken as a label like any other; if it means a missing label, leave the cell empty and "
            "`finetune --skip_bad_rows` leaves out the row"
        )


def _groups(counts: Mapping[str, int]) -> list[list[str]]:
    """Groups of labels that differ only in spelling, the most frequent label of each first."""
    groups: dict[str, list[str]] = {}
    for label in sorted(counts, key=lambda label: (-counts[label], label)):
        groups.setdefault(plain(label), []).append(label)
    return list(groups.values())
