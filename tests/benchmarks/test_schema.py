"""The schema of results: existing results are valid, contradictory ones are not."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest

from mobilebert_tf.benchmarks import results, schema
from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.errors import UsageError

HERE = Path(__file__).parents[2] / "benchmarks"


def document() -> dict:
    """A result of a device, with everything that the schema requires."""
    state = {"at_s": 0.0, "thermal_status": 0, "battery_percent": 80, "clocks_khz": {"0": 1800000}}
    return {
        "schema_version": 2,
        "kind": "device latency",
        "unit": "ms",
        "where": "device",
        "made_by": {"command": "an app 1.0", "date": "2026-11-29T06:00:00+00:00", "commit": "a" * 40, "dirty": False},
        "settings": {"rounds": 1, "runs": 3},
        "runtime": {"name": "LiteRT", "version": "2.3.0", "tools": [{"kind": "app", "version": "1.0"}]},
        "device": {"kind": "test", "model": "none", "clusters": [{"name": "all", "cpus": [0], "max_khz": None}]},
        "subjects": [
            {
                "name": "a.tflite",
                "sha256": "0" * 64,
                "bytes": 10,
                "recipe": None,
                "sequence_length": 32,
                "signature": "tokens_32",
                "configuration": {"threads": 4, "accelerator": "gpu", "affinity": "big"},
                "delegation": {"delegate": "LITERT_CL", "delegated": 3, "nodes": 3, "partitions": 1},
                "outputs": {"checked": True, "max_relative_error": 1e-3, "tolerance": 1e-2, "same_as_cpu": False},
                "validity": {"verdict": "warn", "reasons": ["it is a test"]},
                "summary": {"median": 2.0, "p90": 3.0, "runs": 3},
                "rounds": [{"samples": [1.0, 2.0, 3.0], "before": state, "after": None}],
            }
        ],
    }


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(json.loads((HERE / "schema.json").read_text()))


@pytest.mark.parametrize("path", sorted((HERE / "results").glob("*.json")), ids=lambda path: path.stem)
def test_results_that_are_there_are_read(path: Path):
    """No result is of a device, since there was none. That of the paper's networks is an estimate."""
    result = schema.read(path)
    assert schema.where(result) in (("estimated",) if result.get("kind") == "paper" else ("host", "emulated"))


def test_a_device_s_result_is_valid():
    assert schema.fault(document()) is None


def change(*place, to):
    """The document with another value at a place, or, for KeyError, without it."""
    changed = copy.deepcopy(document())
    inner = changed
    for part in place[:-1]:
        inner = inner[part]
    if to is KeyError:
        del inner[place[-1]]
    else:
        inner[place[-1]] = to
    return changed


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (change("schema_version", to=3), "schema_version"),
        (change("where", to="host"), "where"),
        (change("device", to=KeyError), "'device' is a required property"),
        (change("kind", to="host latency"), "where"),
        (change("made_by", "date", to="yesterday"), "made_by.date"),
        (change("subjects", 0, "sha256", to="abc"), "subjects[0].sha256"),
        (change("subjects", 0, "validity", to={"verdict": "ok", "reasons": ["throttled"]}), "reasons"),
        (change("subjects", 0, "validity", to={"verdict": "invalid", "reasons": []}), "reasons"),
        (change("subjects", 0, "rounds", 0, "samples", to=[]), "subjects[0].rounds[0].samples"),
        (change("subjects", 0, "rounds", 0, "samples", to=[-1.0]), "samples[0]"),
        (change("subjects", 0, "rounds", 0, "before", "thermal_status", to=7), "thermal_status"),
        (change("subjects", 0, "summary", to=KeyError), "'summary' is a required property"),
        (change("subjects", 0, "configuration", "accelerator", to="tpu"), "accelerator"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(changed: dict, words: str):
    assert words in (schema.fault(changed) or "")


@pytest.mark.parametrize(("unit", "is_wrong"), [("Matthews", False), ("s", True), ("ms", True), ("million", True)])
def test_a_score_may_be_negative_and_a_time_or_count_may_not(unit: str, is_wrong: bool):
    study = Subject(name="a", details={}, rounds=[{"samples": [-0.03]}])
    assert bool(schema.fault(results.document("study", unit, {}, [study]))) == is_wrong


def test_an_invalid_result_needs_no_figures():
    changed = change("subjects", 0, "validity", to={"verdict": "invalid", "reasons": ["the cable was pulled"]})
    del changed["subjects"][0]["summary"]
    changed["subjects"][0]["rounds"] = []
    assert schema.fault(changed) is None


def test_a_number_that_is_none_is_refused_with_its_place(tmp_path: Path):
    """json reads and writes NaN, and jsonschema calls it a number: a table would show it."""
    path = tmp_path / "a.json"
    whole = document()
    whole["subjects"][0]["rounds"][0]["samples"][0] = float("nan")
    path.write_text(json.dumps(whole))
    with pytest.raises(UsageError, match=r"a\.json: subjects\[0\].rounds\[0\].samples\[0\]: is nan, not a number"):
        schema.read(path)


@pytest.mark.parametrize("content", ['{"kind": "host latency"}', "{", "[]", '{"schema_version": 9}'])
def test_a_file_that_is_no_result_is_refused_in_a_line(tmp_path: Path, content: str):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"a\.json") as raised:
        schema.read(path)
    assert "\n" not in str(raised.value)
