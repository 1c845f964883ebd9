"""Child processes of a command end with it, however it dies, and import nothing from the working directory."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mobilebert_tf import child_process
from mobilebert_tf.errors import FailedError

WAIT = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
ALONE = f"""
import os, sys; from mobilebert_tf import child_process
words = child_process.tied([sys.executable, "-c", {WAIT!r}])
os.spawnv(os.P_WAIT, words[0], words)
"""
POOL = """
import os, sys, time; from pathlib import Path; from mobilebert_tf.data.pool import map_in_order
def work(item):
    if item < 2:
        print(os.getpid(), flush=True)
    else:
        time.sleep(60)
if __name__ == "__main__":
    list(map_in_order(work, range(100), 2))
"""


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems tell no process that its parent died")
@pytest.mark.parametrize("program, children", [(ALONE, 1), (POOL, 2)], ids=["program", "workers"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_children_end_with_their_parent(program: str, children: int, how: int, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(program)
    parent = subprocess.Popen([sys.executable, tmp_path / "program.py"], stdout=subprocess.PIPE, text=True)
    workers = [int(parent.stdout.readline()) for _ in range(children)]
    assert all(map(is_alive, workers))
    parent.send_signal(how)
    parent.wait()
    end = time.monotonic() + 10
    while any(map(is_alive, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(is_alive, workers))


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ('import sys; sys.exit("first\\n\\nthe last \\n\\n")', "the last"),
        (
            'raise OSError(28, "No space left on device")',
            "the disk is full; free some space and run the same command again",
        ),
        ("import sys; sys.exit(3)", "status 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
    ],
)
def test_last_words_of_a_program_that_failed(program: str, reason: str) -> None:
    with pytest.raises(FailedError, match=f"^the program: {reason}$"):
        child_process.answer("the program", child_process.run([sys.executable, "-c", program]))


def test_answer_is_the_last_line() -> None:
    program = 'print("loading"); print([1, 2.5]); print()'
    assert child_process.answer("it", child_process.run([sys.executable, "-c", program])) == [1, 2.5]


def test_a_module_in_the_working_directory_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    words = [sys.executable, "-c", "import json; print(len(json.dumps(1)))"]
    process = child_process.run(words)
    assert (process.returncode, process.stdout) == ((0, "1\n") if sys.version_info >= (3, 11) else (1, ""))
    assert child_process.run(words, safe_path=False).returncode == 1
    with child_process.safe_path():
        assert os.environ["PYTHONSAFEPATH"] == "1"


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        child_process.run(["no-such-program"])
    with pytest.raises(PermissionError):
        child_process.run([tmp_path / "text"])
