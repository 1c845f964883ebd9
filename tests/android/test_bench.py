"""Results of the app's own benchmark against the schema of all benchmarks."""

import json
from typing import Any

import pytest

from mobilebert_tf.benchmarks import schema

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
