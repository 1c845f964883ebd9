"""One writer per directory: a lock that the kernel frees when its process dies, and that names its holder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from mobilebert_tf import provenance
from mobilebert_tf.errors import FailedError

NAME = ".lock"
"""File in the directory, with process, machine and command of its holder, which deletes it when it ends normally."""

_SHOWN = 160
"""Characters of a holder's command that are shown."""


@contextlib.contextmanager
def held(directory: Path, file: Path | None = None) -> Iterator[None]:
    """Keep other commands out of `directory` until the block ends or this process dies.

    Args:
      file: the lock file; None: one inside the directory, which must exist.

    Raises:
      FailedError: another process works there; the message says which.
    """
    path = file or directory / NAME
    try:
        opened = _take(path, directory)
    except OSError as error:
        error.filename = str(directory)  # the user does not know the lock file
        raise
    try:
        yield
    finally:
        # Deleted while it is held: a process that opened it before looks again and finds another file, or none.
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(opened)


def _take(path: Path, directory: Path) -> int:
    """The descriptor of the locked file. Raises FailedError."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                holder = _holder(file)
                os.close(file)
                raise FailedError(
                    f"{directory}: another command is working in this directory: {holder}; wait until it ends, or give "
                    "another --output"
                ) from None
            # Otherwise the file system has no locks: there, writers cannot be kept apart.
        if _is_at(file, path):
            who = f"{provenance.command_line()} (process {os.getpid()} on {socket.gethostname()})"
            try:
                os.ftruncate(file, 0)
                os.write(file, who.encode("utf-8", "replace"))
            except OSError:
                path.unlink()
                os.close(file)
                raise
            return file
        os.close(file)


def _is_at(file: int, path: Path) -> bool:
    """Whether the open file is still the one at `path`: its last holder may have deleted it."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(file), status)


def _holder(file: int) -> str:
    """The description that the holder wrote of itself, right after it took the lock."""
    for _ in range(20):
        if text := os.pread(file, 1 << 16, 0).decode("utf-8", "replace"):
            command, _, who = " ".join(text.split()).rpartition(" (")
            return f"{command if len(command) <= _SHOWN else command[:_SHOWN] + ' ...'} ({who}"
        time.sleep(0.05)
    return "one whose name is unknown"
