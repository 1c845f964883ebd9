"""Freed memory stays with the process, which asks the system for pages once instead of in every step."""

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library is left as it is")

STEPS, SIZE, PAGE = 100, 2**21, 4096

HELD = 2**26 // SIZE
"""Number of arrays that fill a thread's first heap, which would otherwise serve all later ones in any case."""

COUNT = f"""
import resource, sys, threading
import numpy as np

def faults():
    held = [np.ones({SIZE}, np.uint8) for _ in range({HELD})]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range({STEPS}):
        first, second = np.ones({SIZE}, np.uint8), np.ones({SIZE}, np.uint8)
        del first, second
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

# TensorFlow computes in threads, whose heaps have rules of their own.
def measure():
    thread = threading.Thread(target=faults)
    thread.start()
    thread.join()
"""

TRAINED = """
from mobilebert_tf import quiet
quiet.start_tensorflow()
from mobilebert_tf.data.shuffled import shuffled_batches
features = {"input_ids": np.ones((8, 4), np.int32), "input_mask": np.ones((8, 4), np.int32)}
next(iter(shuffled_batches(features, 4, seed=0)))
measure()
"""

GIVEN_BACK = """
import ctypes
ctypes.CDLL(None).mallopt(-3, 2**17)  # as TensorFlow does for generators
measure()
"""


def test_freed_memory_stays() -> None:
    """100 steps have fewer than 2,048 page faults: 1,024 pages of both arrays, and as many for everything else."""
    assert _faults(TRAINED) < 2 * 2 * SIZE // PAGE


def test_it_would_not_stay_otherwise() -> None:
    """If memory is returned to the system, at least nine tenths of all pages of every step fault."""
    assert _faults(GIVEN_BACK) > 0.9 * STEPS * 2 * SIZE // PAGE


def _faults(work: str) -> int:
    process = subprocess.run([sys.executable, "-c", COUNT + work], capture_output=True, text=True, check=True)
    return int(process.stdout)
