"""Write files so that they appear whole or not at all: beside their final place, then renamed into it."""

from __future__ import annotations

import contextlib
import glob
import json
import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mobilebert_tf import directory_lock


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Make an OSError from the block name `path`: a write that fails on a full disk does not know the name."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


@contextlib.contextmanager
def write_aside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it into place if the block succeeds.

    The temporary name keeps the suffix of the final one, since some writers choose
    their format by it. The file has the permissions of any new file, whatever its writer set: the
    writer of safetensors lets only the owner read.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    aside = final.with_name(f".{os.getpid()}.{final.name}")
    try:
        _remove_left_aside(final)
        with naming(final):
            aside.touch()
            mode = aside.stat().st_mode
            yield aside
            if aside.stat().st_mode != mode:
                aside.chmod(mode)
            with open(aside, "rb") as written:
                os.fsync(written.fileno())
            os.replace(aside, final)
    except OSError as error:
        # The user does not know the temporary name.
        if str(error.filename) == str(aside):
            error.filename = str(final)
        raise
    finally:
        # A read-only file system refuses even to delete a file that does not exist.
        with contextlib.suppress(OSError):
            aside.unlink()


def is_aside(path: Path, name: str) -> bool:
    """Whether `path` is the temporary place where a process writes, or wrote, a file called `name`."""
    return re.fullmatch(rf"\.\d+\.{re.escape(name)}", path.name) is not None


def _remove_left_aside(final: Path) -> None:
    """Delete temporary files that killed writers of `final` left beside it."""
    for path in final.parent.glob(f".*.{glob.escape(final.name)}"):
        if is_aside(path, final.name) and not _is_alive(int(path.name.split(".")[1])):
            path.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # another user's
    return True


PART = ".part"
"""Temporary directory inside an existing one, for files that are to be moved up into it."""


@contextlib.contextmanager
def directory_aside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a new directory; it becomes `path` if the block succeeds.

    An existing directory is kept, since it may be mounted, a link, or the current one of a shell: files are moved up
    into it and replace those of the same names, `run.json` last. Only one process does this at a time; files that a
    killed one left there are deleted.

    Raises:
      FailedError: another process is writing `path`.
    """
    final = Path(os.path.abspath(path))
    is_there = final.is_dir()
    aside = final / PART if is_there else final.with_name(f".{final.name}.part")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with directory_lock.held(Path(path), final.with_name(f".{final.name}.lock")):
            shutil.rmtree(aside, ignore_errors=True)
            try:
                aside.mkdir()
                yield aside
                if is_there:
                    for file in sorted(aside.iterdir(), key=lambda file: file.name == "run.json"):
                        os.replace(file, final / file.name)
                else:
                    os.replace(aside, final)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        # The user does not know the temporary places, which are about to disappear.
        if error.filename:
            shown = str(error.filename).replace(str(aside), str(path))
            error.filename = shown.replace(str(final.with_name(f".{final.name}.lock")), str(path))
        raise


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    with write_aside(path) as aside:
        aside.write_bytes(content)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    with write_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as JSON; NaN and infinity, which JSON lacks, become null."""
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
