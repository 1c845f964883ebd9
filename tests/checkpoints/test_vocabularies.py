"""A vocabulary's rules are those stated beside it, or by the model that it is given to; they are guessed only if no
file states any."""

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mobilebert_tf import cli, notes
from mobilebert_tf.checkpoints.conversion import WORLDS, open_checkpoint
from mobilebert_tf.config import Heads
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tokenization import SPECIAL_TOKENS, UNCASED, Rules, Tokenizer
from mobilebert_tf.tokenizer_files import HUGGINGFACE, read_tokenizer, read_vocabulary, write_tokenizer
from mobilebert_tf.tokenizer_files import write_huggingface_tokenizer as write_foreign

from .conftest import ARCHITECTURES, VOCAB, random_checkpoint

KEPT = Rules(strip_accents=False)
"""Rules that would not be guessed for these pieces, which have no capital letter."""


@pytest.fixture
def vocab(tmp_path: Path) -> Path:
    """A vocabulary of the small models, in the form that `vocab` writes."""
    place = tmp_path / "vocab"
    place.mkdir()
    write_tokenizer(place, Tokenizer(VOCAB, KEPT))
    return place / "vocab.txt"


def bare(world: str, place: Path) -> Path:
    """A model without any tokenizer file."""
    place.mkdir()
    WORLDS[world](random_checkpoint(ARCHITECTURES["mobilebert"], Heads()), place)
    for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json"):
        (place / name).unlink(missing_ok=True)
    return place


@pytest.mark.parametrize("world", WORLDS)
def test_rules_come_with_a_vocabulary_that_is_given(world: str, vocab: Path, tmp_path: Path) -> None:
    model = bare(world, tmp_path / "model")
    assert cli.run(["convert", f"--input={model}", f"--vocab={vocab}", f"--output={tmp_path / 'out'}"]) == 0
    assert open_checkpoint(tmp_path / "out").architecture.tokenizer == Tokenizer(VOCAB, KEPT)


@pytest.mark.parametrize("world, longest", [("tf1", 200), ("huggingface", 100)])
def test_rules_of_a_bare_vocabulary_are_those_of_the_models_world(
    world: str, longest: int, vocab: Path, tmp_path: Path
) -> None:
    model = bare(world, tmp_path / "model")
    vocab.with_name("tokenizer.json").unlink()
    assert cli.run(["convert", f"--input={model}", f"--vocab={vocab}", f"--output={tmp_path / 'out'}"]) == 0
    assert open_checkpoint(tmp_path / "out").architecture.tokenizer.rules == Rules(max_characters_per_word=longest)


