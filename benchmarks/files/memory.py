"""What a process has held at most."""

from __future__ import annotations

from pathlib import Path


def peak_memory() -> float | None:
    """MiB of this process; None where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    peak = next((line for line in status.splitlines() if line.startswith("VmHWM")), None)
    return round(int(peak.split()[1]) / 1024, 1) if peak else None
