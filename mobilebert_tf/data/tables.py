"""Labelled text in the usual formats: TSV, CSV or JSONL with named columns."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf import notes
from mobilebert_tf.data import bad_rows, delimited, tfds_table
from mobilebert_tf.data.text_files import Format, read_lines, read_text
from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import has_half_characters
from mobilebert_tf.text_table import counted

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}
"""Usual separator by ending; `.txt` is Excel's "Unicode text", which has a byte order mark."""
_JSON = (".jsonl", ".ndjson", ".jsonlines", ".json")
_SHOWN_ENDINGS = ".tsv, .csv, .jsonl"

_ABOUT_HEADERS = "; a table's first line must name its columns"

_NO_TABLES = {
    "<!doctype html": "a web page; fetch the table itself",
    "<html": "a web page; fetch the table itself",
    "version https://git-lfs": "a Git LFS pointer; fetch the file itself with `git lfs pull`",
}
"""First characters of files that were downloaded in place of a table, and what each is."""


def is_table(path: str | os.PathLike[str]) -> bool:
    """Whether the name is that of a table, and not of a text file with one text per line."""
    return tfds_table.is_name(path) or _ending(Path(path)) not in (None, ".txt")


def is_json(path: str | os.PathLike[str]) -> bool:
    """Whether the name is that of a JSON file."""
    return not tfds_table.is_name(path) and _ending(Path(path)) in _JSON


def read_table(
    path: str | os.PathLike[str],
    columns: Sequence[str],
    header: Sequence[str] = (),
    structured: Collection[str] = (),
    optional: Collection[str] = (),
    every_row: bool = False,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and named columns of each row, in file order: texts, or None where there is no value.

    The ending, before that of a compression (`train.tsv.xz`), decides the format. CSV and TSV have a header;
    `delimited.parse` describes the separators and quotes they may have. JSONL has an object per line; a list of
    objects is read as well. Rows without any value are left out. An unusual format is reported in a note.

    A column may be several comma-separated names, of which the first in the row counts, since
    training and evaluation tables do not always agree. Case and blanks around a name are ignored where
    that leaves one column.

    `tfds:NAME:SPLIT` is a split of a TensorFlow Datasets set.

    Args:
      path: the file.
      columns: names of the wanted columns.
      header: column names for a table with tabs, whatever its ending, whose first line has no wanted column; further
        cells of such a table are left out, and quotes in it are text.
      structured: columns that may also hold lists and objects, in JSON.
      optional: further columns; None where a table has no column of that name.
      every_row: keep rows without any value, for callers that answer every row.

    Raises:
      UsageError: unknown ending, a column is missing, or a row is broken; the message names the line.
    """
    path, is_set = Path(path), tfds_table.is_name(path)
    ending = None if is_set else _ending(path)
    if is_set:
        rows = tfds_table.read_split(str(path))
    elif ending in _JSON:
        rows = json_rows(path)
    elif ending in _SEPARATORS:
        rows = _delimited_rows(path, ending, columns, header)
    else:
        for _ in read_lines(path):  # raises its own error for an archive or a workbook
            break
        raise _no_table(path)
    empty = 0
    is_first = True
    for number, row in rows:
        if all(value is None or isinstance(value, str) and not value.strip() for value in row.values()):
            if every_row:
                yield number, dict.fromkeys([*columns, *optional])
            else:
                empty += 1
            continue
        if is_first:
            _refuse_one_for_two(path, row, [*columns, *optional])
            is_first = False
        try:
            cells = {column: _cell(path, number, row, column, column in structured) for column in columns}
            present = [column for column in optional if named_column(row, column) is not None]
            extra = {column: _cell(path, number, row, column, True) for column in present}
        except UsageError as problem:
            if ending in _SEPARATORS:
                raise  # the column is missing from all rows
            bad_rows.refuse(str(path), number, problem)
            continue
        yield number, cells | {column: extra.get(column) for column in optional}
    if empty:
        notes.say(f"{path}: {counted(empty, 'row')} without any value left out")


def _ending(path: Path) -> str | None:
    """The last of the name's endings that a table has, such as `.tsv` of `train.tsv.xz`; None: there is none."""
    endings = [suffix.lower() for suffix in path.suffixes if suffix.lower() in (*_SEPARATORS, *_JSON)]
    return endings[-1] if endings else None


def _no_table(path: Path) -> UsageError:
    return UsageError(
        f"{path}: the ending is not that of a table; use one of {_SHOWN_ENDINGS} (also compressed: .gz, .bz2, .xz)"
    )


def _refuse_one_for_two(path: Path, row: Mapping[str, Any], columns: Sequence[str]) -> None:
    names = [name for column in columns if (name := named_column(row, column)) is not None]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"{path}: column {name!r} cannot be two things; --text_column, --text_pair_column and --label_column "
                "name different columns"
            )


