"""The provenance of a result: command, commit, versions, machine, hashes of its inputs."""

from __future__ import annotations

import datetime
import functools
import hashlib
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import mobilebert_tf

PACKAGES = ("tensorflow", "keras", "tensorflow-text", "ai-edge-litert", "tokenizers", "numpy")


def describe() -> dict[str, Any]:
    """The facts about this process that a reader of a result may ask for."""
    return {
        "command": command_line(),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "mobilebert_tf": mobilebert_tf.__version__,
        **_commit(),
        "python": platform.python_version(),
        "versions": _versions(),
        "machine": machine(),
    }


def command_line() -> str:
    """The command of this process, as a user would type it."""
    name = Path(sys.argv[0]).name
    return shlex.join(["mobilebert-tf" if name == "__main__.py" else name, *sys.argv[1:]])


@functools.cache
def machine() -> dict[str, Any]:
    """Processor, cores and memory, and the processor's features that decide the speed of int8."""
    info: dict[str, Any] = {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count()}
    try:
        text = Path("/proc/cpuinfo").read_text()
        flags = next((line for line in text.splitlines() if line.startswith(("flags", "Features"))), "").split()
        info["model"] = next(
            (line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")), ""
        )
        notable = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "asimddp", "i8mm")
        info["features"] = [f for f in notable if f in flags]
        info["memory_gib"] = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except OSError:
        pass  # not Linux: the facts of the platform module must do
    return info


@functools.cache
def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


@functools.cache
def _commit() -> dict[str, Any]:
    """Commit and dirty flag of the source tree; empty for an installed wheel."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return {}

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except OSError:
        return {}


def sha256(*paths: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's content, or of several files as if they were one."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
