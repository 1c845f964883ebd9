"""One table for `finetune`: the kind of task, the held-out rows, and the commands that use these rows."""

import dataclasses
import json
from pathlib import Path

import pytest

from mobilebert_tf import cli
from mobilebert_tf.commands import labelled_data
from mobilebert_tf.commands.data_options import DataOptions
from mobilebert_tf.commands.labelled_data import read
from mobilebert_tf.tasks.files import read_task
from mobilebert_tf.tokenizer_files import read_tokenizer

from .conftest import TRAINING

COLUMNS = {"text": "first text", "pair": "second, with a comma"}


def write(path: Path, labels: list[str]) -> Path:
    """Write a table of pairs with awkward characters, in which one row occurs twice."""
    rows = [{"text": f'a "{i % 37}"\tb\nc', "pair": f"é {i}", "label": label} for i, label in enumerate(labels)]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[0]]))
    return path


@pytest.mark.parametrize(
    "kind, labels",
    [
        ("classification", ["yes", "no", "no"] * 20),
        ("regression", [f"{i / 7}" for i in range(60)]),
        ("multilabel", ["x|y", "y", "", "z|x", "z"] * 12),
    ],
)
def test_held_out_rows_come_back_as_the_same_examples(kind, labels, tmp_path, capsys):
    options = DataOptions(train=str(write(tmp_path / "t.jsonl", labels)), text_pair_column="pair", eval_share=0.3)
    data = read(options)
    printed = capsys.readouterr().out
    assert data.task.name == kind and (f"--task={kind}, since" in printed) == (kind != "classification")
    assert len(data.training) + len(data.evaluation) == 61 and 15 <= len(data.evaluation) <= 24
    assert not {(e.text, e.text_pair) for e in data.training} & {(e.text, e.text_pair) for e in data.evaluation}
    table = tmp_path / "held.jsonl"
    table.write_text("".join(json.dumps(data.task.row(e)) + "\n" for e in data.evaluation))
    assert data.task.read(table) == data.evaluation
    assert read(options) == data


