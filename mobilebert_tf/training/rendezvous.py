"""The start of a cluster: until all workers are there TensorFlow waits in native code, which lets no Python run.

So a process of its own says for whom a worker waits: `python -m mobilebert_tf.training.rendezvous`, with the others'
names and addresses as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from mobilebert_tf import child_process
from mobilebert_tf.training import stopping
from mobilebert_tf.training.cluster import Cluster

_FIRST_LINE, _BETWEEN_LINES = 15.0, 60.0
"""Seconds until it is said for whom a worker waits, and until it is said again."""


@contextlib.contextmanager
def announced(cluster: Cluster) -> Iterator[None]:
    """Around the call that waits for all workers: say which ones are not there, and let SIGINT and SIGTERM end it."""
    words = [sys.executable, "-m", "mobilebert_tf.training.rendezvous", json.dumps(cluster.others)]
    watcher = subprocess.Popen(child_process.tied(words), env=child_process.environment())
    # Python's own handler would run after the call. TensorFlow takes SIGTERM for itself and does nothing with it; held
    # back, as `cli` does it before any library has threads, it stays pending, which the other process sees.
    handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
    stopping.hold_back()
    try:
        yield
    finally:
        stopping.let_through()
        signal.signal(signal.SIGINT, handler)
        watcher.kill()
        watcher.wait()


def _watch(others: list[tuple[str, str]], worker: int) -> None:
    speaks = time.monotonic() + _FIRST_LINE
    while not _is_asked_to_stop(worker):
        time.sleep(0.5)
        if time.monotonic() < speaks:
            continue
        speaks = time.monotonic() + _BETWEEN_LINES
        if absent := [f"{name} ({address})" for name, address in others if not _answers(address)]:
            print(
                f"waiting for {', '.join(absent)}, as TF_CONFIG has them; give the same command there, with TF_CONFIG",
                file=sys.stderr,
                flush=True,
            )
    print("stopped by SIGTERM while it waited for other workers", file=sys.stderr, flush=True)
    os.kill(worker, signal.SIGINT)


def _is_asked_to_stop(worker: int) -> bool:
    """Whether a SIGTERM is pending for a process; only Linux says."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{worker}/status").read_text(encoding="ascii", errors="replace").splitlines()
        pending = int(next(line for line in lines if line.startswith("ShdPnd:")).split()[1], 16)
        return bool(pending & 1 << (signal.SIGTERM - 1))
    return False


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=1):
            return True
    except (OSError, ValueError):
        return False


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with the worker
    _watch(json.loads(sys.argv[1]), os.getppid())
