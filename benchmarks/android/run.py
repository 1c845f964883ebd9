"""Measurement with `benchmark_model` on a device: variants in random order, each process on a cool device."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf import atomic, provenance
from mobilebert_tf.benchmarks import verdict
from mobilebert_tf.benchmarks.android import device as devices
from mobilebert_tf.benchmarks.android import judged, printed, result_proto, tools
from mobilebert_tf.benchmarks.android.adb import Adb, DeviceGoneError
from mobilebert_tf.benchmarks.files import outputs as reference
from mobilebert_tf.benchmarks.files.feeds import Feeds
from mobilebert_tf.benchmarks.files.inputs import Signature
from mobilebert_tf.benchmarks.files.origin import origin
from mobilebert_tf.benchmarks.files.titles import titles
from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import UsageError
from mobilebert_tf.litert.lookups import table_rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a measurement."""

    rounds: int = 9
    runs: int = 50
    seconds: float = 1.0
    """Least number of seconds per process."""
    warm_up: int = 3
    cool_down: float = 120.0
    """Most seconds to wait, before each process, for the device to cool."""
    most_celsius: float = 35.0
    """Highest battery temperature at which a device counts as cool."""
    sustained_minutes: float = 0.0
    """Minutes to run each variant without a pause, instead of in rounds; 0: measure in rounds."""
    strict: bool = False
    full: bool = True
    """Whether accelerators must take all nodes."""
    tool_flags: str = ""
    sample_every: float = 5.0
    """Seconds between two queries of clock rates and temperature while a process runs."""

    @property
    def enough(self) -> Settings:
        """These settings; if `strict`, with runs and seconds that reach MLPerf's least numbers over all rounds."""
        if not self.strict:
            return self
        return dataclasses.replace(self, **verdict.enough(self.rounds, self.runs, self.seconds))


@dataclasses.dataclass(frozen=True)
class Job:
    """One graph of a file in one configuration."""

    path: Path
    signature: str | None
    length: int | None
    tool: tools.Tool
    accelerator: str
    threads: int
    affinity: str | None

    @functools.cached_property
    def sha256(self) -> str:
        return provenance.sha256(self.path)

    @functools.cached_property
    def key(self) -> str:
        """Identifier among the jobs of a measurement, the same after an interruption."""
        about = [self.signature, self.tool.kind, self.accelerator, self.threads, self.affinity]
        return json.dumps([self.sha256, *about])


