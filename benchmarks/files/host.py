"""Latency of `.tflite` files on this machine: a fresh process per file and round, in random order."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf import child_process, provenance
from mobilebert_tf.benchmarks import verdict
from mobilebert_tf.benchmarks.files.configuration import FILE, MEMORY, NEW_FILE, Configuration, label
from mobilebert_tf.benchmarks.files.feeds import Feeds
from mobilebert_tf.benchmarks.files.inputs import Signature, Signatures, from_description
from mobilebert_tf.benchmarks.files.origin import origin
from mobilebert_tf.benchmarks.files.texts import Texts
from mobilebert_tf.benchmarks.files.titles import titles
from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.litert.compiled import IN_MEMORY
from mobilebert_tf.litert.runtime import check_is_tflite


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a measurement."""

    threads: int = 1
    """Threads, where no `Configuration` is given."""
    rounds: int = 3
    runs: int = 50
    """Least number of timed inferences per file and round."""
    seconds: float = 0.0
    """Least number of timed seconds per file and round."""
    warm_up: int = 10
    """Untimed inferences before them, including the first."""
    strict: bool = False
    """Require MLPerf's least number of inferences and of seconds."""

    @property
    def enough(self) -> Settings:
        """These settings; if `strict`, with runs and seconds that reach MLPerf's least numbers over all rounds."""
        if not self.strict:
            return self
        return dataclasses.replace(self, **verdict.enough(self.rounds, self.runs, self.seconds))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """Work of one process: one or several graphs of a file, one after the other."""

    path: Path
    configuration: Configuration
    lengths: tuple[int | None, ...] = (None,)
    signatures: tuple[str, ...] = ()
    """Names of signatures; empty: those of the lengths."""
    inputs: str | None = None
    """A file with inputs; None: random ids."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sweep:
    """The figures to measure of each file."""

    configurations: tuple[Configuration, ...] = (Configuration(),)
    lengths: tuple[int, ...] | None = ()
    """T of the signatures to measure; empty: the longest; None: all that a file has."""
    signatures: tuple[str, ...] = ()
    """Names of signatures, instead of lengths."""
    feeds: Feeds | None = None
    texts: Texts | None = None
    """Lengths of texts; if given, each file and configuration has one subject, the mean over these texts."""


class Measurement:
    """Rounds of all subjects of a sweep, as far as they have been measured.

    Args:
      files: the files to measure.
      sweep: the figures to measure of each.
      settings: settings of the measurement.

    Raises:
      UsageError: a file is missing, is not a `.tflite` file, lacks a signature, or has inputs without known values.
    """

    def __init__(self, files: Sequence[str | os.PathLike[str]], sweep: Sweep, settings: Settings):
        self._sweep, self._settings = sweep, settings.enough
        self._paths = [Path(file) for file in files]
        self._names = titles(self._paths)
        self._known = {path: known_signatures(path) for path in self._paths}
        self._shares: dict[Path, dict[int, float]] = {}
        self._described: dict[Job, str] = {}
        self._directory = contextlib.ExitStack()
        temporary = Path(self._directory.enter_context(tempfile.TemporaryDirectory()))
        self._jobs = [job for path in self._paths for job in self._jobs_of(path, temporary)]
        self._seen: dict[Job, list[list[dict[str, Any]]]] = {job: [] for job in self._jobs}
        self.failures: dict[Job, str] = {}
        """Reasons why jobs have fewer rounds than were asked for."""
        self._temporary = temporary

    def run(self, show_progress: bool = True) -> None:
        """Measure all rounds. A job that fails in one is left out of the following ones."""
        with self._directory:
            for job, findings in turns(self._jobs, self._settings, self._temporary, show_progress, self.failures):
                self._seen[job].append(findings)

    @contextlib.contextmanager
    def open(self) -> Iterator[list[Callable[[], None]]]:
        """Instead of `run`: a function per subject that measures it in one process, for rounds shared with others."""
        with self._directory:
            yield [functools.partial(self._turn, job) for job in self._jobs]

    def subjects(self) -> list[Subject]:
        """Results so far. Those of jobs that did not fail are cut to the number of rounds that all of these have."""
        complete = min((len(self._seen[job]) for job in self._jobs if job not in self.failures), default=0)
        subjects = []
        cores = provenance.machine()["cores"] or 1
        for job in self._jobs:
            failed = job in self.failures
            rounds = [self._round(job, found) for found in self._seen[job][: None if failed else complete]]
            judged = verdict.of_host(rounds, job.configuration.threads, cores, self._settings.strict)
            if failed:
                judged = verdict.of([self.failures[job]], [])
            subjects.append(Subject(
                name=self._name(job),
                details={**self._details(job, rounds), "validity": judged.describe()},
                rounds=rounds,
                failed=failed,
            ))  # fmt: skip
        return subjects

    def baselines(self, subjects: Sequence[Subject], baseline: Path) -> list[Subject | None]:
        """The baseline's subject for each subject: same graph and threads, first weight cache and float type.

        A baseline with a single length is compared at any length.
        """
        first = self._sweep.configurations[0]
        matches: list[Subject | None] = []
        for job in self._jobs:
            wanted = dataclasses.replace(first, threads=job.configuration.threads)
            fitting = [
                subject
                for other, subject in zip(self._jobs, subjects, strict=True)
                if other.path.resolve() == baseline.resolve() and other.configuration == wanted
            ]
            same = [one for one in fitting if one.details.get("sequence_length") == self._length(job)]
            matches.append(next(iter(same or (fitting if len(fitting) == 1 else [])), None))
        return matches

    def _turn(self, job: Job) -> None:
        if job in self.failures:
            return
        try:
            self._seen[job].append(_ask(job.path, order(job, self._settings, _cache(job, self._jobs, self._temporary))))
        except (UsageError, FailedError) as error:
            self.failures[job] = str(error)

    def _jobs_of(self, path: Path, temporary: Path) -> Iterator[Job]:
        known, sweep = self._known[path], self._sweep
        if sweep.texts:
            names = {one.length: one.name for one in known.each if one.length is not None}
            if not names:
                raise UsageError(f"{path}: takes no token ids, so no texts (--texts)")
            self._shares[path] = sweep.texts.shares(names)
            graphs = [tuple(known.of_length(length) for length in self._shares[path])]
        elif sweep.signatures:
            graphs = [(known.named(name),) for name in sweep.signatures]
        elif sweep.lengths is None:
            graphs = [(one,) for one in sorted(known.each, key=lambda one: one.length or 0)]
        else:
            graphs = [(known.of_length(length),) for length in sweep.lengths or (None,)]
        for number, graph in enumerate(graphs):
            file = temporary / f"{len(self._described)}_{number}.npz"
            described = self._write_inputs(graph, file)
            for configuration in sweep.configurations:
                job = Job(
                    path=path,
                    configuration=configuration,
                    lengths=tuple(one.length for one in graph),
                    signatures=tuple(one.name for one in graph if one.name),
                    inputs=str(file) if described else None,
                )
                self._described[job] = described or "made up"
                yield job

    def _write_inputs(self, graph: Sequence[Signature], file: Path) -> str | None:
        if self._sweep.feeds is None:
            return None
        arrays: dict[str, np.ndarray] = {}
        words = []
        for signature in graph:
            values, described = self._sweep.feeds.rows(signature)
            # Raises if they do not fit.
            signature.rows({f"{signature.name or ''}/{key}": one for key, one in values.items()})
            arrays |= {f"{signature.name or ''}/{key}": one for key, one in values.items()}
            words.append(described)
        np.savez(file, **arrays)  # type: ignore[arg-type]
        return "; ".join(dict.fromkeys(words))

    def _round(self, job: Job, found: Sequence[dict[str, Any]]) -> dict[str, Any]:
        if job.path in self._shares:
            return _mean(found, self._shares[job.path])
        return {key: value for key, value in found[0].items() if key not in ("sequence_length", "signature")}

    def _details(self, job: Job, rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        details: dict[str, Any] = {
            "sha256": provenance.sha256(job.path),
            "bytes": job.path.stat().st_size,
            **origin(job.path),
            "configuration": job.configuration.describe(),
            "inputs": self._described[job],
            "samples_are": "means over texts" if job.path in self._shares else "inferences",
        }
        if rounds and rounds[0].get("delegation"):
            details["delegation"] = rounds[0]["delegation"]
        for one in rounds:
            one.pop("delegation", None)  # type: ignore[attr-defined]
        if job.path in self._shares:
            return {**details, "shares_of_lengths": self._shares[job.path]}
        return {
            **details,
            "sequence_length": self._length(job),
            "signature": job.signatures[0] if job.signatures else None,
        }

    def _length(self, job: Job) -> int | None:
        return None if job.path in self._shares else job.lengths[0]

    def _name(self, job: Job) -> str:
        return self._names[job.path] + label(job.configuration, self._sweep.configurations)


def measure(
    files: Sequence[str | os.PathLike[str]],
    settings: Settings,
    texts: Texts | None = None,
    show_progress: bool = True,
    sequence_length: int | None = None,
) -> list[Subject]:
    """Latency in milliseconds of one inference, batch 1, of each file at one T (None: its longest), in rounds.

    With `texts`, a round's only sample is the mean over them, where a text costs the median of the
    shortest signature that it fits in, and where all lengths share one graph the changes of length too.

    Raises:
      UsageError: see `Measurement`.
      FailedError: a process died.
    """
    lengths = () if sequence_length is None else (sequence_length,)
    configuration = Configuration(threads=settings.threads)
    sweep = Sweep(configurations=(configuration,), lengths=lengths, texts=texts)
    measurement = Measurement(files, sweep, settings)
    measurement.run(show_progress)
    for failure in measurement.failures.values():
        raise FailedError(failure)
    return measurement.subjects()


def measure_lengths(
    lengths: Mapping[Path, Sequence[int | None]], settings: Settings, show_progress: bool = True
) -> dict[Path, list[list[dict[str, Any]]]]:
    """Findings of `one_file.measure` by file: for each round, one for each of its lengths T.

    Raises:
      UsageError: a file is missing, is not a `.tflite` file, or has other inputs than ids, mask and segments.
      FailedError: a process died.
    """
    for path in lengths:
        check_is_tflite(path)
    configuration = Configuration(threads=settings.threads)
    jobs = [Job(path=path, configuration=configuration, lengths=tuple(asked)) for path, asked in lengths.items()]
    seen: dict[Path, list[list[dict[str, Any]]]] = {path: [] for path in lengths}
    for job, findings in turns(jobs, settings, None, show_progress):
        seen[job.path].append(findings)
    return seen


def turns(
    jobs: Sequence[Job],
    settings: Settings,
    temporary: Path | None,
    show_progress: bool,
    failures: dict[Job, str] | None = None,
) -> Iterator[tuple[Job, list[dict[str, Any]]]]:
    """Findings of each process, one after the other.

    Every round runs each job once, in a process of its own and in random order. This spreads disturbances over all
    files: another program that takes the processor for a while, a falling clock rate, periodic work.

    Args:
      temporary: directory for weight caches.
      failures: receives the reasons of jobs that fail, which are then left out; None: a failure is raised.

    Raises:
      UsageError: a file cannot be measured.
      FailedError: a process died.
    """
    orders = random.Random(0)
    planned = [job for _ in range(settings.rounds) for job in orders.sample(list(jobs), len(jobs))]
    for job in track(planned, "measuring", "processes", len(planned)) if show_progress else planned:
        if failures is not None and job in failures:
            continue
        try:
            yield job, _ask(job.path, order(job, settings, _cache(job, jobs, temporary)))
        except (UsageError, FailedError) as error:
            if failures is None:
                raise
            failures[job] = str(error)


def _cache(job: Job, jobs: Sequence[Job], temporary: Path | None) -> str:
    """The `cache` argument of `CompiledFile` for a job: a path, IN_MEMORY or empty."""
    if job.configuration.weight_cache == MEMORY:
        return IN_MEMORY
    if job.configuration.weight_cache not in (FILE, NEW_FILE):
        return ""
    assert temporary is not None
    path = temporary / f"{jobs.index(job)}.xnnpack"
    if job.configuration.weight_cache == NEW_FILE:
        path.unlink(missing_ok=True)
    return str(path)


def order(job: Job, settings: Settings, cache: str = "") -> dict[str, Any]:
    """The arguments of `one_file.measure` for a job."""
    configuration = job.configuration
    return {
        "path": str(job.path),
        "threads": configuration.threads,
        "runs": settings.runs,
        "warm_up": settings.warm_up,
        "seconds": settings.seconds,
        "sequence_lengths": list(job.lengths),
        "signatures": list(job.signatures),
        "cache": cache,
        "float16": configuration.float16,
        "compiled": configuration.compiled,
        "inputs": job.inputs,
    }


def known_signatures(path: Path) -> Signatures:
    """Signatures of a file, read in a process of its own.

    Raises:
      UsageError: it is not a `.tflite` file, or has operators that the runtime lacks.
      FailedError: the process died.
    """
    check_is_tflite(path)
    return from_description(str(path), _ask(path, {"path": str(path)}))


def signatures_of(path: Path) -> dict[int, str | None]:
    """Names of a file's signatures that take tokens, by T, shortest first.

    Raises:
      UsageError: it is not a `.tflite` file, or takes no tokens.
      FailedError: the process died.
    """
    known = known_signatures(path)
    names = {one.length: one.name for one in known.each if one.length is not None}
    if not names:
        known.each[0].rows({})
    return dict(sorted(names.items()))


def _mean(measured: Sequence[dict[str, Any]], shares: Mapping[int, float]) -> dict[str, Any]:
    """One round over all lengths: the mean latency over texts, and the worst of most other values."""
    medians = [statistics.median(one["samples"]) for one in measured]
    # Texts come in any order, so the text before has another length with the share of all others.
    resizing = [(1 - share) * one.get("resize_ms", 0.0) for share, one in zip(shares.values(), measured, strict=True)]
    worst = ("load_ms", "first_ms", "peak_memory_mib", "foreign_cores")
    return {
        "samples": [
            round(
                sum(share * (ms + more) for share, ms, more in zip(shares.values(), medians, resizing, strict=True)), 4
            )
        ],
        "median_ms_of_lengths": dict(zip(shares, medians, strict=True)),
        **{key: max(one[key] for one in measured) for key in worst},
        **({"resize_ms": max(resizing)} if any(resizing) else {}),
        "finite": all(one["finite"] for one in measured),
        "memory_mib": measured[-1]["memory_mib"],
        "clock_mhz": [clock for one in measured for clock in one["clock_mhz"]],
        "queries": sum(len(one["samples"]) for one in measured),
    }


def _ask(path: Path, order: Mapping[str, Any]) -> Any:
    done = child_process.run([sys.executable, "-m", "mobilebert_tf.benchmarks.files.one_file", json.dumps(order)])
    if done.returncode == 2:
        raise UsageError(done.stdout.strip())
    if done.returncode < 0:
        how = child_process.ending(done.returncode)
        raise FailedError(f"{path}: the runtime crashed on it ({how}); the file is damaged, export it again")
    return child_process.answer(f"{path}: the process that measured it died", done)
