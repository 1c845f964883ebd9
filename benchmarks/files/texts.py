"""Lengths of texts, for the average cost of a file with several lengths."""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from mobilebert_tf.data.tables import read_table
from mobilebert_tf.errors import UsageError
from mobilebert_tf.litert.runtime import shortest_that_fits
from mobilebert_tf.tokenization import Tokenizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Texts:
    """Lengths of the texts of a table."""

    name: str
    of_length: Mapping[int, int]
    """Number of texts by number of word pieces, [CLS] and [SEP] included."""

    def shares(self, lengths: Iterable[int]) -> dict[int, float]:
        """Share of the texts for each length T: a text takes the shortest that fits, and longer texts are cut.

        Lengths without texts are left out.
        """
        lengths = sorted(lengths)
        served: collections.Counter[int] = collections.Counter()
        for pieces, texts in self.of_length.items():
            served[shortest_that_fits(lengths, min(pieces, lengths[-1]), lengths[-1])] += texts
        return {length: served[length] / served.total() for length in sorted(served)}


def read_texts(table: str | os.PathLike[str], column: str, tokenizer: Tokenizer) -> Texts:
    """Lengths of the texts in one column of a table.

    Raises:
      UsageError: the table is missing or broken, or has no texts.
    """
    texts = [text for _, row in read_table(table, [column]) if (text := row[column])]
    if not texts:
        raise UsageError(f"{table}: has no texts")
    lengths = collections.Counter(len(ids) + 2 for ids in tokenizer.encode_batch(texts))
    return Texts(name=Path(table).name, of_length=dict(sorted(lengths.items())))
