"""Learning a WordPiece vocabulary, with the same result each time."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator

import tokenizers

from mobilebert_tf.errors import UsageError
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer, apply_rules

MAX_CHARACTERS = 1000
"""Most single characters in a vocabulary; in a small one at most a tenth of its size."""

_BATCH = 1000
"""Paragraphs handed to the tokenizer at once."""


@dataclasses.dataclass(frozen=True)
class Coverage:
    """How well a vocabulary fits a text."""

    words: int
    pieces: int
    unknown: int

    @property
    def pieces_per_word(self) -> float:
        return self.pieces / max(1, self.words)

    @property
    def unknown_share(self) -> float:
        """Share of pieces that are [UNK]."""
        return self.unknown / max(1, self.pieces)


def learn(paragraphs: Callable[[], Iterable[str]], size: int, min_frequency: int) -> tuple[str, ...]:
    """The vocabulary of at most `size` pieces for the text, which is read twice.

    Special tokens first, then single characters, then characters within a word, then
    the learned pieces in the order they were merged.

    The trainer of the `tokenizers` library numbers the characters within words in the
    order of a hash table, and breaks ties between merges by these numbers, so that the
    same text gives another vocabulary in each process. Here the numbers are fixed
    beforehand: all characters are handed over, sorted, as if they were special tokens.

    Raises:
      UsageError: `size` has no room for the characters of the text.
    """
    backend = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    apply_rules(backend)
    alphabet = _alphabet(backend, paragraphs(), min(MAX_CHARACTERS, size // 10))
    inside = [f"##{c}" for c in alphabet if _can_continue_a_word(backend, c)]
    first = [*SPECIAL_TOKENS, *alphabet, *inside]
    if size < len(first) + 1:
        raise UsageError(f"--size={size}: the characters of the text alone need {len(first)}; give more")
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=size,
        min_frequency=min_frequency,
        special_tokens=first,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    backend.train_from_iterator(paragraphs(), trainer)
    ids = backend.get_vocab()
    return tuple(sorted(ids, key=ids.__getitem__))


def coverage(vocab: tuple[str, ...], paragraphs: Iterable[str]) -> Coverage:
    """How many pieces the text takes, and how many of its words are unknown."""
    tokenizer = Tokenizer(vocab)
    counts: collections.Counter[int] = collections.Counter()
    for batch in _batches(paragraphs):
        counts.update(itertools.chain.from_iterable(tokenizer.encode_batch(batch)))
    pieces = counts.total()
    inside = sum(count for i, count in counts.items() if vocab[i].startswith("##"))
    return Coverage(pieces - inside, pieces, counts[tokenizer.id("[UNK]")])


def _can_continue_a_word(backend: tokenizers.Tokenizer, character: str) -> bool:
    """Punctuation and CJK ideographs cannot: they are words of their own."""
    return len(backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(f"a{character}"))) == 1


def _alphabet(backend: tokenizers.Tokenizer, paragraphs: Iterable[str], limit: int) -> list[str]:
    """The most frequent characters of the normalised text, sorted."""
    counts: collections.Counter[str] = collections.Counter()
    for batch in _batches(paragraphs):
        counts.update(backend.normalizer.normalize_str("\n".join(batch)))
    for space in [c for c in counts if c.isspace()]:
        del counts[space]
    frequent = sorted(counts, key=lambda c: (-counts[c], c))[:limit]
    return sorted(frequent)


def _batches(paragraphs: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(paragraphs)
    while batch := list(itertools.islice(iterator, _BATCH)):
        yield batch
