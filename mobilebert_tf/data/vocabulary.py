"""Reproducible learning of a WordPiece vocabulary."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Set

import tokenizers

from mobilebert_tf.data import lost_text
from mobilebert_tf.data.lost_text import Lost
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tokenization import SPECIAL_TOKENS, UNCASED, Rules, Tokenizer, apply_rules, without_marks

USUAL_CHARACTERS = 1000
"""Number of single characters that are always taken (a tenth of the size of a small vocabulary); more are taken where
the text needs them."""

RARE_SHARE = 1e-4
"""Maximum share of the text's characters that are left out as rare while there is room."""

ROOM_FOR_PIECES = 0.1
"""Share of the vocabulary that characters leave to learned pieces."""

MEANINGFUL_SHARE = 0.005
"""Minimum share of letters with marks at which marks carry meaning: in English the share is 0.1 %, in German and
Russian above 1 %."""

_VARIATION_SELECTORS = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")

_BATCH = 1000
"""Number of paragraphs given to the tokenizer at once."""


Characters = collections.Counter[str]
"""Number of occurrences of each character."""


@dataclasses.dataclass(frozen=True)
class Coverage:
    """The fit of a vocabulary to a text."""

    words: int
    pieces: int
    lost: Lost

    @property
    def pieces_per_word(self) -> float:
        return self.pieces / max(1, self.words)


def count_characters(paragraphs: Iterable[str]) -> Characters:
    """Number of times each character occurs in the text."""
    counts: Characters = collections.Counter()
    for batch in _batches(paragraphs):
        counts.update("\n".join(batch))
    return counts


@dataclasses.dataclass(frozen=True)
class Changed:
    """Shares of the letters and marks of a text that change when accents are stripped."""

    marked: float
    """Share of letters that lose a mark, and of marks."""
    taken_apart: float
    """Share of letters that become several and lose nothing, such as the syllables of Korean."""


def changed_by_stripping(counts: Characters) -> Changed:
    """The changes to a text when accents are stripped. Variation selectors, as after emoji, do not count as marks."""
    kinds: Characters = collections.Counter()
    for character, count in counts.items():
        if unicodedata.category(character)[0] in "LM" and not _VARIATION_SELECTORS.match(character):
            marked = any(unicodedata.category(c) == "Mn" for c in unicodedata.normalize("NFD", character))
            apart = without_marks(character) != character
            kinds["marked" if marked else "taken apart" if apart else "same"] += count
    letters = max(1, kinds.total())
    return Changed(kinds["marked"] / letters, kinds["taken apart"] / letters)


def choose_rules(counts: Characters, lower_case: bool, strip_accents: bool | None) -> Rules:
    """The tokenizer's rules for a text. Where `strip_accents` is None, accents are stripped, as in BERT's uncased
    models, if that changes few letters and text is made lower case."""
    if strip_accents is None:
        changed = changed_by_stripping(counts)
        strip_accents = lower_case and changed.marked + changed.taken_apart < MEANINGFUL_SHARE
    return dataclasses.replace(UNCASED, lower_case=lower_case, strip_accents=strip_accents)


def learn(
    paragraphs: Callable[[], Iterable[str]],
    size: int,
    min_frequency: int,
    rules: Rules = UNCASED,
    counts: Characters | None = None,
) -> tuple[str, ...]:
    """The vocabulary of at most `size` pieces for the text, which is read once, and once more where `counts` is None.

    Its order: special tokens, single characters, characters within a word, learned pieces
    in the order they were merged, and rare characters where room is left.

    The trainer of the `tokenizers` library numbers the characters within words in the
    order of a hash table, and breaks ties between merges by these numbers, so the same
    text would give a different vocabulary in each process. Here the numbers are fixed
    beforehand: all characters are passed, sorted, as if they were special tokens.

    Raises:
      UsageError: `size` has no room for the characters of the text.
    """
    backend = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    apply_rules(backend, rules)
    frequent = _by_frequency(_normalized(backend, counts or count_characters(paragraphs())))
    continuing = {c for c in frequent if _can_continue_a_word(backend, c)}
    alphabet = sorted(_alphabet(frequent, continuing, size))
    first = [*SPECIAL_TOKENS, *alphabet, *(f"##{c}" for c in alphabet if c in continuing)]
    if size < len(first) + 1:
        raise UsageError(f"--size={size}: the characters of the text alone need {len(first)}; choose a larger size")
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
    vocab = sorted(ids, key=ids.__getitem__)
    for character in frequent:
        pieces = [character, f"##{character}"] if character in continuing else [character]
        if character not in ids and len(vocab) + len(pieces) <= size:
            vocab += pieces
    return tuple(vocab)


def left_out(vocab: tuple[str, ...], counts: Characters, rules: Rules) -> int:
    """Number of different characters of the text that the vocabulary lacks."""
    backend = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    apply_rules(backend, rules)
    return len(set(_normalized(backend, counts)) - set(vocab))


def coverage(vocab: tuple[str, ...], paragraphs: Iterable[str], rules: Rules = UNCASED) -> Coverage:
    """Numbers of words and pieces of the text, and its loss to [UNK]."""
    tokenizer = Tokenizer(vocab, rules)
    counts: collections.Counter[int] = collections.Counter()
    lost = Lost()
    for batch in _batches(paragraphs):
        encoded, of_batch = lost_text.encode(tokenizer, batch)
        counts.update(itertools.chain.from_iterable(encoded))
        lost += of_batch
    pieces = counts.total()
    inside = sum(count for i, count in counts.items() if vocab[i].startswith("##"))
    return Coverage(pieces - inside, pieces, lost)


def _can_continue_a_word(backend: tokenizers.Tokenizer, character: str) -> bool:
    """Whether a character can continue a word. Punctuation and CJK ideographs cannot: they are words of their own."""
    return len(backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(f"a{character}"))) == 1


def _normalized(backend: tokenizers.Tokenizer, counts: Characters) -> Characters:
    """Number of times each character occurs in the normalised text, without white space."""
    normalized: Characters = collections.Counter()
    for character, count in counts.items():
        for c in backend.normalizer.normalize_str(character):
            if not c.isspace():
                normalized[c] += count
    return normalized


def _by_frequency(counts: Characters) -> Characters:
    """The same counts, with the most frequent character first."""
    return collections.Counter({c: counts[c] for c in sorted(counts, key=lambda c: (-counts[c], c))})


def _alphabet(frequent: Characters, continuing: Set[str], size: int) -> list[str]:
    """The initial characters: the usual number, then more until the remaining ones are rare or the room is full."""
    usual = min(USUAL_CHARACTERS, size // 10)
    rest = frequent.total()
    rare = rest * RARE_SHARE
    room = size - len(SPECIAL_TOKENS) - int(size * ROOM_FOR_PIECES)
    alphabet: list[str] = []
    for character, count in frequent.items():
        room -= 2 if character in continuing else 1
        if room < 0 or (len(alphabet) >= usual and rest <= rare):
            break
        alphabet.append(character)
        rest -= count
    return alphabet


def _batches(paragraphs: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(paragraphs)
    while batch := list(itertools.islice(iterator, _BATCH)):
        yield batch
