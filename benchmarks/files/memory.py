"""Memory of a process."""

from __future__ import annotations

from pathlib import Path


def peak_memory() -> float | None:
    """MiB that this process has held at most; None where the system does not tell."""
    return _mib("status", "VmHWM")


def held() -> dict[str, float] | None:
    """MiB of this process: its own `private` pages, and those `shared` with a file; None: not told (before Linux 5.4).

    Pages of a mapped file can be dropped at any time, and so are not private: neither those that this process alone
    has read, nor those of a file that was just made and still waits to be written to the disk, which count as dirty.
    """
    whole, own, in_memory = (_mib("smaps_rollup", name) for name in ("Rss", "Pss_Anon", "Pss_Shmem"))
    if whole is None or own is None or in_memory is None:
        return None
    private = own + in_memory  # a file in memory has no disk that its pages could go to
    return {"private": round(private, 1), "shared": round(whole - private, 1)}


def _mib(file: str, name: str) -> float | None:
    try:
        lines = Path(f"/proc/self/{file}").read_text().splitlines()
    except OSError:
        return None
    line = next((line for line in lines if line.startswith(f"{name}:")), None)
    return round(int(line.split()[1]) / 1024, 1) if line else None
