"""The texts that all peers are timed on, in the form that each runtime takes."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mobilebert_tf.benchmarks.files.feeds import MOST
from mobilebert_tf.benchmarks.files.inputs import IDS, MASK, SEGMENTS, Signature
from mobilebert_tf.benchmarks.files.texts import Texts
from mobilebert_tf.checkpoints import shipped
from mobilebert_tf.data.tables import read_table
from mobilebert_tf.errors import UsageError
from mobilebert_tf.export.ship.sentences import LANGUAGES
from mobilebert_tf.litert.lookups import table_rows
from mobilebert_tf.tokenization import Tokenizer
from mobilebert_tf.tokenizer_files import read_tokenizer

OWN_LENGTHS = 32
"""Number of texts that runtimes which accept any length are timed on, spread evenly over all texts sorted by length."""


def tokenizer() -> Tokenizer:
    """A tokenizer with the published vocabulary of 30,522 word pieces, which every peer has."""
    published = read_tokenizer(shipped.PLACE / "mobilebert_mini")
    assert published is not None
    return published


def texts_of(table: str | None, column: str) -> list[str]:
    """Texts of a table; None: sentences shipped with the package. Raises UsageError: the table has no texts."""
    if table is None:
        return list(LANGUAGES[0])
    texts = [text for _, row in read_table(table, [column]) if (text := row[column])]
    if not texts:
        raise UsageError(f"{table}: has no texts")
    return texts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rows:
    """The same texts for every file, whatever its inputs are called."""

    name: str
    ids: Sequence[Sequence[int]]
    """Ids of each text, with [CLS] and [SEP]."""

    def rows(self, signature: Signature) -> tuple[dict[str, np.ndarray], str]:
        """Values [N, 1, T] by input, and a description of them. Raises UsageError: the file takes no token ids."""
        if not signature.roles or not signature.length:
            raise UsageError(f"{signature.path}: takes no token ids, so no texts")
        key = next(key for key, one in signature.roles.items() if one == IDS)
        words = table_rows(Path(signature.path).read_bytes(), signature.name).get(key)
        values = padded(self.ids[:MOST], signature.length, words)
        shown = f"{len(values[IDS])} texts of {self.name}"
        return {key: values[one][:, None] for key, one in signature.roles.items()}, shown


def encode(texts: Sequence[str], tokenizer: Tokenizer, length: int) -> list[list[int]]:
    """Ids of each text with [CLS] and [SEP], cut to T."""
    first, last = tokenizer.id("[CLS]"), tokenizer.id("[SEP]")
    return [[first, *ids[: length - 2], last] for ids in tokenizer.encode_batch(list(texts))]


def padded(ids: Sequence[Sequence[int]], length: int, words: int | None) -> dict[str, np.ndarray]:
    """Ids, mask and segments [N, T]; ids are taken modulo `words`, if given, so that they fit a smaller word table."""
    values = {one: np.zeros((len(ids), length), np.int64) for one in (IDS, MASK, SEGMENTS)}
    for number, own in enumerate(ids):
        real = min(len(own), length)
        values[IDS][number, :real] = np.array(own[:real]) % (words or max(own) + 1)
        values[MASK][number, :real] = 1
    return values


def of_own_lengths(ids: Sequence[Sequence[int]], length: int, words: int) -> Mapping[str, np.ndarray]:
    """Texts spread evenly over all sorted by length: rows as in `padded`, and the number of `real` pieces of each."""
    ordered = sorted(ids, key=len)
    places = np.unique(np.linspace(0, len(ordered) - 1, min(OWN_LENGTHS, len(ordered))).round().astype(int))
    chosen = [ordered[place] for place in places]
    real = np.array([min(len(one), length) for one in chosen])
    return {**padded(chosen, length, words), "real": real}


def lengths_of(name: str, ids: Sequence[Sequence[int]]) -> Texts:
    """The lengths of the texts in word pieces."""
    return Texts(name=name, of_length=dict(sorted(collections.Counter(map(len, ids)).items())))
