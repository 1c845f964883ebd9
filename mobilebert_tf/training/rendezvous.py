"""The start of a cluster: until all workers have come, TensorFlow waits in native code, which lets no Python run.

A separate process therefore says which workers are missing: `python -m mobilebert_tf.training.rendezvous`, with the
cluster as JSON.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
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
from mobilebert_tf.fields import build
from mobilebert_tf.training import stopping
from mobilebert_tf.training.cluster import Cluster

_FIRST_LINE, _BETWEEN_LINES = 15.0, 60.0
"""Seconds until the missing workers are first named, and between later times."""


@contextlib.contextmanager
def announced(cluster: Cluster) -> Iterator[None]:
    """Name missing workers while the block waits for all of them, and let SIGINT and SIGTERM end the wait."""
    words = [sys.executable, "-m", "mobilebert_tf.training.rendezvous", json.dumps(dataclasses.asdict(cluster))]
    watcher = subprocess.Popen(child_process.tied(words), env=child_process.environment())
    # Python's own SIGINT handler would run only after the call. TensorFlow handles SIGTERM by doing nothing; blocked,
    # as by `cli` before any library has threads, the signal stays pending, which the other process sees.
    handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
    stopping.hold_back()
    try:
        yield
    finally:
        stopping.let_through()
        signal.signal(signal.SIGINT, handler)
        watcher.kill()
        watcher.wait()


def _watch(cluster: Cluster, worker: int) -> None:
    began, times = time.monotonic(), itertools.chain([_FIRST_LINE], itertools.count(_BETWEEN_LINES, _BETWEEN_LINES))
    next_line = next(times)
    while not _is_asked_to_stop(worker):
        time.sleep(0.5)
        if time.monotonic() - began < next_line:
            continue
        for line in why_it_waits(cluster, is_late=next_line >= _BETWEEN_LINES):
            print(line, file=sys.stderr, flush=True)
        next_line = next(times)
    print("stopped by SIGTERM while it waited for other workers", file=sys.stderr, flush=True)
    os.kill(worker, signal.SIGINT)


def why_it_waits(cluster: Cluster, is_late: bool) -> list[str]:
    """Lines that tell the user of a waiting worker what it waits for.

    Args:
      is_late: whether something must be wrong by now, even if all addresses answer.
    """
    faults = [_fault_of(address) for _, address in cluster.places]
    shown = [
        f"{name} ({address}, which {fault})" if fault == _UNKNOWN else f"{name} ({address})"
        for (name, address), fault in zip(cluster.places, faults, strict=True)
    ]
    others = [number for number in range(cluster.workers) if number != cluster.index]
    lines = []
    if fault := faults[cluster.index]:
        name, address = cluster.places[cluster.index]
        lines.append(f"{address}, the address of this {name}, {fault}; TF_CONFIG needs one that all workers reach")
    if absent := [shown[number] for number in others if faults[number]]:
        lines.append(
            f"waiting for {', '.join(absent)}, as listed in TF_CONFIG; run the same command there, with TF_CONFIG"
        )
    if is_late and not lines:
        missing = ", ".join(shown[number] for number in others) or shown[0]
        lines.append(
            f"still waiting for {missing}, although something answers there; TF_CONFIG needs the same cluster and "
            "a different index in each process, and ports that no other program uses"
        )
    return lines


def _is_asked_to_stop(worker: int) -> bool:
    """Whether a SIGTERM is pending for a process; always false where the system is not Linux."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{worker}/status").read_text(encoding="ascii", errors="replace").splitlines()
        pending = int(next(line for line in lines if line.startswith("ShdPnd:")).split()[1], 16)
        return bool(pending & 1 << (signal.SIGTERM - 1))
    return False


_UNKNOWN = "cannot be resolved"


def _fault_of(address: str) -> str:
    """The reason why nothing answers at an address; empty if something does."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=1):
            return ""
    except (socket.gaierror, UnicodeError):  # UnicodeError: an empty or overlong part
        return _UNKNOWN
    except OSError:
        return "does not answer"


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with the worker
    _watch(build(Cluster, json.loads(sys.argv[1]), "the cluster"), os.getppid())
