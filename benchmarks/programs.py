"""Measuring programs run as child processes: their output, or the reason of a failure."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf import child_process
from mobilebert_tf.errors import FailedError, UsageError


def words_of(command: str, flag: str) -> list[str]:
    """Split a flag's command into words. Raises UsageError: it is malformed, or its program does not exist."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--{flag}={command}: is not a command ({error})") from None
    if not words or shutil.which(words[0]) is None:
        raise UsageError(f"--{flag}={command}: there is no such program, or it is not executable; give its path")
    return words


def output_of(name: str, command: list[str], directory: str | None = None) -> str:
    """Standard output of a measuring process. Raises FailedError: it could not start, or failed."""
    return _run(name, command, directory).stdout


def answer_of(name: str, command: list[str]) -> dict[str, Any]:
    """The last line that a measuring process printed, read as JSON. Raises FailedError: see `output_of`."""
    answer: dict[str, Any] = child_process.answer(name, _run(name, command))
    return answer


def run_own(words: Sequence[str], directory: Path) -> None:
    """Run a `mobilebert-tf` command that writes into `directory`; a finished run is skipped. Raises FailedError."""
    child_process.check(str(directory), child_process.run([sys.executable, "-m", "mobilebert_tf", *words]))


def _run(name: str, command: list[str], directory: str | None = None) -> subprocess.CompletedProcess[str]:
    try:
        # A peer's program or a counter may import modules from its own directory.
        done = child_process.run(command, directory=directory, safe_path=command[0] == sys.executable)
    except OSError as error:
        raise FailedError(f"{name}: {command[0]}: {error.strerror}") from None
    child_process.check(f"{name}: the measuring process died", done)
    return done
