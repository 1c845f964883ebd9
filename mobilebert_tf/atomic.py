"""Files appear whole or not at all: written beside their place, then renamed into it."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """An OSError out of the block names `path`: a full disk shows in a write, which knows no name."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


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
        with naming(final):
            yield aside
            with open(aside, "rb") as written:
                os.fsync(written.fileno())
            os.replace(aside, final)
    except OSError as error:
        # Nobody knows the name beside it.
        if str(error.filename) == str(aside):
            error.filename = str(final)
        raise
    finally:
        # A file system that is read-only refuses even to delete what is not there.
        with contextlib.suppress(OSError):
            aside.unlink()


def remove_left_aside(directory: Path) -> None:
    """Delete what killed writers left in `directory`, where nobody writes now."""
    for path in directory.glob(".[0-9]*.*"):
        path.unlink()


@contextlib.contextmanager
def directory_aside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a new directory beside `path`, which is absent or empty; rename it into place if the block succeeds."""
    final = Path(os.path.abspath(path))
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        aside = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
    except OSError as error:
        error.filename = str(path)
        raise
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


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    with write_aside(path) as aside:
        aside.write_bytes(content)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    with write_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as JSON, which has no NaN and no infinity: they become null."""
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return value
