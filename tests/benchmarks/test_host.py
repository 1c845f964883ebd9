"""The order in which files are timed, and the file that each sample belongs to."""

import time
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf.benchmarks import schema
from mobilebert_tf.benchmarks.files import host, one_file, timing
from mobilebert_tf.benchmarks.files.texts import Texts
from mobilebert_tf.benchmarks.results import document
from mobilebert_tf.benchmarks.table import host_table
from mobilebert_tf.errors import FailedError


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of files in the order they are timed, by a runtime whose time is the number of the call."""
    names: list[str] = []

    def ask(path: Path, order: dict) -> object:
        if "runs" not in order:
            inputs = {name: {"name": name, "dtype": "int32", "shape": [1, 48]} for name in ("ids", "mask", "segment")}
            return {"signatures": [{"name": "only", "inputs": inputs}]}
        names.append(path.name)
        common = {
            "first_ms": 1.0, "peak_memory_mib": 1.0, "foreign_cores": 0.0, "load_ms": 1.0, "finite": True,
            "memory_mib": None, "clock_mhz": [None, None], "delegation": None,
        }  # fmt: skip
        return [{"samples": [float(len(names))], "sequence_length": T, **common} for T in order["sequence_lengths"]]

    monkeypatch.setattr(host, "_ask", ask)
    monkeypatch.setattr(host, "check_is_tflite", lambda path: None)
    return names


def test_each_round_has_every_file_once_in_an_order_of_its_own(asked: list[str]) -> None:
    files = {Path(name): [16, 32] for name in "abcd"}
    measured = host.measure_lengths(files, host.Settings(rounds=8), show_progress=False)
    rounds = [asked[i : i + 4] for i in range(0, 32, 4)]
    assert all(sorted(one) == list("abcd") for one in rounds)
    assert len({tuple(one) for one in rounds}) > 4, "of 24 orders"
    for path, seen in measured.items():
        for number, of_lengths in enumerate(seen):
            call = 4 * number + rounds[number].index(path.name) + 1
            assert [one["samples"] for one in of_lengths] == [[call], [call]]
            assert [one["sequence_length"] for one in of_lengths] == [16, 32]


@pytest.mark.parametrize(("rounds", "head"), [(3, "min-max of rounds"), (6, "95 % interval")])
def test_ratios_are_shown_with_what_is_known_of_them(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rounds: int, head: str
) -> None:
    answer = host._ask
    # A constant time, since times that rise with each call would be judged unsteady.
    monkeypatch.setattr(host, "_ask", lambda path, order: _steady(answer(path, order)))
    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        path.write_bytes(b"1")
    first, second = host.measure(paths, host.Settings(rounds=rounds), show_progress=False)
    document_ = document("host latency", "ms", {"threads": 1}, [first, second], second, runtime={"name": "none"})
    printed = host_table(document_)
    assert f"ratio ({head})" in printed and "1.000 (1.000-1.000)" in printed and "too few rounds" in printed
    assert schema.fault(document_) is None


def test_an_invalid_baseline_hides_the_ratios_to_itself_alone() -> None:
    """The baseline is invalid with two threads only, so its ratios with one thread are shown."""

    def subject(name: str, threads: int, verdict: str = "ok") -> dict:
        ratio = {"baseline": "b", "median": threads / 8, "low": 0.1, "high": 0.3, "difference": "faster"}
        return {
            "name": name, "bytes": 1, "sequence_length": 32, "configuration": {"threads": threads}, "ratio": ratio,
            "rounds": [{"load_ms": 1.0, "first_ms": 1.0, "foreign_cores": 0.0}],
            "summary": {"median": 1.0, "p90": 1.0, "p99": 1.0}, "validity": {"verdict": verdict, "reasons": ["noise"]},
        }  # fmt: skip

    subjects = [subject("a", 1), subject("b", 1), subject("a", 2), subject("b", 2, "invalid")]
    printed = host_table({"subjects": subjects})
    assert "0.125" in printed and "0.250" not in printed


def test_a_late_failure_leaves_the_rounds_before_it(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The failed file's rounds are kept but invalid; the other file has all its rounds."""
    answer = host._ask

    def ask(path: Path, order: dict) -> object:
        if path.name == "a" and asked.count("a") == 3:
            raise FailedError("a: the runtime crashed on it")
        return _steady(answer(path, order))

    monkeypatch.setattr(host, "_ask", ask)
    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        path.write_bytes(b"1")
    measurement = host.Measurement(paths, host.Sweep(), host.Settings(rounds=8))
    measurement.run(show_progress=False)
    a, b = measurement.subjects()
    assert (len(a.rounds), a.failed, len(b.rounds), b.failed) == (3, True, 8, False)
    assert a.details["validity"] == {"verdict": "invalid", "reasons": ["a: the runtime crashed on it"]}
    written = document("host latency", "ms", {}, [a, b], b, runtime={"name": "none"})
    assert schema.fault(written) is None and "ratio" not in written["subjects"][0]


