"""The app on a simulated phone: for every example of every kind of task its screen shows Python's answer."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from mobilebert_tf.benchmarks import schema

pytestmark = [pytest.mark.android, pytest.mark.slow]

MODULES = "core,maven/tflite-classes,maven/androidx-test-stubs,app"


def test_screens_of_every_kind(
    root: Path,
    exports_of_kinds: Path,
    exports_of_one_graph: Path,
    export_directory: Path,
    tmp_path: Path,
    kotlin: object,
) -> None:
    """Answers are computed by TensorFlow Lite on the JVM; the fixture `kotlin` skips the test if Maven is missing."""
    exports = tmp_path / "exports"
    shutil.copytree(exports_of_kinds, exports)
    shutil.copytree(exports_of_one_graph, exports, dirs_exist_ok=True)
    shutil.copytree(export_directory, exports / "classification", ignore=shutil.ignore_patterns("rejected"))
    command = ["mvn", "-o", "-B", "-q", "-pl", MODULES, "test", "-Dsurefire.failIfNoSpecifiedTests=false"]
    command += ["-Dtest=ExportsTest,OneGraphTest,AppTest", f"-Ddemo.exports={exports}", f"-Ddemo.screens={tmp_path}"]
    process = subprocess.run(command, cwd=root / "android_demo", capture_output=True, encoding="utf-8", timeout=1500)
    if "offline mode" in process.stdout:
        pytest.skip("Robolectric was never downloaded here; make android does")
    assert process.returncode == 0, process.stdout[-4000:]
    reports = root / "android_demo" / "app" / "target" / "surefire-reports"
    for test in ("ExportsTest", "OneGraphTest"):
        report = (reports / f"dev.mobilebert.app.{test}.txt").read_text()
        assert "Tests run: 2, Failures: 0, Errors: 0, Skipped: 0" in report
    # AppTest starts a benchmark by an intent, which writes this file.
    result = json.loads((tmp_path / "benchmark.json").read_text())
    assert schema.fault(result) is None
    assert result["where"] == "device"
