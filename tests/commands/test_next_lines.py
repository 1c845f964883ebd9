"""The next command that a command prints runs unchanged, all the way from text to answers."""

import shlex
from pathlib import Path

import pytest

from mobilebert_tf import cli
from mobilebert_tf.commands import next_step
from mobilebert_tf.commands.vocab import Vocab
from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import FailedError
from mobilebert_tf.reporting import export_report

SHORT = ["--batch_size=4", "--steps_per_call=2", "--checkpoint_every=4"]
"""Flags that shorten a printed command; if a flag is given twice, the last one counts."""

SMALLER = {
    "vocab": ["--size=200"],
    "records": ["--max_seq_length=32", "--shards=1", "--workers=1"],
    "pretrain": ["--model=debug_teacher", "--steps=2", "--warmup_steps=1", *SHORT],
    "distill": ["--total_steps=8", *SHORT],
    "finetune": ["--epochs=1", "--max_seq_length=16", *SHORT],
    "export": ["--recipes=float32", "--rounds=1", "--runs=1", "--parity_examples=4"],
    "predict": [],
}


def follow(words: list[str], capsys: pytest.CaptureFixture[str], begins: str = "next: ") -> list[str]:
    """Run a command, and return the words of the next command that it prints after `begins`."""
    assert cli.run(words) == 0, capsys.readouterr().err
    begins += "mobilebert-tf "
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(begins)]
    return shlex.split(lines[-1].removeprefix(begins)) if lines else []


def test_from_text_to_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    place = tmp_path / "my texts [1]"
    place.mkdir()
    monkeypatch.chdir(place)
    sentences = [f"The {a} cat sees {b} dogs." for a in ("red", "old", "big", "fat") for b in ("two", "ten", "six")]
    documents = ("\n".join(sentences[i:] + sentences[:i]) for i in range(12))
    Path("text.txt").write_text("\n\n".join(documents) + "\n")
    Path("train.tsv").write_text("text\tlabel\n" + "".join(f"{s}\t{'ab'[i % 2]}\n" for i, s in enumerate(sentences)))
    # A directory that exists already is not proposed as an output.
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
    converted = (
        ["convert", "--input=student", f"--output=my {to}", f"--to={to}"] for to in ("huggingface", "tf1", "keras")
    )
    for command in (evaluated, *converted):
        following = follow(command, capsys)
        assert following and follow(following, capsys) == []


def test_pairs_with_an_evaluation_and_in_int8(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """Follow a fine-tuning with --eval, a quantisation-aware one and an export of pairs; then check a copy."""
    monkeypatch.chdir(tmp_path)
    rows = [line.split("\t") for line in (made / "train.tsv").read_text().splitlines()[1:]]
    table = "first\tsecond\tlabel\n" + "".join(f"{text}\t{text[:9]}\t{label}\n" for text, label in rows)
    for name in ("train.tsv", "dev.tsv"):
        Path(name).write_text(table)
    tables = ["--train=train.tsv", "--eval=dev.tsv", *SMALLER["finetune"]]
    columns = ["--text_column=first", "--text_pair_column=second"]
    loose = [*SMALLER["export"], "--max_score_drop=1", "--min_agreement=0", "--max_error=9"]
    first = ["finetune", f"--model={made / 'student'}", *columns, *tables, "--output=float"]
    aware = ["finetune", "--quantization_aware", "--model=float", *tables, "--output=aware"]
    for tuned, output in ((first, "export"), (aware, "export-2")):
        exporting = follow(tuned, capsys)
        assert {"--evaluation=dev.tsv", "--calibration=train.tsv", f"--output={output}"} <= set(exporting)
        checking = follow([*exporting, *loose], capsys, "check a copy: ")
        assert checking == ["export", "verify", output] and follow(checking, capsys) == []
        recommended = export_report.recommended(Path(output))
        predicting = ["predict", f"--model={output}/{recommended}", "--text=...", "--context=..."]
        assert follow(predicting, capsys) == []


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


@pytest.mark.parametrize("output", [".", "here", "deep/er"])
def test_a_place_beside_the_output_is_one(output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for a command that writes into the shell's working directory."""
    stands = tmp_path / "stands"
    (stands / output).mkdir(parents=True)
    monkeypatch.chdir(stands)
    shown = next_step.beside(output, "next")
    assert (stands / shown).resolve() == (stands / output).resolve().parent / "next"
    assert next_step.beside(str(stands / output), "next") == str((stands / output).resolve().parent / "next")


def test_a_path_that_begins_with_a_dash_is_no_flag() -> None:
    assert next_step.line("model info", "-x") == "next: mobilebert-tf model info ./-x"
    assert next_step.line("vocab", "--input=-x") == "next: mobilebert-tf vocab --input=-x"


def test_a_pipeline_runs_what_is_next_and_does_not_say_it(tmp_path: Path, monkeypatch, capsys) -> None:
    """Run the first stage of a pipeline, alone and then within it; the second stage is stopped."""

    def stop(command: Vocab) -> None:
        raise FailedError("stopped")

    monkeypatch.setattr(Vocab, "run", stop)
    text, table = tmp_path / "text.txt", tmp_path / "table.tsv"
    text.write_text("\n\n".join(f"A cat saw {i} dogs.\nThey ran." for i in range(12)) + "\n")
    table.write_text("text\tlabel\na cat\tx\na dog\ty\n")
    assert cli.run(["corpus", f"--input={text}", f"--output={tmp_path / 'corpus'}"]) == 0
    assert "next: mobilebert-tf vocab" in capsys.readouterr().out
    words = [f"--input={text}", f"--train={table}", f"--eval={table}", f"--output={tmp_path / 'all'}"]
    assert cli.run(["pipeline", *words]) == 1
    printed = capsys.readouterr()
    assert "stopped" in printed.err and "corpus: " in printed.out and "next: " not in printed.out
