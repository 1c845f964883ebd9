"""Documents in text files: one paragraph per line, a blank line between documents."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from mobilebert_tf import notes, run_directory
from mobilebert_tf.data.text_files import read_lines
from mobilebert_tf.errors import UsageError
from mobilebert_tf.paths import expand, is_text
from mobilebert_tf.text_table import some

ENDINGS = (".txt", ".txt.gz", ".txt.bz2", ".txt.xz")

_DOCUMENT_TAG = re.compile(r"<doc( [a-z]+=\".*\")?>|</doc>")
"""Lines that WikiExtractor writes around each article."""

_MARKUP = re.compile(r"<(\?xml|!doctype|html|mediawiki)\b", re.IGNORECASE)


def input_files(paths: str) -> list[Path]:
    """The text files that comma-separated files, patterns and directories name.

    Only files at the top of a directory are taken: deeper files of a corpus are held out. Skipped files are reported,
    unless a command of this project made the directory.

    Raises:
      UsageError: something does not exist, or a directory has no text file.
    """
    files = []
    for path in expand(paths):
        if not path.is_dir():
            files.append(path)
            continue
        is_made = (path / run_directory.RECORD).exists()
        if is_made:
            run_directory.require_finished(path)
        inside = text_files_in(path)
        if not inside:
            raise UsageError(f"{path}: has no text file ({', '.join(ENDINGS)}); give a corpus or the files themselves")
        badly_named = next((file for file in inside if not is_text(file.name)), None)
        if badly_named is not None:
            raise UsageError(
                f"{path}: the name of its file {os.fsencode(badly_named.name)!r} is not UTF-8 text; rename it"
            )
        if not is_made:
            _say_skipped(path, inside)
        files += inside
    if not files:
        raise UsageError("--input: names no file")
    return files


def text_files_in(directory: Path) -> list[Path]:
    """The files at the top of a directory with a text file's ending; if there are none, the files without an ending,
    such as WikiExtractor's wiki_00."""
    files = sorted(path for path in directory.iterdir() if path.is_file() and not path.name.startswith("."))
    texts = [path for path in files if path.name.lower().endswith(ENDINGS)]
    return texts or [path for path in files if "." not in _without_compression(path.name)]


def _without_compression(name: str) -> str:
    base, ending = os.path.splitext(name)
    return base if f".txt{ending.lower()}" in ENDINGS[1:] else name


def _say_skipped(directory: Path, texts: list[Path]) -> None:
    """Print the names of the other files in a directory of texts."""
    others = sorted(path for path in directory.iterdir() if path not in texts and not path.name.startswith("."))
    # Results of commands may lie there as well, and need no mention.
    skipped = [f"{path.name}/" if path.is_dir() else path.name for path in others if not _is_run(path)]
    if skipped:
        notes.say(
            f"{directory}: skips {some(skipped, 3)}: only the files {', '.join(ENDINGS)} at the top of a "
            "directory are read; give others by name or pattern"
        )


def _is_run(path: Path) -> bool:
    return (path / run_directory.RECORD).exists()


def read_documents(files: Iterable[Path]) -> Iterator[list[str]]:
    """The documents of the files in order, each a list of paragraphs, read one at a time.

    A blank line ends a document, and so do the lines <doc ...> and </doc> of WikiExtractor; blank lines between those
    two end no document.

    Raises:
      UsageError: a file is missing, empty, damaged or not text, is XML, HTML or JSON, or has only blank lines.
    """
    for file in files:
        document: list[str] = []
        blank, tagged = True, False
        for line in read_lines(file):
            paragraph = normalize(line)
            tag = _DOCUMENT_TAG.fullmatch(paragraph) if paragraph.startswith("<") else None
            if paragraph and not tag:
                if blank:
                    _refuse_markup(paragraph, file)
                document.append(paragraph)
                blank = False
                continue
            if tag:
                tagged = not paragraph.startswith("</")
            elif tagged:
                continue
            if document:
                yield document
                document = []
        if document:
            yield document
        if blank:
            raise UsageError(f"{file}: has only blank lines")


def _refuse_markup(first: str, file: Path) -> None:
    """Raise UsageError if the first paragraph of a file shows that the file is XML, HTML or JSON."""
    fix = ""
    if _MARKUP.match(first):
        fix = "is XML or HTML, not text; extract the text first, from a Wikipedia dump with WikiExtractor"
    elif first.startswith("{") and first.endswith("}") and _is_json(first):
        fix = "has lines of JSON, not text; extract the text first, for example with jq -r .text"
    if fix:
        raise UsageError(f"{file}: {fix}")


def _is_json(line: str) -> bool:
    with contextlib.suppress(ValueError):
        return isinstance(json.loads(line), dict)
    return False


def normalize(line: str) -> str:
    """The line in Unicode's composed form (NFC), with single spaces as white space.

    Single characters that NFC decomposes, such as letters of Hindi and Bengali, are kept: tokenizers do not
    decompose them, so a vocabulary must contain them.
    """
    text = " ".join(line.removeprefix("\ufeff").split())
    if unicodedata.is_normalized("NFC", text):
        return text
    parts = _taken_apart().split(text)
    return "".join(part if number % 2 else unicodedata.normalize("NFC", part) for number, part in enumerate(parts))


@functools.cache
def _taken_apart() -> re.Pattern[str]:
    """A pattern for each character that NFC changes even when it stands alone."""
    characters = map(chr, (*range(0xD800), *range(0xE000, 0x110000)))
    return re.compile(f"([{''.join(one for one in characters if not unicodedata.is_normalized('NFC', one))}])")


def write_documents(documents: Iterable[list[str]], path: Path) -> tuple[int, int, int]:
    """Write documents to a file; return the numbers of documents, paragraphs and bytes."""
    count = paragraphs = 0
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for document in documents:
            file.write(("\n" if count else "") + "\n".join(document) + "\n")
            count += 1
            paragraphs += len(document)
    return count, paragraphs, path.stat().st_size
