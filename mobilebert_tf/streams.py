"""Preparation of standard streams that are closed, or whose encoding lacks a character."""

from __future__ import annotations

import codecs
import io
import os
import re
import sys
from typing import TextIO

from mobilebert_tf.atomic import naming


def prepare() -> bool:
    """Open closed streams on the null device, and let the others print any character.

    The next file that is opened would otherwise get the descriptor of a closed stream, and native code would write its
    messages into that file. Returns whether there is a standard output.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest free descriptor: this one
    has_output = sys.stdout is not None
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")
    codecs.register_error(_ESCAPED, _escape)
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors=_ESCAPED)
    if isinstance(sys.stdout, io.TextIOWrapper):
        settings = sys.stdout.encoding, _ESCAPED, None, sys.stdout.line_buffering, sys.stdout.write_through
        sys.stdout = _Output(sys.stdout.buffer, *settings)
    return has_output


def shown(text: str, stream: TextIO) -> str:
    """The text as it can be written to a stream: for a terminal with control characters of labels and texts by their
    numbers, since they could move the cursor, rename the window, or hide lines."""
    return _CONTROL.sub(_by_number, text) if stream.isatty() else text


class _Output(io.TextIOWrapper):
    """Standard output that names itself in its errors, since a full disk may also be that of another file."""

    def write(self, text: str) -> int:
        with naming("standard output"):
            return super().write(shown(text, self))

    def flush(self) -> None:
        with naming("standard output"):
            super().flush()


def drop_output() -> None:
    """Send standard output to the null device from now on: at exit Python tries once more to flush its buffer."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


_CONTROL = re.compile(r"\x1b\[[01]m|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def _by_number(found: re.Match[str]) -> str:
    """The number of a control character; bold type and its end, which `predict` writes, stay."""
    return found[0] if len(found[0]) > 1 else f"\\u{ord(found[0]):04x}"


_ESCAPED = "mobilebert_tf_escaped"


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Escape characters that an encoding lacks as JSON does, so that `--json` stays JSON on every terminal."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", errors="surrogatepass")
    escaped = (f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
    return "".join(escaped), error.end
