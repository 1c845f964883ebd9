"""Text that a tokenizer loses in [UNK]: its amount, and the reason."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from mobilebert_tf import notes
from mobilebert_tf.data import documents

if TYPE_CHECKING:
    from mobilebert_tf.tokenization import Tokenizer

MUCH = 0.01
"""Share of lost characters of a text above which a line is printed."""

MOST = 0.34
"""The same share for a text of a few words, one of which may be a smiley."""

COMPOSE = "unicodedata.normalize('NFC', text)"

SAMPLE = 50_000
"""Maximum number of rows of a table that are checked, evenly spread."""


class Texts(Protocol):
    """A row of a table."""

    @property
    def text(self) -> str: ...

    @property
    def text_pair(self) -> str | None: ...


@dataclasses.dataclass(frozen=True)
class Lost:
    """Counts of the characters of a text, without blanks."""

    characters: int = 0
    lost: int = 0
    """Number of these in words that became [UNK]. Pieces would not show it: a word is one [UNK] however long it is."""
    too_long: int = 0
    """Number of those lost in words too long for the tokenizer to split."""
    decomposed: int = 0
    """Number of those lost in words that the vocabulary has once they are composed (NFC)."""

    def __add__(self, other: Lost) -> Lost:
        return Lost(*(a + b for a, b in zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)))

    @property
    def share(self) -> float:
        """Share of the characters that are lost."""
        return self.lost / max(1, self.characters)


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[list[list[int]], Lost]:
    """The ids of each text, and their loss. Texts with [UNK] are tokenized twice, for the places of their words."""
    encoded = tokenizer.encode_batch(texts)
    unknown = tokenizer.id("[UNK]")
    words: collections.Counter[str] = collections.Counter()
    affected = [text for text, ids in zip(texts, encoded, strict=True) if unknown in ids]
    for text, encoding in zip(affected, tokenizer.locate_batch(affected), strict=True):
        places = zip(encoding.ids, encoding.offsets, strict=True)
        words.update(text[start:end] for number, (start, end) in places if number == unknown)
    lost = {word: len(word) * count for word, count in words.items()}
    too_long = {word for word in lost if len(word) > tokenizer.rules.max_characters_per_word}
    decomposed = {word for word in lost.keys() - too_long if _is_known_composed(word, tokenizer)}
    characters = sum(len(text) - sum(map(text.count, " \t\n\r")) for text in texts)
    return encoded, Lost(characters, *(sum(lost[word] for word in some) for some in (lost, too_long, decomposed)))


def say_of(what: str, examples: Sequence[Texts], tokenizer: Tokenizer, model: str, much: float = MUCH) -> None:
    """Print a line if the vocabulary of `model` loses much of a table's texts; a long table is sampled."""
    sample = examples[:: 1 + len(examples) // SAMPLE]
    texts = [text for example in sample for text in (example.text, example.text_pair) if text]
    _, lost = encode(tokenizer, texts)
    say(what, lost, tokenizer, f"the vocabulary of {model} lacks characters of the text", much)


def say(what: str, lost: Lost, tokenizer: Tokenizer, lacks: str, much: float = MUCH) -> None:
    """Print a line with the most frequent reason if much of a text is lost.

    Args:
      lacks: the reason to print if the vocabulary lacks characters.
    """
    if lost.share <= much:
        return
    most = max(lost.too_long, lost.decomposed, lost.lost - lost.too_long - lost.decomposed)
    why = lacks
    if most == lost.too_long:
        longest = tokenizer.rules.max_characters_per_word
        why = f"words of more than {longest} characters are not split; put blanks between the words of the text"
    elif most == lost.decomposed:
        why = f"its accents are separate characters (Unicode's NFD), unlike the vocabulary's; compose them: {COMPOSE}"
    notes.say(f"{what}: {lost.share:.1%} of the characters are lost in [UNK]: {why}")


def _is_known_composed(word: str, tokenizer: Tokenizer) -> bool:
    """Whether a word changes when it is composed (NFC), and then has no [UNK]."""
    composed = documents.normalize(word)
    return composed != word and tokenizer.id("[UNK]") not in tokenizer.encode(composed).ids
