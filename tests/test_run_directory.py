"""The check that a finished run is still the result of its inputs, by their present content."""

import dataclasses
import os

import pytest

from mobilebert_tf import run_directory
from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Copy:
    input: str = option("file to copy", is_input=True)
    output: str = option("directory")


def copied(path, output):
    command = Copy(input=str(path), output=str(output))
    with run_directory.open_run(command, "copy", command.output) as run:
        if not run.finished:
            (run.directory / "copy.txt").write_bytes(path.read_bytes())
            run.finish()
    return command


def test_a_change_in_the_middle_of_a_file_is_seen(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_bytes(b"a" * 300_000)
    command = copied(path, tmp_path / "run")
    assert run_directory.find_run(command, "copy", command.output).finished
    content = bytearray(path.read_bytes())
    content[150_000] = ord("b")
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"was begun with --input \S*table.tsv, which has changed; give another"):
        run_directory.find_run(command, "copy", command.output)
    other = tmp_path / "other.tsv"
    other.write_text("b")
    with pytest.raises(UsageError, match=r"was begun with --input \S*table.tsv, now \S*other.tsv; give another"):
        run_directory.find_run(dataclasses.replace(command, input=str(other)), "copy", command.output)


def test_links_that_lead_nowhere_are_no_content(tmp_path):
    """A link to itself, to a file that is gone, and back to the directory that holds it."""
    directory = tmp_path / "texts"
    directory.mkdir()
    (directory / "a.txt").write_text("one")
    before = run_directory.fingerprint(str(directory), str(tmp_path / "run"))
    for name, target in (("loop", "loop"), ("gone", "nothing"), ("back", ".")):
        (directory / name).symlink_to(target)
    assert run_directory.fingerprint(str(directory), str(tmp_path / "run")) == before


@pytest.mark.parametrize("target", ["run", "nothing"])
def test_an_output_that_is_a_link_to_nowhere(target, tmp_path):
    (tmp_path / "run").symlink_to(target)
    with pytest.raises(UsageError, match=f"run: is a link to {target}, which is not there; give another --output"):
        copied(tmp_path / "table.tsv", tmp_path / "run")


def test_of_a_large_file_parts_are_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(run_directory, "WHOLE_BYTES", 10_000)
    monkeypatch.setattr(run_directory, "_PART_BYTES", 1_000)
    path = tmp_path / "corpus.txt"
    path.write_bytes(bytes(100_000))
    before = run_directory.fingerprint(str(path))
    for place in (0, 500, 99_000, 99_999, (100_000 - 1_000) * 4 // 9):
        content = bytearray(100_000)
        content[place] = 1
        path.write_bytes(content)
        assert run_directory.fingerprint(str(path)) != before
    assert sum(map(len, run_directory._parts_of(path, 100_000))) == 10_000


def test_an_output_that_was_edited_is_another_input(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("one two")
    copied(path, tmp_path / "corpus")
    output = tmp_path / "corpus" / "copy.txt"
    before = run_directory.fingerprint(str(tmp_path / "corpus"))
    # A copy with new times counts as the same.
    os.utime(output, (2**31, 2**31))
    assert run_directory.fingerprint(str(tmp_path / "corpus")) == before
    output.write_text("two one")
    os.utime(output, (2**31, 2**31))
    assert run_directory.fingerprint(str(tmp_path / "corpus")) != before
    output.unlink()
    assert run_directory.fingerprint(str(tmp_path / "corpus")) != before


def test_an_input_that_is_gone_is_said_to_be(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("one two")
    command = copied(path, tmp_path / "run")
    path.unlink()
    with pytest.raises(UsageError, match=r"--input=.*table.tsv: no such file or directory; it was there when"):
        run_directory.find_run(command, "copy", command.output)


def test_a_name_with_brackets_that_is_no_file_stays_a_name(tmp_path):
    command = Copy(input="tfds:glue/sst2:train[:10%]", output=str(tmp_path / "run"))
    with run_directory.open_run(command, "copy", command.output) as run:
        assert run.record["identity"]["input"] == command.input
        run.finish()
    assert run_directory.find_run(command, "copy", command.output).finished
