"""Conversion of text to word-piece ids by BERT's rules, uncased by default, with the `tokenizers` library."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import tokenizers

from mobilebert_tf import added_tokens
from mobilebert_tf.added_tokens import AddedToken
from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import check, within

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclasses.dataclass(frozen=True)
class Rules:
    """The rules by which text is split into words. They are written into every model directory,
    so that another tokenizer can be checked against them."""

    lower_case: bool = True
    strip_accents: bool = True
    split_cjk: bool = True
    """Whether spaces are put around CJK characters."""
    max_characters_per_word: Annotated[int, within(1, 10**6)] = 200
    """Longer words become [UNK]. Google's limit; Hugging Face's is 100."""

    def __post_init__(self) -> None:
        check(self, "tokenizer")


UNCASED = Rules()


def apply_rules(backend: tokenizers.Tokenizer, rules: Rules = UNCASED) -> None:
    """Make `backend` clean text and split it into words as BERT does."""
    backend.normalizer = tokenizers.normalizers.BertNormalizer(
        lowercase=rules.lower_case, strip_accents=rules.strip_accents, handle_chinese_chars=rules.split_cjk
    )
    backend.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()


def without_marks(text: str) -> str:
    """The text without its accents."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")


@dataclasses.dataclass(frozen=True)
class Encoding:
    """The word pieces of one text: their ids, and their places in the original text."""

    ids: list[int]
    offsets: list[tuple[int, int]]
    """[start, end) in characters of the text as given, before lower-casing."""


@dataclasses.dataclass(frozen=True)
class Tokenizer:
    """WordPiece over a fixed vocabulary; adds no special tokens by itself.

    Source: google-research/bert `tokenization.py` (clean, split CJK, lower-case, strip
    accents, split punctuation, greedy longest match).
    """

    vocab: tuple[str, ...]
    rules: Rules = UNCASED
    added: tuple[AddedToken, ...] = ()
    """Tokens that are found in a text as a whole, sorted by id; those that are not word pieces end the vocabulary."""

    @classmethod
    def from_vocab(cls, path: str | os.PathLike[str]) -> Tokenizer:
        """Read `vocab.txt`, one piece per line with its line number as id, and the rules that are stated beside it.

        Raises:
          UsageError: the file is missing, is not text, repeats a piece or lacks a special token.
        """
        from mobilebert_tf.tokenizer_files import read_vocabulary  # here, since it imports this module

        return read_vocabulary(Path(path))

    def encode(self, text: str) -> Encoding:
        encoding = self._backend.encode(text, add_special_tokens=False)
        return Encoding(encoding.ids, encoding.offsets)

    def locate_batch(self, texts: Sequence[str]) -> list[Encoding]:
        """Ids and offsets of each text, in parallel over the machine's cores."""
        encodings = self._backend.encode_batch(list(texts), add_special_tokens=False)
        return [Encoding(encoding.ids, encoding.offsets) for encoding in encodings]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, in parallel over the machine's cores."""
        return [e.ids for e in self._backend.encode_batch_fast(list(texts), add_special_tokens=False)]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The word pieces with these ids."""
        return [self.vocab[i] for i in ids]

    def id(self, token: str) -> int:
        """Id of one piece, such as "[CLS]"."""
        return self._ids[token]

    @property
    def size(self) -> int:
        """V, the number of pieces."""
        return len(self.vocab)

    @functools.cached_property
    def _ids(self) -> dict[str, int]:
        return {piece: i for i, piece in enumerate(self.vocab)}

    @functools.cached_property
    def _backend(self) -> tokenizers.Tokenizer:
        return self.make_backend()

    def make_backend(self) -> tokenizers.Tokenizer:
        """This tokenizer as an object of the `tokenizers` library."""
        longest = self.rules.max_characters_per_word
        pieces = {piece: number for number, piece in enumerate(self.word_pieces)}
        model = tokenizers.models.WordPiece(pieces, unk_token="[UNK]", max_input_chars_per_word=longest)
        backend = tokenizers.Tokenizer(model)
        apply_rules(backend, self.rules)
        added_tokens.add_to(backend, self.added)
        return backend

    def reads_like(self, other: Tokenizer) -> bool:
        """Whether both give the same ids for running text, apart from words of a hundred characters and more."""
        rules = dataclasses.replace(self.rules, max_characters_per_word=other.rules.max_characters_per_word)
        return dataclasses.replace(self, rules=rules).of_running_text == other.of_running_text

    @property
    def of_running_text(self) -> Tokenizer:
        """The same tokenizer, except that a "[SEP]" in a text is an ordinary word and does not end a segment."""
        return dataclasses.replace(self, added=tuple(t for t in self.added if t.content not in SPECIAL_TOKENS))

    @property
    def word_pieces(self) -> tuple[str, ...]:
        """The vocabulary without the added tokens that words are never split into."""
        return self.vocab[: self.size - sum(not token.word_piece for token in self.added)]

    @property
    def lines(self) -> str:
        """The content of `vocab.txt`."""
        return "".join(piece + "\n" for piece in self.vocab)

    @property
    def vocab_sha256(self) -> str:
        """SHA-256 of `vocab.txt`, which tells vocabularies of the same size apart."""
        return hashlib.sha256(self.lines.encode()).hexdigest()

    def describe(self) -> str:
        """The rules that a reimplementation must follow, as JSON for the model directory."""
        described = {**self.stated_rules, "vocab_size": self.size, "vocab_sha256": self.vocab_sha256}
        return json.dumps(described, indent=2) + "\n"

    @property
    def stated_rules(self) -> dict[str, Any]:
        """The rules that turn text into ids of a vocabulary, as values of JSON."""
        return {"kind": "wordpiece", **dataclasses.asdict(self.rules), **added_tokens.to_json(self.added)}


def read_vocab(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """The pieces of a vocabulary file in order. Raises UsageError as `Tokenizer.from_vocab` does."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(
            f"{path}: no such vocabulary; make one with: mobilebert-tf vocab --input=CORPUS --output=vocab"
        ) from None
    except IsADirectoryError:
        raise UsageError(f"{path}: is a directory; give the vocab.txt in it") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not a vocabulary, it is not UTF-8 text") from None
    pieces = text.split("\n")
    if pieces and pieces[-1] == "":
        pieces.pop()
    return check_pieces([piece.rstrip("\r") for piece in pieces], path)


