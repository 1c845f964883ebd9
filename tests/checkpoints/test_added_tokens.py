"""Tokens added to a tokenizer have the ids of the `tokenizers` library, wherever the model goes."""

import json
from pathlib import Path

import pytest
import tokenizers

from mobilebert_tf.errors import UsageError
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer
from mobilebert_tf.tokenizer_files import HUGGINGFACE, read_tokenizer, write_huggingface_tokenizer, write_tokenizer

PIECES = [*SPECIAL_TOKENS, *"abcdesx<>[]", *(f"##{c}" for c in "abcdesx"), "[E1]", "see", "sep"]
TEXTS = [
    "see [E1] a",
    "a [SEP] b",
    "a[MASK]b",
    "see <url> <Url>",
    "abc covid abcovid covids",
    "[e1] [sep]",
    "a <mask > b",
]
ADDED = [
    tokenizers.AddedToken("<url>"),
    tokenizers.AddedToken("covid", single_word=True),
    tokenizers.AddedToken("<mask >", lstrip=True, rstrip=True, normalized=False),
]


def library(added: list[tokenizers.AddedToken]) -> tokenizers.Tokenizer:
    model = tokenizers.models.WordPiece(
        {piece: number for number, piece in enumerate(PIECES)}, unk_token="[UNK]", max_input_chars_per_word=100
    )
    backend = tokenizers.Tokenizer(model)
    backend.normalizer = tokenizers.normalizers.BertNormalizer()
    backend.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    backend.add_special_tokens([tokenizers.AddedToken(token, special=True) for token in (*SPECIAL_TOKENS, "[E1]")])
    backend.add_tokens(added)
    return backend


def write_vocab(directory: Path) -> None:
    (directory / "vocab.txt").write_text("".join(piece + "\n" for piece in PIECES))


def ids(tokenizer: Tokenizer) -> list[list[int]]:
    return [tokenizer.encode(text).ids for text in TEXTS]


@pytest.mark.parametrize("added", [[], ADDED], ids=["special", "more"])
def test_ids_are_those_of_the_library_here_and_back_there(added, tmp_path: Path) -> None:
    backend = library(added)
    write_vocab(tmp_path)
    backend.save(str(tmp_path / "tokenizer.json"))
    expected = [backend.encode(text, add_special_tokens=False).ids for text in TEXTS]
    first = read_tokenizer(tmp_path, None, HUGGINGFACE)
    assert ids(first) == expected and first.size == len(PIECES) + len(added)
    own, foreign = tmp_path / "own", tmp_path / "there"
    own.mkdir()
    foreign.mkdir()
    write_tokenizer(own, first)
    second = read_tokenizer(own)
    assert second == first and ids(second) == expected
    write_huggingface_tokenizer(foreign, second, 20)
    assert ids(read_tokenizer(foreign, None, HUGGINGFACE)) == expected
    again = tokenizers.Tokenizer.from_file(str(foreign / "tokenizer.json"))
    assert [again.encode(text, add_special_tokens=False).ids for text in TEXTS] == expected


def test_without_a_tokenizer_json(tmp_path: Path) -> None:
    """Older transformers write `added_tokens.json`, and name special tokens in the settings."""
    write_vocab(tmp_path)
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<url>": len(PIECES)}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"additional_special_tokens": ["[E1]"]}))
    backend = library(ADDED[:1])
    tokenizer = read_tokenizer(tmp_path, None, HUGGINGFACE)
    assert ids(tokenizer) == [backend.encode(text, add_special_tokens=False).ids for text in TEXTS]


def test_a_model_of_this_project_cuts_them(tmp_path: Path) -> None:
    """This project's tokenizer knows no special tokens in texts, and so it stays after a conversion and back."""
    own = Tokenizer(tuple(PIECES), HUGGINGFACE)
    assert own.decode(own.encode("a [SEP] b").ids) == ["a", "[", "sep", "]", "b"]
    write_huggingface_tokenizer(tmp_path, own, 20)
    assert read_tokenizer(tmp_path, None, HUGGINGFACE) == own


@pytest.mark.parametrize(
    "file, content, said",
    [
        (
            "added_tokens.json",
            {"<url>": len(PIECES) + 1},
            f"'<url>' has the id {len(PIECES) + 1}, but the vocabulary",
        ),
        ("added_tokens.json", {"<url>": 7}, "'<url>' has the id 7, which vocab.txt gives to 'c'"),
        ("added_tokens.json", {"<url>": "7"}, "<url>: id: is '7'; it must be a whole number"),
        ("added_tokens.json", ["<url>"], "it must be an object"),
        ("tokenizer_config.json", {"additional_special_tokens": ["<url>"]}, "'<url>', which has no id"),
        (
            "tokenizer_config.json",
            {"added_tokens_decoder": {"x": {"content": "a"}}},
            "added_tokens_decoder: has a name that is not a number: ['x']",
        ),
        (
            "tokenizer_config.json",
            {"added_tokens_decoder": ["a"]},
            "added_tokens_decoder: is ['a']; it must be an object",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(file: str, content: object, said: str, tmp_path: Path) -> None:
    write_vocab(tmp_path)
    (tmp_path / file).write_text(json.dumps(content))
    with pytest.raises(UsageError, match="added_tokens|added token|additional") as caught:
        read_tokenizer(tmp_path, None, HUGGINGFACE)
    assert said in str(caught.value)
