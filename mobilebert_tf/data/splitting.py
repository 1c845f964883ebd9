"""Rows to hold out of a table: reproducible for a table and seed, with classes in the same shares as in the table."""

from __future__ import annotations

import collections
import hashlib
import unicodedata
from collections.abc import Hashable, Sequence

import numpy as np

FEW = 3
"""Minimum number of held-out rows of each stratum, where at least as many remain for training."""


def plain_text(text: str) -> str:
    """The text as an uncased tokenizer sees it: lower case, no accents, single blanks.

    Texts that are equal in this form must not be on both sides of a split.
    """
    text = " ".join(text.lower().split())
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(character for character in decomposed if unicodedata.category(character) != "Mn")


def held_out(keys: Sequence[str], strata: Sequence[Sequence[Hashable]], share: float, seed: int) -> np.ndarray:
    """The rows to hold out, as a mask: bool [n].

    Rows with the same key stay together, even if they exceed the share, and every stratum keeps a row for training.
    Strata are filled from the rarest to the most frequent one (iterative stratification: Sechidis et al. 2011), so a
    row may be in several. The order in which rows are considered depends only on their keys and the seed: after rows
    are added to a table, most of the held-out rows are still held out.

    Args:
      keys: [n], the same for rows that belong together.
      strata: [n], for each row its class, its labels or the bin of its value.
      share: share of the rows of each stratum to hold out, from 0 to 1.
      seed: seed of the order.
    """
    rows_of: dict[str, list[int]] = collections.defaultdict(list)
    for row, key in enumerate(keys):
        rows_of[key].append(row)
    groups = sorted(rows_of.values(), key=lambda rows: _shuffled(keys[rows[0]], seed))
    counts = [collections.Counter(stratum for row in rows for stratum in strata[row]) for rows in groups]
    total: collections.Counter[Hashable] = sum(counts, collections.Counter())
    groups_of: dict[Hashable, list[int]] = collections.defaultdict(list)
    for group, count in enumerate(counts):
        for stratum in count:
            groups_of[stratum].append(group)
    chosen: set[int] = set()
    held_count: collections.Counter[Hashable] = collections.Counter()

    def leaves_some(group: int) -> bool:
        return all(held_count[other] + count < total[other] for other, count in counts[group].items())

    for stratum in sorted(total, key=lambda stratum: (total[stratum], str(stratum))):
        quota = max(round(share * total[stratum]), min(FEW, total[stratum] // 2))
        for group in groups_of[stratum]:
            if held_count[stratum] >= quota:
                break
            fits = held_count[stratum] + counts[group][stratum] <= quota + FEW
            if group not in chosen and fits and leaves_some(group):
                chosen.add(group)
                held_count += counts[group]
        if not held_count[stratum]:
            # All groups are large, such as forty questions on each of five passages: the smallest exceeds the share.
            small = [one for one in groups_of[stratum] if 2 * counts[one][stratum] <= total[stratum]]
            for group in sorted(filter(leaves_some, small), key=lambda one: len(groups[one]))[:1]:
                chosen.add(group)
                held_count += counts[group]
    mask = np.zeros(len(keys), bool)
    mask[[row for group in chosen for row in groups[group]]] = True
    return mask


def value_strata(values: np.ndarray) -> list[tuple[int]]:
    """The strata of values [n]: tenths of the rows by value, or larger parts where a tenth is fewer than 30 rows.

    Equal values are in one stratum.
    """
    bins = max(1, min(10, len(values) // 30))
    borders = np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1])
    return [(int(number),) for number in np.searchsorted(borders, values, side="right")]


def _shuffled(key: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}:{key}".encode(errors="surrogatepass"), digest_size=8).digest()
