"""Results of the app's own benchmark against the schema of all benchmarks."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mobilebert_tf.benchmarks import schema, stats
from mobilebert_tf.benchmarks.android import app
from mobilebert_tf.benchmarks.report import figures
from mobilebert_tf.errors import UsageError

pytestmark = [pytest.mark.android, pytest.mark.slow]


@pytest.mark.parametrize(
    ("accelerator", "status", "verdict"),
    [("CPU", 0, "ok"), ("CPU", 1, "warn"), ("CPU", 4, "invalid"), ("GPU", 0, "invalid")],
)
def test_a_result_is_one_of_a_device(accelerator: str, status: int, verdict: str, kotlin: Any) -> None:
    """A GPU here computes what the processor does, bit for bit: it did not run."""
    result = json.loads(kotlin("bench.PrintResult", accelerator, str(status)))
    assert schema.fault(result) is None
    assert schema.where(result) == "device"
    assert [subject["validity"]["verdict"] for subject in result["subjects"]] == [verdict, verdict]
    assert [subject["sequence_length"] for subject in result["subjects"]] == [8, 16]
    for subject, figure in zip(result["subjects"], figures.of(result), strict=True):
        summary = stats.summarize([one["samples"] for one in subject["rounds"]])
        assert subject["summary"] == pytest.approx(vars(summary))
        assert {"checked", "max_relative_error", "tolerance"} < subject["outputs"].keys()
        assert subject["outputs"]["tolerance"] == 0.5 / 16
        # Cached weights make another configuration, which no table mixes with a run without.
        assert ("file" in figure.key) == (accelerator == "CPU")
        assert subject["configuration"]["api"] == "CompiledModel"


def test_the_app_is_not_asked_for_more_than_it_takes(root: Path) -> None:
    stated = (root / "android_demo/core/src/main/kotlin/dev/mobilebert/core/bench/BenchState.kt").read_text()
    most = re.search(r"const val MOST_TIMES = ([0-9_]+)", stated)
    assert most and int(most[1]) == app.MOST_TIMES
    with pytest.raises(UsageError, match="--app: rounds times runs may be 100,000 at most"):
        app.start(None, app.PACKAGE, {"threads": 4, "rounds": 1000, "runs": 101})  # type: ignore[arg-type]
    request = (root / "android_demo/core/src/main/kotlin/dev/mobilebert/core/screen/BenchRequest.kt").read_text()
    assert f"const val MOST_THREADS = {app.MOST_THREADS}\n" in request
    with pytest.raises(UsageError, match="--threads=65: with --app there may be 64 at most"):
        app.start(None, app.PACKAGE, {"threads": 65, "rounds": 9, "runs": 50})  # type: ignore[arg-type]
