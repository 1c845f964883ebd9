"""The demo app's own benchmark: started by an intent, its result fetched and brought into the form of results."""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mobilebert_tf import fields
from mobilebert_tf.benchmarks import schema, verdict
from mobilebert_tf.benchmarks.android.adb import Adb
from mobilebert_tf.errors import FailedError, UsageError

PACKAGE, ACTIVITY, ACTION = "dev.mobilebert.app", ".MainActivity", "dev.mobilebert.app.BENCHMARK"

KIND = "app latency"
"""Of the app's own files, which are in the form of version 1."""

PROBLEMS = ("emulator",)
"""Words of an app's doubts that make its figures invalid; any other doubt is a warning."""


def start(adb: Adb, package: str, extras: Mapping[str, str | int]) -> None:
    """Start the benchmark screen. Raises UsageError: the app is not there; FailedError: it does not start."""
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
    """Where the app's results lie: a directory of its own that adb may read."""
    return f"/sdcard/Android/data/{package}/files/benchmarks"


def results(adb: Adb, package: str) -> set[str]:
    """Names of its results that are there."""
    return set(adb.text(f"ls {folder(package)} 2>/dev/null").split())


def fetch(adb: Adb, package: str, before: set[str], seconds: float, poll: float = 5.0) -> dict[str, Any]:
    """Wait for a new result, and read it.

    Raises:
      FailedError: none came in time, or it cannot be read.
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


def upgraded(document: Mapping[str, Any]) -> dict[str, Any]:
    """An app's result as a result of a device: what it says of itself as the device, its doubts as the verdict.

    Raises:
      UsageError: it is against the schema of its version.
    """
    if wrong := schema.fault(document):
        raise UsageError(f"the app's result: {wrong}")
    if document.get("schema_version") == schema.VERSION:
        return dict(document)
    settings, made_by = document["settings"], document["made_by"]
    machine = made_by.get("machine", {})
    doubts = [str(doubt) for doubt in document.get("doubts", ())]
    asked, used = settings.get("accelerator", "cpu"), settings.get("accelerator_used", True)
    invalid = [doubt for doubt in doubts if any(word in doubt.lower() for word in PROBLEMS)]
    if not used:
        invalid.append(f"the {asked.upper()} did not run")
    subjects = []
    for subject in document["subjects"]:
        statuses = [one.get(f"thermal_status_{when}") for one in subject["rounds"] for when in ("before", "after")]
        warm = max((status for status in statuses if status is not None), default=0)
        hot = [f"throttled: thermal status {warm}"] if warm >= 3 else []
        name, _, signature = str(subject["name"]).partition(" ")
        own = {key: subject[key] for key in ("sha256", "bytes", "sequence_length", "summary")}
        subjects.append({
            "name": name,
            **own,
            "signature": signature or None,
            "samples_are": "inferences",
            "configuration": {"threads": settings.get("threads", 1), "accelerator": asked, "tool": "app"},
            "validity": verdict.of(invalid + hot, [one for one in doubts if one not in invalid]).describe(),
            "rounds": [_round(one) for one in subject["rounds"]],
        })  # fmt: skip
    return {
        "schema_version": schema.VERSION,
        "kind": "device latency",
        "unit": document["unit"],
        "where": "device",
        "made_by": {**made_by, "command": made_by["command"]},
        "settings": dict(settings),
        "runtime": {"name": "LiteRT", "version": str(made_by.get("runtime") or "unknown"), "tools": [{"kind": "app"}]},
        "device": {
            "kind": "emulator" if invalid and any("emulator" in one.lower() for one in invalid) else "phone",
            "model": str(machine.get("model") or "unknown"),
            "manufacturer": str(machine.get("manufacturer") or ""),
            "soc": str(machine.get("soc") or ""),
            "android": str(machine.get("system") or "").removeprefix("Android "),
            "fingerprint": str(machine.get("fingerprint") or ""),
            "abi": str(machine.get("processor") or ""),
        },
        "subjects": subjects,
    }


def _round(one: Mapping[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in one.items() if not key.startswith("thermal_status_")}
    states = {
        when: {"thermal_status": one.get(f"thermal_status_{when}")}
        for when in ("before", "after")
        if f"thermal_status_{when}" in one
    }
    return {**rest, **states}
