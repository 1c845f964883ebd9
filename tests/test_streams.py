"""Arbitrary bytes from the command line and standard input; streams that are closed, full or of few characters."""

import io
import os
import pty
import subprocess
import sys
import tempfile

import pytest

from mobilebert_tf import cli, quiet
from mobilebert_tf.data.text_files import read_lines
from mobilebert_tf.errors import UsageError
from mobilebert_tf.paths import expand
from mobilebert_tf.run_directory import fingerprint


def shell(command: str, **variables: str) -> subprocess.CompletedProcess:
    """Run `command` in a shell, in which `mobilebert-tf` is the one under test."""
    words = command.replace("mobilebert-tf", f"{sys.executable} -m mobilebert_tf")
    return subprocess.run(["bash", "-c", words], capture_output=True, env=os.environ | variables, check=False)


@pytest.mark.parametrize(
    "command, status, message",
    [
        ("mobilebert-tf vocab --help >&-", 1, "standard output is closed"),
        ("mobilebert-tf --help > /dev/full", 1, "standard output: No space left on device"),
        ("mobilebert-tf vocab --help > /dev/full", 1, "standard output: No space left on device"),
        ("mobilebert-tf predict --model=x --input=- <&-", 2, "standard input is closed"),
        ("mobilebert-tf predict --model=x --input=- < /dev/null", 2, "standard input is empty"),
        (r"mobilebert-tf corpus --output=$'o\xff'", 2, r"the argument b'--output=o\xff' is not UTF-8 text"),
        ("printf '\\xef\\xbb\\xbf--size=300\\n' > $TMP/f; mobilebert-tf vocab --flagfile=$TMP/f", 2, "byte order mark"),
        (r"PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 LC_ALL=C mobilebert-tf vocab --input=$'\xc3\xa9'", 2, "set PYTHONUTF8=1"),
        (r"printf 'ok\n\xff\n' | mobilebert-tf predict --model=x --input=-", 2, "standard input, line 2: is not UTF-8"),
    ],
)
def test_one_line_says_what_is_wrong_with_a_stream(tmp_path, command: str, status: int, message: str) -> None:
    process = shell(command, TMP=str(tmp_path))
    assert process.returncode == status
    assert message in process.stderr.decode() and process.stderr.count(b"\n") == 1


def test_a_full_standard_output_is_not_the_disk(tmp_path) -> None:
    (tmp_path / "text.txt").write_text("One thing.\n")
    process = shell(f"mobilebert-tf corpus --input={tmp_path}/text.txt --output={tmp_path}/out > /dev/full")
    assert process.returncode == 1 and b"standard output: " in process.stderr and process.stderr.count(b"\n") == 1


def test_a_closed_standard_error_is_no_reason_to_stop(tmp_path) -> None:
    process = shell("mobilebert-tf vocab --help 2>&-")
    assert process.returncode == 0 and b"usage: mobilebert-tf vocab" in process.stdout
    # The next file opened must not get the descriptor of a stream that native code writes to.
    script = tmp_path / "hidden.py"
    script.write_text("from mobilebert_tf import quiet\nwith quiet.native_stderr_hidden():\n    print('through')\n")
    process = shell(f"{sys.executable} {script} 2>&-")
    assert process.returncode == 0 and process.stdout == b"through\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_character_that_a_terminal_lacks_is_shown_by_its_number(tmp_path, encoding: str) -> None:
    text = tmp_path / "text.txt"
    text.write_text("One thing.\n")
    output = tmp_path / "\u65e5\U0001f600"
    process = shell(
        f"mobilebert-tf corpus --source=text --input={text} --output='{output}'", PYTHONIOENCODING=f"{encoding}:strict"
    )
    assert process.returncode == 0 and rb"\u65e5\ud83d\ude00" in process.stdout and (output / "text.txt").exists()