def test_questions_and_entities_are_split_too(tmp_path, capsys):
    """Questions on one passage stay on one side; every kind of entity is on both; written rows read back the same."""
    paragraphs = [
        {
            "context": f"Passage {i} is about {i} things.",
            "qas": [
                {
                    "id": f"{i}-{q}",
                    "question": f"q{q}?",
                    "answers": [{"text": "about", "answer_start": 11 + len(str(i))}] * (q != 2),
                }
                for q in range(3)
            ],
        }
        for i in range(20)
    ]
    (tmp_path / "squad.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    lines = [f"Ada B-person\nsaw O\n{'Paris B-place' if i % 3 else 'it O'}\n{i} O\n\n" for i in range(40)]
    (tmp_path / "words.conll").write_text("".join(lines))
    for name, kind in (("squad.json", "qa"), ("words.conll", "entities")):
        data = read(DataOptions(train=str(tmp_path / name), eval_share=0.2))
        assert data.task.name == kind and f"--task={kind}, since" in capsys.readouterr().out
        held = tmp_path / f"{kind}.jsonl"
        held.write_text("".join(json.dumps(data.task.row(e)) + "\n" for e in data.evaluation))
        assert data.task.read(held) == data.evaluation
        assert read(DataOptions(train=str(held), eval="none")).task.name == kind
        if kind == "qa":
            assert not {e.text_pair for e in data.training} & {e.text_pair for e in data.evaluation}
            assert len(data.evaluation) in (12, 15)
        else:
            assert {tag for e in data.evaluation for tag in e.tags} == {"O", "B-person", "B-place"}
            assert len(data.evaluation) in (8, 9)


def test_the_kind_that_is_given_is_obeyed(tmp_path, capsys):
    table = write(tmp_path / "t.jsonl", [f"{i / 7:.1f}" for i in range(60)])
    assert read(DataOptions(train=str(table), task="classification")).task.name == "classification"
    assert "since" not in capsys.readouterr().out


def test_one_table_is_enough(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out"
    words = ["finetune", f"--model={made / 'student'}", f"--train={made / 'train.tsv'}", "--max_seq_length=16"]
    words += [*TRAINING, "--epochs=2", f"--output={output}", "--learning_rate=1e-3"]
    assert cli.run(words) == 0
    printed = capsys.readouterr().out
    # Three of the twelve rows of each class.
    assert f"held out 6 rows as {output / 'held_out.jsonl'}; --eval=none holds out none" in printed
    assert "evaluation accuracy" in printed and f"--evaluation={output / 'held_out.jsonl'}" in printed.splitlines()[-1]
    rows = (output / "held_out.jsonl").read_text()
    score = json.loads((output / "metrics.json").read_text())["evaluation"]["accuracy"]
    assert cli.run(["evaluate", f"--model={output}", f"--input={output / 'held_out.jsonl'}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == score
    # Another training seed holds out the same rows; the same command has nothing left to do.
    again = [word.replace(str(output), str(tmp_path / "again")) for word in words]
    assert cli.run([*again, "--seed=1"]) == 0 and (tmp_path / "again" / "held_out.jsonl").read_text() == rows
    capsys.readouterr()
    assert cli.run(words) == 0 and "skipped" in capsys.readouterr().out


def test_all_rows_are_trained_on_if_asked(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["finetune", f"--model={made / 'student'}", f"--train={made / 'train.tsv'}", "--max_seq_length=16"]
    assert cli.run([*words, *TRAINING, "--epochs=1", "--eval=none", f"--output={tmp_path / 'out'}"]) == 0
    assert "24 examples" in capsys.readouterr().out and not (tmp_path / "out" / "held_out.jsonl").exists()
    assert "evaluation" not in json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert read_task(tmp_path / "out").labels == ("a", "b")


def test_the_length_follows_the_texts(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """99 of 100 texts fit, rounded up to 16, within the model's positions; a length that is given is obeyed."""
    texts = ["ban " * (4 + number % 20) for number in range(198)] + ["ban " * 60] * 2
    (tmp_path / "t.tsv").write_text("text\tlabel\n" + "".join(f"{t}\t{'ab'[i % 2]}\n" for i, t in enumerate(texts)))
    model = str(made / "student")
    data, options = {}, DataOptions(train=str(tmp_path / "t.tsv"), eval="none")
    for given in (None, 20):
        own = dataclasses.replace(options, max_seq_length=given)
        data[given] = labelled_data.with_fitting_length(own, read(own), model)
    assert data[20].task.max_seq_length == 20
    tokenizer = read_tokenizer(made / "student")
    assert tokenizer is not None
    lengths = sorted(len(ids) + 2 for ids in tokenizer.encode_batch(texts))
    fitting = data[None].task.max_seq_length
    assert fitting % 16 == 0 and fitting - 16 < lengths[197] <= fitting < lengths[-1]
    assert f"--max_seq_length={fitting}, since 99 % of the texts have at most {lengths[197]}" in capsys.readouterr().out
    (tmp_path / "long.tsv").write_text(
        "text\tlabel\n" + "".join(f"{'ban ' * 90}{i}\t{'ab'[i % 2]}\n" for i in range(9))
    )
    long = dataclasses.replace(options, train=str(tmp_path / "long.tsv"))
    assert labelled_data.with_fitting_length(long, read(long), model).task.max_seq_length == 64


def test_lengths_of_kinds_end_where_the_positions_do(made: Path, tmp_path: Path) -> None:
    """64 positions cut the lengths of GLUE (128) and of questions (384), whose windows then overlap by two thirds."""
    rows = tmp_path / "qa.jsonl"
    rows.write_text('{"question": "ban", "context": "ban ban", "answers": "ban"}\n')
    table = tmp_path / "rte.tsv"
    table.write_text("sentence1\tsentence2\tlabel\nban\tban\tentailment\n")
    for kind, path, stride in (("qa", rows, 21), ("glue/rte", table, None)):
        options = DataOptions(train=str(path), eval="none", task=kind)
        task = labelled_data.with_fitting_length(options, read(options), str(made / "student")).task
        assert task.max_seq_length == 64 and getattr(task, "doc_stride", None) == stride


def test_what_is_left_out_hinders_no_other_command(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last line names tables that `export` can read, as it refuses the bad rows of --train and --eval."""
    lines = (made / "train.tsv").read_text().splitlines()
    for name, bad in (("train.tsv", "one cell"), ("dev.tsv", "text\tstrange")):
        (tmp_path / name).write_text("\n".join([*lines, bad]) + "\n")
    words = ["finetune", f"--model={made / 'student'}", f"--train={tmp_path / 'train.tsv'}", *TRAINING, "--epochs=1"]
    words += [
        f"--eval={tmp_path / 'dev.tsv'}",
        "--max_seq_length=16",
        "--skip_bad_rows",
        f"--output={tmp_path / 'out'}",
    ]
    assert cli.run(words) == 0
    out = capsys.readouterr().out
    assert "2 unusable rows left out, the first: " in out
    following = out.splitlines()[-1]
    for flag, name in (("calibration", "trained"), ("evaluation", "held_out")):
        assert f"--{flag}={tmp_path / 'out' / name}.jsonl" in following
        table = str(tmp_path / "out" / f"{name}.jsonl")
        assert len(read(DataOptions(train=table, eval="none")).training) == 24
