"""A directory is locked by one process: a second one is told which, and a killed one leaves nothing to clean up."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mobilebert_tf import directory_lock
from mobilebert_tf.errors import FailedError

HOLD = """
import sys; from pathlib import Path; from mobilebert_tf import directory_lock
sys.argv[0] = "mobilebert-tf"
with directory_lock.held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_second_is_told_who_works_there(holder: subprocess.Popen, tmp_path: Path) -> None:
    with pytest.raises(FailedError) as caught, directory_lock.held(tmp_path):
        pytest.fail("both hold it")
    message = str(caught.value)
    assert message.startswith(
        f"{tmp_path}: another command is working in this directory: mobilebert-tf {tmp_path} (process"
    )
    assert f"(process {holder.pid} on {os.uname().nodename})" in message and "\n" not in message
    holder.communicate("")
    assert not list(tmp_path.iterdir())
    with directory_lock.held(tmp_path):
        pass


def test_a_lock_whose_holder_was_killed_is_free(holder: subprocess.Popen, tmp_path: Path) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert [path.name for path in tmp_path.iterdir()] == [directory_lock.NAME]
    with directory_lock.held(tmp_path):
        assert f"process {os.getpid()} on" in (tmp_path / directory_lock.NAME).read_text()
    assert not list(tmp_path.iterdir())


def test_a_file_that_its_holder_deletes_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file opened before it is deleted and locked after must not count, or two processes would hold the lock."""
    path, real, opened = tmp_path / directory_lock.NAME, os.open, []

    def late(*words: object) -> int:
        opened.append(real(*words))
        if len(opened) == 1:
            path.unlink()
        return opened[-1]

    monkeypatch.setattr(os, "open", late)
    with directory_lock.held(tmp_path):
        assert len(opened) == 2 and path.exists()
