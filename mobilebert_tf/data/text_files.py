"""Reading of text files: plain, .gz, .bz2 or .xz; in UTF-8, or in UTF-16 as spreadsheets write it.

The first bytes of a file decide its kind. An archive or a workbook is refused with a message that names its kind.
"""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import os
import sys
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from mobilebert_tf.errors import UsageError

STANDARD_INPUT = "-"

_OPENERS: dict[str, Callable[..., IO[Any]]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_PACKED = {
    b"\x1f\x8b": ".gz",
    b"\xfd7zXZ\0": ".xz",
    **{b"BZh%d1AY&SY" % level: ".bz2" for level in range(1, 10)},
}
"""Ending of each compression by the first bytes of its files."""

_NO_TEXT = {
    b"PK\x03\x04": "a zip archive; unpack it",
    b"PK\x05\x06": "an empty zip archive",
    b"\xd0\xcf\x11\xe0": "a Microsoft Office workbook or document; save it as CSV",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; decompress it",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it",
    b"Rar!\x1a\x07": "a rar archive; unpack it",
    b"PAR1\x15": "a Parquet file; save it as CSV or JSONL",
    b"%PDF": "a PDF document; save its text",
    b"SQLite format 3": "a SQLite database; save the table as CSV",
}
"""First bytes of files that users give in place of text, with the kind of file and the remedy."""

_TAR, _TAR_PLACE = b"ustar", 257
"""Bytes that mark a tar archive, and their offset."""

_BINARY = "is a binary file, not text; give a text file"

_OFFICE = {".xlsx": "an Excel workbook", ".ods": "an OpenDocument spreadsheet", ".docx": "a Word document"}
"""Names of documents whose files are technically zip archives."""

_ENCODINGS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16's, which it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Encodings by the byte order mark at the beginning of a file."""

_HEAD = 1 << 16
"""Number of bytes from which the format of a file is detected."""


class Format(NamedTuple):
    """The encoding and the line ends of a text file."""

    encoding: str
    newline: str


def read_lines(path: str | os.PathLike[str]) -> Iterator[str]:
    """The lines of a text file, or of standard input for `-`, without their line ends.

    Raises:
      UsageError: the file is missing, empty, cut short, or not text.
    """
    with _opened(path) as (file, place):
        for line in file:
            place.count(line)
            yield line.rstrip("\r\n")
    if place.lines == 0:
        raise UsageError(f"{place.name}: is empty")


def read_text(path: str | os.PathLike[str]) -> tuple[str, Format]:
    """The text of a whole file, with lines ended by \\n or \\r\\n, and its original format.

    Lines ended by \\r\\r\\n come from Python on Windows, which makes them of \\r\\n in text files.

    Raises:
      UsageError: as `read_lines`.
    """
    with _opened(path) as (file, place):
        lines = []
        for line in file:
            place.count(line)
            lines.append(line)
    if not lines:
        raise UsageError(f"{place.name}: is empty")
    text = "".join(lines)
    if lines[0].endswith("\r\r\n"):
        text = text.replace("\r\r\n", "\r\n")
    return (text.replace("\r", "\n") if place.format.newline == "\r" else text), place.format


class _Place:
    """The place that the reading of a file has reached, for messages."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines = 0
        self.format = Format("utf-8", "\n")

    def count(self, line: str) -> None:
        self.lines += 1
        if "\0" in line:
            raise UsageError(f"{self.name}, line {self.lines}: holds a NUL character, so this is not a text file")


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[tuple[IO[str], _Place]]:
    """The open text of a file, and the place of its reader. Raises UsageError, of one line, for any failure to read."""
    standard_input = str(path) == STANDARD_INPUT
    path = Path(path)
    place = _Place("--input=-, standard input" if standard_input else str(path))
    try:
        with contextlib.closing(io.BytesIO(_standard_input()) if standard_input else _bytes_of(path)) as content:
            head = content.read(_HEAD)
            place.format = _format_of(head, place.name)
            content.seek(0)
            text = io.TextIOWrapper(content, encoding=place.format.encoding, newline=place.format.newline)
            try:
                yield text, place
            except UnicodeDecodeError:
                raise _no_text(place, content) from None
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise UsageError(f"{path}: is a directory, a text file is needed") from None
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error) as error:
        where = f"{place.name}, after line {place.lines}"
        raise UsageError(f"{where}: the compressed file is damaged or cut short ({error})") from None
    except OSError as error:
        raise UsageError(f"{place.name}: {error.strerror or error}") from None


def _bytes_of(path: Path) -> IO[bytes]:
    """The uncompressed bytes of a file; its first bytes tell the compression. A pipe is read whole."""
    with open(path, "rb") as file:
        pipe = None if file.seekable() else io.BytesIO(file.read())
        head = (pipe or file).read(max(map(len, [*_NO_TEXT, *_PACKED])))
    if pipe:
        pipe.seek(0)
    for first, what in _NO_TEXT.items():
        if head.startswith(first):
            name = _OFFICE.get(path.suffix.lower())
            raise UsageError(f"{path}: is {f'{name}; save it as CSV or text' if name else what}")
    packed = next((ending for first, ending in _PACKED.items() if head.startswith(first)), None)
    if head and packed is None and path.suffix.lower() in _OPENERS:
        raise UsageError(
            f"{path}: is not compressed as its ending says; rename it if it is decompressed already, else it is damaged"
        )
    if packed:
        return _OPENERS[packed](pipe or path, "rb")
    return pipe or open(path, "rb")


def _standard_input() -> bytes:
    """All of standard input, since it cannot be read twice."""
    if sys.stdin is None:
        raise UsageError("--input=-: standard input is closed; give a file or --text")
    content = sys.stdin.buffer.read() if hasattr(sys.stdin, "buffer") else sys.stdin.read().encode()
    if not content:
        raise UsageError("--input=-: standard input is empty")
    return content


def _format_of(head: bytes, name: str) -> Format:
    """Encoding and line ends, detected from the beginning of a file."""
    encoding = next((encoding for mark, encoding in _ENCODINGS.items() if head.startswith(mark)), "utf-8")
    if encoding == "utf-8" and head[_TAR_PLACE:].startswith(_TAR):
        raise UsageError(f"{name}: is a tar archive; unpack it")
    if encoding == "utf-8" and head[:200].count(0) * 3 > len(head[:200]):
        if any(_is_text(head[:200], encoding) for encoding in ("utf-16-le", "utf-16-be")):
            raise UsageError(f"{name}: looks like UTF-16 without a byte order mark; save it as UTF-8")
        raise UsageError(f"{name}: {_BINARY}")
    text = head.decode(encoding, errors="ignore")
    # Old Macintosh programs, and Excel's format for them, end lines with a carriage return alone.
    only_returns = "\r" in text.rstrip("\r\n") and "\n" not in text.rstrip("\r\n")
    return Format(encoding, "\r" if only_returns else "\n")


def _is_text(content: bytes, encoding: str) -> bool:
    """Whether bytes are characters in this encoding, none of them a control, private or unassigned one."""
    text = content.decode(encoding, errors="replace").rstrip("\ufffd")
    kinds = {unicodedata.category(character) for character in text if character not in "\t\n\r"}
    return bool(text) and "\ufffd" not in text and not kinds & {"Cc", "Cn", "Co"}


def _no_text(place: _Place, content: IO[bytes]) -> UsageError:
    """The error for a file that cannot be decoded, with its line, which is searched for here.

    The text reader decodes some thousand characters ahead, so its own line would be too early.
    """
    content.seek(0)
    if place.format.encoding == "utf-8" and b"\0" in content.read(_HEAD):
        return UsageError(f"{place.name}: {_BINARY}")
    content.seek(0)
    decoder = codecs.getincrementaldecoder(place.format.encoding)()
    number = 0
    try:
        for line in content:
            number += 1
            decoder.decode(line)
    except UnicodeDecodeError:
        pass  # it is in that line; without an exception, a character is cut off at the end of the file
    fix = f"is not {place.format.encoding.upper()} text, though its byte order mark says so"
    if place.format.encoding in ("utf-8", "utf-8-sig"):
        fix = "is not UTF-8 text; convert it first, for example with iconv, or save it as UTF-8"
    return UsageError(f"{place.name}, line {number}: {fix}")
