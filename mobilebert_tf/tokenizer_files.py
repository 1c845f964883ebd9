"""A tokenizer in a directory: this project's files, and Hugging Face's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers

from mobilebert_tf import added_tokens, atomic
from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import read_object
from mobilebert_tf.tokenization import SPECIAL_TOKENS, UNCASED, Rules, Tokenizer, check_pieces, read_vocab

HUGGINGFACE = Rules(max_characters_per_word=100)
"""What Hugging Face's `BertTokenizer` does where no file says otherwise."""


def read_tokenizer(directory: Path, vocab: str | None = None, unsaid: Rules = UNCASED) -> Tokenizer | None:
    """The tokenizer of a model directory, a Hugging Face directory or Google's release; None if it has none.

    `vocab.txt` is the vocabulary, else the one inside Hugging Face's `tokenizer.json`. The rules are
    those that `tokenizer.json` and `tokenizer_config.json` state.

    Args:
      vocab: a vocabulary to use in place of the directory's.
      unsaid: the rules where no file states them. A vocabulary with capital letters is then
        taken as one of Google's cased models, which say it in their names only.

    Raises:
      UsageError: a file is broken, or says what BERT's WordPiece does not do.
    """
    described = _read(directory / "tokenizer.json")
    settings = _read(directory / "tokenizer_config.json")
    path = Path(vocab) if vocab else directory / "vocab.txt"
    inside = _pieces(described, directory / "tokenizer.json") if "model" in described else None
    if vocab or path.exists():
        pieces = read_vocab(path)
        if inside and not vocab and inside != pieces:
            raise UsageError(f"{path}: is another vocabulary than that of tokenizer.json")
    elif inside:
        pieces = inside
    else:
        _refuse_foreign_files(directory)
        return None
    if not described and not settings:
        rules = _guessed(pieces, unsaid)
    else:
        rules = _rules(described, settings, directory, unsaid)
    if described.get("kind") == "wordpiece":
        added = added_tokens.from_json(described.get(added_tokens.OWN_FIELD), pieces, directory / "tokenizer.json")
    elif described or settings or unsaid == HUGGINGFACE:
        added = added_tokens.of_huggingface(directory, described, settings, pieces, set(SPECIAL_TOKENS))
        pieces = check_pieces((*pieces, *(token.content for token in added if not token.word_piece)), directory)
    else:
        added = ()
    tokenizer = Tokenizer(pieces, rules, added)
    if vocab:
        return tokenizer
    size = described.get("vocab_size")
    if type(size) is int and size != tokenizer.size:
        raise UsageError(
            f"{path}: has {tokenizer.size:,} pieces, tokenizer.json beside it says vocab_size={size:,}; they belong to "
            "different models"
        )
    said = described.get("vocab_sha256")
    if said and said != tokenizer.vocab_sha256:
        raise UsageError(f"{path}: is not the vocabulary that the model was made with, says tokenizer.json beside it")
    return tokenizer


def read_vocabulary(path: Path) -> Tokenizer:
    """The tokenizer of a vocabulary file: the rules are those beside it, if they are stated for this vocabulary.

    Raises:
      UsageError: as `read_tokenizer`, or there is no such file.
    """
    pieces = read_vocab(path)
    described = _read(path.parent / "tokenizer.json")
    others = described.get("kind") == "wordpiece" and described.get("vocab_sha256") != Tokenizer(pieces).vocab_sha256
    if path.name == "vocab.txt" and not others:
        found = read_tokenizer(path.parent)
        assert found is not None
        return found
    return Tokenizer(pieces, _guessed(pieces, UNCASED))


def write_tokenizer(directory: Path, tokenizer: Tokenizer) -> None:
    """Write `vocab.txt` and `tokenizer.json`, which states the rules in this project's words."""
    atomic.write_text(directory / "vocab.txt", tokenizer.lines)
    atomic.write_text(directory / "tokenizer.json", tokenizer.describe())


def write_huggingface_tokenizer(directory: Path, tokenizer: Tokenizer, longest: int) -> None:
    """Write `vocab.txt`, and `tokenizer.json` and `tokenizer_config.json` as Hugging Face's `BertTokenizer` has them.

    `longest`: most pieces of a text, special ones included.
    """
    atomic.write_text(directory / "vocab.txt", "".join(piece + "\n" for piece in tokenizer.word_pieces))
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
    # Its BertTokenizer has a limit of its own, whatever tokenizer.json says; the general class obeys.
    usual = rules.max_characters_per_word == HUGGINGFACE.max_characters_per_word
    settings = {
        "tokenizer_class": "BertTokenizer" if usual else "PreTrainedTokenizerFast",
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "do_lower_case": rules.lower_case,
        "strip_accents": rules.strip_accents,
        "tokenize_chinese_chars": rules.split_cjk,
        "model_max_length": longest,
        **{f"{token.strip('[]').lower()}_token": token for token in SPECIAL_TOKENS},
    }
    if not {token.content for token in tokenizer.added} >= set(SPECIAL_TOKENS):
        settings[added_tokens.SPECIAL_IN_TEXT] = False
    atomic.write_json(directory / "tokenizer_config.json", settings)


