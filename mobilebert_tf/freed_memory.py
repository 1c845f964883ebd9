"""Keep memory that a computation frees in the process, which needs it again in the next step."""

from __future__ import annotations

import contextlib
import ctypes

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Parameters of mallopt, from glibc's `malloc.h`."""

LARGEST_HEAP = 64 * 2**20
"""Largest size of a thread's heap in bytes, in glibc on a 64-bit machine."""


def keep() -> None:
    """Ask the C library to return no freed memory to the system while this process runs.

    glibc returns the buffers of a training step one by one, and the system clears every page before it gives it out
    again: in a fine-tuning of mobilebert_mini that was a quarter to a third of the CPU time. In return a process needs
    2 to 12 % more memory at its peak. Other C libraries are left as they are.

    On Python 3.11 and later `tf.data.Dataset.from_generator` asks for the opposite, for the whole process.
    """
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, LARGEST_HEAP // 2)  # a larger value is refused
        mallopt(_TRIM_THRESHOLD, -1)
        mallopt(_TOP_PAD, LARGEST_HEAP)  # a thread's heap is cut down to this much, whatever the threshold
