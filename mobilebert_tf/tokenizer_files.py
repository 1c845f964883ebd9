"""A tokenizer in a directory: this project's files, and Hugging Face's."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers

from mobilebert_tf import atomic
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tokenization import SPECIAL_TOKENS, UNCASED, Rules, Tokenizer, check_pieces, read_vocab

_HUGGINGFACE_LONGEST = 100


def read_tokenizer(directory: Path, vocab: str | None = None) -> Tokenizer | None:
    """The tokenizer of a model directory, a Hugging Face directory or Google's release; None if it has none.

    `vocab.txt` is the vocabulary, else the one inside Hugging Face's `tokenizer.json`. The rules are
    those that `tokenizer.json` or `tokenizer_config.json` state; without either, Google's uncased ones.

    Args:
      vocab: a vocabulary to use in place of the directory's.

    Raises:
      UsageError: a file is broken, or says what BERT's WordPiece does not do.
    """
    described = _read(directory / "tokenizer.json")
    settings = _read(directory / "tokenizer_config.json")
    path = Path(vocab) if vocab else directory / "vocab.txt"
    if vocab or path.exists():
        pieces = read_vocab(path)
    elif "model" in described:
        pieces = _pieces(described, directory / "tokenizer.json")
    else:
        return None
    return Tokenizer(pieces, _rules(described, settings, directory))


def write_tokenizer(directory: Path, tokenizer: Tokenizer) -> None:
    """Write `vocab.txt` and `tokenizer.json`, which states the rules in this project's words."""
    _write_vocab(directory, tokenizer)
    atomic.write_text(directory / "tokenizer.json", tokenizer.describe())


def write_huggingface_tokenizer(directory: Path, tokenizer: Tokenizer, longest: int) -> None:
    """Write `vocab.txt`, and `tokenizer.json` and `tokenizer_config.json` as Hugging Face's `BertTokenizer` has them.

    `longest`: most pieces of a text, special ones included.
    """
    _write_vocab(directory, tokenizer)
    rules = tokenizer.rules
    backend = tokenizer.make_backend()
    backend.add_special_tokens([tokenizers.AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    backend.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(token, tokenizer.id(token)) for token in ("[CLS]", "[SEP]")],
    )
    backend.decoder = tokenizers.decoders.WordPiece(prefix="##", cleanup=True)
    atomic.write_text(directory / "tokenizer.json", backend.to_str(pretty=True) + "\n")
    settings = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": rules.lower_case,
        "strip_accents": rules.strip_accents,
        "tokenize_chinese_chars": rules.split_cjk,
        "model_max_length": longest,
        **{f"{token.strip('[]').lower()}_token": token for token in SPECIAL_TOKENS},
    }
    atomic.write_json(directory / "tokenizer_config.json", settings)


def _write_vocab(directory: Path, tokenizer: Tokenizer) -> None:
    atomic.write_text(directory / "vocab.txt", "".join(piece + "\n" for piece in tokenizer.vocab))


def _rules(described: Mapping[str, Any], settings: Mapping[str, Any], directory: Path) -> Rules:
    if described.get("kind") == "wordpiece":
        return dataclasses.replace(UNCASED, **{name: described[name] for name in _RULES if name in described})
    if not described and not settings:
        return UNCASED
    for token in SPECIAL_TOKENS:
        said = settings.get(f"{token.strip('[]').lower()}_token", token)
        said = said.get("content") if isinstance(said, Mapping) else said
        if said not in (token, None):
            raise UsageError(
                f"{directory / 'tokenizer_config.json'}: {token} is called {said!r} there; it must be {token}"
            )
    lower = settings.get("do_lower_case", True)
    accents, cjk, longest = settings.get("strip_accents"), settings.get("tokenize_chinese_chars", True), None
    normalizer = described.get("normalizer") or {}
    if normalizer.get("type") == "BertNormalizer":
        lower, accents = normalizer.get("lowercase", lower), normalizer.get("strip_accents")
        cjk = normalizer.get("handle_chinese_chars", cjk)
    if "model" in described:
        kind = described["model"].get("type", "WordPiece")
        if kind != "WordPiece" or described["model"].get("continuing_subword_prefix", "##") != "##":
            raise UsageError(
                f"{directory / 'tokenizer.json'}: is a {kind} tokenizer; MobileBERT and BERT have WordPiece"
            )
        longest = described["model"].get("max_input_chars_per_word")
    return Rules(lower, lower if accents is None else accents, cjk, longest or _HUGGINGFACE_LONGEST)


_RULES = [field.name for field in dataclasses.fields(Rules)]


def _pieces(described: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    ids = described["model"].get("vocab")
    if not isinstance(ids, dict) or sorted(ids.values()) != list(range(len(ids))):
        raise UsageError(f"{path}: its vocabulary does not number the pieces from 0 on")
    return check_pieces(sorted(ids, key=lambda piece: ids[piece]), path)


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError):
        raise UsageError(f"{path}: is not readable as JSON") from None
    if not isinstance(values, dict):
        raise UsageError(f"{path}: is not a JSON object")
    return values
