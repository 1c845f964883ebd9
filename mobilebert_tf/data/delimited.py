"""Rows of CSV and TSV text: which character separates, what quotes mean, and the true reason when neither fits."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mobilebert_tf.data import bad_rows
from mobilebert_tf.errors import UsageError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

_LONGEST_FIELD = 2**31 - 1
"""Characters. The `csv` module's own limit guards against quotes without an end, which are found otherwise here."""

_HEADER = 1 << 20
"""Characters that a header is looked for in."""

_RETURN = "\ufdd0"
"""Stands for a lone carriage return, which the `csv` module takes for the end of a row; no text has this one."""

_END = "\ufdd1"
"""Stands behind the last row."""

_NO_END = "a quote that begins here or below has no end"

_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)
"""First line by which a file tells Excel its separator."""

Row = tuple[int, list[str]]
"""The number of the line where it begins, and its cells."""


Refuse = Callable[[int, str], None]
"""Raises, or counts, a row that is left out: its line, what is wrong with it."""


@dataclasses.dataclass(frozen=True)
class Delimited:
    """A header and the rows below it."""

    header: list[str]
    rows: list[Row]
    separator: str
    quotes: str
    """What quotes mean that is not usual; empty for usual ones."""


class _BadRowError(Exception):
    """A line, and why it does not fit."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(line, reason)
        self.line, self.reason = line, reason


def _raise(line: int, reason: str) -> None:
    raise _BadRowError(line, reason)


def parse(text: str, usual: str, wanted: Callable[[Sequence[str]], int], name: str) -> Delimited:
    """The table in `text`.

    A CSV (`usual` is a comma) has quotes around cells that need them. A TSV has none, as GLUE's files, unless
    all its quotes are where a spreadsheet would put them.

    Args:
      usual: the separator to expect; another one is taken if the header has more of the `wanted` columns with it.
      wanted: how many of the columns that are needed a header has.
      name: the file, for messages.

    Raises:
      UsageError: a row has more or fewer cells than the header (unless bad rows are left out), or a quote has no end.
    """
    skipped = 0
    if told := _SEPARATOR_LINE.match(text):
        usual, text, skipped = told[1], text[told.end() :], 1
    separator = usual if told else _separator(text, usual, wanted)
    literal_first = separator == "\t"
    attempts: list[Callable[[Refuse], Delimited]]
    if literal_first:
        attempts = [lambda _: _as_a_spreadsheet_quotes(text), lambda refuse: _without_quotes(text, separator, refuse)]
    else:
        attempts = [lambda refuse: _with_quotes(text, separator, refuse)]
        if '\\"' in text:
            attempts.append(lambda refuse: _with_quotes(text, separator, refuse, escapechar="\\", doublequote=False))
        attempts.append(lambda refuse: _with_loose_quotes(text, separator, refuse))

    def leave_out(line: int, reason: str) -> None:
        bad_rows.refuse(name, line + skipped, reason)

    problems = []
    # A way to read the table that makes all rows even comes before one with which some are left out.
    for refuse in (_raise, leave_out) if bad_rows.are_skipped() else (_raise,):
        for attempt in attempts:
            try:
                table = attempt(refuse)
                return dataclasses.replace(table, rows=[(number + skipped, cells) for number, cells in table.rows])
            except _BadRowError as problem:
                problems.append(problem)
    first_choice = problems[len(attempts) - 1] if literal_first else problems[0]
    raise UsageError(f"{name}, line {first_choice.line + skipped}: {first_choice.reason}")


def parse_without_header(text: str, header: Sequence[str], name: str) -> Delimited:
    """The table of tab-separated lines whose columns have these names; cells beyond them are left out.

    Raises:
      UsageError: a row has fewer cells (unless bad rows are left out).
    """
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        cells = line.removesuffix("\r").split("\t")
        if len(cells) >= len(header):
            rows.append((number, cells[: len(header)]))
        elif line.strip():
            needed = f"where {len(header)} are needed ({', '.join(header)})"
            bad_rows.refuse(name, number, f"has {len(cells)} columns {needed}")
    return Delimited(list(header), rows, "\t", quotes="")


def _separator(text: str, usual: str, wanted: Callable[[Sequence[str]], int]) -> str:
    """The separator with which the header has most of the wanted columns, of several the one that splits most."""

    beginning = text[:_HEADER]

    def fitness(separator: str) -> tuple[int, int, bool]:
        try:
            header = next(_csv_rows(beginning, separator, strict=False))[1]
        except (_BadRowError, StopIteration):
            return 0, 0, False
        return wanted(header), len(header), separator == usual

    return max(SEPARATORS, key=fitness)


def _with_quotes(text: str, separator: str, refuse: Refuse, **dialect: Any) -> Delimited:
    rows = list(_csv_rows(text, separator, strict=True, **dialect))
    quotes = "quotes within quotes written with a backslash" if dialect else ""
    return Delimited(*_even(rows, separator, refuse), separator, quotes)


def _with_loose_quotes(text: str, separator: str, refuse: Refuse) -> Delimited:
    """Cells may go on behind a closing quote; a quote without an end would take in the rest of the file unseen."""
    *rows, last = _csv_rows(text.rstrip("\r\n") + f"\n{_END}\n", separator, strict=False)
    if last[1] != [_END]:
        raise _BadRowError(last[0], _NO_END)
    return Delimited(*_even(rows, separator, refuse), separator, "quotes around the first part of a cell, left out")


def _without_quotes(text: str, separator: str, refuse: Refuse) -> Delimited:
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    rows = [(number, line.split(separator)) for number, line in enumerate(lines, start=1) if line]
    return Delimited(*_even(rows, separator, refuse), separator, quotes="")


def _as_a_spreadsheet_quotes(text: str) -> Delimited:
    """A TSV whose quotes are all those that a program has put around cells.

    Quotes also stand in texts. They are a program's if the same cells, quoted by a rule that programs have, are
    the same text again.

    Raises:
      _BadRowError: they are not.
    """
    if '"' not in text:
        raise _BadRowError(1, "has no quotes")
    table = _with_quotes(text, "\t", _raise)
    rows = [table.header, *(cells for _, cells in table.rows)]
    plain = re.sub(r"\r?\n", "\n", text).strip("\n")
    for is_quoted in _QUOTING_RULES:
        written = ("\t".join(_quoted(cell) if is_quoted(cell) else cell for cell in cells) for cells in rows)
        if re.sub(r"\r?\n", "\n", "\n".join(written)) == plain:
            return dataclasses.replace(table, quotes="cells in quotes as spreadsheets write them")
    raise _BadRowError(1, "has quotes of its texts")


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


_NUMBER_OR_NOTHING = re.compile(r"[-+]?[\d.,]*([eE][-+]?\d+)?")

_QUOTING_RULES: tuple[Callable[[str], bool], ...] = (
    lambda cell: any(character in cell for character in '\t\n\r"'),
    lambda cell: any(character in cell for character in '\t\n\r",'),  # Excel
    lambda cell: not _NUMBER_OR_NOTHING.fullmatch(cell),  # R
    lambda cell: True,
)
"""Which cells a program puts in quotes."""


def _csv_rows(text: str, separator: str, **dialect: Any) -> Iterator[Row]:
    before = csv.field_size_limit(_LONGEST_FIELD)
    lines = io.StringIO(re.sub(r"\r(?!\n)", _RETURN, text) if "\r" in text else text, newline="")
    head = text.split("\n", 1)[0]
    spaced = f"{separator} " in head and not re.search(f"{re.escape(separator)}[^ ]", head)
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=spaced, **dialect)
    first = 1
    try:
        for cells in reader:
            yield first, [cell.replace(_RETURN, "\r") for cell in cells] if "\r" in text else cells
            first = reader.line_num + 1
    except csv.Error as error:
        if "end of data" in str(error):
            raise _BadRowError(first, _NO_END) from None
        raise _BadRowError(
            first, f"text stands behind a closing quote; a quote inside of quotes is written twice ({error})"
        ) from None
    finally:
        csv.field_size_limit(before)


def _even(rows: list[Row], separator: str, refuse: Refuse) -> tuple[list[str], list[Row]]:
    """The header, and rows as long as it: cells beyond it are dropped where they are empty; others are refused."""
    rows = [(number, cells) for number, cells in rows if cells]
    if not rows:
        raise _BadRowError(1, "has no header")
    (_, header), *below = rows
    even = []
    for number, cells in below:
        if len(cells) != len(header) and any(cells[len(header) :]) or len(cells) < len(header):
            refuse(number, _uneven(cells, header, separator))
            continue
        even.append((number, cells[: len(header)]))
    return header, even


def _uneven(cells: Sequence[str], header: Sequence[str], separator: str) -> str:
    what = f"has {len(cells)} columns where the header has {len(header)} ({', '.join(header)})"
    longest = max(cells, key=len, default="")
    if "\n" in longest:
        return f"{what}; a quote that begins there may have no end: one cell has {longest.count(chr(10)) + 1:,} lines"
    if len(cells) > len(header) and separator != "\t":
        return f"{what}; a text with {SEPARATORS.get(separator, repr(separator))} in it must stand in quotes"
    return what
