"""Files appear whole or not at all: written beside their place, then renamed into it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def write_aside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it into place if the block succeeds.

    The temporary name keeps the suffix of the final one, since some writers choose
    their format by it.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    aside = final.with_name(f".{os.getpid()}.{final.name}")
    try:
        yield aside
        with open(aside, "rb") as written:
            os.fsync(written.fileno())
        os.replace(aside, final)
    except OSError as error:
        # A full disk shows in a write, which knows no name.
        error.filename = error.filename or str(final)
        raise
    finally:
        aside.unlink(missing_ok=True)


def remove_left_aside(directory: Path) -> None:
    """Delete what killed writers left in `directory`, where nobody writes now."""
    for path in directory.glob(".[0-9]*.*"):
        path.unlink()


@contextlib.contextmanager
def directory_aside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a new directory beside `path`, which is absent or empty; rename it into place if the block succeeds."""
    final = Path(os.path.abspath(path))
    final.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
    aside.chmod(0o777 & ~_umask())
    try:
        yield aside
        if final.exists():
            final.rmdir()
        os.replace(aside, final)
    except OSError as error:
        # Nobody knows the place beside it, and it is gone in a moment.
        if error.filename:
            error.filename = str(error.filename).replace(str(aside), str(path))
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _umask() -> int:
    """Of this process; it can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | os.PathLike[str], text: str) -> None:
    with write_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
