"""One JSON form for every benchmark: raw samples, settings, and how it was made.

schema_version  1
kind            what was measured, such as "host latency"
unit            of every sample
made_by         command, commit, dirty flag, versions, machine, date
settings        what the command was asked for
subjects        one object per thing measured: name, sha256, bytes if it is a file;
                `rounds`, a list of objects that hold `samples` and whatever else was
                seen in that round; `summary` of all samples; `ratio` to the baseline
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf import atomic, provenance
from mobilebert_tf.benchmarks.stats import Ratio, ratio, summarize
from mobilebert_tf.errors import UsageError

SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """One thing that was measured, in rounds."""

    name: str
    details: Mapping[str, Any]
    """What identifies it: sha256, bytes, sequence length and the like."""
    rounds: Sequence[Mapping[str, Any]]
    """Of each round `samples`, and whatever else was seen in it."""

    @property
    def samples(self) -> list[list[float]]:
        """Samples of each round."""
        return [list(seen["samples"]) for seen in self.rounds]

    def ratio_to(self, baseline: Subject) -> Ratio:
        return ratio(self.samples, baseline.samples)


def document(
    kind: str,
    unit: str,
    settings: Mapping[str, Any],
    subjects: Sequence[Subject],
    baseline: Subject | None = None,
) -> dict[str, Any]:
    """The JSON form of a benchmark; ratios are there if a baseline is."""
    rows = []
    for subject in subjects:
        row = {"name": subject.name, **subject.details, "summary": dataclasses.asdict(summarize(subject.samples))}
        if baseline is not None:
            row["ratio"] = {"baseline": baseline.name, **dataclasses.asdict(subject.ratio_to(baseline))}
        rows.append({**row, "rounds": [dict(seen) for seen in subject.rounds]})
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        "unit": unit,
        "made_by": provenance.describe(),
        "settings": dict(settings),
        "subjects": rows,
    }


def check_output(path: str) -> None:
    """Results are evidence, so they are not replaced. Raises UsageError if `path` exists or is no .json."""
    if not path.endswith(".json"):
        raise UsageError(f"--output={path}: results are JSON; the name must end in .json")
    if Path(path).exists():
        raise UsageError(f"--output={path}: exists; give another name, or delete it first")


def write(path: str, value: Mapping[str, Any]) -> None:
    atomic.write_json(path, value)
