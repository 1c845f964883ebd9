"""Labelled text as people have it: TSV, CSV or JSONL with named columns."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf.data.text_files import read_lines
from mobilebert_tf.errors import UsageError

_SUFFIXES = (".tsv", ".csv", ".jsonl")


def read_table(path: str | os.PathLike[str], columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and the named columns of each row, in file order.

    The kind is told by the ending, before a compression's own (`train.tsv.xz`). TSV
    has a header and no quoting, as GLUE's files; CSV has a header and quotes; JSONL
    has an object a line. A column may be several names, comma-separated: the first that
    the row has counts, since training and evaluation tables do not always agree.

    Raises:
      UsageError: unknown ending, a column or a value is missing, or a row is broken;
        the message names the line.
    """
    path = Path(path)
    suffixes = [s for s in path.suffixes if s in _SUFFIXES]
    if not suffixes:
        endings = ", ".join(_SUFFIXES)
        raise UsageError(f"{path}: the ending says no table; use one of {endings} (also .gz, .bz2, .xz of them)")
    rows = _json_rows(path) if suffixes[-1] == ".jsonl" else _delimited_rows(path, suffixes[-1])
    for number, row in rows:
        found = {}
        for column in columns:
            name = next((name for name in column.split(",") if name in row), None)
            if name is None:
                raise UsageError(
                    f"{path}, line {number}: no column {column!r}; it has {', '.join(map(str, row))}; "
                    "--text_column and --label_column name others"
                )
            found[column] = row[name]
        yield number, found


def _delimited_rows(path: Path, suffix: str) -> Iterator[tuple[int, dict[str, str]]]:
    lines = read_lines(path)
    if suffix == ".tsv":
        reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(line + "\n" for line in lines)
    rows = _read(path, reader)
    header = [name.lstrip("\ufeff") for name in next(rows)]
    for row in rows:
        if not row:
            continue
        if len(row) != len(header):
            raise UsageError(
                f"{path}, line {reader.line_num}: has {len(row)} columns where the header has "
                f"{len(header)} ({', '.join(header)})"
            )
        yield reader.line_num, dict(zip(header, row, strict=True))


def _read(path: Path, reader: Any) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}: {error}; a quote before it may have no end") from None


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{path}, line {number}: is not JSON ({error})") from None
        if not isinstance(row, dict):
            raise UsageError(f"{path}, line {number}: is not a JSON object")
        if "\\u" in line and any("\ud800" <= c <= "\udfff" for value in row.values() for c in str(value)):
            raise UsageError(f"{path}, line {number}: holds half of a character, a \\ud8.. without its \\udc..")
        yield number, {key: value if isinstance(value, str) else json.dumps(value) for key, value in row.items()}
