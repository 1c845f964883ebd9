"""`benchmark android`: latency of .tflite files on a device."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilebert_tf.commands.benchmark_files import Timed, files_of
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.options import option, whole_numbers

if TYPE_CHECKING:
    from mobilebert_tf.benchmarks.android.adb import Adb
    from mobilebert_tf.benchmarks.android.device import Device
    from mobilebert_tf.benchmarks.android.run import Job, Measurement, Settings
    from mobilebert_tf.benchmarks.android.tools import Tool
    from mobilebert_tf.benchmarks.files.inputs import Signature

ACCELERATORS = ("cpu", "gpu", "npu")
AFFINITIES = ("any", "little", "middle", "big")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkAndroid(Timed):
    """Measure how long one inference of a .tflite file takes on a phone.

    Drives, over `adb`, the benchmark_model programs of TensorFlow Lite and LiteRT, given by --tool or found on the
    device. Copied files stay on the device and are not copied again. First it compares each file's outputs on the
    device with this machine's, and those of an accelerator with the processor's: if these are equal to the bit, the
    accelerator did not run. Then it runs the variants in random order, each in a process of its own, when the device
    is cool, and records temperature, battery and clocks. If the cable is pulled, the same command with --resume goes
    on. Each line has a verdict with reasons; invalid results are kept and not shown. Files whose lengths share one
    graph (export --one_graph) need TensorFlow Lite's program and the processor, which alone resize the graph.

    --app measures in the benchmark screen of the demo app instead, and fetches its result; --models then names a file
    of an export that is in the app.

    Examples:
      mobilebert-tf benchmark android --models='exported/*.tflite' --tool=benchmark_model --output=phone.json
      mobilebert-tf benchmark android --models=a.tflite --accelerator=cpu,gpu --threads=1,4 --output=a.json
      mobilebert-tf benchmark android --models=a.tflite --sustained=10 --output=sustained.json
      mobilebert-tf benchmark android --app --models=exported/static_int8.tflite --output=app.json
    """

    serial: str | None = option("serial number of the device, as `adb devices` shows it; default: the only one", None)
    tool: str | None = option(
        "benchmark_model of TensorFlow Lite or of LiteRT for the device's processor, or both, comma-separated; "
        "default: those in /data/local/tmp of the device",
        None,
        is_input=True,
    )
    accelerator: str = option("what computes: cpu, gpu, npu, or several, comma-separated", "cpu")
    partial: bool = option("let the processor compute what an accelerator refuses", False)
    threads: str = option("threads of the runtime; several numbers, comma-separated", "4")
    affinity: str = option("processor cores to run on: any, little, middle, big, or several, comma-separated", "any")
    sequence_lengths: str | None = option(
        "lengths T of the signatures to run, comma-separated, or `all`; default: the longest", None
    )
    tool_flags: str = option("further flags, passed to the tool unchanged, such as --dispatch_library_path=...", "")
    rounds: int = option("processes per variant; fewer than 8 cannot tell which is faster", 9, least=1, most=1000)
    runs: int = option("least number of inferences per process", 50, least=1, most=10**6)
    seconds: float = option("least seconds per process", 1.0, least=0.0, most=3600.0)
    warm_up: int = option("inferences before the timed ones", 3, least=1, most=10**6)
    cool_down: float = option(
        "most seconds to wait, before each process, for the device to cool", 120.0, least=0.0, most=3600.0
    )
    most_celsius: float = option(
        "battery temperature up to which the device counts as cool", 35.0, least=0.0, most=60.0
    )
    sustained: float = option(
        "minutes to run each variant without a pause, for a curve in place of ratios; 0: measure in rounds",
        0.0,
        least=0.0,
        most=120.0,
    )
    strict: bool = option(
        "run at least 1,024 inferences and 60 seconds of each variant, as MLPerf Mobile asks for", False
    )
    resume: bool = option("go on with a measurement that was interrupted", False)
    app: bool = option("drive the demo app's benchmark screen instead of a tool", False)
    app_package: str = option("name of the app", "dev.mobilebert.app")

    def run(self) -> None:
        """Measure, write, print.

        Raises:
          UsageError: there is no device, tool or file to measure with, or the output exists.
          FailedError: the device went away, or a variant failed; what was measured is kept.
        """
        from mobilebert_tf.benchmarks import results
        from mobilebert_tf.benchmarks.android import adb, device

        results.check_output(self.output)
        files, same = files_of(self.models, self.baseline)
        if self.sustained and self.baseline:
            raise UsageError(
                "--sustained and --baseline: give one; variants run one after the other, so no two rounds are of the "
                "same moment and their ratios would say nothing"
            )
        if self.texts:
            raise UsageError("--texts: a mean over lengths is not measured on devices; give --sequence_lengths=all")
        if self.app:
            self._refuse_flags_of_tools()
        connected = adb.find(self.serial)
        if self.app:
            self._run_app(connected, files)
            return
        described = device.read(connected)
        measurement, settings, found = self._measurement(connected, described, files)
        if self.resume:
            print(f"benchmark android: goes on after {measurement.resume()} processes")
        elif self._kept.exists():
            raise UsageError(f"{self._kept}: an interrupted measurement is there; --resume goes on, or delete it")
        try:
            measurement.run()
        except KeyboardInterrupt:
            print(f"benchmark android: stopped, the device is as before; {self._what_is_left}")
            raise
        except adb.DeviceGoneError as error:
            raise FailedError(f"{error}; {self._what_is_left}") from None
        self._write(measurement, settings, described, found, files, same)
        measurement.forget()
        if measurement.failures:
            first, count = next(iter(measurement.failures.values())), len(measurement.failures)
            raise FailedError(f"{first}; {count} of the variants failed, {self.output} has what was measured")

    @property
    def _kept(self) -> Path:
        return Path(self.output).with_suffix(".part")

    @property
    def _what_is_left(self) -> str:
        """Line that says what an interrupted measurement left: nothing while files are still being copied."""
        if self._kept.exists():
            return f"{self._kept} has what was measured, --resume goes on"
        return "nothing was measured yet, start it again as before"

    def _measurement(
        self, connected: Adb, described: Device, files: list[Path]
    ) -> tuple[Measurement, Settings, list[Tool]]:
        from mobilebert_tf.benchmarks.android import run, tools

        settings = run.Settings(
            rounds=self.rounds, runs=self.runs, seconds=self.seconds, warm_up=self.warm_up, cool_down=self.cool_down,
            most_celsius=self.most_celsius, sustained_minutes=self.sustained, strict=self.strict,
            full=not self.partial, tool_flags=self.tool_flags,
        )  # fmt: skip
        accelerators = _several(self.accelerator, "accelerator", ACCELERATORS)
        graphs = {path: self._graphs(path) for path in files}
        for path in files:
            tools.check_accelerators(path, accelerators)
        tools.prepare(connected)
        given = [Path(path) for path in self.tool.split(",")] if self.tool else []
        found = tools.find(connected, given, described.properties["abi"])
        for path in files:
            tools.check_resizing(path, found)
        jobs, signatures = self._jobs(graphs, accelerators, found, described)
        measurement = run.Measurement(
            connected, described, jobs, signatures, self.feeds(files), settings, self._kept, lambda line: print(line)
        )
        return measurement, settings, found

    def _graphs(self, path: Path) -> list[Signature]:
        """The graphs of a file to run. Raises UsageError: it cannot be read, or lacks a length."""
        from mobilebert_tf.benchmarks.files.host import known_signatures

        known = known_signatures(path)
        if self.sequence_lengths == "all":
            return sorted(known.each, key=lambda one: one.length or 0)
        if self.sequence_lengths:
            lengths = whole_numbers(self.sequence_lengths, "sequence_lengths", 1, 100_000)
            return [known.of_length(length) for length in dict.fromkeys(lengths)]
        return [known.of_length(None)]

    def _jobs(
        self, graphs: dict[Path, list[Signature]], accelerators: list[str], found: list[Tool], described: Device
    ) -> tuple[list[Job], dict[Job, Signature]]:
        from mobilebert_tf.benchmarks.android import run, tools

        affinities = _several(self.affinity, "affinity", AFFINITIES)
        for name in affinities:
            if name != "any" and described.cluster(name) is None:
                clusters = ", ".join(one.name for one in described.clusters) or "none"
                raise UsageError(f"--affinity={name}: the device has no such processors; it has {clusters}")
        if "npu" in accelerators and all(tool.kind == tools.TFLITE for tool in found) and not self.tool_flags:
            raise UsageError(
                "--accelerator=npu: needs LiteRT's benchmark_model, or --tool_flags with an external delegate"
            )
        threads = whole_numbers(self.threads, "threads", 1, 1024)
        signatures: dict[Job, Signature] = {}
        for path, graph in ((path, graph) for path, own in graphs.items() for graph in own):
            for tool in found:
                for accelerator in accelerators:
                    # Only the processor has threads and clusters.
                    for count in dict.fromkeys(threads) if accelerator == "cpu" else threads[:1]:
                        for name in affinities if accelerator == "cpu" else ["any"]:
                            job = run.Job(path, graph.name, graph.length, tool, accelerator, count,
                                          None if name == "any" else name)  # fmt: skip
                            signatures[job] = graph
        return list(signatures), signatures

    def _write(
        self,
        measurement: Measurement,
        settings: Settings,
        described: Device,
        found: list[Tool],
        files: list[Path],
        same: int | None,
    ) -> None:
        from mobilebert_tf.benchmarks import results
        from mobilebert_tf.benchmarks.files.titles import titles
        from mobilebert_tf.benchmarks.report import figures, tables

        subjects = measurement.subjects()
        baselines = None
        if same is not None:
            name = titles(files)[files[same]]
            baselines = [
                next((other for other in subjects if other.name == name and _alike(one, other)), None)
                for one in subjects
            ]
        runtime = {"name": "LiteRT", "version": None, "tools": [tool.describe() for tool in found]}
        written = results.document(
            "device latency",
            "ms",
            dataclasses.asdict(settings.enough) | {"order": "random within each round"},
            subjects,
            baselines,
            where="device",
            runtime=runtime,
            device=described.describe(),
        )
        results.write(self.output, written)
        print(tables.terminal(figures.of(written)))
        print(f"\nbenchmark android: {self.output} has all figures")

    def _refuse_flags_of_tools(self) -> None:
        """Raise UsageError for a flag that the app's own benchmark does not know, and would ignore."""
        for field in dataclasses.fields(self):
            if field.name in _FOR_TOOLS and getattr(self, field.name) != field.default:
                raise UsageError(f"--{field.name}: is for measuring with a tool; leave it out with --app")

    def _run_app(self, connected: Adb, files: list[Path]) -> None:
        from mobilebert_tf import provenance
        from mobilebert_tf.benchmarks import results
        from mobilebert_tf.benchmarks.android import app
        from mobilebert_tf.benchmarks.report import figures, tables

        threads = whole_numbers(self.threads, "threads", 1, 1024)
        accelerators = _several(self.accelerator, "accelerator", ACCELERATORS)
        if len(files) > 1 or len(threads) > 1 or len(accelerators) > 1:
            raise UsageError("--app: measures one file, one number of threads and one accelerator at a time")
        extras: dict[str, str | int] = {
            "export": files[0].resolve().parent.name,
            "variant": files[0].stem,
            "threads": threads[0],
            "accelerator": accelerators[0],
            "rounds": self.rounds,
            "runs": self.runs,
            "warm_up": self.warm_up,
            "cool_down_seconds": math.ceil(self.cool_down),
        }
        before = app.results(connected, self.app_package)
        app.start(connected, self.app_package, extras)
        print("benchmark android: the app measures; leave the screen on")
        seconds = 120 + self.rounds * (self.cool_down + 2 * self.runs)
        document = app.checked(app.fetch(connected, self.app_package, before, seconds))
        if all(subject["sha256"] != provenance.sha256(files[0]) for subject in document["subjects"]):
            raise FailedError(
                f"{self.app_package}: measured another file than {files[0]}; install the export in the app"
            )
        results.write(self.output, document)
        print(tables.terminal(figures.of(document)))
        print(f"\nbenchmark android: {self.output} has all samples")


_FOR_TOOLS = (
    "tool", "tool_flags", "affinity", "sequence_lengths", "inputs", "baseline", "partial", "seconds", "most_celsius",
    "sustained", "strict", "resume",
)  # fmt: skip
"""Flags that have no meaning with --app."""


def _alike(one: Any, other: Any) -> bool:
    """Whether two subjects differ in nothing but the file."""
    keys = ("sequence_length", "configuration")
    return all(one.details[key] == other.details[key] for key in keys)


def _several(text: str, flag: str, known: tuple[str, ...]) -> list[str]:
    words = list(dict.fromkeys(text.split(",")))
    if not set(words) <= set(known):
        raise UsageError(f"--{flag}={text}: there are {', '.join(known)}, several with commas between")
    return words