def test_a_text_cannot_control_the_terminal(tmp_path) -> None:
    """Print a text that names the window and hides what stands before it: to a terminal, and to a pipe."""
    text = "seen\x1b]0;name\x07\x1b[2K\rhidden\x9b1m \x1b[1mbold\x1b[0m\t."
    program = f"from mobilebert_tf import streams; streams.prepare(); print({text!r})"
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", program], stdout=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 1000).decode()
    os.close(ours)
    assert shown == ("seen\\u001b]0;name\\u0007\\u001b[2K\\u000dhidden\\u009b1m \x1b[1mbold\x1b[0m\t.\r\n")
    process = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    assert process.stdout.decode() == text + "\n"


def test_standard_input_is_text_as_files_are(monkeypatch) -> None:
    def said(content: bytes) -> list[str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        return list(read_lines("-"))

    assert said("\ufeffeins\r\nzwei".encode()) == ["eins", "zwei"]
    assert said("\u00e9\nb\n".encode("utf-16")) == ["\u00e9", "b"]
    with pytest.raises(UsageError, match="line 2: is not UTF-8"):
        said(b"a\nb\xff\n")


def test_messages_are_held_back_without_a_temporary_directory(monkeypatch, capfd) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "TemporaryFile", missing)
    with quiet.native_stderr_hidden():
        os.write(2, b"chatter")
    assert not capfd.readouterr().err
    monkeypatch.setattr("mobilebert_tf.commands.vocab.Vocab.run", missing)
    assert cli.run(["vocab", "--input=a", "--output=b"]) == 1
    assert "set TMPDIR" in capfd.readouterr().err


def test_a_file_that_exists_is_that_file(tmp_path) -> None:
    for name in ("a[1].txt", "a1.txt", "b, c.txt", "d*.txt", "d2.txt"):
        (tmp_path / name).write_text(name)

    def names(paths: str) -> list[str]:
        return [path.name for path in expand(paths)]

    for name in ("a[1].txt", "b, c.txt", "d*.txt"):
        assert names(f"{tmp_path}/{name}") == [name]
    assert names(f"{tmp_path}/a[1].txt,{tmp_path}/a?.txt") == ["a[1].txt", "a1.txt"]
    assert names(f"{tmp_path}/d[2].txt") == ["d2.txt"]
    assert fingerprint(f"{tmp_path}/a[1].txt") != fingerprint(f"{tmp_path}/a1.txt")
    with pytest.raises(UsageError, match="no such file"):
        expand(f"{tmp_path}/d[3].txt")


def test_a_name_that_is_no_text_is_refused_where_it_is_found(tmp_path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff.txt", "wb") as file:
        file.write(b"text\n")
    assert cli.run(["vocab", f"--input={tmp_path}", f"--output={tmp_path / 'v'}"]) == 2
    with pytest.raises(UsageError, match=r"xff.txt'.*not UTF-8 text; rename it"):
        expand(f"{tmp_path}/*.txt")


def test_a_pipe_is_text_as_files_are(tmp_path) -> None:
    script = tmp_path / "lines.py"
    script.write_text(
        "import sys\nfrom mobilebert_tf.data.text_files import read_lines\nprint(list(read_lines(sys.argv[1])))\n"
    )
    process = shell(f"{sys.executable} {script} <(printf 'eins\\nzwei\\n' | gzip)")
    assert process.stdout == b"['eins', 'zwei']\n"
    process = shell(f"{sys.executable} {script} <(printf 'eins\\n\\xff\\n')")
    assert b"line 2: is not UTF-8 text" in process.stderr


def test_what_native_code_says_before_it_ends_the_process_is_shown() -> None:
    block = "with quiet.native_stderr_hidden(is_starting=True): os.write(2, b'no AVX here\\n'); os._exit(3)"
    code = f"import os\nfrom mobilebert_tf import quiet\n{block}"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert process.returncode == 3
    first, second = process.stderr.decode().splitlines()
    assert first == "no AVX here" and "TensorFlow ended the process while it started" in second


def test_a_closed_pipe_ends_a_command_without_a_word(tmp_path) -> None:
    process = shell(r"mobilebert-tf --help | head -1; mobilebert-tf finetune --help | head -1 >&2")
    assert b"Broken pipe" not in process.stderr