def test_rules_that_model_and_vocabulary_state_differently(vocab: Path, tmp_path: Path, capsys) -> None:
    """Only the longest word may differ, as it does between the two formats."""
    model = bare("huggingface", tmp_path / "model")
    words = ["convert", f"--input={model}", f"--vocab={vocab}", f"--output={tmp_path / 'out'}"]
    (model / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    assert cli.run(words) == 2
    line = capsys.readouterr().err
    assert f"{vocab}: strip_accents is False in the files beside it but True in those of {model}" in line
    (model / "tokenizer_config.json").write_text('{"do_lower_case": true, "strip_accents": false}')
    assert cli.run(words) == 0
    assert open_checkpoint(tmp_path / "out").architecture.tokenizer.rules == Rules(
        strip_accents=False, max_characters_per_word=100
    )


def test_a_vocabulary_that_does_not_fit_is_named(vocab: Path, tmp_path: Path, capsys) -> None:
    model = bare("huggingface", tmp_path / "model")
    write_tokenizer(vocab.parent, Tokenizer((*VOCAB, "more"), KEPT))
    assert cli.run(["convert", f"--input={model}", f"--vocab={vocab}", f"--output={tmp_path / 'out'}"]) == 2
    assert f"--vocab={vocab}: has 58 pieces, config.json says vocab_size=57" in capsys.readouterr().err


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("name", ["vocab.txt", "mine.txt"])
def test_a_vocabulary_that_was_changed_does_not_lose_its_rules(foreign: bool, name: str, vocab: Path) -> None:
    if foreign:
        write_foreign(vocab.parent, Tokenizer(VOCAB, KEPT), 20)
    changed = vocab.rename(vocab.with_name(name))
    assert read_vocabulary(changed).rules.strip_accents is False
    text = changed.read_text()
    for other in (text.replace("a\nb\n", "b\na\n"), text + "more\n"):
        changed.write_text(other)
        with pytest.raises(
            UsageError, match="tokenizer.json beside it.*put that vocabulary back or, if this one is meant, "
        ):
            read_vocabulary(changed)
    if not foreign:  # follow the line's advice
        described = json.loads(vocab.with_name("tokenizer.json").read_text())
        kept = {key: value for key, value in described.items() if not key.startswith("vocab_")}
        vocab.with_name("tokenizer.json").write_text(json.dumps(kept))
        assert read_vocabulary(changed) == Tokenizer((*VOCAB, "more"), KEPT)


def test_vocabularies_that_lie_together(vocab: Path, capsys) -> None:
    """A copy keeps the rules, which belong to `vocab.txt`; another vocabulary beside it has its own."""
    copied = Path(shutil.copy(vocab, vocab.with_name("copied.txt")))
    assert read_vocabulary(copied) == read_vocabulary(vocab) == Tokenizer(VOCAB, KEPT)
    assert not capsys.readouterr().err
    other = vocab.with_name("other.txt")
    other.write_text("".join(f"{piece}\n" for piece in (*SPECIAL_TOKENS, "Else")))
    assert read_vocabulary(other).rules == Rules(lower_case=False, strip_accents=False)
    assert f"{other}: the rules beside it belong to vocab.txt" in capsys.readouterr().err


def mutations(value: Any) -> Iterator[Any]:
    """`value` with one part of it, at any depth, replaced by a value of each JSON type."""
    yield from (None, "x", 0, -1, True, [], [0], {}, {"x": [0]})
    for key in list(value) if isinstance(value, dict) else range(min(len(value), 2)) if isinstance(value, list) else ():
        for part in mutations(value[key]):
            changed = copy.copy(value)
            changed[key] = part
            yield changed


@pytest.mark.parametrize("foreign", [False, True])
def test_whatever_a_tokenizer_file_says_it_is_read_or_refused_by_name(foreign: bool, tmp_path: Path) -> None:
    pieces = (*SPECIAL_TOKENS, "a")
    unsaid = HUGGINGFACE if foreign else UNCASED
    if foreign:
        write_foreign(tmp_path, Tokenizer(pieces), 20)
        (tmp_path / "vocab.txt").unlink()
        settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
        decoder = {"0": {"content": "[PAD]", "special": True}, "6": {"content": "<b>", "special": False}}
        settings |= {"added_tokens_decoder": decoder, "additional_special_tokens": ["a", {"content": "a"}]}
        settings |= {"never_split": [], "do_basic_tokenize": True}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
        (tmp_path / "added_tokens.json").write_text('{"<b>": 6}')
    else:
        write_tokenizer(tmp_path, read_tokenizer(tmp_path / "none", None) or Tokenizer(pieces))
    assert read_tokenizer(tmp_path, None, unsaid)
    refused = 0
    for path in sorted(tmp_path.glob("*.json")):
        content = path.read_text()
        for changed in mutations(json.loads(content)):
            path.write_text(json.dumps(changed))
            try:
                read_tokenizer(tmp_path, None, unsaid)
            except UsageError as error:
                refused += 1
                assert str(tmp_path) in str(error) and "tokenizer: " not in str(error)
        path.write_text(content)
    assert refused > 100 if foreign else refused > 20


@pytest.mark.parametrize(
    "pieces, rules",
    [
        (("ab", "##c"), Rules()),
        (("ab", "Ab"), Rules(lower_case=False, strip_accents=False)),
        (("ёлка", "##й"), Rules(strip_accents=False)),
        (("한", "##국"), Rules(strip_accents=False)),  # stripping decomposes syllables, so no text would have them
        (("ก", "##\u0e34"), Rules(strip_accents=False)),
    ],
)
def test_a_guess_gives_every_piece_a_text(pieces: tuple[str, ...], rules: Rules, tmp_path: Path, capsys) -> None:
    notes.start()
    (tmp_path / "vocab.txt").write_text(Tokenizer((*SPECIAL_TOKENS, *pieces)).lines, encoding="utf-8")
    assert read_vocabulary(tmp_path / "vocab.txt").rules == rules
    printed = capsys.readouterr().err
    assert ("accents kept" in printed and "guessed" in printed) if rules != Rules() else not printed
