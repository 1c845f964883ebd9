"""How MediaPipe's TextClassifier makes word pieces of a text, and by which of our rules a text is cut otherwise.

Sources: MediaPipe's `calculators/tensor/bert_preprocessor_calculator.cc` and
`tasks/cc/text/tokenizers/bert_tokenizer.h`, TensorFlow Text's `core/kernels/wordpiece_tokenizer.cc`. It lower-cases A
to Z, splits at ASCII white space, punctuation and CJK, and looks the longest piece up. It strips no accents, drops no
control characters, knows no other white space or capitals, and takes words of at most 100 bytes. The file has no say
in that. A text ends at its first null character: Python hands it over as a C string.
"""

from __future__ import annotations

import dataclasses
import functools
import string
import unicodedata
from collections.abc import Callable, Iterator

from mobilebert_tf.tokenization import Rules, Tokenizer

LONGEST_WORD = 100
"""Bytes; a longer word is [UNK]."""

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_SPACES = "\t\n\f\r "
_CJK = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


@dataclasses.dataclass(frozen=True)
class MediaPipeTokenizer:
    """Word pieces as MediaPipe makes them; `longest_word` in bytes."""

    tokenizer: Tokenizer
    """Whose vocabulary it has."""
    longest_word: int = LONGEST_WORD

    def ids(self, text: str) -> list[int]:
        """Without [CLS] and [SEP]."""
        text = text.partition("\0")[0].translate(_LOWER)
        return [self._ids[piece] for word in _words(text) for piece in self._pieces(word)]

    def _pieces(self, word: str) -> list[str]:
        if len(word.encode()) > self.longest_word:
            return ["[UNK]"]
        found, start = [], 0
        while start < len(word):
            pieces = (("##" if start else "") + word[start:end] for end in range(len(word), start, -1))
            piece = next((piece for piece in pieces if piece in self._ids), None)
            if piece is None:
                return ["[UNK]"]
            found.append(piece)
            start += len(piece) - (2 if start else 0)
        return found

    @functools.cached_property
    def _ids(self) -> dict[str, int]:
        return {piece: number for number, piece in enumerate(self.tokenizer.vocab)}


def _words(text: str) -> Iterator[str]:
    word = ""
    for c in text:
        if c in _SPACES or _is_own_word(c):
            if word:
                yield word
            word = ""
            if c not in _SPACES:
                yield c
        else:
            word += c
    if word:
        yield word


def _is_own_word(c: str) -> bool:
    return (
        c in string.punctuation
        or unicodedata.category(c).startswith("P")
        or any(low <= ord(c) <= high for low, high in _CJK)
    )


def differing_rules(tokenizer: Tokenizer, text: str) -> list[str]:
    """What our rules do to this text that MediaPipe does not, where it changes word pieces; empty: both cut alike.

    One rule after the other is applied beforehand, in the order of our tokenizer, until MediaPipe's pieces are ours.
    What no rule explains is "other". A model from Hugging Face takes special tokens in a text for what they are.
    """
    ours = tokenizer.encode(text).ids
    theirs = MediaPipeTokenizer(tokenizer)
    current = theirs.ids(text)
    found: list[str] = []
    for name, apply in _steps(tokenizer.rules):
        if current == ours:
            return found
        if callable(apply):
            text = apply(text)
        else:
            theirs = dataclasses.replace(theirs, longest_word=apply)
        before, current = current, theirs.ids(text)
        if current != before:
            found.append(name)
    if current == ours:
        return found
    spelt = any(token.content in text or token.content.lower() in text for token in tokenizer.added)
    return [*found, "special tokens" if spelt else "other"]


def _steps(rules: Rules) -> Iterator[tuple[str, Callable[[str], str] | int]]:
    yield "control characters", lambda text: "".join(c for c in text if c in "\t\n\r" or not _is_control(c))
    yield "white space", lambda text: "".join(" " if c.isspace() else c for c in text)
    if rules.strip_accents:
        yield "accents", _strip_accents
    yield "capitals", str.lower
    # In bytes; a character of ours has at most four.
    yield "long words", 4 * rules.max_characters_per_word


def _is_control(c: str) -> bool:
    return c in "\0\ufffd" or unicodedata.category(c) in ("Cc", "Cf", "Cn", "Co")


def _strip_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
