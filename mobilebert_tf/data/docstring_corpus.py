"""Training text, held-out text and the library task, made of the docstrings of installed libraries."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf import atomic
from mobilebert_tf.data import docstrings, documents, library_task
from mobilebert_tf.data.docstrings import SourceFile
from mobilebert_tf.data.pool import map_in_order
from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import UsageError

MIN_CHARACTERS = 60_000
"""Minimum number of characters of prose in a library that was not asked for by name."""

MIN_SENTENCES = 1000
"""Minimum number of training sentences of a class of the task."""

_BATCH = 32
"""Number of files given to a worker at once."""

Documents = list[tuple[SourceFile, list[str]]]
"""The prose of one library: source files and their paragraphs."""


def read_libraries(names: Sequence[str], workers: int) -> dict[str, Documents]:
    """The prose of these libraries, or of all that have enough of it, sorted by name.

    A paragraph that occurred before, in whatever library, is dropped.

    Raises:
      UsageError: a library is not installed or has no prose.
    """
    roots = docstrings.find_libraries(names) if names else docstrings.installed_libraries()
    files = [file for name, root in roots.items() for file in docstrings.source_files(name, root)]
    batches = [files[i : i + _BATCH] for i in range(0, len(files), _BATCH)]
    results = track(map_in_order(_read_batch, batches, workers), "docstrings", "batch", total=len(batches))
    prose_of: dict[str, Documents] = {name: [] for name in roots}
    for batch, paragraphs_of_each in zip(batches, results, strict=True):
        for file, paragraphs in zip(batch, paragraphs_of_each, strict=True):
            prose_of[file.library].append((file, paragraphs))
    seen: set[str] = set()
    libraries = {}
    for name, library in prose_of.items():
        if not names and sum(map(len, {p for _, paragraphs in library for p in paragraphs})) < MIN_CHARACTERS:
            continue
        libraries[name] = list(_without_repetition(library, seen))
        if not libraries[name]:
            raise UsageError(f"--input: {name} has no docstrings that read as prose")
    if not libraries:
        raise UsageError("no installed library has enough docstrings; name some with --input")
    return libraries


def write(
    libraries: dict[str, Documents],
    directory: Path,
    heldout_fraction: float,
    seed: int,
    train_size: int,
    eval_size: int,
) -> dict[str, Any]:
    """Write `LIBRARY.txt`, `heldout/LIBRARY.txt` and `sentences/{train,eval}.tsv`; return their counts.

    A whole source file is either training text or held out. With fewer than two libraries large
    enough to be classes there is no task, and `sentences/` is not written.
    """
    counts: dict[str, Any] = {"libraries": {}}
    candidates = []
    for name, library in libraries.items():
        sides: dict[bool, list[list[str]]] = {False: [], True: []}
        for file, paragraphs in library:
            held_out = file.is_held_out(heldout_fraction, seed)
            sides[held_out].append(paragraphs)
            for sentence in library_task.sentences_of(paragraphs):
                candidates.append(library_task.Sentence(name, sentence, file.name, held_out))
        for held_out, path in ((False, directory / f"{name}.txt"), (True, directory / "heldout" / f"{name}.txt")):
            if sides[held_out]:
                with atomic.write_aside(path) as aside:
                    documents.write_documents(sides[held_out], aside)
        counts["libraries"][name] = {
            "files": len(library),
            "held_out_files": len(sides[True]),
            "paragraphs": sum(map(len, sides[False])),
            "held_out_paragraphs": sum(map(len, sides[True])),
            "characters": _characters(library),
        }
    train, tests = library_task.make_split(candidates, train_size, eval_size, seed, MIN_SENTENCES)
    sizes = {"train": collections.Counter(s.label for s in train), "eval": collections.Counter(s.label for s in tests)}
    counts["sentences"] = {label: {side: sizes[side][label] for side in sizes} for label in sorted(sizes["train"])}
    if len(counts["sentences"]) > 1:
        atomic.write_text(directory / "sentences" / "train.tsv", library_task.to_table(train))
        atomic.write_text(directory / "sentences" / "eval.tsv", library_task.to_table(tests))
    return counts


def _read_batch(files: list[SourceFile]) -> list[list[str]]:
    return [docstrings.read_paragraphs(file) for file in files]


def _without_repetition(library: Documents, seen: set[str]) -> Iterator[tuple[SourceFile, list[str]]]:
    for file, paragraphs in library:
        new = [paragraph for paragraph in dict.fromkeys(paragraphs) if paragraph not in seen]
        seen.update(new)
        if new:
            yield file, new


def _characters(library: Documents) -> int:
    return sum(len(paragraph) for _, paragraphs in library for paragraph in paragraphs)
