"""Separate environments for MediaPipe, which needs other releases of NumPy and protobuf than TensorFlow does."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from pathlib import Path

from mobilebert_tf import child_process
from mobilebert_tf.errors import FailedError

DONE = "installed"
"""File that marks an environment as complete."""


@dataclasses.dataclass(frozen=True)
class Release:
    """A release of mediapipe, and the newest Python that it can be installed on."""

    version: str
    newest_python: tuple[int, int]


RELEASES = (Release("1.2.2", (3, 13)), Release("0.10.21", (3, 12)))
"""The current release, and the last one with a working metadata writer, which many apps use."""

OLDEST_PYTHON = (3, 10)


def make(release: Release, place: Path) -> Path:
    """The environment of this release below `place`, which is created if it is missing.

    Raises:
      FailedError: there is no suitable Python, or the package cannot be installed; the message says so in one line.
    """
    directory = place / release.version
    if (directory / DONE).exists():
        return directory
    python = _interpreter(release)
    if python is None:
        newest = ".".join(map(str, release.newest_python))
        raise FailedError(
            f"mediapipe {release.version}: needs Python 3.10 to {newest}; put a python{newest} on the PATH"
        )
    print(f"Installing mediapipe {release.version} into {directory} (0.6 to 1 GB) ...", flush=True)
    shutil.rmtree(directory, ignore_errors=True)
    pip = [str(directory / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    for words in ([python, "-m", "venv", str(directory)], [*pip, f"mediapipe=={release.version}"]):
        done = child_process.run(words)
        if done.returncode:
            lines = [line for line in (done.stderr or done.stdout).strip().splitlines() if line] or ["no reason given"]
            reason = lines[-1].removeprefix("ERROR: ")
            raise FailedError(f"mediapipe {release.version}: cannot be installed with {python}: {reason}")
    (directory / DONE).touch()
    return directory


def _interpreter(release: Release) -> str | None:
    """This interpreter if it is suitable, else the newest suitable one on the PATH that works; None: there is none."""
    if OLDEST_PYTHON <= sys.version_info[:2] <= release.newest_python:
        return sys.executable
    for minor in range(release.newest_python[1], OLDEST_PYTHON[1] - 1, -1):
        name = f"python3.{minor}"
        # Version managers put commands on the PATH that only report that this Python is not installed.
        if shutil.which(name) and child_process.run([name, "-c", ""]).returncode == 0:
            return name
    return None
