"""A tokenizer in a directory, in this project's files or in Hugging Face's."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import tokenizers

from mobilebert_tf import added_tokens, atomic, notes
from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import build, read_object, within
from mobilebert_tf.tokenization import (
    SPECIAL_TOKENS,
    UNCASED,
    Rules,
    Tokenizer,
    check_pieces,
    read_vocab,
    without_marks,
)

HUGGINGFACE = Rules(max_characters_per_word=100)
"""The rules of Hugging Face's `BertTokenizer` where no file states others."""


@dataclasses.dataclass(frozen=True)
class _Files:
    """The files of a directory that describe its tokenizer, apart from `vocab.txt`."""

    directory: Path
    described: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Content of `tokenizer.json`; empty if there is no such file."""
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Content of `tokenizer_config.json`; empty if there is no such file."""

    @classmethod
    def of(cls, directory: Path) -> _Files:
        """The files that exist in the directory. Raises UsageError: one is not a JSON object."""
        paths = (directory / name for name in ("tokenizer.json", "tokenizer_config.json"))
        return cls(directory, *(read_object(path) if path.exists() else {} for path in paths))

    @property
    def state_rules(self) -> bool:
        return bool(self.described or self.settings)

    @property
    def are_own(self) -> bool:
        """Whether this project wrote them."""
        return self.described.get("kind") == "wordpiece"

    @property
    def know_a_vocabulary(self) -> bool:
        """Whether the files can tell the vocabulary that they belong to from others."""
        return "vocab_sha256" in self.described if self.are_own else "model" in self.described

    @functools.cached_property
    def pieces(self) -> tuple[str, ...] | None:
        """The vocabulary in Hugging Face's `tokenizer.json`. Raises UsageError: it is that of another kind of model."""
        if self.are_own or "model" not in self.described:
            return None
        return _pieces(self.described["model"], self.directory / "tokenizer.json")

    def fault(self, pieces: tuple[str, ...]) -> str | None:
        """The reason why these pieces are not the vocabulary that the files describe; None if they may be."""
        if self.pieces is not None and self.pieces != pieces:
            return "differs from the vocabulary in tokenizer.json beside it"
        size, sha256 = (self.described.get(name) if self.are_own else None for name in ("vocab_size", "vocab_sha256"))
        if size is not None and size != len(pieces):
            size = f"{size:,}" if type(size) is int else repr(size)
            return f"has {len(pieces):,} pieces, tokenizer.json beside it says vocab_size={size}"
        if sha256 is not None and sha256 != Tokenizer(pieces).vocab_sha256:
            return "is not the vocabulary that tokenizer.json beside it describes"
        return None

    def tokenizer(self, pieces: tuple[str, ...], unsaid: Rules) -> Tokenizer:
        """The tokenizer with these pieces. Raises UsageError as `read_tokenizer`."""
        path = self.directory / "tokenizer.json"
        if self.are_own:
            added = added_tokens.from_json(self.described.get(added_tokens.OWN_FIELD), pieces, path)
            return Tokenizer(pieces, self._rules(unsaid), added)
        rules = self._rules(unsaid) if self.state_rules else _guessed(pieces, unsaid, self.directory)
        if not self.state_rules and unsaid != HUGGINGFACE:
            return Tokenizer(pieces, rules)
        special = set(SPECIAL_TOKENS)
        added = added_tokens.of_huggingface(self.directory, self.described, self.settings, pieces, special)
        pieces = (*pieces, *(token.content for token in added if not token.word_piece))
        return Tokenizer(check_pieces(pieces, self.directory), rules, added)

    def _rules(self, unsaid: Rules) -> Rules:
        path = self.directory / "tokenizer.json"
        if self.are_own:
            stated = {name: self.described[name] for name in _RULES if name in self.described}
            own: Rules = build(Rules, stated, f"{path}")
            return own
        _refuse_other_tokenizers(self.described, self.settings, self.directory)
        normalizer = self.described.get("normalizer") or {}

        def said(setting: str, field: str, kind: Any, default: Any) -> Any:
            # The settings take precedence: where they differ, Transformers builds the normalizer anew.
            if setting in self.settings:
                where = f"{self.directory / 'tokenizer_config.json'}: {setting}"
                return build(kind, self.settings[setting], where)
            return build(kind, normalizer.get(field, default), f"{path}: normalizer: {field}")

        lower = said("do_lower_case", "lowercase", bool, True)
        accents = said("strip_accents", "strip_accents", bool | None, None)
        cjk = said("tokenize_chinese_chars", "handle_chinese_chars", bool, True)
        model = {} if self.pieces is None else self.described["model"]
        longest = model.get("max_input_chars_per_word", unsaid.max_characters_per_word)
        longest = build(Annotated[int, within(1, 10**6)], longest, f"{path}: model: max_input_chars_per_word")
        return Rules(lower, lower if accents is None else accents, cjk, longest)


