"""A small text, its vocabulary, and records made from it."""

import random
from pathlib import Path

import pytest

from mobilebert_tf import cli

WORDS = [a + b + c for a in ("b", "d", "k", "str") for b in "aeiou" for c in ("n", "lt", "sh", "mper")]


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 documents of distinct random sentences."""
    rng = random.Random(1)
    documents = [
        "\n".join(
            " ".join(" ".join(rng.choices(WORDS, k=rng.randint(4, 12))).capitalize() + "." for _ in range(4))
            for _ in range(rng.randint(2, 6))
        )
        for _ in range(40)
    ]
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n\n".join(documents) + "\n")
    return path


@pytest.fixture(scope="session")
def vocab_file(text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("vocab") / "vocab"
    assert cli.run(["vocab", f"--input={text_file}", f"--output={output}", "--size=150"]) == 0
    return output / "vocab.txt"


@pytest.fixture(scope="session", params=["token", "whole_word", "dynamic"])
def records_directory(
    request: pytest.FixtureRequest, text_file: Path, vocab_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Records of each kind of masking, with T = 48 and 8 predictions."""
    output = tmp_path_factory.mktemp("records") / request.param
    words = [f"--input={text_file}", f"--vocab={vocab_file}", f"--output={output}", f"--masking={request.param}"]
    assert cli.run(["records", *words, "--max_seq_length=48", "--max_predictions=8", "--shards=3", "--workers=1"]) == 0
    return output