def test_means_over_texts_have_no_percentiles_of_an_inference(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answer = host._ask
    monkeypatch.setattr(host, "_ask", lambda path, order: _steady(answer(path, order)))
    path = tmp_path / "a"
    path.write_bytes(b"1")
    sweep = host.Sweep(texts=Texts(name="dev.tsv", of_length={8: 1, 20: 1}))
    measurement = host.Measurement([path], sweep, host.Settings(rounds=2))
    measurement.run(show_progress=False)
    written = document("host latency", "ms", {}, measurement.subjects(), runtime={"name": "none"})
    assert schema.fault(written) is None and written["subjects"][0]["samples_are"] == "means over texts"
    (row,) = (line for line in host_table(written).splitlines() if line.startswith("a "))
    assert row.split() == ["a", "texts", "0.0", "1.0", "1.00", "2.00", "-"]


def _steady(answer: object) -> object:
    return [{**one, "samples": [2.0]} for one in answer] if isinstance(answer, list) else answer


def test_the_least_that_is_timed_is_of_the_inferences_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock where an inference takes 8 ms and the code between two inferences 2 ms."""
    now = [0.0]

    def clock() -> float:
        now[0] += 0.001
        return now[0]

    def run(number: int) -> None:
        asked.append(number)
        now[0] += 0.007

    asked: list[int] = []
    monkeypatch.setattr(time, "perf_counter", clock)
    times = timing.samples(run, 3, 2, 0.06)
    assert times == pytest.approx([8.0] * 8), "60 ms take eight of 8 ms, not six of 10"
    assert asked == [0, 1, 2, 0, 1, 2, 0, 1], "the inputs in turn"
    assert len(timing.samples(run, 3, 5, 0.0)) == 5


def test_outputs_of_every_inference_are_looked_at() -> None:
    outputs = [{"logits": np.float32([[0, 1]])}, {"logits": np.float32([[0, np.nan]])}]
    assert not one_file._time(outputs.__getitem__, 2, 4, 0.0, 1, outputs[0])["finite"], "the second input's are NaN"
    assert one_file._time(outputs.__getitem__, 1, 4, 0.0, 1, outputs[0])["finite"]


def test_a_mean_over_texts_has_the_changes_of_length_where_all_lengths_share_a_graph() -> None:
    """A mean by hand: three quarters of the texts take 2 ms, 4 more after one of the others; these take 10, 8 more."""
    rest = {"load_ms": 1.0, "first_ms": 1.0, "peak_memory_mib": 1.0, "foreign_cores": 0.0, "finite": True,
            "memory_mib": None, "clock_mhz": []}  # fmt: skip
    measured = [{"samples": [2.0], **rest}, {"samples": [10.0], **rest}]
    shares = {16: 0.75, 32: 0.25}
    assert host._mean(measured, shares)["samples"] == [0.75 * 2 + 0.25 * 10]
    measured = [{**measured[0], "resize_ms": 4.0}, {**measured[1], "resize_ms": 8.0}]
    assert host._mean(measured, shares)["samples"] == [0.75 * (2 + 0.25 * 4) + 0.25 * (10 + 0.75 * 8)]


def test_the_table_says_what_a_change_of_length_costs() -> None:
    """Two lengths of a file with one graph, one of a file with a graph for each, and a mean over texts."""

    def subject(name: str, length: int | None, resize_ms: float | None) -> dict:
        seen = {"load_ms": 1.0, "first_ms": 1.0, "foreign_cores": 0.0, "memory_mib": None}
        if resize_ms is not None:
            seen["resize_ms"] = resize_ms
        return {
            "name": name, "bytes": 10**6, "sequence_length": length, "rounds": [seen], "ratio": None,
            "summary": {"median": 1.0, "p90": 1.0, "p99": 1.0}, "validity": {"verdict": "ok", "reasons": []},
            "configuration": {"threads": 1}, **({} if length else {"shares_of_lengths": {16: 1.0}}),
        }  # fmt: skip

    subjects = [subject("a", 16, 0.2), subject("a", 32, 0.1), subject("b", 16, None), subject("c", None, 0.3)]
    shown = host_table({"subjects": subjects}).splitlines()
    assert "a: one graph for all lengths; after a text of another length it takes 0.10 to 0.20 ms more" in shown
    assert "c: one graph for all lengths; the changes between texts are part of the mean" in shown
    assert not any(line.startswith("b: ") for line in shown)