def read_tokenizer(directory: Path, vocab: str | None = None, unsaid: Rules = UNCASED) -> Tokenizer | None:
    """The tokenizer of a model directory, a Hugging Face directory or Google's release; None if it has none.

    The vocabulary is read from `vocab.txt`, or else from Hugging Face's `tokenizer.json`. The rules are
    those that `tokenizer.json` and `tokenizer_config.json` state.

    Args:
      vocab: a vocabulary to use instead of the directory's, with the rules beside it if the directory states none.
      unsaid: the rules where no file states them. A vocabulary with capital letters is then
        taken as one of Google's cased models, which only their names tell; one with accents keeps accents.

    Raises:
      UsageError: a file is broken, asks for something that BERT's WordPiece does not do, or contradicts another one.
    """
    files = _Files.of(directory)
    if vocab:
        return _with_vocabulary(files, Path(vocab), unsaid)
    path = directory / "vocab.txt"
    pieces = files.pieces
    if path.exists():
        pieces = read_vocab(path)
        if fault := files.fault(pieces):
            raise UsageError(f"{path}: {fault}; they belong to different models")
    elif pieces is None:
        _refuse_foreign_files(directory)
        return None
    return files.tokenizer(pieces, unsaid)


def read_vocabulary(path: Path) -> Tokenizer:
    """The tokenizer of a vocabulary file: the rules are those beside it, if they are stated for this vocabulary.

    Rules beside a `vocab.txt` are for it. A file of another name is a copy of it if `tokenizer.json` has the hash of
    its content; otherwise the rules are those of the `vocab.txt` there and do not apply.

    Raises:
      UsageError: as `read_tokenizer`; the file is missing, or the rules are for another vocabulary that is missing.
    """
    pieces = read_vocab(path)
    return (_beside(path, pieces) or _Files(path.parent)).tokenizer(pieces, UNCASED)


def _beside(path: Path, pieces: tuple[str, ...]) -> _Files | None:
    """The files beside a vocabulary if they describe it, else None. Raises UsageError as `read_vocabulary`."""
    files = _Files.of(path.parent)
    fault = files.fault(pieces)
    if path.name != "vocab.txt" and path.with_name("vocab.txt").exists() and (fault or not files.know_a_vocabulary):
        if files.state_rules:
            notes.say(f"{path}: the rules beside it belong to vocab.txt, so its own are guessed from its letters")
        return None
    if fault:
        fix = "remove vocab_size and vocab_sha256 from that file" if files.are_own else "move it to another directory"
        raise UsageError(f"{path}: {fault}; put that vocabulary back or, if this one is meant, {fix}")
    return files if files.state_rules else None


def _with_vocabulary(files: _Files, path: Path, unsaid: Rules) -> Tokenizer:
    """The tokenizer of a model's directory with another vocabulary. Raises UsageError: the two have different rules."""
    pieces = read_vocab(path)
    beside = _beside(path, pieces)
    if not files.state_rules:
        return (beside or _Files(path.parent)).tokenizer(pieces, unsaid)
    tokenizer = files.tokenizer(pieces, unsaid)
    other = beside.tokenizer(pieces, unsaid).rules if beside else tokenizer.rules
    for name in _RULES:
        own_rule, other_rule = getattr(tokenizer.rules, name), getattr(other, name)
        if own_rule != other_rule and name != "max_characters_per_word":  # Google's and Hugging Face's differ
            raise UsageError(
                f"{path}: {name} is {other_rule} in the files beside it but {own_rule} in those of {files.directory}; "
                "give the vocabulary that the model was trained with"
            )
    return tokenizer


def write_tokenizer(directory: Path, tokenizer: Tokenizer) -> None:
    """Write `vocab.txt` and `tokenizer.json`, which states the rules in this project's words."""
    atomic.write_text(directory / "vocab.txt", tokenizer.lines)
    atomic.write_text(directory / "tokenizer.json", tokenizer.describe())