def _cell(path: Path, number: int, row: Mapping[str, Any], column: str, structured: bool) -> Any:
    name = named_column(row, column)
    if name is None:
        has_header = _ending(path) in _SEPARATORS
        about_headers = _ABOUT_HEADERS if has_header else ""
        raise UsageError(
            f"{path}, line {1 if has_header else number}: no column {column!r}; it has "
            f"{', '.join(map(_shortened, row))}; choose others with --text_column and --label_column, for a second "
            f"text --text_pair_column{about_headers}"
        )
    value = row[name]
    if isinstance(value, str) or value is None or structured and isinstance(value, (list, dict)):
        return value
    if isinstance(value, (list, dict)):
        what = "a list" if isinstance(value, list) else "an object"
        raise UsageError(f"{path}, line {number}: column {name!r} holds {what}; it must hold one text or number")
    return json.dumps(value)


def _shortened(name: object) -> str:
    """A column's name as a message has it: where there is no header, the name is a whole text."""
    text = " ".join(str(name).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def named_column(row: Mapping[str, Any], column: str) -> str | None:
    """The name in `row` that matches `column`, which is one name or several; None: there is none."""
    names = [column, *column.split(",")]  # a comma may be part of the name
    exact = next((name for name in names if name in row), None)
    if exact is not None:
        return exact
    for name in names:
        like = [own for own in row if _plain(own) == _plain(name)]
        if len(like) == 1:
            return like[0]
    return None


def _plain(name: str) -> str:
    return name.strip().casefold()


def _delimited_rows(
    path: Path, ending: str, columns: Sequence[str], header: Sequence[str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    text, written = read_text(path)
    usual = _SEPARATORS[ending]

    def wanted(header: Sequence[str]) -> int:
        return sum(named_column(dict.fromkeys(header), column) is not None for column in columns)

    for beginning, what in _NO_TABLES.items():
        if text[:100].lstrip().lower().startswith(beginning):
            raise UsageError(f"{path}: is {what}")
    if ending == ".txt" and (written.encoding == "utf-8" or "\t" not in text.split("\n", 1)[0]):
        raise _no_table(path)
    first_line = text.split("\n", 1)[0].rstrip("\r").split("\t")
    if header and len(first_line) >= len(header) and not wanted(first_line):
        table = delimited.parse_without_header(text, header, str(path))
    else:
        table = delimited.parse(text, usual, wanted, str(path))
    for name in table.header:
        if table.header.count(name) > 1 and any(_plain(name) == _plain(n) for c in columns for n in c.split(",")):
            raise UsageError(f"{path}, line 1: two columns are called {name!r}; rename one")
    unusual = _taken_for(written, table, usual)
    if unusual:
        notes.say(f"{path}: read as {', '.join(unusual)}")
    names = [_bare(name) for name in table.header]
    repeated = {number for number, cells in table.rows if len(cells) > 1 and [_bare(cell) for cell in cells] == names}
    if repeated:
        more = f" and {len(repeated) - 1:,} more" if len(repeated) > 1 else ""
        notes.say(f"{path}: the header is repeated in line {min(repeated)}{more}, as in concatenated files; left out")
    for number, cells in table.rows:
        if number not in repeated:
            yield number, dict(zip(table.header, cells, strict=True))


def _bare(cell: str) -> str:
    """A cell without the byte order mark of a file that was put behind another one."""
    return cell.removeprefix("\ufeff").strip()


def _taken_for(written: Format, table: delimited.Delimited, usual: str) -> list[str]:
    """Descriptions of what is unusual in the format of a table."""
    unusual = []
    if written.encoding not in ("utf-8", "utf-8-sig"):
        unusual.append(f"{written.encoding.upper()} text")
    if written.newline == "\r":
        unusual.append("lines that end with carriage returns")
    if table.separator != usual:
        separator = delimited.SEPARATORS.get(table.separator, repr(table.separator))
        unusual.append(f"columns separated by {separator}")
    if table.quotes:
        unusual.append(table.quotes)
    return unusual


def json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and object of each line of a JSONL file, or of each item of a file that is one list.

    Raises:
      UsageError: a line or item is not an object (unless bad rows are left out).
    """
    for number, line in _json_values(path):
        try:
            row = _DECODER.decode(line) if isinstance(line, str) else line
            problem = "" if isinstance(row, dict) else "is not a JSON object"
        except (ValueError, RecursionError) as error:
            problem = f"is not JSON ({error}); each line must hold a whole object"
        if not problem and len(row) > 1 and all(isinstance(value, dict) for value in row.values()):
            raise UsageError(
                f"{path}, line {number}: is an object of columns, as pandas writes by default; write a row a line: "
                'to_json(..., orient="records", lines=True)'
            )
        if not problem and has_half_characters(row):
            problem = "holds half of a character, a \\ud8.. without its \\udc.."
        if problem:
            bad_rows.refuse(str(path), number, problem)
        else:
            yield number, row


def _finite(digits: str) -> float | None:
    return value if math.isfinite(value := float(digits)) else None


def _with_each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} appears twice in an object")
    return dict(pairs)


_DECODER = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite, object_pairs_hook=_with_each_key_once)
"""Of JSON: NaN and infinite numbers become None; a key that stands twice in an object is a ValueError."""


def _json_values(path: Path) -> Iterator[tuple[int, Any]]:
    """Number and text of each non-blank line; of a file that is one JSON list, line (where it is one item's alone) or
    number, and value, of each item."""
    lines = enumerate(read_lines(path), start=1)
    first = next(((number, line) for number, line in lines if line.strip()), None)
    if first is None:
        return
    if first[1].lstrip().startswith("["):
        text = read_text(path)[0]
        try:
            items = _DECODER.decode(text)
        except (ValueError, RecursionError) as error:
            items = None  # a line is broken, or the list is not the whole file; the caller names the line
            if first[1].strip() == "[":
                raise UsageError(f"{path}: is a list in JSON that cannot be read ({error})") from None
        if isinstance(items, list) and items and all(isinstance(item, dict) for item in items):
            lines_of = list(_first_lines(text))
            # Rows are told apart by their numbers: of a list in one line these are the items'.
            yield from zip(lines_of if len({*lines_of}) == len(items) else itertools.count(1), items, strict=False)
            return
    yield first
    for number, line in lines:
        if line.strip():
            yield number, line


def _first_lines(text: str) -> Iterator[int]:
    """The line in which each item of a JSON list begins; the list is known to be sound."""
    decoder, place, line = json.JSONDecoder(), text.index("[") + 1, 1
    counted = 0
    while text[start := _BETWEEN.match(text, place).end()] != "]":  # type: ignore[union-attr]
        line += text.count("\n", counted, start)
        yield line
        counted = start
        _, place = decoder.raw_decode(text, start)


_BETWEEN = re.compile(r"[\s,]*")
"""Text between the items of a list."""
