"""Masking of word pieces for masked language modelling, by BERT's rules.

Source: google-research/bert `create_pretraining_data.py`.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterable, Sequence

from mobilebert_tf.data.scripts import has_no_blanks
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer

MASK_SHARE, RANDOM_SHARE = 0.8, 0.1
"""Shares of the chosen pieces that become [MASK] and that become a random piece; the rest stay."""

LONGEST_STRETCH = 3
"""Most pieces chosen together in a clause without blanks; one to three, about as in a word, are equally likely."""


@dataclasses.dataclass(frozen=True)
class Pieces:
    """Properties of a vocabulary that masking needs."""

    cls: int
    sep: int
    mask: int
    ordinary: tuple[int, ...]
    """Ids that may replace a piece: all but the special tokens."""
    inside_word: tuple[bool, ...]
    """By id, whether the piece continues a word (##)."""
    without_blanks: tuple[bool, ...]
    """By id, whether the piece is of a script in which blanks do not separate words."""

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Pieces:
        special = {tokenizer.id(token) for token in SPECIAL_TOKENS}
        if len(special) == tokenizer.size:
            raise UsageError("the vocabulary has no pieces but the special tokens; make one with `mobilebert-tf vocab`")
        return cls(
            cls=tokenizer.id("[CLS]"),
            sep=tokenizer.id("[SEP]"),
            mask=tokenizer.id("[MASK]"),
            ordinary=tuple(i for i in range(tokenizer.size) if i not in special),
            inside_word=tuple(piece.startswith("##") for piece in tokenizer.vocab),
            without_blanks=tuple(any(map(has_no_blanks, piece)) for piece in tokenizer.vocab),
        )


@dataclasses.dataclass(frozen=True)
class Masked:
    """A sequence with some of its pieces masked."""

    ids: list[int]
    positions: list[int]
    """Positions of the chosen pieces, ascending."""
    labels: list[int]
    """The original pieces at these positions."""


def mask_pieces(
    ids: Sequence[int], pieces: Pieces, whole_word: bool, share: float, max_predictions: int, rng: random.Random
) -> Masked:
    """Choose `share` of the sequence (at least 1 piece, at most `max_predictions`) and mask these pieces.

    [CLS] and [SEP] are never chosen. With `whole_word` the pieces of a word are chosen
    together or not at all; a word with more pieces than are still to be chosen is skipped. Where all words are
    too long, a part of one is chosen. In scripts without blanks, where a clause would be a word, random
    stretches of it take the place of words.
    """
    special = (pieces.cls, pieces.sep)
    positions = [position for position, piece in enumerate(ids) if piece not in special]
    wanted = min(max_predictions, max(1, round(len(ids) * share)))
    if whole_word:
        words = [part for word in _words(positions, ids, pieces) for part in _parted(word, ids, pieces, rng)]
        chosen = _whole_words(words, wanted, rng, lambda word: pieces.without_blanks[ids[word[0]]])
    else:
        rng.shuffle(positions)
        chosen = positions[:wanted]
    chosen.sort()
    hidden = list(ids)
    for position in chosen:
        draw = rng.random()
        if draw < MASK_SHARE:
            hidden[position] = pieces.mask
        elif draw < MASK_SHARE + RANDOM_SHARE:
            hidden[position] = pieces.ordinary[int(rng.random() * len(pieces.ordinary))]
    return Masked(hidden, chosen, [ids[position] for position in chosen])


def _words(positions: Sequence[int], ids: Sequence[int], pieces: Pieces) -> list[list[int]]:
    """The positions of each word's pieces."""
    words: list[list[int]] = []
    for position in positions:
        # Position - 1 keeps a ## piece that follows a special token (a cut word) apart.
        if words and pieces.inside_word[ids[position]] and words[-1][-1] == position - 1:
            words[-1].append(position)
        else:
            words.append([position])
    return words


def _parted(word: list[int], ids: Sequence[int], pieces: Pieces, rng: random.Random) -> Iterable[list[int]]:
    """The word, or random stretches of it if it is a clause without blanks."""
    if len(word) == 1 or not any(pieces.without_blanks[ids[position]] for position in word):
        yield word
        return
    start = 0
    while start < len(word):
        size = rng.randint(1, LONGEST_STRETCH)
        yield word[start : start + size]
        start += size


def _whole_words(
    words: list[list[int]], wanted: int, rng: random.Random, is_stretch: Callable[[list[int]], bool]
) -> list[int]:
    """At most `wanted` positions, of random words. A stretch that is too long may be cut."""
    rng.shuffle(words)
    chosen: list[int] = []
    for word in words:
        if len(chosen) >= wanted:
            break
        if is_stretch(word):
            chosen += word[: wanted - len(chosen)]
        elif len(chosen) + len(word) <= wanted:
            chosen += word
    return chosen or _part(words, wanted, rng)


def _part(words: list[list[int]], wanted: int, rng: random.Random) -> list[int]:
    """At most `wanted` adjacent positions in the first word."""
    if not words:
        return []
    start = rng.randint(0, max(0, len(words[0]) - wanted))
    return words[0][start : start + wanted]
