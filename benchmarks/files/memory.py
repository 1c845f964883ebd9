"""Memory of a process."""

from __future__ import annotations

from pathlib import Path


def peak_memory() -> float | None:
    """MiB that this process has held at most; None where the system does not tell."""
    return _mib("status", "VmHWM")


def held() -> dict[str, float] | None:
    """MiB of this process: `private` pages, and those `shared` with others or with a file; None: not told."""
    private = [_mib("smaps_rollup", name) for name in ("Private_Clean", "Private_Dirty")]
    shared = [_mib("smaps_rollup", name) for name in ("Shared_Clean", "Shared_Dirty")]
    if None in private or None in shared:
        return None
    # A mapped file that one process alone has read counts as private and clean: it can be dropped at any time.
    clean, dirty = (value or 0.0 for value in private)
    return {"private": round(dirty, 1), "shared": round(clean + sum(value or 0.0 for value in shared), 1)}


def _mib(file: str, name: str) -> float | None:
    try:
        lines = Path(f"/proc/self/{file}").read_text().splitlines()
    except OSError:
        return None
    line = next((line for line in lines if line.startswith(f"{name}:")), None)
    return round(int(line.split()[1]) / 1024, 1) if line else None
