"""Small records, a student and tables to run commands on, and a fixture that returns a command's error line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mobilebert_tf import cli

TRAINING = ["--batch_size=4", "--steps_per_call=2", "--checkpoint_every=2"]


@pytest.fixture(autouse=True)
def untraced(request: pytest.FixtureRequest) -> None:
    """Run short trainings without tracing a graph, which only slows these tests; `traced` marks exceptions."""
    if "traced" not in request.keywords:
        request.getfixturevalue("few_steps_untraced")


@pytest.fixture(scope="session")
def made(once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """A directory with records, a pre-trained debug student and labelled tables."""
    return once("made", make)


def make(place: Path) -> None:
    words = [
        f"{a}{b}" for a in "bdfgklmnprst" for b in ("an", "el", "ir", "om", "un", "ast", "ent", "ick", "old", "ump")
    ]
    lines = [" ".join(words[(7 * i + j * j) % len(words)] for j in range(9)) + "." for i in range(120)]
    (place / "text.txt").write_text("\n\n".join("\n".join(lines[i : i + 6]) for i in range(0, 120, 6)) + "\n")
    rows = "".join(f"{line}\t{'ab'[i % 2]}\n" for i, line in enumerate(lines[:24]))
    (place / "train.tsv").write_text("text\tlabel\n" + rows)
    (place / "other.tsv").write_text("text\tlabel\n" + rows + "ban\tc\n")
    for command in (
        ["vocab", f"--input={place}/text.txt", f"--output={place}/vocab", "--size=200"],
        [
            "records",
            f"--input={place}/text.txt",
            f"--vocab={place}/vocab/vocab.txt",
            f"--output={place}/records",
            "--max_seq_length=32",
            "--workers=1",
        ],
        [
            "pretrain",
            f"--records={place}/records",
            "--model=debug_student",
            f"--output={place}/student",
            "--steps=4",
            *TRAINING,
        ],
    ):
        assert cli.run(command) == 0


Complain = Callable[..., str]


@pytest.fixture
def complain(capsys: pytest.CaptureFixture[str]) -> Complain:
    """Run a command that must fail with this status, and return its one line on standard error."""

    def run(*words: str, status: int = 2) -> str:
        capsys.readouterr()
        assert cli.run(list(words)) == status
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("mobilebert-tf")]
        assert len(lines) == 1
        return lines[0]

    return run