class Measurement:
    """Rounds of jobs on a device, saved to a file after each process, so that a pulled cable loses at most one.

    Args:
      adb, device: the device.
      jobs: the jobs to run.
      signatures: the signature of each job's graph.
      feeds: source of input values.
      settings: settings of the measurement.
      kept: file with the results so far.
      say: function that shows a message to the user.
    """

    def __init__(
        self,
        adb: Adb,
        device: devices.Device,
        jobs: Sequence[Job],
        signatures: Mapping[Job, Signature],
        feeds: Feeds,
        settings: Settings,
        kept: Path,
        say: Callable[[str], None] = print,
    ):
        self._adb, self._device, self._jobs = adb, device, list(jobs)
        self._signatures, self._feeds, self._settings = signatures, feeds, settings.enough
        self._kept, self._say = kept, say
        self._start = time.monotonic()
        self._files: dict[Path, str] = {}
        self._rows: dict[Job, tuple[dict[str, np.ndarray], str]] = {job: feeds.rows(signatures[job]) for job in jobs}
        self._inputs: dict[Job, list[tuple[str, str, str]]] = {}
        self._table_rows: dict[Job, dict[str, int]] = {}
        self._state: dict[str, Any] = {
            "device": device.identity,
            "settings": dataclasses.asdict(settings),
            "rounds": {job.key: [] for job in jobs},
            "outputs": {},
            "delegation": {},
            "failures": {},
        }

    def resume(self) -> int:
        """Load the results of an interrupted measurement. Returns the number of their processes.

        Raises:
          UsageError: they are of another device, other files or other settings, or cannot be read.
        """
        if not self._kept.is_file():
            raise UsageError(f"--resume: {self._kept} is missing, so there is nothing to resume")
        try:
            document = json.loads(self._kept.read_text(encoding="utf-8"))
            earlier = {name: document[name] for name in self._state}
        except (ValueError, KeyError, TypeError):
            raise UsageError(f"{self._kept}: is damaged; delete it and measure again") from None
        for name, what in (("device", "on another device"), ("settings", "with other settings")):
            if earlier[name] != self._state[name]:
                raise UsageError(f"--resume: {self._kept} was made {what}; delete it, or use the same")
        if set(earlier["rounds"]) != set(self._state["rounds"]):
            raise UsageError(f"--resume: {self._kept} was made with other files or tools; delete it, or use the same")
        if self._settings.sustained_minutes:
            # The device cools during an interruption, so an incomplete curve starts again from the beginning.
            earlier["rounds"] = {
                key: rounds if key in earlier["failures"] or self._is_whole(rounds) else []
                for key, rounds in earlier["rounds"].items()
            }
        self._state = earlier
        return sum(len(rounds) for rounds in earlier["rounds"].values())

    def run(self, show_progress: bool = True) -> None:
        """Check outputs, then measure the missing rounds.

        Raises:
          DeviceGoneError: the device is no longer connected; results so far are saved.
          FailedError: files cannot be copied to it.
        """
        try:
            tools.prepare(self._adb)
            with tempfile.TemporaryDirectory() as directory:
                for job in self._jobs:
                    self._push(job, Path(directory))
                self._adb.push_all(Path(directory), f"{tools.HOME}/run")
            for job in self._jobs:
                if job.key not in self._state["outputs"]:
                    self._state["outputs"][job.key] = self._check(job)
                    self._keep()
            self._compare_with_processor()
            if self._settings.sustained_minutes:
                self._sustained(show_progress)
            else:
                self._rounds(show_progress)
        finally:
            # If the device is gone, the error that is already being raised matters, not this one.
            with contextlib.suppress(DeviceGoneError):
                tools.end(self._adb)

    def subjects(self) -> list[Subject]:
        """Results so far."""
        state = self._state
        complete = min(
            (len(state["rounds"][job.key]) for job in self._jobs if job.key not in state["failures"]), default=0
        )
        subjects = []
        names = titles(list(dict.fromkeys(job.path for job in self._jobs)))
        for job in self._jobs:
            rounds, failed = state["rounds"][job.key], job.key in state["failures"]
            if not failed and not self._settings.sustained_minutes:
                rounds = rounds[:complete]
            delegation, outputs = state["delegation"].get(job.key), state["outputs"].get(job.key)
            judgement = judged.of_device(
                rounds, self._device, job.accelerator, delegation, outputs, self._settings.strict
            )
            if failed:
                judgement = verdict.of([state["failures"][job.key]], [])
            details: dict[str, Any] = {
                "sha256": job.sha256,
                "bytes": job.path.stat().st_size,
                **origin(job.path),
                "sequence_length": job.length,
                "signature": job.signature,
                "samples_are": "means of processes" if rounds and rounds[0].get("of") == "mean" else
                "medians of processes",
                "inputs": self._inputs_in_words(job),
                "configuration": {
                    "threads": job.threads,
                    "accelerator": job.accelerator,
                    "affinity": job.affinity,
                    "tool": job.tool.kind,
                },
                "delegation": None if delegation is None else {"partitions": None, **delegation},
                "outputs": outputs,
                "validity": judgement.describe(),
            }  # fmt: skip
            if self._settings.sustained_minutes and rounds:
                details["sustained"] = [[one["after"]["at_s"] - rounds[0]["before"]["at_s"], one["samples"][0]]
                                        for one in rounds]  # fmt: skip
            subjects.append(Subject(name=names[job.path], details=details, rounds=rounds, failed=failed))
        return subjects

    def _inputs_in_words(self, job: Job) -> str:
        if job.tool.kind == tools.TFLITE:
            return f"the first of {self._rows[job][1]}"
        return "random, within the ranges of the file's tables"

    @property
    def failures(self) -> dict[str, str]:
        """Reasons of failed jobs, by `Job.key`."""
        failures: dict[str, str] = self._state["failures"]
        return failures

    def forget(self) -> None:
        """Delete the file of saved results, once they have been written as a result."""
        self._kept.unlink(missing_ok=True)

    def _rounds(self, show_progress: bool) -> None:
        # The order is the same after an interruption; processes that are already measured are skipped.
        orders, state = random.Random(0), self._state
        planned = [
            (number, job)
            for number in range(self._settings.rounds)
            for job in orders.sample(self._jobs, len(self._jobs))
        ]
        for number, job in track(planned, "measuring", "processes", len(planned)) if show_progress else planned:
            if job.key in state["failures"] or len(state["rounds"][job.key]) > number:
                continue
            self._add(job, self._process(job, *self._wait()))

    def _sustained(self, show_progress: bool) -> None:
        for job in (
            track(self._jobs, "running without a pause", "variants", len(self._jobs)) if show_progress else self._jobs
        ):
            rounds = self._state["rounds"][job.key]
            if job.key in self._state["failures"] or self._is_whole(rounds):
                continue
            before, cool = self._wait()
            while not self._is_whole(rounds):
                findings = self._process(job, before, cool, seconds=max(10.0, self._settings.seconds))
                if not self._add(job, findings):
                    break
                assert isinstance(findings, dict)
                before = findings["after"]

    def _is_whole(self, rounds: Sequence[Mapping[str, Any]]) -> bool:
        """Whether consecutive processes cover all minutes of a sustained run."""
        return devices.span(rounds) >= 60 * self._settings.sustained_minutes

    def _add(self, job: Job, found: dict[str, Any] | str) -> bool:
        if isinstance(found, str):
            self._state["failures"][job.key] = found
            self._say(f"benchmark android: {job.path.name}: {found}; continuing with the others")
        else:
            self._state["rounds"][job.key].append(found)
        self._keep()
        return not isinstance(found, str)

    def _keep(self) -> None:
        atomic.write_json(str(self._kept), self._state)

    def _push(self, job: Job, directory: Path) -> None:
        """Copy a job's file to the device, and write its inputs into a local directory."""
        if job.path not in self._files:
            remote = f"{tools.HOME}/files/{job.sha256[:12]}-{job.path.name}"
            if self._adb.push(job.path, remote):
                self._say(f"benchmark android: copied {job.path.name} to the device")
            self._files[job.path] = remote
        content = job.path.read_bytes()
        names, _ = reference.tensor_order(content, job.signature)
        self._table_rows[job] = table_rows(content, job.signature)
        signature, (values, _) = self._signatures[job], self._rows[job]
        by_tensor = {str(about["name"]): key for key, about in signature.inputs.items()}
        own = _digest(f"{job.path} {job.signature}".encode())[:10]
        inputs = []
        for number, name in enumerate(names):
            about = signature.inputs[by_tensor[name]]
            first = values[by_tensor[name]][0].astype(np.dtype(about["dtype"]).newbyteorder("<"))
            (directory / f"{own}-{number}.bin").write_bytes(first.tobytes())
            shape = ",".join(str(int(size)) for size in about["shape"])
            inputs.append((name, shape, f"{tools.HOME}/run/{own}-{number}.bin"))
        self._inputs[job] = inputs

    def _call(self, job: Job, runs: int, seconds: float, outputs: str | None) -> tools.Call:
        mask = None
        if job.affinity:
            cluster = self._device.cluster(job.affinity)
            assert cluster, "looked at before"
            mask = cluster.mask
        signature = self._signatures[job]
        by_tensor = {str(about["name"]): key for key, about in signature.inputs.items()}
        roles = signature.roles or {}
        keys = [by_tensor[name] for name, _, _ in self._inputs[job]]
        ranges = {
            key: (1, 1) if roles.get(key) == "mask" else (0, 1) if roles.get(key) == "segments" else
            (0, self._table_rows[job].get(key, 100) - 1)
            for key in keys
            if roles
        }  # fmt: skip
        return tools.Call(
            graph=self._files[job.path],
            signature=job.signature,
            threads=job.threads,
            accelerator=job.accelerator,
            runs=runs,
            seconds=seconds,
            warm_up=self._settings.warm_up,
            most_seconds=max(150.0, 4 * seconds),
            result=f"{tools.HOME}/run/result.pb",
            inputs=self._inputs[job],
            names=keys,
            ranges=ranges,
            outputs=outputs,
            full=self._settings.full,
            mask=mask,
            more=self._settings.tool_flags,
        )

    def _process(
        self, job: Job, before: Mapping[str, Any], cool: bool, seconds: float | None = None
    ) -> dict[str, Any] | str:
        """Run one process; return its figures, or the reason of a failure as text."""
        seconds = self._settings.seconds if seconds is None else seconds
        call = self._call(job, self._settings.runs, seconds, None)
        during: list[dict[str, Any]] = []
        done = self._adb.shell(
            tools.command(job.tool, call),
            seconds=call.most_seconds + 120,
            meanwhile=lambda: during.append(self._look(brief=True)),
            every=self._settings.sample_every,
        )
        after = self._look()
        transcript = printed.parse(done.text)
        figures = transcript.figures | self._proto(call.result)
        if done.status or not figures:
            how = transcript.wrong or (
                f"status {done.status}: {done.last[:150]}" if done.status else "printed no figures"
            )
            return f"{job.tool.kind}: {how}"
        if "median" not in figures and "mean" not in figures:
            return f"{job.tool.kind}: printed no times ({done.last[:100]!r})"
        if (delegation := printed.delegation(transcript, job.accelerator)) is not None:
            self._state["delegation"][job.key] = delegation
        of = "median" if "median" in figures else "mean"
        rounded = {key: round(value, 4) for key, value in figures.items()}
        return {
            "samples": [rounded[of]],
            "of": of,
            "queries": int(figures.get("runs", self._settings.runs)),
            "figures": rounded,
            "load_ms": rounded.get("init"),
            "first_ms": rounded.get("first"),
            "before": before,
            "during": during,
            "after": after,
            **({} if cool else {"not_cool": True}),
            **({"unknown_flags": list(transcript.unknown_flags)} if transcript.unknown_flags else {}),
        }

    def _proto(self, remote: str) -> dict[str, float]:
        """Figures of the tool's result file; empty if the tool is too old to write one."""
        with tempfile.TemporaryDirectory() as directory:
            local = Path(directory) / "result.pb"
            if not self._adb.pull(remote, local):
                return {}
            try:
                return result_proto.parse(local.read_bytes())
            except ValueError:
                return {}

    def _check(self, job: Job) -> dict[str, Any]:
        """Compare the outputs of one inference with this machine's."""
        if job.tool.kind != tools.TFLITE:
            return {"checked": False, "why_not": f"{job.tool.kind} neither reads value files nor writes outputs"}
        remote = f"{tools.HOME}/run/outputs.bin"
        done = self._adb.shell(tools.command(job.tool, self._call(job, 1, 0.0, remote)), seconds=300)
        if done.status:
            transcript = printed.parse(done.text)
            self._add(job, f"{job.tool.kind}: {transcript.wrong or f'status {done.status}: {done.last[:150]}'}")
            return {"checked": False, "why_not": "it did not run"}
        with tempfile.TemporaryDirectory() as directory:
            local = Path(directory) / "outputs.bin"
            if not self._adb.pull(remote, local):
                return {"checked": False, "why_not": "this version of the tool writes no outputs"}
            content = local.read_bytes()
        first = {key: values[:1] for key, values in self._rows[job][0].items()}
        known = reference.expected(job.path, self._signatures[job], first)
        try:
            comparison = reference.compare(known, content, reference.tolerance_of(job.path))
        except ValueError as error:
            return {"checked": False, "why_not": str(error)}
        return comparison | {"bytes_sha256": _digest(content)}

    def _compare_with_processor(self) -> None:
        """Record for accelerators whether their outputs are bit-identical to the processor's."""
        outputs = self._state["outputs"]
        processor = {
            (job.path, job.signature): outputs[job.key].get("bytes_sha256")
            for job in self._jobs
            if job.accelerator == "cpu" and outputs[job.key].get("checked")
        }
        for job in self._jobs:
            own = outputs[job.key]
            beside = processor.get((job.path, job.signature))
            if job.accelerator != "cpu" and own.get("checked") and beside:
                own["same_as_cpu"] = own["bytes_sha256"] == beside

    def _look(self, brief: bool = False) -> dict[str, Any]:
        printed_ = self._adb.shell(devices.BRIEF if brief else devices.STATE, 20).stdout
        return devices.state(printed_, time.monotonic() - self._start)

    def _wait(self) -> tuple[dict[str, Any], bool]:
        """Wait until the device is cool, or the time limit is reached. Returns its state, and whether it is cool."""
        begin = time.monotonic()
        while not devices.is_cool(seen := self._look(), self._settings.most_celsius):
            if time.monotonic() - begin >= self._settings.cool_down:
                return seen, False
            time.sleep(min(5.0, max(0.0, self._settings.cool_down)))
        return seen, True


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
