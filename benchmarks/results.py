"""The JSON form of all benchmarks' results: raw samples, settings, and how the result was made.

schema_version  2; `schema.json` has all fields
kind            kind of measurement, such as "host latency"
unit            unit of every sample
where           host, emulated, estimated or device
made_by         command, commit, dirty flag, versions, machine, date
settings        the protocol: the settings that the command was given
runtime         if files were measured: the runtime's version, and the programs that ran them
device          the device, if there is one
subjects        one object per measured subject: name, sha256, bytes, configuration if it is a file;
                `rounds`, a list of objects with `samples` and everything else recorded
                in that round; `summary` of all samples; `ratio` to the baseline; `validity`
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
    """One measured subject, with its rounds."""

    name: str
    details: Mapping[str, Any]
    """Its identity and properties: sha256, bytes, sequence length and the like."""
    rounds: Sequence[Mapping[str, Any]]
    """Rounds: each has `samples`, and everything else recorded in it."""
    failed: bool = False
    """Whether one of its processes ended without figures: earlier rounds are kept, and are fewer than others have."""

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
    """The JSON form of a result, with ratios if a baseline is given.

    Args:
      baseline: one for all subjects, or one for each.
      about: other fields of the schema: runtime, device, emulator.
    """
    rows = []
    baselines = baseline if isinstance(baseline, Sequence) else [baseline] * len(subjects)
    for subject, own in zip(subjects, baselines, strict=True):
        row: dict[str, Any] = {"name": subject.name, **subject.details}
        if subject.rounds:
            row["summary"] = dataclasses.asdict(summarize(subject.samples))
        # Sustained runs of two subjects follow one another, so their rounds cannot be paired by time.
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
    """Check, before hours of measuring, that a result can be written. Results are evidence, so none is replaced.

    Raises:
      UsageError: `path` exists or does not end in .json, or its directory cannot be made or written to.
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
        raise UsageError(f"--output={path}: {place} is not writable; give another place")


def write(path: str, value: Mapping[str, Any]) -> None:
    """Write a document, under a similar name if another program has made a file at `path` in the meantime.

    Raises:
      FailedError: it violates the schema, which is an error in the benchmark.
    """
    if wrong := schema.fault(value):
        raise FailedError(f"{path}: not written, the result violates its schema ({wrong})")
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    free = _taken(place)
    try:
        atomic.write_json(free, value)
    except BaseException:
        free.unlink(missing_ok=True)
        raise
    if free != place:
        notes.say(f"{path}: was written by another program during the measurement, and stays; this result is in {free}")


def _taken(path: Path) -> Path:
    """Reserve the first free name of `path`, `path` with -2 and so on, by making an empty file; return it."""
    names = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    for name in itertools.chain([path], names):
        try:
            name.touch(exist_ok=False)
        except FileExistsError:
            continue
        return name
    raise AssertionError("there is always another number")
