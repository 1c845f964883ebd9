"""Documents in text files: a paragraph a line, a blank line between documents."""

from __future__ import annotations

import functools
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from mobilebert_tf import run_directory
from mobilebert_tf.data.text_files import read_lines
from mobilebert_tf.errors import UsageError

ENDINGS = (".txt", ".txt.gz", ".txt.bz2", ".txt.xz")


def input_files(paths: str) -> list[Path]:
    """The text files that comma-separated files, patterns and directories name.

    Of a directory, those at its top: what lies deeper in a corpus is held out.

    Raises:
      UsageError: something does not exist, or a directory has no text file.
    """
    files = []
    for path in run_directory.expand(paths):
        if not path.is_dir():
            files.append(path)
            continue
        if (path / run_directory.RECORD).exists():
            run_directory.require_finished(path)
        inside = sorted(file for file in path.iterdir() if file.name.endswith(ENDINGS) and file.is_file())
        if not inside:
            raise UsageError(f"{path}: has no text file ({', '.join(ENDINGS)}); give a corpus or the files themselves")
        strange = next((file for file in inside if not run_directory.is_text(file.name)), None)
        if strange is not None:
            raise UsageError(f"{path}: the name of its file {os.fsencode(strange.name)!r} is not UTF-8 text; rename it")
        files += inside
    if not files:
        raise UsageError("--input: names no file")
    return files


def read_documents(files: Iterable[Path]) -> Iterator[list[str]]:
    """The documents of the files in order, each a list of paragraphs. Reads as it goes.

    Raises:
      UsageError: a file is missing, empty, damaged or not text, or has nothing but blank lines.
    """
    for file in files:
        document: list[str] = []
        blank = True
        for line in read_lines(file):
            paragraph = normalize(line)
            if paragraph:
                document.append(paragraph)
                blank = False
            elif document:
                yield document
                document = []
        if document:
            yield document
        if blank:
            raise UsageError(f"{file}: has only blank lines")


def normalize(line: str) -> str:
    """The line in Unicode's composed form (NFC), white space made single spaces.

    Single characters that NFC takes apart, such as letters of Hindi and Bengali, stay as they are: tokenizers do not
    take them apart, and a vocabulary has to know them.
    """
    text = " ".join(line.removeprefix("\ufeff").split())
    if unicodedata.is_normalized("NFC", text):
        return text
    parts = _taken_apart().split(text)
    return "".join(part if number % 2 else unicodedata.normalize("NFC", part) for number, part in enumerate(parts))


@functools.cache
def _taken_apart() -> re.Pattern[str]:
    """Each character that is not composed by itself."""
    characters = map(chr, (*range(0xD800), *range(0xE000, 0x110000)))
    return re.compile(f"([{''.join(one for one in characters if not unicodedata.is_normalized('NFC', one))}])")


def write_documents(documents: Iterable[list[str]], path: Path) -> tuple[int, int, int]:
    """Write documents to an open place on disk; returns how many documents, paragraphs and bytes."""
    count = paragraphs = 0
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for document in documents:
            file.write(("\n" if count else "") + "\n".join(document) + "\n")
            count += 1
            paragraphs += len(document)
    return count, paragraphs, path.stat().st_size
