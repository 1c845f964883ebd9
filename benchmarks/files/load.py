"""What else the machine is doing."""

from __future__ import annotations

import os
from pathlib import Path


def busy_seconds() -> float:
    """Processor seconds that the whole machine has worked since it started; 0 where that is not told."""
    try:
        numbers = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except OSError:
        return 0.0
    idle, waiting = numbers[3], numbers[4]
    return (sum(numbers) - idle - waiting) / os.sysconf("SC_CLK_TCK")
