"""One writer a directory: a lock that the kernel frees when its process dies, and that says who holds it."""

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
"""File in the directory, with process, machine and command of its holder; gone once that has ended in order."""

_SHOWN = 160
"""Characters of a holder's command that are shown."""


@contextlib.contextmanager
def held(directory: Path, file: Path | None = None) -> Iterator[None]:
    """Keep other commands out of `directory` until the block ends or this process dies.

    Args:
      file: the lock; left out: one inside the directory, which is there.

    Raises:
      FailedError: another process works there; the message says which.
    """
    path = file or directory / NAME
    try:
        opened = _take(path, directory)
    except OSError as error:
        error.filename = str(directory)  # nobody knows the lock
        raise
    try:
        yield
    finally:
        # Deleted while it is held: whoever opened it before looks again and finds another file, or none.
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
                said = _holder(file)
                os.close(file)
                raise FailedError(
                    f"{directory}: another command works in this directory: {said}; wait until it has ended, or give "
                    "another --output"
                ) from None
            # A file system without locks: what one writer must not do to another cannot be kept from happening there.
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
    """Whether the open file is still the one at `path`: its last holder deletes it."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(file), there)


def _holder(file: int) -> str:
    """What the holder wrote of itself; it does so right after it took the lock."""
    for _ in range(20):
        if said := os.pread(file, 1 << 16, 0).decode("utf-8", "replace"):
            command, _, who = " ".join(said.split()).rpartition(" (")
            return f"{command if len(command) <= _SHOWN else command[:_SHOWN] + ' ...'} ({who}"
        time.sleep(0.05)
    return "one that has not said who it is"
