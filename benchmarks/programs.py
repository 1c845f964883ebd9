"""Programs that are measured from outside: what they print, or why they gave nothing."""

from __future__ import annotations

import shlex
import shutil
import sys

from mobilebert_tf import child_process
from mobilebert_tf.errors import FailedError, UsageError


def words_of(command: str, flag: str) -> list[str]:
    """The command of a flag as words. Raises UsageError: it is none, or its program is not there."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--{flag}={command}: is no command ({error})") from None
    if not words or shutil.which(words[0]) is None:
        raise UsageError(f"--{flag}={command}: there is no such program, or it may not be run; give its path")
    return words


def output_of(name: str, command: list[str], directory: str | None = None) -> str:
    """Standard output of a measuring process. Raises FailedError: it died."""
    try:
        # A peer's program, or a counter, may import what lies beside it.
        done = child_process.run(command, directory=directory, safe_path=command[0] == sys.executable)
    except OSError as error:
        raise FailedError(f"{name}: {command[0]}: {error.strerror}") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise FailedError(f"{name}: the measuring process ended with status {done.returncode}: {last}")
    return done.stdout
