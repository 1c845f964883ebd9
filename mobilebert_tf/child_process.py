"""Processes that a command starts: the same way everywhere, and ended with the command, however that dies."""

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
"""With it Python imports nothing from the directory that a command is given in, nor from that of a program."""


def run(
    words: Sequence[str | os.PathLike[str]],
    variables: Mapping[str, str] | None = None,
    directory: str | None = None,
    safe_path: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, and capture what it prints.

    Args:
      words: the program, as a path or a name on the PATH, and its arguments.
      variables: of its environment, besides this process's own.
      directory: to run it in.
      safe_path: whether a Python program finds installed modules only; a user's own may want its neighbours.

    Raises:
      OSError: the program cannot be started.
    """
    values = {**environment(safe_path), **(variables or {})}
    return subprocess.run(
        tied(words), capture_output=True, text=True, errors="replace", check=False, env=values, cwd=directory
    )


def environment(safe_path: bool = True) -> dict[str, str]:
    """Variables for a program: this process's own, and what `safe_path` of `run` takes."""
    return {**os.environ, **({_SAFE_PATH: "1"} if safe_path else {})}


def ending(status: int) -> str:
    """How a process ended: its status, or the name of the signal that ended it."""
    try:
        return signal.Signals(-status).name if status < 0 else f"status {status}"
    except ValueError:
        return f"signal {-status}"


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    """Why a program failed: the last line of its standard error, cut to 1,000 characters; or how it ended."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    if any("No space left on device" in line for line in lines):
        return "the disk is full; free some and give the same command"
    return lines[-1][:1000] if lines else ending(done.returncode)


def check(name: str, done: subprocess.CompletedProcess[str]) -> None:
    """Raise FailedError if a program failed: its name in messages, and its last words."""
    if done.returncode:
        raise FailedError(f"{name}: {last_words(done)}")


def answer(name: str, done: subprocess.CompletedProcess[str]) -> Any:
    """The last line that a program printed, as JSON. Raises FailedError: it failed."""
    check(name, done)
    return json.loads(done.stdout.strip().splitlines()[-1])


def tied(words: Sequence[str | os.PathLike[str]]) -> list[str]:
    """The words of a command that ends when this process does.

    A small program asks the kernel for that and becomes the command: between fork and exec in a process with
    TensorFlow's threads nothing may be done.

    Raises:
      OSError: there is no such program.
    """
    program, *rest = [os.fspath(word) for word in words]
    if shutil.which(program) is None:
        reason = errno.EACCES if os.path.isfile(program) else errno.ENOENT
        raise OSError(reason, os.strerror(reason), program)
    return [sys.executable, "-I", "-S", tied_program.__file__, str(os.getpid()), program, *rest]


def end_with_parent() -> None:
    """Make this process, a worker of `multiprocessing`, end when the process that started it does."""
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None:
        return
    tied_program.end_with(parent.pid)
    threading.Thread(target=_end_after, args=(parent,), daemon=True).start()  # for systems that tell nobody


def _end_after(parent: Any) -> None:
    parent.join()
    os._exit(1)


@contextlib.contextmanager
def safe_path() -> Iterator[None]:
    """Around the start of workers, which have the environment of this process."""
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before
