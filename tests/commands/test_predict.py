"""`predict`: a model directory and its file give the same answer, in every way to pass texts."""

import io
import json
import sys

import pytest

from mobilebert_tf import cli
from mobilebert_tf.commands import answer_lines, labelled_data
from mobilebert_tf.commands.data_options import DataOptions
from mobilebert_tf.errors import UsageError


def test_answers_of_keras_and_litert(classifier_directory, export_directory, tmp_path, capsys, monkeypatch):
    texts = ["a b c d", "", "z y x w v u t s r q p o n m l k j i h"]
    file = tmp_path / "texts.txt"
    file.write_text("".join(text + "\n" for text in texts))

    def ask(*flags: str) -> list[dict]:
        assert cli.run(["predict", "--json", *flags]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    keras = ask(f"--model={classifier_directory}", f"--input={file}")
    assert [answer["text"] for answer in keras] == texts
    model = f"--model={export_directory / 'float32.tflite'}"
    one_by_one = [ask(model, f"--text={text}")[0] for text in texts]
    monkeypatch.setattr(sys, "stdin", io.StringIO(file.read_text()))
    for answers in (one_by_one, ask(model, f"--input={file}"), ask(model, "--input=-")):
        for answer, expected in zip(answers, keras, strict=True):
            assert answer["label"] == expected["label"] == max(answer["probabilities"], key=answer["probabilities"].get)
            # Logits agree to 1e-4 of the largest, which is several units here.
            assert answer["probabilities"] == pytest.approx(expected["probabilities"], abs=2e-3)
            assert sum(answer["probabilities"].values()) == pytest.approx(1.0)


def test_plain_output_names_label_and_all_probabilities(export_directory, capsys, tmp_path):
    model = f"--model={export_directory / 'dynamic_int8.tflite'}"
    assert cli.run(["predict", model, "--text=a b"]) == 0
    first, *bars = capsys.readouterr().out.splitlines()
    assert first.split()[0] in ("bad", "good") and first.count("%") == 2
    assert [bar.split()[0] for bar in bars] == sorted(("bad", "good"), key=lambda label: label != first.split()[0])
    texts = tmp_path / "texts.txt"
    texts.write_text("a b\nc d\n")
    assert cli.run(["predict", model, f"--input={texts}"]) == 0
    assert [line.split()[-2:] for line in capsys.readouterr().out.splitlines()] == [["a", "b"], ["c", "d"]]


def test_answers_are_shown_where_they_stand():
    context = "x" * 80 + " It was written by\nAda Lovelace in 1843. " + "y" * 80
    start = context.index("Ada")
    answer = {"answer": "Ada Lovelace", "start": start, "end": start + 12, "probability": 0.934, "others": []}
    shown = answer_lines.line("Who?", context, answer, show_text=True, colour=False)
    assert shown.startswith("Who?  Ada Lovelace  93.4%  ...xxx") and "by [Ada Lovelace] in 1843." in shown
    assert shown.endswith("y...") and "\n" not in shown
    assert "\x1b[1mAda Lovelace\x1b[0m" in answer_lines.line("Who?", context, answer, show_text=False, colour=True)
    none = {"answer": "", "start": None, "end": None, "probability": 0.5, "others": [{"answer": "Ada"}]}
    assert answer_lines.line("Who?", context, none, False, False) == "no answer  50.0%; else 'Ada'"
    entities = [{"text": "Ada", "start": 3, "end": 6, "label": "person", "probability": 0.98}]
    assert answer_lines.line("by Ada, 1843", None, {"entities": entities}, False, False) == "by [Ada person 98%], 1843"


def test_probabilities_are_bars():
    answer = {"probabilities": {"no": 0.03, "maybe": 0.5, "yes": 0.47}}
    blocks = answer_lines.bars(answer, "utf-8")
    assert blocks[0] == "  maybe  " + "\u2588" * 10 + " " * 10 + "   50.0%"
    assert blocks[1].split()[1] == "\u2588" * 9 + "\u258d" and blocks[2].split()[1] == "\u258b"
    assert answer_lines.bars(answer, "ascii")[1] == "  yes    #########" + " " * 14 + "47.0%"
    assert answer_lines.bars({"value": 3.0}, "utf-8") == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "give the text"),
        (["--text=a", "--input=b"], "give the text"),
        (["--text=a", "--context=b"], "leave --context out"),
        (["--text=a", "--threads=0"], "at least 1"),
        (["--input=/absent/file.txt"], "no such file"),
    ],
)
def test_wrong_use_is_one_line(export_directory, capsys, flags, message):
    assert cli.run(["predict", f"--model={export_directory / 'float32.tflite'}", *flags]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and len(error.splitlines()) == 1


def test_a_table_is_read_by_its_columns(export_directory, tmp_path, capsys):
    table = tmp_path / "test.csv"
    table.write_text('id,Text\n17,"a, b"\n18,\n19,"c\nd"\n')
    model = f"--model={export_directory / 'float32.tflite'}"
    assert cli.run(["predict", "--json", model, f"--input={table}"]) == 0
    captured = capsys.readouterr()
    assert [json.loads(line)["text"] for line in captured.out.splitlines()] == ["a, b", "", "c\nd"]
    assert "1 row without text in column 'text' answered as empty texts, the first in line 3" in captured.err
    assert cli.run(["predict", model, f"--input={table}"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert cli.run(["predict", model, f"--input={table}", "--text_column=body"]) == 2
    assert "no column 'body'; it has id, Text" in capsys.readouterr().err
    for flags in ([f"--input={table}", "--context=a"], ["--text=a", "--text_column=b"]):
        assert cli.run(["predict", model, *flags]) == 2
    assert cli.run(["predict", model, f"--input={table}", "--text_pair_column=id"]) == 2
    assert "judges one text at a time" in capsys.readouterr().err


@pytest.fixture(scope="module")
def tagger(classifier_directory, tmp_path_factory):
    """A model of entities with random weights."""
    from mobilebert_tf.model_directory import load_model_directory, save_model_directory
    from mobilebert_tf.models import build_model
    from mobilebert_tf.tasks.entities import EntitiesTask

    directory = tmp_path_factory.mktemp("entities") / "tagger"
    loaded = load_model_directory(classifier_directory)
    task = EntitiesTask(labels=("O", "B-x", "I-x"), max_seq_length=16)
    save_model_directory(directory, build_model(loaded.config, task.heads, 1), loaded.tokenizer, task)
    return directory


def test_words_with_labels_are_read_as_such_whatever_the_ending(tagger, tmp_path, capsys, monkeypatch):
    words = tmp_path / "test.txt"
    words.write_text("a O\nb B-x\n\nc O\n")
    model = f"--model={tagger}"
    assert cli.run(["predict", "--json", model, f"--input={words}"]) == 0
    captured = capsys.readouterr()
    assert [json.loads(line)["text"] for line in captured.out.splitlines()] == ["a b", "c"]
    assert f"{words}: most lines are a word and its label" in captured.err
    monkeypatch.setattr(sys, "stdin", io.StringIO(words.read_text()))
    assert cli.run(["predict", model, "--input=-"]) == 2
    assert "give a file instead" in capsys.readouterr().err
    words.write_text("a b O\nan O\nb c\nd e\n")
    assert cli.run(["predict", "--json", model, f"--input={words}"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_flags_that_columns_of_words_have_no_use_for(tagger, tmp_path, capsys):
    words = tmp_path / "test.conll"
    words.write_text("a O\nb B-x\n")
    table = tmp_path / "test.tsv"
    table.write_text(words.read_text())
    for command, flags, message in (
        ("predict", [f"--input={words}", "--context=a"], "leave --context out"),
        ("predict", [f"--input={table}", "--text_column=zzz"], "have no names, the first is the word"),
        ("evaluate", [f"--input={words}", "--label_column=zzz"], "have no names, the last is the label"),
        ("evaluate", [f"--input={words}", "--text_pair_column=zzz"], "leave --text_pair_column out"),
    ):
        assert cli.run([command, f"--model={tagger}", *flags]) == 2
        assert message in capsys.readouterr().err
    for name, message in (("label_column", "the last is the label"), ("text_pair_column", "is for two texts")):
        with pytest.raises(UsageError, match=message):
            labelled_data.read(DataOptions(train=str(words), **{name: "zzz"}))
