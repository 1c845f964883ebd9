"""Instructions of files whose signatures share a graph: the cost of a change of length, and means over texts."""

import json
import os
import sys
from pathlib import Path

import pytest

from mobilebert_tf import cli
from mobilebert_tf.benchmarks import schema
from mobilebert_tf.benchmarks.arm import count, environment
from mobilebert_tf.benchmarks.files import instructions
from mobilebert_tf.benchmarks.files.texts import Texts

from .shared_graph import shared_graph
from .test_instructions import emulator

PLAYED = Path(__file__).with_name("played_emulator.py")

GROW, SHRINK = pytest.approx(0.5), pytest.approx(0.25)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same network with a graph for each of 4, 5, 8 and 9 tokens, and with one for all."""
    shared = shared_graph(tmp_path_factory.mktemp("files"))
    return [shared.with_name("apart.tflite"), shared]


class Played(environment.Environment):
    """An environment whose processor is this machine's, and whose counter is `played_emulator.py`."""

    qemu_version, litert_version = "0", "0"

    def command(self, core: str) -> list[str]:
        return [sys.executable, str(PLAYED)]

    def variables(self) -> dict[str, str]:
        return dict(os.environ)

    def use(self, core: str) -> None:
        """Nothing is written: this machine's processor is used."""


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> instructions.Emulated:
    """A counter, which the command uses too."""
    environment_ = Played(tmp_path)
    monkeypatch.setattr(environment, "open_environment", lambda directory: environment_)
    return instructions.Emulated(environment_, environment.CORES[0], ())


def test_numbers_of_a_change():
    printed = "instructions 1\ninstructions 3\nsignature a > b\ninstructions 10\ninstructions 90\ninstructions 150\n"
    assert count.read(printed) == (2, {"a > b": (10, 90, 150)})


def test_a_change_of_length_is_counted_apart(played, files: list[Path], tmp_path: Path, capsys):
    """Counts of inferences are those of graphs of their own; nothing grows to 4 or shrinks to 9 tokens."""
    output = tmp_path / "count.json"
    words = ["--sequence_lengths=all", f"--check_cores={environment.CORES[1]}", f"--output={output}"]
    assert cli.run(["benchmark", "instructions", f"--models={files[0]},{files[1]}", *words]) == 0
    document = json.loads(output.read_text())
    assert schema.fault(document) is None
    apart, shared = document["subjects"][:4], document["subjects"][4:]
    assert [one["sequence_length"] for one in shared] == [4, 5, 8, 9]
    assert [one["summary"]["median"] for one in shared] == [4, 5, 8, 9] == [one["summary"]["median"] for one in apart]
    both = {"grow": GROW, "shrink": SHRINK}
    assert [one["resize_million"] for one in shared] == [{"shrink": SHRINK}, both, both, {"grow": GROW}]
    assert all("resize_million" not in one for one in apart)
    assert all(one["outputs"]["checked"] and one["outputs"]["max_relative_error"] == 0 for one in document["subjects"])
    header, *rows, note = capsys.readouterr().out.split("\n\n")[0].strip().splitlines()
    assert header.split()[-3:] == ["ratio", "grow", "shrink"] and note.startswith("grow, shrink: million more for")
    assert rows[5].split()[-2:] == ["+0.5", "+0.2"] and rows[7].split()[-1] == "+0.5"


def test_other_tables_have_no_column_of_changes(played, files: list[Path], tmp_path: Path, capsys):
    words = ["benchmark", "instructions", f"--models={files[0]}", f"--output={tmp_path / 'a.json'}"]
    assert cli.run(words) == 0
    printed = capsys.readouterr().out
    assert "grow" not in printed and printed.splitlines()[0].split()[-1] == "ratio"


def test_one_length_is_counted_beside_another(played, files: list[Path]):
    """The default is the longest alone; a change needs another signature of the file."""
    ((subject,),) = instructions.measure(files[1:], played)
    assert subject.details["sequence_length"] == 9 and subject.details["resize_million"] == {"grow": GROW}
    ((subject,),) = instructions.measure(files[1:], played, [5])
    assert subject.samples == [[5.0]] and subject.details["resize_million"] == {"grow": GROW, "shrink": SHRINK}


def test_a_mean_over_texts_has_the_changes_of_length(played, files: list[Path]):
    """Half of the texts take 4 tokens, a quarter each 8 and 9, in any order."""
    texts = Texts(name="dev.tsv", of_length={3: 2, 7: 1, 8: 1})
    (apart,), (shared,) = instructions.measure(files, played, (), texts)
    assert apart.details["shares_of_lengths"] == {4: 0.5, 8: 0.25, 9: 0.25} == shared.details["shares_of_lengths"]
    assert apart.samples == [[6.25]] and "resize_million_in_mean" not in apart.details
    # To 4 from 8 and 9; to 8 from 4, and from 9; to 9 from 4 and 8.
    changes = 0.5 * 0.5 * 0.25 + 0.25 * (0.5 * 0.5 + 0.25 * 0.25) + 0.25 * 0.75 * 0.5
    assert shared.details["resize_million_in_mean"] == pytest.approx(changes)
    assert shared.samples == [[pytest.approx(6.25 + changes)]]
    assert shared.details["resize_million_of_lengths"] == {
        4: {"shrink": SHRINK}, 8: {"grow": GROW, "shrink": SHRINK}, 9: {"grow": GROW}
    }  # fmt: skip
    assert shared.details["million_of_lengths"] == {4: 4.0, 8: 8.0, 9: 9.0}


def test_what_does_not_count_changes_says_so(files: list[Path]):
    """An estimate knows no cost of a change, so a mean over texts is without it, and the table says this."""
    from mobilebert_tf.benchmarks import results

    texts = Texts(name="dev.tsv", of_length={3: 2, 7: 1, 8: 1})
    ((subject,),) = instructions.measure(files[1:], instructions.Estimated(), (), texts)
    assert subject.details["resize_million_in_mean"] is None
    about = {"where": "estimated", "runtime": {"name": "LiteRT"}, "emulator": {"core": "cortex-a76"}}
    document = results.document("instructions", "million", {"texts": texts.name}, [subject], **about)
    assert schema.fault(json.loads(json.dumps(document))) is None
    last = instructions.table(document).splitlines()[-1]
    assert last == "shared.tflite: without the changes of length, which are not counted"


@pytest.mark.slow
@pytest.mark.skipif(emulator() is None, reason="no emulator; `mobilebert-tf benchmark instructions --setup` makes it")
def test_a_graph_of_all_lengths_costs_as_much_as_one_of_its_own(files: list[Path]):
    """Once it has a length; the three operators that count positions are 3 % of this small network."""
    counter = instructions.Emulated(environment.open_environment(emulator()), environment.CORES[0], ())
    apart, shared = instructions.measure(files, counter, [5, 8])
    for own, one in zip(apart, shared, strict=True):
        assert one.samples[0][0] == pytest.approx(own.samples[0][0], rel=0.05)
        resize = one.details["resize_million"]
        assert resize["grow"] > resize["shrink"] > 0
