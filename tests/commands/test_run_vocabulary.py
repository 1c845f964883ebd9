"""A run keeps the vocabulary that it began with, even with --accept_changes."""

import json
from pathlib import Path

import pytest

from mobilebert_tf import cli, provenance
from mobilebert_tf.commands.pretrain import Pretrain
from mobilebert_tf.errors import UsageError
from mobilebert_tf.run_directory import Run
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Rules, Tokenizer

from .conftest import Complain

SHORT = ["--batch_size=4", "--steps_per_call=1", "--accept_changes"]


@pytest.fixture(scope="module")
def other_records(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of the same text, by a vocabulary with the same pieces in another order."""
    place = tmp_path_factory.mktemp("other")
    pieces = (made / "records" / "vocab.txt").read_text(encoding="utf-8").splitlines()
    (place / "vocab.txt").write_text("\n".join([*pieces[:5], *pieces[:4:-1]]) + "\n", encoding="utf-8")
    options = json.loads((made / "records" / "run.json").read_text())["options"]
    words = [f"--{name}={options[name]}" for name in ("input", "max_seq_length", "max_predictions", "shards")]
    words += [f"--vocab={place / 'vocab.txt'}", f"--output={place / 'records'}"]
    assert cli.run(["records", *words]) == 0
    return place / "records"


def files_of(directory: Path) -> dict[str, str]:
    return {str(file): provenance.sha256(file) for file in directory.rglob("*") if file.is_file()}


def test_pretraining(made: Path, other_records: Path, tmp_path: Path, complain: Complain) -> None:
    words = ["pretrain", "--model=debug_student", f"--output={tmp_path / 'a'}", *SHORT]
    assert cli.run([*words, f"--records={made / 'records'}", "--steps=2"]) == 0
    before = files_of(tmp_path / "a")
    line = complain(*words, f"--records={other_records}", "--steps=3")
    assert f"--records: its word pieces differ from {tmp_path / 'a' / 'vocab.txt'}" in line
    assert files_of(tmp_path / "a") == before
    assert cli.run([*words, f"--records={made / 'records'}", "--steps=3"]) == 0


def test_a_kill_between_its_files_leaves_a_run_that_goes_on(tmp_path: Path) -> None:
    """A vocabulary without its rules file has guessed rules, which would differ from the run's."""
    pieces = (*SPECIAL_TOKENS, "a", "##b")
    command, run = Pretrain(records="r", output=str(tmp_path)), Run(tmp_path, {}, 0.0)
    tokenizer = Tokenizer(pieces, Rules(lower_case=True, strip_accents=False))
    (tmp_path / "vocab.txt").write_text(tokenizer.lines)
    command.begin(run, tokenizer, "records")
    command.begin(run, tokenizer, "records")
    with pytest.raises(UsageError, match="its word pieces differ"):
        command.begin(run, Tokenizer(pieces), "records")


def test_distillation(made: Path, other_records: Path, tmp_path: Path, complain: Complain) -> None:
    """If teacher and records both change they agree with each other, but not with the student's vocabulary."""
    other = ["pretrain", "--model=debug_student", f"--records={other_records}", f"--output={tmp_path / 'teacher'}"]
    assert cli.run([*other, *SHORT, "--steps=1"]) == 0
    words = ["distill", "--student=debug_student", f"--output={tmp_path / 'a'}", *SHORT, "--strategy=joint"]
    words += ["--transfer_steps=1", "--distillation_steps=1"]
    first = [f"--teacher={made / 'student'}", f"--records={made / 'records'}"]
    assert cli.run([*words, *first, "--stop_after_stage=transfer"]) == 0
    before = files_of(tmp_path / "a")
    line = complain(*words, f"--teacher={tmp_path / 'teacher'}", f"--records={other_records}")
    assert "--records: its word pieces differ from" in line
    assert files_of(tmp_path / "a") == before
