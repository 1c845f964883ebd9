"""Memory of this process."""

from __future__ import annotations

from pathlib import Path


def peak_memory() -> float | None:
    """Peak resident memory of this process in MiB; None: the system does not report it."""
    return _mib("status", "VmHWM")


def held() -> dict[str, float] | None:
    """MiB of this process's own `private` pages and of those `shared` with a file; None: unknown (before Linux 5.4).

    Pages of a mapped file can be dropped at any time, so they are not private. This includes pages that only this
    process has read, and dirty pages of a new file that has not been written to disk yet.
    """
    whole, own, in_memory = (_mib("smaps_rollup", name) for name in ("Rss", "Pss_Anon", "Pss_Shmem"))
    if whole is None or own is None or in_memory is None:
        return None
    private = own + in_memory  # pages of a file in memory cannot be dropped: there is no copy on disk
    return {"private": round(private, 1), "shared": round(whole - private, 1)}


def _mib(file: str, name: str) -> float | None:
    try:
        lines = Path(f"/proc/self/{file}").read_text().splitlines()
    except OSError:
        return None
    line = next((line for line in lines if line.startswith(f"{name}:")), None)
    return round(int(line.split()[1]) / 1024, 1) if line else None
