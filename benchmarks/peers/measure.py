"""Measurement of all peers in one run: a fresh process of each per round, in random order, on the same texts."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf import provenance
from mobilebert_tf.benchmarks import verdict
from mobilebert_tf.benchmarks.files import host
from mobilebert_tf.benchmarks.files.configuration import Configuration
from mobilebert_tf.benchmarks.files.feeds import Feeds
from mobilebert_tf.benchmarks.files.texts import Texts
from mobilebert_tf.benchmarks.library import training, training_step
from mobilebert_tf.benchmarks.peers import workshop
from mobilebert_tf.benchmarks.peers.catalogue import LITERT, STUDENT, Peer, Variant
from mobilebert_tf.benchmarks.peers.environments import Environment
from mobilebert_tf.benchmarks.programs import answer_of
from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import FailedError, UsageError

PASSES = 2
"""Least number of inferences of each text in one process."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inputs:
    """The inputs that all peers are timed on."""

    feeds: Feeds
    """Inputs for LiteRT files."""
    rows: Mapping[str, np.ndarray]
    """The same for other runtimes: ids, mask and segments [N, T]."""
    texts: Texts | None
    """Lengths of the texts that a mean is taken over; None: no mean is measured."""
    text_rows: Mapping[str, np.ndarray] | None
    """Some of these texts in the form of `rows`, and the number of `real` word pieces in each row."""


class Foreign:
    """A file of a runtime other than LiteRT, as a subject of the run.

    Args:
      variant: the file.
      environment: the environment that it runs in.
      order: the order for `side.py`.
      configuration: number of threads.
      length: T; None: each text at its own length.
    """

    def __init__(
        self,
        variant: Variant,
        environment: Environment,
        order: Mapping[str, Any],
        configuration: Configuration,
        length: int | None,
    ):
        self.variant, self.configuration, self.length = variant, configuration, length
        self.rounds: list[dict[str, Any]] = []
        self.failure: str | None = None
        self._environment, self._order = environment, order

    def turn(self) -> None:
        """Measure one round in a fresh process; after a failure do nothing."""
        if self.failure:
            return
        try:
            self.rounds.append(workshop.ask(self.variant.peer, self._environment, self._order))
        except FailedError as error:
            self.failure = str(error)

    def subject(self, strict: bool) -> Subject:
        """The result, with the same kind of verdict as this project's files."""
        cores = provenance.machine()["cores"] or 1
        judged = verdict.of_host(self.rounds, self.configuration.threads, cores, strict)
        if self.failure:
            judged = verdict.of([self.failure], [])
        path, versions = self.variant.path, self.rounds[0]["versions"] if self.rounds else {}
        details = {
            "sha256": provenance.sha256(path),
            "bytes": path.stat().st_size,
            "recipe": None,
            "model": None,
            "configuration": {**self.configuration.describe(), "api": None, "weight_cache": None},
            "samples_are": "inferences" if self.length else "means over texts",
            "sequence_length": self.length,
            "versions": versions,
            "validity": judged.describe(),
        }
        seen = [{key: value for key, value in one.items() if key != "versions"} for one in self.rounds]
        return Subject(name=self.variant.name, details=details, rounds=seen, failed=bool(self.failure))


