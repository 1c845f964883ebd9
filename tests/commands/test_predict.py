"""`predict`: the same answer from a model directory and from its file, in every way to ask."""

import io
import json
import sys

import pytest

from mobilebert_tf import cli


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
            # Logits agree to 1e-4 of their size, which is some units here.
            assert answer["probabilities"] == pytest.approx(expected["probabilities"], abs=2e-3)
            assert sum(answer["probabilities"].values()) == pytest.approx(1.0)


def test_plain_output_names_label_and_all_probabilities(export_directory, capsys):
    assert cli.run(["predict", f"--model={export_directory / 'dynamic_int8.tflite'}", "--text=a b"]) == 0
    out = capsys.readouterr().out.strip()
    assert out.split()[0] in ("bad", "good") and out.count("%") == 2 and len(out.splitlines()) == 1


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
    told = capsys.readouterr()
    assert [json.loads(line)["text"] for line in told.out.splitlines()] == ["a, b", "", "c\nd"]
    assert "1 row without text in column 'text' answered as empty texts, the first in line 3" in told.err
    assert cli.run(["predict", model, f"--input={table}"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert cli.run(["predict", model, f"--input={table}", "--text_column=body"]) == 2
    assert "no column 'body'; it has id, Text" in capsys.readouterr().err
    for flags in ([f"--input={table}", "--context=a"], ["--text=a", "--text_column=b"]):
        assert cli.run(["predict", model, *flags]) == 2
    assert cli.run(["predict", model, f"--input={table}", "--text_pair_column=id"]) == 2
    assert "judges one text at a time" in capsys.readouterr().err
