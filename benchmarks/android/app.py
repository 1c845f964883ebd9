"""The demo app's own benchmark: start it with an intent, and fetch its result."""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mobilebert_tf import fields
from mobilebert_tf.benchmarks import schema
from mobilebert_tf.benchmarks.android.adb import Adb
from mobilebert_tf.errors import FailedError, UsageError

PACKAGE, ACTIVITY, ACTION = "dev.mobilebert.app", ".MainActivity", "dev.mobilebert.app.BENCHMARK"

MOST_TIMES = 100_000
"""Largest number of inferences over all rounds that the app accepts: it keeps the time of each."""

MOST_THREADS = 64
"""Largest number of threads that the app accepts; with more it measures nothing and writes no result."""


def start(adb: Adb, package: str, extras: Mapping[str, str | int]) -> None:
    """Start the benchmark screen.

    Raises:
      UsageError: the app is not installed, or does not accept so many inferences or threads.
      FailedError: it does not start.
    """
    if int(extras["rounds"]) * int(extras["runs"]) > MOST_TIMES:
        raise UsageError(f"--app: rounds times runs may be {MOST_TIMES:,} at most, since the app keeps every time")
    if int(extras["threads"]) > MOST_THREADS:
        raise UsageError(f"--threads={extras['threads']}: with --app there may be {MOST_THREADS} at most")
    if not adb.text(f"pm path {shlex.quote(package)}"):
        raise UsageError(f"{package}: is not installed on {adb.serial}; build android_demo and `adb install` it")
    words = [
        "am",
        "start",
        "-S",
        "-W",
        "-a",
        ACTION,
        "-n",
        f"{package}/{ACTIVITY if package == PACKAGE else PACKAGE + ACTIVITY}",
    ]
    for name, value in extras.items():
        words += ["--ei" if isinstance(value, int) else "--es", name, str(value)]
    done = adb.shell(" ".join(map(shlex.quote, words)))
    if done.status or "Error" in done.text:
        raise FailedError(f"{package}: does not start ({done.last})")


def folder(package: str) -> str:
    """The app's own directory of results, which adb may read."""
    return f"/sdcard/Android/data/{package}/files/benchmarks"


def results(adb: Adb, package: str) -> set[str]:
    """Names of the app's results on the device."""
    return set(adb.text(f"ls {folder(package)} 2>/dev/null").split())


def fetch(adb: Adb, package: str, before: set[str], seconds: float, poll: float = 5.0) -> dict[str, Any]:
    """Wait for a new result, and read it.

    Args:
      before: names of the results that existed before.
      seconds: time limit.
      poll: seconds between two looks.

    Raises:
      FailedError: there is no new result in time, or it cannot be read.
    """
    end = time.monotonic() + seconds
    while not (new := sorted(name for name in results(adb, package) - before if name.endswith(".json"))):
        if time.monotonic() >= end:
            raise FailedError(f"{package}: wrote no result within {seconds:.0f} s; look at its screen")
        time.sleep(poll)
    with tempfile.TemporaryDirectory() as directory:
        local = Path(directory) / new[-1]
        if not adb.pull(f"{folder(package)}/{new[-1]}", local):
            raise FailedError(f"{package}: its result {new[-1]} cannot be fetched")
        try:
            document = fields.read_object(local)
        except UsageError as error:
            raise FailedError(str(error)) from None
    return document


def checked(document: dict[str, Any]) -> dict[str, Any]:
    """Check that the app's result follows the schema, and return it. Raises FailedError: it does not."""
    if wrong := schema.fault(document):
        raise FailedError(
            f"the app's result is against the schema ({wrong}); build the app and this package of one commit"
        )
    return document