def write_huggingface_tokenizer(directory: Path, tokenizer: Tokenizer, longest: int) -> None:
    """Write `vocab.txt`, and `tokenizer.json` and `tokenizer_config.json` as Hugging Face's `BertTokenizer` has them.

    `longest`: largest number of pieces of a text, special ones included.
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
    # Hugging Face's BertTokenizer has its own limit, whatever tokenizer.json says; the general class obeys the file.
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


def _guessed(pieces: tuple[str, ...], unsaid: Rules, directory: Path) -> Rules:
    """Guess the rules of a vocabulary that comes without any: the rules by which all its pieces can occur.

    Of Google's models, the cased ones have capital letters and accents, the uncased ones have neither.
    """
    words = [piece for piece in pieces if not piece.startswith("[")]
    cased = any(piece != piece.lower() for piece in words)
    accented = cased or any(piece != without_marks(piece) for piece in words)
    if accented:
        rules = f"{'cased' if cased else 'lower case'}, accents kept"
        notes.say(f"{directory}: no tokenizer.json states the vocabulary's rules; guessed from its pieces: {rules}")
    return dataclasses.replace(unsaid, lower_case=not cased, strip_accents=not accented)


def _refuse_other_tokenizers(described: Mapping[str, Any], settings: Mapping[str, Any], directory: Path) -> None:
    """Raise UsageError for anything other than BERT's cleaning, splitting and WordPiece."""
    path = directory / "tokenizer_config.json"
    for token in SPECIAL_TOKENS:
        stated = settings.get(f"{token.strip('[]').lower()}_token", token)
        stated = stated.get("content") if isinstance(stated, Mapping) else stated
        if stated not in (token, None):
            raise UsageError(f"{path}: {token} is called {stated!r} there; it must be {token}")
    kind = settings.get("tokenizer_class")
    if kind is not None and str(kind).removesuffix("Fast") not in _CLASSES:
        raise UsageError(f"{path}: is for {kind}; supported are {', '.join(_CLASSES)}")
    for name, neutral in (("do_basic_tokenize", (True, None)), ("never_split", (None, []))):
        if settings.get(name) not in neutral:
            raise UsageError(f"{path}: {name} is {settings[name]!r}, which this project's tokenizer does not support")
    if not described:
        return
    path = directory / "tokenizer.json"
    model = described.get("model") or {}
    parts = {"normalizer": "BertNormalizer", "pre_tokenizer": "BertPreTokenizer"}
    for name, wanted in parts.items():
        part = described.get(name)
        if not isinstance(part, Mapping) or part.get("type") != wanted:
            raise UsageError(f"{path}: its {name} is not {wanted}, as BERT's is")
    if not described["normalizer"].get("clean_text", True):
        raise UsageError(f"{path}: clean_text is off, which this project's tokenizer does not support")
    if model.get("continuing_subword_prefix", "##") != "##" or model.get("unk_token", "[UNK]") != "[UNK]":
        raise UsageError(f"{path}: its pieces do not continue with ##, or [UNK] has another name")

    stated = described.get("post_processor")
    template = stated.get("single") if isinstance(stated, Mapping) else None
    if isinstance(stated, Mapping) and stated.get("type") != "BertProcessing" and not _is_bert_template(template):
        raise UsageError(
            f"{path}: its post_processor does not put [CLS] before a text and [SEP] after it, as BERT's does"
        )


def _is_bert_template(template: Any) -> bool:
    """Whether the template of a single text is [CLS], the text, [SEP]."""
    if not isinstance(template, list) or not all(isinstance(part, Mapping) for part in template):
        return False
    parts = [part.get("SpecialToken") or part.get("Sequence") for part in template]
    return [isinstance(part, Mapping) and part.get("id") for part in parts] == ["[CLS]", "A", "[SEP]"]


def _refuse_foreign_files(directory: Path) -> None:
    """Raise UsageError if a directory has the tokenizer of another kind of model in place of a vocabulary."""
    foreign = next((name for name in _FOREIGN if (directory / name).exists()), None)
    if foreign:
        raise UsageError(
            f"{directory / foreign}: belongs to a tokenizer other than WordPiece, which MobileBERT and BERT use"
        )


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


def _pieces(model: Any, path: Path) -> tuple[str, ...]:
    if not isinstance(model, Mapping) or model.get("type", "WordPiece") != "WordPiece":
        raise UsageError(f"{path}: is not a WordPiece tokenizer, which MobileBERT and BERT use")
    ids: dict[str, int] = build(dict[str, int], model.get("vocab"), f"{path}: model: vocab")
    if set(ids.values()) != set(range(len(ids))):
        raise UsageError(f"{path}: its vocabulary does not number the pieces 0, 1, 2, ...")
    return check_pieces(sorted(ids, key=lambda piece: ids[piece]), path)
