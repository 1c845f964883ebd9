"""Standard streams as a program may find them: closed, or in an encoding that lacks a character."""

from __future__ import annotations

import codecs
import io
import os
import sys

from mobilebert_tf.atomic import naming


def prepare() -> bool:
    """Give closed streams a place, and let the others show any character; whether there is a standard output.

    A closed descriptor is otherwise the next file that is opened, and native code writes its messages there.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free: this one
    has_output = sys.stdout is not None
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")
    codecs.register_error(_ESCAPED, _escape)
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors=_ESCAPED)
    if isinstance(sys.stdout, io.TextIOWrapper):
        told = sys.stdout.encoding, _ESCAPED, None, sys.stdout.line_buffering, sys.stdout.write_through
        sys.stdout = _Output(sys.stdout.buffer, *told)
    return has_output


class _Output(io.TextIOWrapper):
    """Standard output that names itself where it fails: a full disk is somewhere else."""

    def write(self, text: str) -> int:
        with naming("standard output"):
            return super().write(text)

    def flush(self) -> None:
        with naming("standard output"):
            super().flush()


def drop_output() -> None:
    """Write to nowhere from now on: Python tries once more at its end to get rid of what is buffered."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


_ESCAPED = "mobilebert_tf_escaped"


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Characters that an encoding lacks as JSON writes them, so that `--json` stays JSON on every terminal."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", errors="surrogatepass")
    escaped = (f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
    return "".join(escaped), error.end
