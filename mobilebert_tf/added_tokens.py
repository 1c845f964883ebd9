"""Tokens that a text holds as they are: found before its words are cut into pieces, as Hugging Face's tokenizers do."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tokenizers

from mobilebert_tf.errors import UsageError

OWN_FIELD = "added_tokens"
"""Field of this project's `tokenizer.json`, and of Hugging Face's."""


SPECIAL_IN_TEXT = "mobilebert_tf_special_in_text"
"""Field of `tokenizer_config.json`, false where a text's "[SEP]" is no special token here: there it always is one."""


@dataclasses.dataclass(frozen=True)
class AddedToken:
    """One token; the flags are those of `tokenizers.AddedToken`."""

    content: str
    id: int
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False
    special: bool = True
    word_piece: bool = True
    """Whether it is also a piece that words are cut into; those that were added to a finished vocabulary are not."""


def to_json(tokens: Sequence[AddedToken]) -> dict[str, Any]:
    """The field of `tokenizer.json` and of contracts; without tokens there is none."""
    return {OWN_FIELD: [dataclasses.asdict(token) for token in tokens]} if tokens else {}


def from_json(values: Any, pieces: Sequence[str], path: Path) -> tuple[AddedToken, ...]:
    """What `to_json` wrote, for a vocabulary that has all of them.

    Raises:
      UsageError: it is something else, or the vocabulary is another.
    """
    if values is None:
        return ()
    tokens = [_checked(value, path) for value in _list(values, path)]
    for token in tokens:
        if token.id >= len(pieces) or pieces[token.id] != token.content:
            raise UsageError(f"{path}: added token {token.content!r} has the id {token.id}, but not in vocab.txt")
    return tuple(tokens)


def add_to(backend: tokenizers.Tokenizer, tokens: Sequence[AddedToken]) -> None:
    """Make `backend`, whose model has the word pieces, find these tokens."""
    for token in tokens:
        flags = {name: getattr(token, name) for name in _FLAGS}
        backend.add_tokens([tokenizers.AddedToken(token.content, **flags)])
        assert backend.token_to_id(token.content) == token.id, token


def of_huggingface(
    directory: Path, described: Mapping[str, Any], settings: Mapping[str, Any], pieces: Sequence[str], special: set[str]
) -> tuple[AddedToken, ...]:
    """The tokens of a Hugging Face directory by their ids, the `special` ones of every BERT among them.

    Without these where `SPECIAL_IN_TEXT` of the settings is false.

    Those with ids beyond `pieces`, the word pieces, follow each other there.

    Args:
      described: `tokenizer.json`, empty without it.
      settings: `tokenizer_config.json`, empty without it.

    Raises:
      UsageError: files contradict each other, or a token has no id.
    """
    ids = {piece: number for number, piece in enumerate(pieces)}
    found = {token: AddedToken(token, ids[token]) for token in pieces if token in special}
    found |= {**_added_file(directory), **_decoder(settings, directory), **_tokenizer_file(described, directory)}
    for content in _additional(settings, directory):
        if content not in found and content not in ids:
            raise UsageError(
                f"{directory}: additional_special_tokens has {content!r}, which has no id in vocab.txt, tokenizer.json "
                "or added_tokens.json; save the tokenizer again where it was added"
            )
        found.setdefault(content, AddedToken(content, ids.get(content, -1)))
    if settings.get(SPECIAL_IN_TEXT) is False:
        found = {content: token for content, token in found.items() if content not in special}
    beyond = len(pieces)
    tokens = []
    for token in sorted(found.values(), key=lambda token: token.id):
        if token.id < len(pieces):
            if pieces[token.id] != token.content:
                raise UsageError(
                    f"{directory}: added token {token.content!r} has the id {token.id}, which vocab.txt gives to "
                    f"{pieces[token.id]!r}; they belong to different models"
                )
        elif token.id == beyond and token.content not in ids:
            token, beyond = dataclasses.replace(token, word_piece=False), beyond + 1
        else:
            raise UsageError(
                f"{directory}: added token {token.content!r} has the id {token.id}, where the vocabulary with what was "
                f"added ends at {beyond - 1}; they belong to different models"
            )
        tokens.append(token)
    return tuple(tokens)


def _tokenizer_file(described: Mapping[str, Any], directory: Path) -> dict[str, AddedToken]:
    path = directory / "tokenizer.json"
    tokens = [_checked(value, path) for value in _list(described.get(OWN_FIELD, []), path)]
    return {token.content: token for token in tokens}


def _added_file(directory: Path) -> dict[str, AddedToken]:
    """`added_tokens.json`, which older transformers write: ids by token. All flags are then their defaults."""
    path = directory / "added_tokens.json"
    if not path.exists():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise UsageError(f"{path}: is not readable as JSON") from None
    if not isinstance(values, dict):
        raise UsageError(f"{path}: is not a JSON object")
    flags = {"special": False, "normalized": True}
    return {name: _checked({"content": name, "id": number, **flags}, path) for name, number in values.items()}


def _decoder(settings: Mapping[str, Any], directory: Path) -> dict[str, AddedToken]:
    """`added_tokens_decoder` of `tokenizer_config.json`: tokens by id."""
    path, values = directory / "tokenizer_config.json", settings.get("added_tokens_decoder") or {}
    if not isinstance(values, Mapping) or not all(isinstance(one, Mapping) for one in values.values()):
        raise UsageError(f"{path}: added_tokens_decoder is no object of tokens by their ids")
    tokens = [_checked({**value, "id": _number(number)}, path) for number, value in values.items()]
    return {token.content: token for token in tokens}


def _additional(settings: Mapping[str, Any], directory: Path) -> list[str]:
    path, values = directory / "tokenizer_config.json", settings.get("additional_special_tokens") or []
    contents = []
    for value in _list(values, path):
        content = value.get("content") if isinstance(value, Mapping) else value
        if not isinstance(content, str):
            raise UsageError(f"{path}: additional_special_tokens is no list of tokens")
        contents.append(content)
    return contents


def _checked(value: Any, path: Path) -> AddedToken:
    wanted = {"content": str, "id": int, **dict.fromkeys((*_FLAGS, "word_piece"), bool)}
    if isinstance(value, Mapping):
        known = {name: given for name, given in value.items() if name in wanted}
        right = all(type(given) is wanted[name] for name, given in known.items())
        content, number = known.get("content"), known.get("id")
        if right and content and number is not None and number >= 0 and "\n" not in content and "\r" not in content:
            return AddedToken(**known)
    raise UsageError(f"{path}: {str(value)[:80]!r} is no added token with content, id and flags")


def _list(values: Any, path: Path) -> list[Any]:
    if not isinstance(values, list):
        raise UsageError(f"{path}: added tokens must be a list")
    return values


def _number(text: Any) -> int | None:
    return int(text) if isinstance(text, str) and text.isdecimal() and len(text) < 10 else None


_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