def _guessed(pieces: tuple[str, ...], unsaid: Rules) -> Rules:
    """The rules of a vocabulary that comes without any: with capital letters it is one of the cased models'."""
    cased = any(piece != piece.lower() for piece in pieces if not piece.startswith("["))
    return dataclasses.replace(unsaid, lower_case=not cased, strip_accents=not cased)


def _rules(described: Mapping[str, Any], settings: Mapping[str, Any], directory: Path, unsaid: Rules) -> Rules:
    try:
        return _stated_rules(described, settings, directory, unsaid)
    except UsageError as error:
        raise UsageError(f"{directory}: {str(error)}" if str(error).startswith("tokenizer:") else str(error)) from None


def _stated_rules(described: Mapping[str, Any], settings: Mapping[str, Any], directory: Path, unsaid: Rules) -> Rules:
    if described.get("kind") == "wordpiece":
        return dataclasses.replace(UNCASED, **{name: described[name] for name in _RULES if name in described})
    _refuse_other_tokenizers(described, settings, directory)
    normalizer = described.get("normalizer") or {}
    # Transformers builds the normalizer anew where the settings say otherwise.
    lower = settings.get("do_lower_case", normalizer.get("lowercase", True))
    accents = settings.get("strip_accents", normalizer.get("strip_accents"))
    cjk = settings.get("tokenize_chinese_chars", normalizer.get("handle_chinese_chars", True))
    longest = described.get("model", {}).get("max_input_chars_per_word", unsaid.max_characters_per_word)
    return Rules(lower, lower if accents is None else accents, cjk, longest)


def _refuse_other_tokenizers(described: Mapping[str, Any], settings: Mapping[str, Any], directory: Path) -> None:
    """Raise UsageError for what is not BERT's cleaning, splitting and WordPiece."""
    path = directory / "tokenizer_config.json"
    for token in SPECIAL_TOKENS:
        said = settings.get(f"{token.strip('[]').lower()}_token", token)
        said = said.get("content") if isinstance(said, Mapping) else said
        if said not in (token, None):
            raise UsageError(f"{path}: {token} is called {said!r} there; it must be {token}")
    kind = settings.get("tokenizer_class")
    if kind is not None and str(kind).removesuffix("Fast") not in _CLASSES:
        raise UsageError(f"{path}: is for {kind}; known here are {', '.join(_CLASSES)}")
    for name, neutral in (("do_basic_tokenize", (True, None)), ("never_split", (None, []))):
        if settings.get(name) not in neutral:
            raise UsageError(f"{path}: {name} is {settings[name]!r}, which this project's tokenizer does not do")
    if not described:
        return
    path = directory / "tokenizer.json"
    model = described.get("model") or {}
    parts = {"normalizer": "BertNormalizer", "pre_tokenizer": "BertPreTokenizer"}
    for name, wanted in parts.items():
        part = described.get(name)
        if not isinstance(part, Mapping) or part.get("type") != wanted:
            raise UsageError(f"{path}: its {name} is not {wanted}, that of BERT")
    if not described["normalizer"].get("clean_text", True):
        raise UsageError(f"{path}: clean_text is off, which this project's tokenizer does not do")
    if model.get("continuing_subword_prefix", "##") != "##" or model.get("unk_token", "[UNK]") != "[UNK]":
        raise UsageError(f"{path}: its pieces continue with another sign than ##, or [UNK] has another name")

    said = described.get("post_processor")
    template = said.get("single") if isinstance(said, Mapping) else None
    if isinstance(said, Mapping) and said.get("type") != "BertProcessing" and not _is_bert_template(template):
        raise UsageError(f"{path}: its post_processor does not put [CLS] before a text and [SEP] behind it, as BERT's")


def _is_bert_template(template: Any) -> bool:
    """Whether the template of a single text is [CLS], the text, [SEP]."""
    if not isinstance(template, list) or not all(isinstance(part, Mapping) for part in template):
        return False
    names = [(part.get("SpecialToken") or part.get("Sequence") or {}).get("id") for part in template]
    return names == ["[CLS]", "A", "[SEP]"]


def _refuse_foreign_files(directory: Path) -> None:
    """Raise UsageError if a directory has the tokenizer of another kind of model in place of a vocabulary."""
    there = next((name for name in _FOREIGN if (directory / name).exists()), None)
    if there:
        raise UsageError(f"{directory / there}: is of another tokenizer than WordPiece, which MobileBERT and BERT have")


_FOREIGN = ("merges.txt", "vocab.json", "spiece.model", "spm.model", "sentencepiece.bpe.model", "tokenizer.model")
_CLASSES = (
    "BertTokenizer",
    "MobileBertTokenizer",
    "PreTrainedTokenizer",
    "TokenizersBackend",
    "DistilBertTokenizer",
    "ElectraTokenizer",
)
_RULES = [field.name for field in dataclasses.fields(Rules)]


def _pieces(described: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    model = described["model"]
    if not isinstance(model, Mapping) or model.get("type", "WordPiece") != "WordPiece":
        raise UsageError(f"{path}: is no WordPiece tokenizer, as MobileBERT and BERT have")
    ids = model.get("vocab")
    if not isinstance(ids, dict) or set(ids.values()) != set(range(len(ids))):
        raise UsageError(f"{path}: its vocabulary does not number the pieces from 0 on")
    return check_pieces(sorted(ids, key=lambda piece: ids[piece]), path)


def _read(path: Path) -> dict[str, Any]:
    return read_object(path) if path.exists() else {}
