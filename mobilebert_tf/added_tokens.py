"""Added tokens, found in a text as a whole before its words are split into pieces, as by Hugging Face's tokenizers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import tokenizers

from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import Line, build, read_object, within

OWN_FIELD = "added_tokens"
"""Field of this project's `tokenizer.json`, and of Hugging Face's."""


SPECIAL_IN_TEXT = "mobilebert_tf_special_in_text"
"""Field of `tokenizer_config.json`: false if "[SEP]" in a text is a plain word here; for Hugging Face it never is."""


@dataclasses.dataclass(frozen=True)
class AddedToken:
    """One token; the flags are those of `tokenizers.AddedToken`."""

    content: Line
    id: Annotated[int, within(0, 10**8)]
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False
    special: bool = True
    word_piece: bool = True
    """Whether words are also split into it; tokens that were added to a finished vocabulary are no such pieces."""


def to_json(tokens: Sequence[AddedToken]) -> dict[str, Any]:
    """The tokens as a field of `tokenizer.json` and of contracts; without tokens there is no field."""
    return {OWN_FIELD: [dataclasses.asdict(token) for token in tokens]} if tokens else {}


def from_json(values: Any, pieces: Sequence[str], path: Path) -> tuple[AddedToken, ...]:
    """The tokens that `to_json` wrote, for a vocabulary that contains all of them.

    Raises:
      UsageError: `values` is something else, or the vocabulary is another one.
    """
    if values is None:
        return ()
    tokens: tuple[AddedToken, ...] = build(tuple[AddedToken, ...], values, f"{path}: {OWN_FIELD}")
    for token in tokens:
        if token.id >= len(pieces) or pieces[token.id] != token.content:
            raise UsageError(
                f"{path}: added token {token.content!r} has the id {token.id}, but vocab.txt does not have it there"
            )
    return tokens


def add_to(backend: tokenizers.Tokenizer, tokens: Sequence[AddedToken]) -> None:
    """Make `backend`, whose model has the word pieces, find these tokens."""
    for token in tokens:
        flags = {name: getattr(token, name) for name in _FLAGS}
        backend.add_tokens([tokenizers.AddedToken(token.content, **flags)])
        assert backend.token_to_id(token.content) == token.id, token


def of_huggingface(
    directory: Path, described: Mapping[str, Any], settings: Mapping[str, Any], pieces: Sequence[str], special: set[str]
) -> tuple[AddedToken, ...]:
    """The added tokens of a Hugging Face directory, sorted by id.

    They include the `special` ones of every BERT, unless `SPECIAL_IN_TEXT` of the settings is false.
    Ids beyond those of `pieces`, the word pieces, are consecutive.

    Args:
      described: content of `tokenizer.json`; empty if there is no such file.
      settings: content of `tokenizer_config.json`; empty if there is no such file.

    Raises:
      UsageError: files contradict each other, or a token has no id.
    """
    ids = {piece: number for number, piece in enumerate(pieces)}
    by_content = {token: AddedToken(token, ids[token]) for token in pieces if token in special}
    by_content |= {**_added_file(directory), **_decoder(settings, directory), **_tokenizer_file(described, directory)}
    for content in _additional(settings, directory):
        if content not in by_content and content not in ids:
            raise UsageError(
                f"{directory}: additional_special_tokens has {content!r}, which has no id in vocab.txt, tokenizer.json "
                "or added_tokens.json; save the tokenizer again where the token was added"
            )
        by_content.setdefault(content, AddedToken(content, ids.get(content, -1)))
    if settings.get(SPECIAL_IN_TEXT) is False:
        by_content = {content: token for content, token in by_content.items() if content not in special}
    beyond = len(pieces)
    tokens = []
    for token in sorted(by_content.values(), key=lambda token: token.id):
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
                f"{directory}: added token {token.content!r} has the id {token.id}, but the vocabulary with the added "
                f"tokens ends at {beyond - 1}; they belong to different models"
            )
        tokens.append(token)
    return tuple(tokens)


def _tokenizer_file(described: Mapping[str, Any], directory: Path) -> dict[str, AddedToken]:
    path = directory / "tokenizer.json"
    tokens: tuple[AddedToken, ...] = build(tuple[AddedToken, ...], described.get(OWN_FIELD, []), f"{path}: {OWN_FIELD}")
    return {token.content: token for token in tokens}


def _added_file(directory: Path) -> dict[str, AddedToken]:
    """Tokens of `added_tokens.json`, which older versions of transformers write: ids by token, all flags by default."""
    path = directory / "added_tokens.json"
    if not path.exists():
        return {}
    flags = {"special": False, "normalized": True}
    return {
        name: build(AddedToken, {"content": name, "id": number, **flags}, f"{path}: {name}")
        for name, number in read_object(path).items()
    }


def _decoder(settings: Mapping[str, Any], directory: Path) -> dict[str, AddedToken]:
    """Tokens of `added_tokens_decoder` in `tokenizer_config.json`, which has them by id."""
    path, values = directory / "tokenizer_config.json", settings.get("added_tokens_decoder") or {}
    where = f"{path}: added_tokens_decoder"
    by_id: dict[int, dict[str, Any]] = build(dict[int, dict[str, Any]], values, where)
    tokens = [build(AddedToken, {**value, "id": number}, f"{where}: {number}") for number, value in by_id.items()]
    return {token.content: token for token in tokens}


@dataclasses.dataclass(frozen=True)
class _Named:
    content: str


def _additional(settings: Mapping[str, Any], directory: Path) -> list[str]:
    name = "additional_special_tokens"
    values: list[str | _Named] = build(
        list[str | _Named], settings.get(name) or [], f"{directory / 'tokenizer_config.json'}: {name}"
    )
    return [value if isinstance(value, str) else value.content for value in values]


_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
