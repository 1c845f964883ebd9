"""The tokenizer of MediaPipe's TextClassifier, and the rules of ours that give a text other word pieces.

Sources: MediaPipe's `calculators/tensor/bert_preprocessor_calculator.cc` and
`tasks/cc/text/tokenizers/bert_tokenizer.h`, TensorFlow Text's `core/kernels/wordpiece_tokenizer.cc`. MediaPipe's
tokenizer lower-cases A to Z, splits at ASCII white space, punctuation and CJK, and looks up the longest piece. It
strips no accents, drops no control characters, knows no other white space or capitals, and takes words of at most 100
bytes; a file cannot change that. A text ends at its first null character because Python passes it as a C string.
"""

from __future__ import annotations

import dataclasses
import functools
import string
import unicodedata
from collections.abc import Callable, Iterator

from mobilebert_tf.tokenization import Rules, Tokenizer

LONGEST_WORD = 100
"""Bytes of the longest word that is not [UNK]."""

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
    """MediaPipe's tokenizer; `longest_word` is in bytes."""

    tokenizer: Tokenizer
    """Tokenizer whose vocabulary is used."""
    longest_word: int = LONGEST_WORD

    def ids(self, text: str) -> list[int]:
        """Ids of the text's word pieces, without [CLS] and [SEP]."""
        text = text.partition("\0")[0].translate(_LOWER)
        return [self._ids[piece] for word in _words(text) for piece in self._pieces(word)]

    def _pieces(self, word: str) -> list[str]:
        if len(word.encode()) > self.longest_word:
            return ["[UNK]"]
        word_pieces, start = [], 0
        while start < len(word):
            pieces = (("##" if start else "") + word[start:end] for end in range(len(word), start, -1))
            piece = next((piece for piece in pieces if piece in self._ids), None)
            if piece is None:
                return ["[UNK]"]
            word_pieces.append(piece)
            start += len(piece) - (2 if start else 0)
        return word_pieces

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
    """The rules of our tokenizer that MediaPipe lacks and that change this text's word pieces; empty: both agree.

    One rule after the other is applied to the text, in the order of our tokenizer, until MediaPipe's pieces are ours.
    A difference that no rule explains is "other", or "special tokens" if the text contains one: a model from Hugging
    Face reads these as special tokens in any text.
    """
    our_ids = tokenizer.encode(text).ids
    mediapipe = MediaPipeTokenizer(tokenizer)
    current = mediapipe.ids(text)
    names: list[str] = []
    for name, apply in _steps(tokenizer.rules):
        if current == our_ids:
            return names
        if callable(apply):
            text = apply(text)
        else:
            mediapipe = dataclasses.replace(mediapipe, longest_word=apply)
        before, current = current, mediapipe.ids(text)
        if current != before:
            names.append(name)
    if current == our_ids:
        return names
    has_special = any(token.content in text or token.content.lower() in text for token in tokenizer.added)
    return [*names, "special tokens" if has_special else "other"]


def _steps(rules: Rules) -> Iterator[tuple[str, Callable[[str], str] | int]]:
    yield "control characters", lambda text: "".join(c for c in text if c in "\t\n\r" or not _is_control(c))
    yield "white space", lambda text: "".join(" " if c.isspace() else c for c in text)
    if rules.strip_accents:
        yield "accents", _strip_accents
    yield "capitals", str.lower
    # In bytes: our limit is in characters, which have at most four bytes.
    yield "long words", 4 * rules.max_characters_per_word


def _is_control(c: str) -> bool:
    return c in "\0\ufffd" or unicodedata.category(c) in ("Cc", "Cf", "Cn", "Co")


def _strip_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
