"""Rounds of a measurement on a device whose processes the tests answer: what is kept, and what goes on."""

from __future__ import annotations

import json
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from mobilebert_tf import cli
from mobilebert_tf.benchmarks import results, schema
from mobilebert_tf.benchmarks.android import adb, run, tools
from mobilebert_tf.benchmarks.android import device as devices
from mobilebert_tf.commands import benchmark_android
from mobilebert_tf.errors import FailedError

SECONDS = 7.0
"""Of a process."""


class Played:
    """A measurement of two files whose processes take SECONDS of a clock of their own."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, settings: run.Settings):
        self.calls: list[str] = []
        """Names of the files that processes ran."""
        self.answers: dict[int, Callable[[], str]] = {}
        """By the number of the process, what it does in place of its figures."""
        self._now = 0.0
        monkeypatch.setattr(run.time, "monotonic", lambda: self._now)
        monkeypatch.setattr(tools, "prepare", lambda adb: None)
        monkeypatch.setattr(tools, "end", lambda adb: None)
        properties = dict.fromkeys(devices._PROPERTIES, "") | {"model": "X"}
        self.device = devices.Device(
            properties=properties, page_size=None, memory_mib=None, clusters=(), identity="X"
        )  # fmt: skip
        tool = tools.Tool(tools.TFLITE, "/x", "a" * 64, "benchmark_model")
        self._jobs = []
        for name in ("a", "b"):
            path = directory / f"{name}.tflite"
            path.write_text(name)
            self._jobs.append(run.Job(path, None, None, tool, "cpu", 4, None))
        self._settings, self.kept = settings, directory / "phone.part"

    def measurement(self) -> run.Measurement:
        feeds = types.SimpleNamespace(rows=lambda signature: ({}, "made up"))
        made = run.Measurement(
            types.SimpleNamespace(push_all=lambda *words: None), self.device, self._jobs,
            dict.fromkeys(self._jobs), feeds, self._settings, self.kept, lambda line: None,
        )  # fmt: skip
        made._push = lambda job, directory: None
        made._check = lambda job: {"checked": True, "max_relative_error": 0.0, "tolerance": 0.1}
        made._wait = lambda: (self._state(), True)
        made._process = self._process
        return made

    def _state(self) -> dict:
        return {"at_s": self._now, "thermal_status": 0}

    def _process(self, job: run.Job, before: dict, cool: bool, seconds: float | None = None) -> dict | str:
        self.calls.append(job.path.stem)
        if len(self.calls) in self.answers:
            return self.answers[len(self.calls)]()
        self._now += SECONDS
        return {"samples": [10.0], "of": "median", "queries": 50, "before": before, "during": [],
                "after": self._state()}  # fmt: skip


def gone() -> str:
    raise adb.DeviceGoneError("X: device not found")


def test_a_sustained_run_goes_on_with_what_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A whole curve stays as it is; one that was cut off is begun again, since the device has cooled meanwhile."""
    played = Played(tmp_path, monkeypatch, run.Settings(sustained_minutes=1))
    played.answers[12] = gone
    first = played.measurement()
    with pytest.raises(adb.DeviceGoneError):
        first.run(False)
    assert played.calls == ["a"] * 9 + ["b"] * 3, "9 processes of 7 s make a minute"
    played.calls.clear(), played.answers.clear()
    second = played.measurement()
    assert second.resume() == 9
    second.run(False)
    assert played.calls == ["b"] * 9
    a, b = second.subjects()
    assert len(a.rounds) == len(b.rounds) == 9
    assert a.details["sustained"][-1][0] == b.details["sustained"][-1][0] == 63.0
    about = {"where": "device", "runtime": {"name": "LiteRT"}, "device": played.device.describe()}
    written = results.document("device latency", "ms", {}, [a, b], a, **about)
    assert schema.fault(written) is None and not any("ratio" in one for one in written["subjects"])


