"""Opening text as it lies on disk: plain, .gz, .bz2 or .xz, always UTF-8."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from mobilebert_tf.errors import UsageError

_OPENERS: dict[str, Callable[..., IO[Any]]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def read_lines(path: str | os.PathLike[str]) -> Iterator[str]:
    """The lines of a text file without their line ends, decompressed by the file's ending.

    Raises:
      UsageError: the file is missing, empty, cut short, or not UTF-8 text.
    """
    path = Path(path)
    opener = _OPENERS.get(path.suffix, open)
    number = 0
    try:
        with opener(path, "rt", encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if "\0" in line:
                    raise UsageError(f"{path}, line {number}: holds a NUL character, so this is not a text file")
                yield line.rstrip("\r\n")
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise UsageError(f"{path}: is a directory, a text file is needed") from None
    except UnicodeDecodeError:
        where = f"{path}, line {_line_that_is_not_utf8(path)}"
        raise UsageError(f"{where}: is not UTF-8 text; convert it first, for example with iconv") from None
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile) as error:
        where = f"{path}, after line {number}"
        raise UsageError(f"{where}: the compressed file is damaged or cut short ({error})") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
    if number == 0:
        raise UsageError(f"{path}: is empty")


def _line_that_is_not_utf8(path: Path) -> int:
    """Its number; reading as text finds it out some thousand characters ahead."""
    with _OPENERS.get(path.suffix, open)(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1  # it has changed in the meantime
