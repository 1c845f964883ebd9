"""Processes that a command starts: all in the same way, and ended with the command, however it ends."""

from __future__ import annotations

import contextlib
import errno
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mobilebert_tf import tied_program
from mobilebert_tf.errors import FailedError

_SAFE_PATH = "PYTHONSAFEPATH"
"""Variable that stops Python from importing modules in the current directory, or in that of a program."""


def run(
    words: Sequence[str | os.PathLike[str]],
    variables: Mapping[str, str] | None = None,
    directory: str | None = None,
    safe_path: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, and capture its output.

    Args:
      words: the program, as a path or a name on the PATH, and its arguments.
      variables: variables of its environment, in addition to this process's own.
      directory: directory to run it in.
      safe_path: whether a Python program finds only installed modules; a user's own may need the files beside it.

    Raises:
      OSError: the program cannot be started.
    """
    values = {**environment(safe_path), **(variables or {})}
    return subprocess.run(
        tied(words), capture_output=True, text=True, errors="replace", check=False, env=values, cwd=directory
    )


def environment(safe_path: bool = True) -> dict[str, str]:
    """Environment variables for a program: this process's own, and the one for `safe_path` as in `run`."""
    return {**os.environ, **({_SAFE_PATH: "1"} if safe_path else {})}


def ending(status: int) -> str:
    """The end of a process in words: its status, or the name of the signal that ended it."""
    try:
        return signal.Signals(-status).name if status < 0 else f"status {status}"
    except ValueError:
        return f"signal {-status}"


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    """The reason of a failure: the last line of a program's standard error, up to 1,000 characters, or its `ending`."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    if any("No space left on device" in line for line in lines):
        return "the disk is full; free some space and run the same command again"
    return lines[-1][:1000] if lines else ending(done.returncode)


def check(name: str, done: subprocess.CompletedProcess[str]) -> None:
    """Raise FailedError if a program failed, with `name`, its name in messages, and its `last_words`."""
    if done.returncode:
        raise FailedError(f"{name}: {last_words(done)}")


def answer(name: str, done: subprocess.CompletedProcess[str]) -> Any:
    """Read the last line that a program printed as JSON. Raises FailedError: the program failed."""
    check(name, done)
    return json.loads(done.stdout.strip().splitlines()[-1])


def tied(words: Sequence[str | os.PathLike[str]]) -> list[str]:
    """The words of a command that ends when this process ends.

    A small program asks the kernel for that and then becomes the command: in a process with TensorFlow's threads,
    nothing may be done between fork and exec.

    Raises:
      OSError: there is no such program.
    """
    program, *rest = [os.fspath(word) for word in words]
    if shutil.which(program) is None:
        reason = errno.EACCES if os.path.isfile(program) else errno.ENOENT
        raise OSError(reason, os.strerror(reason), program)
    return [sys.executable, "-I", "-S", tied_program.__file__, str(os.getpid()), program, *rest]


def end_with_parent() -> None:
    """Make this process, a worker of `multiprocessing`, end when the process that started it ends."""
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None:
        return
    tied_program.end_with(parent.pid)
    threading.Thread(target=_end_after, args=(parent,), daemon=True).start()  # for systems whose kernel does not do it


def _end_after(parent: Any) -> None:
    parent.join()
    os._exit(1)


@contextlib.contextmanager
def safe_path() -> Iterator[None]:
    """Set `_SAFE_PATH` while the block starts workers, which inherit the environment of this process."""
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before
