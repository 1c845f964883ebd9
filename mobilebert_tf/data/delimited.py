"""Rows of CSV and TSV text: detection of separator and meaning of quotes, and errors with the actual cause."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mobilebert_tf.data import bad_rows
from mobilebert_tf.errors import UsageError
from mobilebert_tf.text_table import counted

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

_LONGEST_FIELD = 2**31 - 1
"""Characters. The `csv` module's own limit guards against unclosed quotes, which are found by other means here."""

_HEADER = 1 << 20
"""Number of characters in which the header is searched for."""

_RETURN = "\ufdd0"
"""Stand-in for a lone carriage return, which the `csv` module takes for the end of a row; no text holds it."""

_END = "\ufdd1"
"""Mark put after the last row."""

_NO_END = "a quote that begins here or below is never closed"

_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)
"""First line in which a file names its separator for Excel."""

Row = tuple[int, list[str]]
"""A row: the number of the line where it begins, and its cells."""


Refuse = Callable[[int, str], None]
"""A function (line, problem) that refuses a row by an exception, or counts it as left out."""


@dataclasses.dataclass(frozen=True)
class Delimited:
    """A header and the rows below it."""

    header: list[str]
    rows: list[Row]
    separator: str
    quotes: str
    """Description of the meaning of quotes where it is unusual; else empty."""


class _BadRowError(Exception):
    """The number of a line that cannot be parsed, and the reason."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(line, reason)
        self.line, self.reason = line, reason


def _raise(line: int, reason: str) -> None:
    raise _BadRowError(line, reason)


def parse(text: str, usual: str, wanted: Callable[[Sequence[str]], int], name: str) -> Delimited:
    """The table in `text`.

    A CSV (`usual` is a comma) has quotes around cells that need them. In a TSV quotes are text, as in GLUE's files,
    unless all of them are where a spreadsheet would put them.

    Args:
      usual: the expected separator; another one is used if it gives a header with more of the wanted columns.
      wanted: function that returns how many of the needed columns a header has.
      name: the file, for messages.

    Raises:
      UsageError: a row has more or fewer cells than the header (unless bad rows are left out), or a quote has no end.
    """
    skipped = 0
    if separator_line := _SEPARATOR_LINE.match(text):
        usual, text, skipped = separator_line[1], text[separator_line.end() :], 1
    separator = usual if separator_line else _separator(text, usual, wanted)
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
    # First every attempt with all rows valid; only then the attempts that leave rows out.
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
            bad_rows.refuse(name, number, f"has {counted(len(cells), 'column')} {needed}")
    return Delimited(list(header), rows, "\t", quotes="")


def _separator(text: str, usual: str, wanted: Callable[[Sequence[str]], int]) -> str:
    """The separator that gives the header most of the wanted columns; of several, the one that splits it most."""

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
    quotes = "quotes inside cells escaped with a backslash" if dialect else ""
    return Delimited(*_even(rows, separator, refuse), separator, quotes)


def _with_loose_quotes(text: str, separator: str, refuse: Refuse) -> Delimited:
    """The table where cells may continue after a closing quote.

    Raises:
      _BadRowError: a quote is not closed, and would swallow the rest of the file unnoticed.
    """
    *rows, last = _csv_rows(text.rstrip("\r\n") + f"\n{_END}\n", separator, strict=False)
    if last[1] != [_END]:
        raise _BadRowError(last[0], _NO_END)
    return Delimited(*_even(rows, separator, refuse), separator, "quotes around the first part of a cell removed")


def _without_quotes(text: str, separator: str, refuse: Refuse) -> Delimited:
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    rows = [(number, line.split(separator)) for number, line in enumerate(lines, start=1) if line]
    return Delimited(*_even(rows, separator, refuse), separator, quotes="")


def _as_a_spreadsheet_quotes(text: str) -> Delimited:
    """The table of a TSV in which a program put all quotes around cells.

    Quotes may also belong to the texts. They are a program's if the parsed cells, quoted again by a rule that
    programs use, give the same text.

    Raises:
      _BadRowError: the text has no quotes, or some belong to its texts.
    """
    if '"' not in text:
        raise _BadRowError(1, "has no quotes")
    table = _with_quotes(text, "\t", _raise)
    rows = [table.header, *(cells for _, cells in table.rows)]
    plain = re.sub(r"\r?\n", "\n", text).strip("\n")
    for is_quoted in _QUOTING_RULES:
        if not any(cell and is_quoted(cell) for cells in rows for cell in cells):
            continue  # quotes around nothing, and around nothing else, may be a text
        written = ("\t".join(_quoted(cell) if is_quoted(cell) else cell for cell in cells) for cells in rows)
        if re.sub(r"\r?\n", "\n", "\n".join(written)) == plain:
            return dataclasses.replace(table, quotes="cells in quotes as spreadsheets write them")
    raise _BadRowError(1, "has quotes of its texts")


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


_NUMBER_OR_NOTHING = re.compile(r"[-+]?[\d.,]*([eE][-+]?\d+)?")

_QUOTING_RULES: tuple[Callable[[str], bool], ...] = (
    lambda cell: any(character in cell for character in '\t\n\r"'),
    lambda cell: not cell or any(character in cell for character in '\t\n\r"'),  # Polars, data.table, DuckDB
    lambda cell: any(character in cell for character in '\t\n\r",'),  # Excel
    lambda cell: not _NUMBER_OR_NOTHING.fullmatch(cell),  # R
    lambda cell: True,
)
"""Rules of programs for which cells to put in quotes."""


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
            first, f"text follows a closing quote; write a quote inside a quoted cell twice ({error})"
        ) from None
    finally:
        csv.field_size_limit(before)


def _even(rows: list[Row], separator: str, refuse: Refuse) -> tuple[list[str], list[Row]]:
    """The header, and the rows cut to its length. Refuses rows that are shorter or have text in further cells."""
    rows = [(number, cells) for number, cells in rows if cells]
    if not rows:
        raise _BadRowError(1, "has no header")
    (_, header), *body = rows
    even_rows = []
    for number, cells in body:
        if not any(cell.strip() for cell in cells):
            cells = [""] * len(header)  # a line of blanks is a row without any value, as a line of separators is
        if len(cells) != len(header) and any(cells[len(header) :]) or len(cells) < len(header):
            refuse(number, _uneven(cells, header, separator))
            continue
        even_rows.append((number, cells[: len(header)]))
    return header, even_rows


def _uneven(cells: Sequence[str], header: Sequence[str], separator: str) -> str:
    names = ", ".join(header)
    shown = names if len(names) <= 200 else f"{names[:197]}..."
    what = f"has {counted(len(cells), 'column')} where the header has {len(header)} ({shown})"
    longest = max(cells, key=len, default="")
    if "\n" in longest:
        return (
            f"{what}; a quote that begins there may never be closed: one cell has {longest.count(chr(10)) + 1:,} lines"
        )
    if any("\r" in cell for cell in (*cells, *header)):
        return f"{what}; it contains a carriage return, which may have been meant as the end of a line"
    if len(cells) > len(header) and separator != "\t":
        return f"{what}; a text that contains {SEPARATORS.get(separator, repr(separator))} must be quoted"
    return what