def test_a_late_failure_leaves_the_rounds_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """They are invalid, and kept; the other file has all of its own."""
    played = Played(tmp_path, monkeypatch, run.Settings(rounds=9))
    played.answers[17] = lambda: "status 124: did not answer"
    measurement = played.measurement()
    measurement.run(False)
    failed = played.calls[16]
    by_name = {one.name: one for one in measurement.subjects()}
    assert len(by_name[f"{failed}.tflite"].rounds) == 8
    assert by_name[f"{failed}.tflite"].details["validity"] == {
        "verdict": "invalid", "reasons": ["status 124: did not answer"],
    }  # fmt: skip
    (other,) = (one for name, one in by_name.items() if name != f"{failed}.tflite")
    assert len(other.rounds) == 9
    written = results.document(
        "device latency", "ms", {}, list(by_name.values()), where="device", runtime={"name": "LiteRT"},
        device=played.device.describe(),
    )  # fmt: skip
    assert schema.fault(written) is None


def test_times_that_a_tool_does_not_print_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    measurement = Played(tmp_path, monkeypatch, run.Settings()).measurement()
    del measurement._process
    monkeypatch.setattr(measurement, "_look", lambda brief=False: {})
    monkeypatch.setattr(measurement, "_proto", lambda remote: {})
    monkeypatch.setattr(measurement, "_call", lambda *words: types.SimpleNamespace(most_seconds=1.0, result=""))
    monkeypatch.setattr(tools, "command", lambda tool, call: "")
    line = "count=50 first=2300 curr=2200 min=2100 max=2400 avg=2200.5 std=3"
    measurement._adb.shell = lambda *words, **more: adb.Shell(line, "", 0)
    found = measurement._process(measurement._jobs[0], {}, True)
    assert found["samples"] == [2.2005] and found["load_ms"] is None and found["first_ms"] is None


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., benchmark_android.BenchmarkAndroid]:
    """The command with a device that disappears while files are copied to it."""
    played = Played(tmp_path, monkeypatch, run.Settings())
    made = played.measurement()
    made._push = lambda job, directory: gone()
    monkeypatch.setattr(adb, "find", lambda serial: types.SimpleNamespace(serial="X"))
    monkeypatch.setattr(devices, "read", lambda adb: played.device)
    monkeypatch.setattr(
        benchmark_android.BenchmarkAndroid, "_measurement", lambda self, *words: (made, run.Settings(), [])
    )
    return lambda **more: benchmark_android.BenchmarkAndroid(
        models=str(tmp_path / "a.tflite"), output=str(tmp_path / "phone.json"), **more
    )


def test_a_cable_pulled_while_files_are_copied_promises_nothing(command, tmp_path: Path):
    with pytest.raises(FailedError, match="device not found; nothing was measured yet, start it again as before"):
        command().run()
    assert not (tmp_path / "phone.part").exists()
    (tmp_path / "phone.part").write_text(json.dumps({}))
    assert command()._what_is_left.endswith("phone.part has what was measured, --resume goes on")


def test_the_app_is_not_started_with_more_threads_than_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """It would say so on its screen, and the command wait in vain for a result."""
    asked: list[str] = []
    played = types.SimpleNamespace(serial="X", text=lambda words: asked.append(words) or "")
    monkeypatch.setattr(adb, "find", lambda serial: played)
    (tmp_path / "a.tflite").write_text("a")
    words = ["benchmark", "android", "--app", f"--models={tmp_path}/a.tflite", f"--output={tmp_path}/x.json"]
    assert cli.run([*words, "--threads=128"]) == 2
    error = capsys.readouterr().err.strip()
    assert "--threads=128: with --app there may be 64 at most" in error and len(error.splitlines()) == 1
    assert not any(words.startswith("pm ") for words in asked)
    assert cli.run([*words, "--threads=64"]) == 2
    assert "is not installed on X" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flag", ["--affinity=big", "--strict", "--seconds=9", "--tool=benchmark_model", "--sustained=5"]
)
def test_flags_that_the_app_would_ignore_are_refused(flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.tflite").write_text("a")
    words = ["benchmark", "android", "--app", f"--models={tmp_path}/a.tflite", f"--output={tmp_path}/x.json", flag]
    assert cli.run(words) == 2
    name = flag.partition("=")[0]
    assert f"{name}: is for measuring with a tool; leave it out with --app" in capsys.readouterr().err


def test_a_sustained_run_has_no_ratios(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.tflite").write_text("a")
    words = [f"--models={tmp_path}/a.tflite", f"--baseline={tmp_path}/a.tflite", f"--output={tmp_path}/x.json"]
    assert cli.run(["benchmark", "android", "--sustained=1", *words]) == 2
    error = capsys.readouterr().err.strip()
    assert "--sustained and --baseline: give one" in error and len(error.splitlines()) == 1