def is_one_line(text: str) -> bool:
    """Whether `text` can be written as one line of a UTF-8 file and read back."""
    return "\n" not in text and "\r" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def check_pieces(pieces: Sequence[str], path: str | os.PathLike[str]) -> tuple[str, ...]:
    """The pieces of the vocabulary in `path`.

    Raises:
      UsageError: a piece appears twice, a special token is missing, or the pieces are of another kind of tokenizer.
    """
    first: dict[str, int] = {}
    for number, piece in enumerate(pieces, start=1):
        if not is_one_line(piece):
            raise UsageError(f"{path}, line {number}: {piece!r} is not a line of text")
        if piece in first and not piece:
            raise UsageError(f"{path}, line {number}: is blank, as line {first[piece]} is; delete the blank lines")
        if piece in first:
            raise UsageError(f"{path}, line {number}: {piece!r} is already in line {first[piece]}")
        first[piece] = number
    missing = [token for token in SPECIAL_TOKENS if token not in first]
    if missing:
        raise UsageError(
            f"{path}: the special token {missing[0]} is missing; "
            f"a BERT vocabulary has all of {', '.join(SPECIAL_TOKENS)}"
        )
    for sign, kind in _BEGINNINGS.items():
        marked = [piece for piece in pieces if piece.startswith(sign)]
        continuing = sum(piece.startswith("##") for piece in pieces)
        if len(marked) > max(continuing, _MANY * (len(pieces) - len(SPECIAL_TOKENS))):
            raise UsageError(
                f"{path}, line {first[marked[0]]}: {marked[0]!r} is a {kind} piece; give a WordPiece vocabulary "
                "like BERT's, where ## continues a word; mobilebert-tf vocab learns one"
            )
    return tuple(pieces)


_BEGINNINGS = {"\u2581": "SentencePiece", "\u0120": "byte-level BPE"}
"""Characters that other tokenizers put in place of the space before a word."""

_MANY = 0.2
"""Share of pieces with such a beginning above which the vocabulary is another tokenizer's: in those it is half."""
