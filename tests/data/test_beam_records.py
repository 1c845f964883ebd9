"""`records --runner=beam` makes the same records as the pool of processes.

Tests marked `beam` need the extra `beam` and are skipped without it.
"""

import sys
from pathlib import Path

import pytest
import tensorflow as tf

from mobilebert_tf import cli
from mobilebert_tf.data import record_writer
from mobilebert_tf.data.pretraining_input import RecordSet, load_records


@pytest.fixture
def several_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Smaller chunks, so that the small text has more than three."""
    original = record_writer.chunks
    monkeypatch.setattr(record_writer, "chunks", lambda documents: original(documents, size=3000))


@pytest.fixture
def installed() -> None:
    pytest.importorskip("apache_beam", reason="the extra `beam` is not installed")


def command(text_file: Path, vocab_file: Path, output: Path, *more: str) -> list[str]:
    words = ["records", f"--input={text_file}", f"--vocab={vocab_file}", f"--output={output}", "--workers=1"]
    return [*words, "--max_seq_length=48", "--max_predictions=8", "--shards=3", *more]


def contents(record_set: RecordSet) -> list[bytes]:
    return sorted(tf.data.TFRecordDataset([str(file) for file in record_set.files]).as_numpy_iterator())


@pytest.mark.beam
@pytest.mark.parametrize("masking", ["token", "whole_word", "dynamic"])
def test_the_records_are_those_of_the_pool(
    masking: str, several_chunks: None, installed: None, text_file: Path, vocab_file: Path, tmp_path: Path
) -> None:
    sets = []
    for runner in ("local", "beam"):
        output = tmp_path / runner
        assert cli.run(command(text_file, vocab_file, output, f"--masking={masking}", f"--runner={runner}")) == 0
        sets.append(load_records(output))
    local, beam = sets
    assert contents(beam) == contents(local) and beam.count == local.count > 200
    assert [file.name for file in beam.files] == [file.name for file in local.files]
    assert sorted(p.name for p in (tmp_path / "beam").iterdir()) == sorted(
        p.name for p in (tmp_path / "local").iterdir()
    )
    indexes = [(tmp_path / runner / "records.json").read_text() for runner in ("local", "beam")]
    assert indexes[0].split('"files"')[0] == indexes[1].split('"files"')[0]  # random_next_share among them


@pytest.mark.beam
def test_two_processes_and_a_staging_place(installed: None, text_file: Path, vocab_file: Path, tmp_path: Path) -> None:
    """Workers are fresh processes, so what is passed to them must be all they need."""
    assert cli.run(command(text_file, vocab_file, tmp_path / "local")) == 0
    options = f"--direct_running_mode=multi_processing --direct_num_workers=2 --temp_location={tmp_path}/shared"
    beam = command(text_file, vocab_file, tmp_path / "beam", "--runner=beam", f"--beam_options={options}")
    assert cli.run(beam) == 0
    assert contents(load_records(tmp_path / "beam")) == contents(load_records(tmp_path / "local"))
    assert not list((tmp_path / "shared").iterdir())


@pytest.mark.beam
def test_what_a_killed_run_left_is_no_part_of_the_result(
    installed: None, text_file: Path, vocab_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kill the run after Beam has written, before any file is moved to its place; then finish it with the pool."""
    from mobilebert_tf.data import beam_records

    def killed(place: str, directory: Path, shards: int) -> None:
        assert len(list((directory / record_writer.STAGING).glob("records-*"))) == 3
        assert not list(directory.glob("*.tfrecord"))
        raise KeyboardInterrupt

    monkeypatch.setattr(beam_records, "_fetch", killed)
    monkeypatch.setattr(beam_records.FileSystems, "delete", lambda paths: None)
    output = tmp_path / "output"
    assert cli.run(command(text_file, vocab_file, output, "--runner=beam")) == 1
    assert sorted(path.name for path in output.iterdir()) == [record_writer.STAGING, "run.json"]
    assert cli.run(command(text_file, vocab_file, output)) == 0
    assert not (output / record_writer.STAGING).exists() and load_records(output).count > 200


@pytest.mark.beam
@pytest.mark.parametrize(
    "options, message",
    [
        ("--runer=FlinkRunner", "does not know runer"),
        ("--runner=NoSuchRunner", "Unexpected pipeline runner"),
        ("--runner=no.such.Runner", "No module named"),
        ("--runner=DataflowRunner", "Missing required option: project"),
        ("--direct_num_workers=many", "invalid int value: 'many'"),
        ("--runner='DirectRunner", "No closing quotation"),
        ("DirectRunner", "does not know DirectRunner"),
        ("--temp_location=/proc/none", "/proc/none: the chunks cannot be staged there"),
    ],
)
def test_wrong_options_are_one_line(
    options: str, message: str, installed: None, text_file: Path, vocab_file: Path, tmp_path: Path, capsys
) -> None:
    words = command(text_file, vocab_file, tmp_path / "output", "--runner=beam", f"--beam_options={options}")
    assert cli.run(words) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and len(error.splitlines()) == 1
    assert not list((tmp_path / "output").glob("*"))


@pytest.mark.beam
def test_a_failure_of_a_worker_is_one_line(
    installed: None, text_file: Path, vocab_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("this worker has had enough")

    monkeypatch.setattr(record_writer, "make_records", fail)
    assert cli.run(command(text_file, vocab_file, tmp_path / "output", "--runner=beam")) == 1
    error = capsys.readouterr().err.strip()
    assert "the Beam pipeline failed: this worker has had enough" in error and len(error.splitlines()) == 1
    assert not (tmp_path / "output").exists()


def test_without_beam_the_line_says_how_to_get_it(
    text_file: Path, vocab_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    assert cli.run(command(text_file, vocab_file, tmp_path / "output", "--runner=beam")) == 2
    error = capsys.readouterr().err.strip()
    assert "pip install -e '.[beam]'" in error and len(error.splitlines()) == 1
    assert not (tmp_path / "output").exists()


def test_beam_options_belong_to_beam(text_file: Path, vocab_file: Path, tmp_path: Path, capsys) -> None:
    assert cli.run(command(text_file, vocab_file, tmp_path / "output", "--beam_options=--runner=FlinkRunner")) == 2
    assert "--beam_options: needs --runner=beam" in capsys.readouterr().err