class Comparison:
    """Rounds of all variants.

    Args:
      variants: files to time.
      environments: environments by name.
      config: shape of the network, for rivals whose files lack it.
      inputs: the same for all.
      length: T.
      threads: numbers of threads to measure with; the mean over texts is measured with the first.
      settings: rounds, runs and so on.
    """

    def __init__(
        self,
        variants: Sequence[Variant],
        environments: Mapping[str, Environment],
        config: Mapping[str, Any],
        inputs: Inputs,
        length: int,
        threads: Sequence[int],
        settings: host.Settings,
    ):
        self._settings, self._length = settings.enough, length
        self._lite = [one for one in variants if one.peer.runtime == LITERT]
        paths = [one.path for one in self._lite]
        configurations = tuple(Configuration(threads=number) for number in threads)
        at_length = host.Sweep(configurations=configurations, lengths=(length,), feeds=inputs.feeds)
        sweeps = [at_length]
        if inputs.texts:
            sweeps.append(host.Sweep(configurations=configurations[:1], texts=inputs.texts, feeds=inputs.feeds))
        self._measurements = [host.Measurement(paths, sweep, settings) for sweep in sweeps] if paths else []
        self._temporary = tempfile.TemporaryDirectory()
        self._foreign = []
        for variant in variants:
            if variant.peer.runtime == LITERT:
                continue
            environment = environments[str(variant.peer.environment)]
            for configuration in configurations:
                order = self._order(variant, config, configuration, inputs.rows, "rows")
                self._foreign.append(Foreign(variant, environment, order, configuration, length))
            if inputs.text_rows:
                order = self._order(variant, config, configurations[0], inputs.text_rows, "texts")
                self._foreign.append(Foreign(variant, environment, order, configurations[0], None))

    def run(self) -> None:
        """Measure all rounds; subjects that fail are left out of the following ones."""
        with contextlib.ExitStack() as opened:
            opened.enter_context(self._temporary)
            calls: list[Callable[[], None]] = [one.turn for one in self._foreign]
            for measurement in self._measurements:
                calls += opened.enter_context(measurement.open())
            orders = random.Random(0)
            planned = [one for _ in range(self._settings.rounds) for one in orders.sample(calls, len(calls))]
            for call in track(planned, "measuring", "processes", len(planned)):
                call()

    def subjects(self) -> list[Subject]:
        """Results so far. Those that did not fail are cut to the number of rounds that all of these have."""
        measured = []
        for measurement in self._measurements:
            subjects = measurement.subjects()
            each = len(subjects) // len(self._lite)
            for number, subject in enumerate(subjects):
                variant = self._lite[number // each]
                measured.append((variant, dataclasses.replace(subject, name=variant.name)))
        measured += [(one.variant, one.subject(self._settings.strict)) for one in self._foreign]
        complete = min(
            (len(subject.rounds) for _, subject in measured if subject.rounds and not subject.failed), default=0
        )
        return [
            dataclasses.replace(
                subject,
                details={
                    "peer": variant.peer.name,
                    "title": variant.peer.title,
                    "precision": variant.precision,
                    "file": variant.path.name,
                    "runtime": variant.peer.runtime,
                    **subject.details,
                },
                rounds=subject.rounds if subject.failed else subject.rounds[:complete],
            )
            for variant, subject in measured
        ]

    def _order(
        self,
        variant: Variant,
        config: Mapping[str, Any],
        configuration: Configuration,
        rows: Mapping[str, np.ndarray],
        name: str,
    ) -> dict[str, Any]:
        path = Path(self._temporary.name) / f"{name}.npz"
        if not path.exists():
            np.savez(path, **rows)  # type: ignore[arg-type]
        return {
            "do": "time",
            "path": str(variant.path),
            "config": config,
            "threads": configuration.threads,
            "inputs": str(path),
            "own_lengths": name == "texts",
            "passes": PASSES,
            "runs": self._settings.runs,
            "seconds": self._settings.seconds,
            "warm_up": self._settings.warm_up,
        }


def baselines(subjects: Sequence[Subject], wanted: str) -> list[Subject | None]:
    """The subject of variant `wanted` at the length and number of threads of each subject; None: not measured."""

    def key(subject: Subject) -> tuple[Any, ...]:
        return subject.details.get("sequence_length"), subject.details["configuration"]["threads"]

    own = {key(one): one for one in subjects if one.name == wanted}
    return [own.get(key(one)) for one in subjects]


def steps(
    wanted: Sequence[Peer],
    environments: Mapping[str, Environment],
    config: Mapping[str, Any],
    settings: training.Settings,
) -> tuple[list[Subject], dict[str, str]]:
    """Seconds of a fine-tuning step of each peer that has one, and reasons of failures by peer."""
    trained = [peer for peer in wanted if peer.trains]
    seen: dict[str, list[dict[str, Any]]] = {peer.name: [] for peer in trained}
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as temporary:
        batch = Path(temporary) / "batch.npz"
        arrays = training_step.batch_of(settings.batch_size, settings.sequence_length, config["vocab_size"])
        np.savez(batch, **arrays)  # type: ignore[arg-type]
        orders = random.Random(0)
        planned = [peer for _ in range(settings.rounds) for peer in orders.sample(trained, len(trained))]
        for peer in track(planned, "fine-tuning", "processes", len(planned)):
            if peer.name in failures:
                continue
            try:
                if peer.name == STUDENT:
                    seen[peer.name].append(_our_steps(settings))
                else:
                    order = {"do": "step", "config": config, "threads": settings.threads, "steps": settings.steps}
                    round_ = workshop.ask(peer, environments[str(peer.environment)], {**order, "batch": str(batch)})
                    seen[peer.name].append(round_)
            except (FailedError, UsageError) as error:
                failures[peer.name] = str(error)
    subjects = [
        Subject(
            name=peer.title,
            details={"peer": peer.name, "versions": seen[peer.name][0].get("versions", {})},
            rounds=[{key: value for key, value in one.items() if key != "versions"} for one in seen[peer.name]],
        )
        for peer in trained
        if seen[peer.name] and peer.name not in failures
    ]
    return subjects, failures


def _our_steps(settings: training.Settings) -> dict[str, Any]:
    order = {**dataclasses.asdict(settings), "dtype": "float32", "quantization_aware": False}
    words = [sys.executable, "-m", training_step.__name__, json.dumps(order)]
    return answer_of(STUDENT, words)
