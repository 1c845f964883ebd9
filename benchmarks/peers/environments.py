"""Virtual environments of rivals, each made once, with pinned versions."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mobilebert_tf import atomic, child_process, directory_lock
from mobilebert_tf.errors import FailedError, UsageError

DEFAULT = "~/.cache/mobilebert_tf/peers"

MARK = "installed.json"
"""File in an environment, written last: the packages asked for, and those that pip installed."""


@dataclasses.dataclass(frozen=True)
class Environment:
    """The packages and Python versions that a rival needs, and the directory of its virtual environment."""

    name: str
    directory: Path
    packages: tuple[str, ...]
    python: tuple[tuple[int, int], tuple[int, int]]
    """The oldest and the newest Python that its packages support."""
    alone: bool = False
    """Install the packages without their dependencies: only files in them are needed."""

    @property
    def program(self) -> Path:
        """Path of its Python."""
        return self.directory / "bin/python"

    def is_there(self) -> bool:
        """Whether exactly these packages were installed completely."""
        try:
            mark = json.loads((self.directory / MARK).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(mark.get("packages") == list(self.packages)) and self.program.exists()

    def run(self, words: Sequence[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run its Python. Modules next to the program can be imported, as the rivals' modules are there."""
        values = {"PYTHONSAFEPATH": "", "PYTHONNOUSERSITE": "1", **variables}
        return child_process.run([self.program, *words], variables=values, safe_path=False)


def prepare(environment: Environment, say: Callable[[str], None]) -> None:
    """Install an environment unless it is complete, continuing after an interrupted installation.

    Raises:
      UsageError: no installed Python is supported by the packages.
      FailedError: pip could not install them; the message has the reason, install.log the whole output.
    """
    if environment.is_there():
        return
    python = interpreter(environment)
    directory = environment.directory
    directory.mkdir(parents=True, exist_ok=True)
    with directory_lock.held(directory, directory.with_name(f".{directory.name}.lock")):
        if environment.is_there():
            return
        log = directory / "install.log"
        say(f"{environment.name}: installing {', '.join(environment.packages)} in {directory} (log: {log.name})")
        if not (directory / "bin/pip").exists():
            _logged(environment, [python, "-m", "venv", str(directory)], log, "wb")
        options = ["--no-deps"] if environment.alone else []
        pip = [str(environment.program), "-m", "pip", "install", "--no-input", "--progress-bar=off", *options]
        _logged(environment, [*pip, *environment.packages], log, "ab")
        frozen = environment.run(["-m", "pip", "freeze"], {}).stdout.split()
        atomic.write_json(directory / MARK, {"packages": list(environment.packages), "installed": frozen})


def interpreter(environment: Environment) -> str:
    """This Python, or else the newest on the PATH that the packages support. Raises UsageError: there is none."""
    oldest, newest = environment.python
    if oldest <= sys.version_info[:2] <= newest:
        return sys.executable
    for minor in range(newest[1], oldest[1] - 1, -1):
        if path := shutil.which(f"python3.{minor}"):
            return path
    low, high = (".".join(map(str, one)) for one in (oldest, newest))
    here = ".".join(map(str, sys.version_info[:2]))
    raise UsageError(
        f"{environment.name}: its packages need Python {low} to {high}, this is {here}; put python{high} on the PATH"
    )


def _logged(environment: Environment, words: Sequence[str], log: Path, mode: str) -> None:
    values = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONNOUSERSITE": "1"}
    values.pop("PYTHONPATH", None)
    with atomic.naming(log), log.open(mode) as file:
        done = subprocess.run(child_process.tied(words), stdout=file, stderr=subprocess.STDOUT, env=values, check=False)
    if done.returncode:
        raise FailedError(f"{environment.name}: {why(log.read_text(errors='replace'))} ({log})")


def why(printed: str) -> str:
    """One line with the reason of a failed installation, from pip's output."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    if full := next((line for line in lines if "No space left on device" in line), None):
        return f"the disk is full ({full[:120]}); free some and give the same command"
    errors = [line for line in lines if line.startswith("ERROR:")]
    for words, meaning in (
        ("No matching distribution", "is not available from the package index for this Python"),
        ("Could not find a version", "is not available from the package index for this Python"),
        ("ResolutionImpossible", "its packages conflict with each other"),
        ("Connection", "the package index cannot be reached"),
    ):
        if reason := next((line for line in errors or lines if words in line), None):
            return f"{meaning}: {reason.removeprefix('ERROR:').strip()[:200]}"
    return f"pip failed: {((errors or lines or ['no message'])[-1]).removeprefix('ERROR:').strip()[:200]}"
