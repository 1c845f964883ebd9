"""Load of the machine by other processes, and its clock rates."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path


def busy_seconds() -> float:
    """Processor seconds that the whole machine has been busy since it started; 0 if the system does not report it."""
    try:
        numbers = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except OSError:
        return 0.0
    idle, waiting = numbers[3], numbers[4]
    return (sum(numbers) - idle - waiting) / os.sysconf("SC_CLK_TCK")


class Load:
    """Processor time that other processes take from now on."""

    def __init__(self) -> None:
        self._busy, self._own, self._wall = busy_seconds(), time.process_time(), time.perf_counter()

    def foreign_cores(self) -> float:
        """Number of cores that other processes kept busy until now; above about 0.1, measured times are doubtful.

        The kernel counts in hundredths of a second, so over a few milliseconds this means nothing.
        """
        elapsed = time.perf_counter() - self._wall
        foreign = (busy_seconds() - self._busy) - (time.process_time() - self._own)
        return round(min(max(0.0, foreign / elapsed), float(os.cpu_count() or 1)), 2)


def clock_mhz() -> float | None:
    """The highest current clock rate of all processors, in MHz, often a constant in virtual machines; None: unknown."""
    frequencies = []
    for path in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq"):
        try:
            frequencies.append(int(path.read_text()) / 1000)
        except (OSError, ValueError):
            continue
    if not frequencies:
        try:
            text = Path("/proc/cpuinfo").read_text()
        except OSError:
            return None
        frequencies = [float(number) for number in re.findall(r"^cpu MHz\s*:\s*([\d.]+)", text, re.MULTILINE)]
    return round(max(frequencies), 1) if frequencies else None
