"""One JSON form for every benchmark: raw samples, settings, and how it was made.

schema_version  2; `schema.json` has all fields
kind            what was measured, such as "host latency"
unit            of every sample
where           host, emulated, estimated or device
made_by         command, commit, dirty flag, versions, machine, date
settings        the protocol: what the command was asked for
runtime         of files: its version, and the programs that ran them
device          if there is one
subjects        one object per thing measured: name, sha256, bytes, configuration if it is a file;
                `rounds`, a list of objects that hold `samples` and whatever else was
                seen in that round; `summary` of all samples; `ratio` to the baseline; `validity`
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf import atomic, notes, provenance, run_directory
from mobilebert_tf.benchmarks import schema
from mobilebert_tf.benchmarks.stats import Ratio, ratio, summarize
from mobilebert_tf.errors import FailedError, UsageError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """One thing that was measured, in rounds."""

    name: str
    details: Mapping[str, Any]
    """What identifies it: sha256, bytes, sequence length and the like."""
    rounds: Sequence[Mapping[str, Any]]
    """Of each round `samples`, and whatever else was seen in it."""
    failed: bool = False
    """Whether a process of it ended without figures: the rounds before it are kept, and are fewer than others have."""

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
    baseline: Subject | Sequence[Subject | None] | None = None,
    where: str = "host",
    **about: Any,
) -> dict[str, Any]:
    """The JSON form of a benchmark; ratios are there if a baseline is.

    Args:
      baseline: of all subjects, or of each.
      about: other fields of the schema: runtime, device, emulator.
    """
    rows = []
    baselines = baseline if isinstance(baseline, Sequence) else [baseline] * len(subjects)
    for subject, own in zip(subjects, baselines, strict=True):
        row: dict[str, Any] = {"name": subject.name, **subject.details}
        if subject.rounds:
            row["summary"] = dataclasses.asdict(summarize(subject.samples))
        # Sustained runs take their minutes one after the other: no two of their rounds are of the same moment.
        if own is not None and "sustained" not in row and len(subject.rounds) == len(own.rounds) > 0:
            row["ratio"] = {"baseline": own.name, **dataclasses.asdict(subject.ratio_to(own))}
        rows.append({**row, "rounds": [dict(seen) for seen in subject.rounds]})
    return {
        "schema_version": schema.VERSION,
        "kind": kind,
        "unit": unit,
        "where": where,
        "made_by": provenance.describe(),
        "settings": dict(settings),
        **about,
        "subjects": rows,
    }


def check_output(path: str) -> None:
    """Results are evidence, so they are not replaced, and what took hours to measure has a place to go to.

    Raises:
      UsageError: `path` exists or is no .json, or its directory cannot be made or written to.
    """
    if not path.endswith(".json"):
        raise UsageError(f"--output={path}: results are JSON; the name must end in .json")
    if Path(path).exists():
        raise UsageError(f"--output={path}: exists; give another name, or delete it first")
    run_directory.refuse_sealed(Path(path), "output")
    place = next(one for one in Path(os.path.abspath(path)).parents if one.exists())
    if not place.is_dir():
        raise UsageError(f"--output={path}: {place} is a file, not a directory; give another place")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UsageError(f"--output={path}: {place} may not be written to; give another place")


def write(path: str, value: Mapping[str, Any]) -> None:
    """Write a document; to a name beside `path` if another program has made a file there meanwhile.

    Raises:
      FailedError: it is against the schema, which is a fault of the benchmark.
    """
    if wrong := schema.fault(value):
        raise FailedError(f"{path}: not written, the result is against its schema ({wrong})")
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    free = _taken(place)
    try:
        atomic.write_json(free, value)
    except BaseException:
        free.unlink(missing_ok=True)
        raise
    if free != place:
        notes.say(f"{path}: was made by another program while this one measured, and stays; the result is in {free}")


def _taken(path: Path) -> Path:
    """The first of `path` and the names beside it, with a number behind, that nobody has: it is an empty file now."""
    names = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    for name in itertools.chain([path], names):
        try:
            name.touch(exist_ok=False)
        except FileExistsError:
            continue
        return name
    raise AssertionError("there is always another number")
