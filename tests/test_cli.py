"""The command line: help, unknown words, exit status, and refusals of run directories."""

import dataclasses
import importlib
import os
import re
import shlex
from pathlib import Path

import pytest

from mobilebert_tf import cli, quiet
from mobilebert_tf.command_line import command_class, values_of
from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import define_flags, from_flags, option
from mobilebert_tf.run_directory import open_run

COMMANDS = "corpus vocab records pretrain distill finetune evaluate predict export report pipeline".split()


def test_overview_names_every_command(capsys):
    """Each command has its own line; its name alone could also be in another's description."""
    assert cli.run(["--help"]) == 0
    rows = dict(re.findall(r"^  (\w+(?: \w+)?)  +(\S.*)$", capsys.readouterr().out, re.MULTILINE))
    assert list(rows) == list(cli.COMMANDS) and set(COMMANDS) <= set(rows)
    assert {"benchmark host", "benchmark training", "export verify", "model info", "convert"} <= set(rows)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_explains_itself(name, capsys):
    """The help lists all flags, and its example command lines parse."""
    assert cli.run([*name.split(), "--help"]) == 0
    text, flags = capsys.readouterr().out.split("\nflags:\n")
    assert text.startswith(f"usage: mobilebert-tf {name} ")
    module, _, attribute = cli.COMMANDS[name][0].partition(":")
    command = getattr(importlib.import_module(module), attribute)
    fields = {field.name for field in dataclasses.fields(command)}
    assert set(re.findall(r"^  --(\w+)", flags, re.MULTILINE)) == {*fields, "flagfile", "debug"}
    examples = re.findall(rf"^ +mobilebert-tf {name} ((?:.*\\\n)*.*)$", text, re.MULTILINE)
    assert examples
    for example in examples:
        words = shlex.split(example.replace("\\\n", " "))
        # Flag files do not exist here; ... stands for the flags of the example above.
        words = [word for word in words if not word.startswith("--flagfile") and word != "..."]
        left = define_flags(command)([name, *words])[1:]
        assert len(left) == (1 if left and hasattr(command, "POSITIONAL") else 0), example


