"""What a command prints as the next one runs as it stands, from text to answers."""

import shlex
from pathlib import Path

import pytest

from mobilebert_tf import cli
from mobilebert_tf.commands import next_step
from mobilebert_tf.config import MobileBertConfig

SHORT = ["--batch_size=4", "--steps_per_call=2", "--checkpoint_every=4"]
"""Flags that make a printed command small; of a flag that is there twice the last one counts."""

SMALLER = {
    "vocab": ["--size=200"],
    "records": ["--max_seq_length=32", "--shards=1", "--workers=1"],
    "pretrain": ["--model=debug_teacher", "--steps=2", "--warmup_steps=1", *SHORT],
    "distill": ["--total_steps=8", *SHORT],
    "finetune": ["--epochs=1", "--max_seq_length=16", *SHORT],
    "export": ["--recipes=float32", "--rounds=1", "--runs=1", "--parity_examples=4"],
    "predict": [],
}


def follow(words: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Run a command; the words of the one that it prints as the next."""
    assert cli.run(words) == 0, capsys.readouterr().err
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("next: mobilebert-tf ")]
    return shlex.split(lines[-1].removeprefix("next: mobilebert-tf ")) if lines else []


def test_from_text_to_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    place = tmp_path / "my texts [1]"
    place.mkdir()
    monkeypatch.chdir(place)
    sentences = [f"The {a} cat sees {b} dogs." for a in ("red", "old", "big", "fat") for b in ("two", "ten", "six")]
    documents = ("\n".join(sentences[i:] + sentences[:i]) for i in range(12))
    Path("text.txt").write_text("\n\n".join(documents) + "\n")
    Path("train.tsv").write_text("text\tlabel\n" + "".join(f"{s}\t{'ab'[i % 2]}\n" for i, s in enumerate(sentences)))
    # A directory that is there already is not taken.
    Path("vocab").mkdir()
    Path("vocab/mine").write_text("")

    words = ["corpus", f"--input={place}/text.txt", "--output=corpus"]
    ran = []
    while words:
        ran.append(words[0])
        words = follow([*words, *SMALLER.get(words[0], [])], capsys)
    assert ran == ["corpus", *SMALLER]
    assert (place / "vocab-2" / "vocab.txt").exists()

    evaluated = ["evaluate", "--model=classifier", "--input=train.tsv", "--output=score"]
    for command in (evaluated, ["convert", "--input=student", "--output=hf", "--to=huggingface"]):
        following = follow(command, capsys)
        assert following and follow(following, capsys) == []


@pytest.mark.parametrize(
    "teacher, student",
    [("ib_bert_large", "mobilebert"), ("demo_teacher", "demo_student"), ("debug_teacher", "debug_student")],
)
def test_the_student_fits_the_teacher(teacher: str, student: str) -> None:
    config = MobileBertConfig.preset(teacher, vocab_size=1000)
    line = next_step.after_pretraining("a b/teacher", "records", config, 100)
    assert f"--student={student}" in line and "'--teacher=a b/teacher'" in line and line.startswith("next: ")


def test_a_teacher_without_a_student_is_fine_tuned() -> None:
    assert "finetune" in next_step.after_pretraining("t", "records", MobileBertConfig.preset("bert_base"), 100)
