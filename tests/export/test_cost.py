"""The cost of files in milliseconds, on a machine where another program slows down single rounds."""

import pytest

from mobilebert_tf.benchmarks.files import host
from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.export.choose.cost import Costs, Milliseconds

SLOWDOWN = (1, 1, 4, 1, 4, 4, 1, 1, 1)
"""Factor by which each round is slowed, the same for all files."""


def measured(monkeypatch: pytest.MonkeyPatch, times: dict[str, tuple[float, ...]]) -> Costs:
    """The costs of files whose times in each round are `times`."""

    def measure(files: list, settings: host.Settings) -> list[Subject]:
        subjects = zip(files, times.values(), strict=True)
        return [
            Subject(name=file.name, details={}, rounds=[{"samples": [t]} for t in rounds]) for file, rounds in subjects
        ]

    monkeypatch.setattr(host, "measure", measure)
    return Milliseconds(settings=host.Settings())({name: b"" for name in times})


def test_costs_are_ratios_within_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second file is undisturbed in other rounds than the first, so its median over all runs is the higher one."""
    first = tuple(1.0 * slow for slow in SLOWDOWN)
    second = tuple(0.8 * slow * extra for slow, extra in zip(SLOWDOWN, (1, 1, 1, 6, 1, 1, 6, 1, 1), strict=True))
    costs = measured(monkeypatch, {"first": first, "second": second})
    assert costs.values == pytest.approx({"first": 1.0, "second": 0.8})
    assert sorted(second)[4] > sorted(first)[4]
    assert costs.cheapest(["first", "second"]) == ["first", "second"], "two rounds of nine speak against it"
    clear = measured(monkeypatch, {"first": first, "second": tuple(0.8 * slow for slow in SLOWDOWN)})
    assert clear.cheapest(["first", "second"]) == ["second"] and clear.cheapest(["first"]) == ["first"]


def test_exact_costs_have_one_cheapest() -> None:
    assert Costs(values={"a": 3.0, "b": 2.0, "c": 2.5}).cheapest(["a", "c"]) == ["c"]