@pytest.mark.parametrize(
    "words, message",
    [
        (["pretain"], "did you mean `pretrain`"),
        (["vocab", "--siez=3", "--output=x", "--input=y"], "siez"),
        (["vocab", "--size=many", "--output=x", "--input=y"], "size"),
        (["vocab"], "--"),
        (["vocab", "corpus", "--output=x", "--input=y"], "'corpus' is not a flag"),
        (["pretrain", "--optimizer=sgd", "--output=x", "--records=y"], "sgd"),
        (["vocab", "--flagfile=none.flags"], "vocab: --flagfile: none.flags: No such file or directory"),
        (["vocab", "--size=1,2"], "flag --size=1,2: is not a whole number"),
        (["finetune", "--merge_labels=maybe"], "flag --merge_labels=maybe: is neither true nor false"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(words, message, capsys):
    assert cli.run(words) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and "Traceback" not in error


@pytest.mark.parametrize(
    "content, message",
    [
        ("--size=200\n--sise=3\n", "a.flags, line 2: there is no flag --sise (did you mean size?); `"),
        ("# size\n--size=abc\n", "a.flags, line 2: flag --size=abc: is not a whole number; `"),
        ("--size=200\nhello\n", "a.flags, line 2: 'hello' is not a flag; flags look like --name=value"),
        ("--size=\xff\n", "--flagfile=a.flags: is not UTF-8 text; write one --name=value per line"),
    ],
)
def test_a_fault_in_a_flag_file_is_named_with_its_line(content, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("a.flags").write_bytes(content.encode("latin-1"))
    assert cli.run(["vocab", "--input=x", "--output=v", "--flagfile=a.flags"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"mobilebert-tf vocab: {message}") and error.count("\n") == 1


def test_a_flag_file_may_be_a_pipe():
    """A pipe, as the shell's <(...) makes one, can be read once."""
    read, write = os.pipe()
    os.write(write, b"--size=12\n")
    os.close(write)
    values = values_of("vocab", command_class("vocab"), [f"--flagfile=/dev/fd/{read}", "--output=v"])
    os.close(read)
    assert values["size"].value == 12


def test_a_flag_file_that_includes_itself_is_refused(tmp_path, monkeypatch, capsys):
    """absl leaves it out, and the command would run with its defaults."""
    monkeypatch.chdir(tmp_path)
    Path("a.flags").write_text("--flagfile=b.flags\n")
    Path("b.flags").write_text("--flagfile=a.flags\n")
    assert cli.run(["pipeline", "--flagfile=a.flags"]) == 2
    assert capsys.readouterr().err == "mobilebert-tf pipeline: --flagfile=a.flags: includes itself\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.flags", "b.flags"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Thing:
    """mobilebert-tf thing"""

    output: str = option("directory")
    source: str | None = option("file", default=None, is_input=True)
    size: int = option("how many", default=3)
    workers: int = option("processes", default=1, identity=False)


def test_flags_files_and_defaults(tmp_path):
    (tmp_path / "a.flags").write_text("# comment\n--size=5\n")
    values = define_flags(Thing)
    values(["thing", f"--flagfile={tmp_path / 'a.flags'}", "--output=here"])
    assert from_flags(Thing, values) == Thing(output="here", size=5)


def test_a_run_resumes_is_finished_and_refuses_others(tmp_path):
    text = tmp_path / "text"
    text.write_text("one")
    place = str(tmp_path / "run")
    thing = Thing(output=place, source=str(text))
    with open_run(thing, "thing", place) as run:
        assert not run.finished
        (run.directory / "half.txt").write_text("4")
    with open_run(dataclasses.replace(thing, workers=8), "thing", place) as run:
        assert (run.directory / "half.txt").exists()
        (run.directory / "result.txt").write_text("42")
        run.finish(answer=42)
    with open_run(thing, "thing", place) as again:
        assert again.finished and again.record["summary"] == {"answer": 42}
        assert again.record["outputs"]["result.txt"]["bytes"] == 2
    refuse(dataclasses.replace(thing, size=4), "thing", place, "--size 3, now 4")
    refuse(thing, "other", place, "`thing`, not of `other`")
    text.write_text("two")
    refuse(thing, "thing", place, "--source")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["half.txt", "result.txt", "run.json"]


def refuse(thing, name, place, said):
    with pytest.raises(UsageError, match=said), open_run(thing, name, place):
        pytest.fail("it was opened")


def test_a_directory_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "letters.txt").write_text("dear")
    refuse(Thing(output=str(tmp_path)), "thing", str(tmp_path), "holds other files")
    assert [p.name for p in tmp_path.iterdir()] == ["letters.txt"]


def test_a_directory_is_given_back_if_nothing_was_made(tmp_path):
    """An existing directory stays, one that the command made is removed, and one with work in it is kept."""
    existing, new, begun = tmp_path / "there", tmp_path / "new", tmp_path / "begun"
    existing.mkdir()
    for place in (existing, new, begun):
        with pytest.raises(ValueError), open_run(Thing(output=str(place)), "thing", str(place)) as run:
            if place == begun:
                (run.directory / "half.txt").write_text("4")
            raise ValueError
    assert not list(existing.iterdir()) and not new.exists()
    assert sorted(path.name for path in begun.iterdir()) == ["half.txt", "run.json"]


@pytest.mark.parametrize(
    "flag, said",
    [
        ("--student=none.json", "none.json: no such file"),
        ("--max_seq_length=200", "the position table of --teacher=demo_teacher ends at 128"),
        ("--student=mobilebert_tiny", "teacher and student do not fit"),
        ("--max_sentences_per_class=0", "--max_sentences_per_class=0: must be at least 1"),
        ("--attention_weight=-5", "--attention_weight=-5.0: must be at least 0"),
        (f"--teacher={Path(__file__).parent}", "both networks begin from random weights here"),
        ("--vocab_size=2000000000", "--vocab_size=2000000000: must be at most 1,000,000"),
    ],
)
def test_the_pipeline_looks_at_all_stages_before_the_first(flag, said, tmp_path, capsys):
    assert cli.run(["pipeline", flag, f"--output={tmp_path / 'run'}"]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "run").exists()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Broken:
    """A command with a bug."""

    def run(self) -> None:
        raise ZeroDivisionError("over\nthe top")


def test_what_nobody_foresaw_is_one_line(monkeypatch, capsys):
    monkeypatch.setitem(cli.COMMANDS, "vocab", (f"{__name__}:Broken", ""))
    assert cli.run(["vocab"]) == 1
    assert capsys.readouterr().err == (
        "mobilebert-tf vocab: unexpected ZeroDivisionError: over; --debug shows where it comes from\n"
    )
    monkeypatch.setenv(quiet.DEBUG_VARIABLE, "")  # --debug sets it; monkeypatch restores it afterwards
    assert cli.run(["vocab", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--teacher=demo_techer", "--vocab=none.txt", "--recipes=int3"])
def test_the_pipeline_looks_at_names_before_the_first_stage(flag, tmp_path, capsys):
    assert cli.run(["pipeline", flag, f"--output={tmp_path / 'run'}"]) == 2
    assert flag.split("=")[1] in capsys.readouterr().err and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "flag, content, said",
    [
        ("vocab", "[UNK]\nfoo\n", "[PAD] is missing"),
        ("input", "", "is empty"),
        ("held_out_input", "\n\n", "blank lines"),
    ],
)
def test_the_pipeline_reads_its_texts_and_vocabulary_before_the_first_stage(flag, content, said, tmp_path, capsys):
    for name in ("table.tsv", "text.txt"):
        (tmp_path / name).write_text("text\tlabel\na\tx\nb\ty\n")
    (tmp_path / "bad.txt").write_text(content)
    inputs = {"input": tmp_path / "text.txt", "train": tmp_path / "table.tsv", "eval": tmp_path / "table.tsv"}
    inputs[flag] = tmp_path / "bad.txt"
    words = [f"--{name}={value}" for name, value in inputs.items()]
    assert cli.run(["pipeline", *words, f"--output={tmp_path / 'run'}"]) == 2
    message = capsys.readouterr().err
    assert "bad.txt" in message and said in message and not (tmp_path / "run").exists()


def test_version_and_help_in_every_place(capsys):
    def said(*words: str, status: int = 0) -> str:
        assert cli.run(list(words)) == status
        return capsys.readouterr().out

    assert said("--version").startswith("mobilebert-tf 0.")
    assert said("help") == said("--help")
    assert said("help", "finetune") == said("finetune", "--help")
    assert said("help", "benchmark", "host") == said("benchmark", "host", "--help")
    for group in ("benchmark", "model"):
        inside = [name for name in cli.COMMANDS if name.startswith(f"{group} ")]
        listed = said(group, "--help")
        assert all(name in listed for name in inside) and "pipeline" not in listed
        assert said(group, status=2) == listed
    assert cli.run(["benchmark", "nothing"]) == 2
    assert "`benchmark nothing`; `mobilebert-tf benchmark --help`" in capsys.readouterr().err


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_required_flags_come_first(name, capsys):
    assert cli.run([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out.split("\nflags:\n")[1]
    flags = ["(required)" in flag for flag in text.split("\n  --")]
    assert flags == sorted(flags, reverse=True)


def test_an_option_that_there_was_not_yet_had_its_default(tmp_path):
    thing = Thing(output=str(tmp_path / "run"))
    with open_run(thing, "thing", thing.output) as run:
        del run.record["identity"]["size"]
        run.finish()
    with open_run(thing, "thing", thing.output) as run:
        assert run.finished
    with (
        pytest.raises(UsageError, match="--size 3, now 4"),
        open_run(dataclasses.replace(thing, size=4), "thing", thing.output),
    ):
        pass


def test_a_tilde_is_the_users_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    values = define_flags(Thing)
    values(["thing", "--output=~/out", "--source=~/in"])
    assert from_flags(Thing, values) == Thing(output=f"{tmp_path}/out", source=f"{tmp_path}/in")
    values(["thing", "--output=~/out", "--source=~/in,b=~/c,d~,e/~"])
    assert from_flags(Thing, values).source == f"{tmp_path}/in,b={tmp_path}/c,d~,e/~"
    values(["thing", "--output=~/out", "--source=~/in"])
    (tmp_path / "~").mkdir()
    (tmp_path / "~" / "in").touch()
    assert from_flags(Thing, values).source == "~/in"


def test_a_tilde_is_expanded_in_every_path_and_in_no_text(tmp_path, monkeypatch):
    from mobilebert_tf.commands.evaluate import Evaluate
    from mobilebert_tf.commands.predict import Predict

    monkeypatch.setenv("HOME", str(tmp_path))
    values = define_flags(Evaluate)
    values(["evaluate", "--model=~/m", "--input=~/dev.tsv", "--predictions=~/p.json"])
    assert from_flags(Evaluate, values).predictions == f"{tmp_path}/p.json"
    values = define_flags(Predict)
    values(["predict", "--model=~/m", "--text=~/p is where it lies"])
    assert from_flags(Predict, values).text == "~/p is where it lies"
