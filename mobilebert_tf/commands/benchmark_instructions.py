"""`benchmark instructions`: the instructions that a phone's processor executes for one inference."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilebert_tf.commands.benchmark_files import Comparison, files_of
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.options import option, whole_numbers

if TYPE_CHECKING:
    from mobilebert_tf.benchmarks.files.instructions import Counter
    from mobilebert_tf.benchmarks.results import Subject


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkInstructions(Comparison):
    """Count the instructions of one inference of .tflite files on an ARM processor.

    Milliseconds of this machine say nothing about a phone. The number of instructions that an emulated phone
    processor executes says a good deal, and repeats to one part in ten thousand whatever else the machine does.
    --setup prepares the emulation once: qemu from Debian's sources, and Python and LiteRT for arm64, in one
    directory. Outputs are compared with this machine's on every core of --check_cores. Where all lengths of a file
    share one graph (export --one_graph), a change of length is counted too, and --texts includes the changes in
    the mean. --estimate needs no emulator: it computes the number from the file's operators. --counter replaces
    both by a program of yours, which is called with a file and a signature and prints the number first.

    Examples:
      mobilebert-tf benchmark instructions --setup
      mobilebert-tf benchmark instructions --models=a.tflite,b.tflite --baseline=b.tflite --output=count.json
      mobilebert-tf benchmark instructions --models=a.tflite --earlier=count.json --output=new.json
      mobilebert-tf benchmark instructions --models=a.tflite --estimate --output=estimate.json
    """

    models: str = option(".tflite files or patterns, comma-separated", "", is_input=True)
    output: str = option("JSON file for the results", "")
    setup: bool = option("prepare the emulator and what runs in it, as far as they are missing, and check them", False)
    environment: str | None = option("directory of the emulator; default: ~/.cache/mobilebert_tf/arm64", None)
    core: str = option("model of the processor whose instructions are counted", "cortex-a76")
    check_cores: str = option(
        "processor models on which outputs are compared with this machine's", "cortex-a76,cortex-a72"
    )
    estimate: bool = option("compute the number from the file, without an emulator", False)
    counter: str | None = option("command that counts; it is called with a file and the name of a signature", None)
    sequence_lengths: str | None = option(
        "lengths T, in word pieces, of the signatures to count, comma-separated, or `all`; default: the longest",
        None,
    )
    earlier: str | None = option("earlier result to compare the counts with, file by file", None, is_input=True)
    most_increase: float | None = option(
        "share by which a file's count may exceed that in --earlier; more is a failure", None, least=0.0, most=10.0
    )

    def run(self) -> None:
        """Count, write, print.

        Raises:
          UsageError: a file cannot be counted, the baseline is not among the files, the output exists, or the emulator
            is missing or cannot be made here.
          FailedError: the counter failed, or a count rose by more than --most_increase.
        """
        from mobilebert_tf.benchmarks import results, schema
        from mobilebert_tf.benchmarks.arm import environment
        from mobilebert_tf.benchmarks.files import instructions
        from mobilebert_tf.benchmarks.files.titles import titles

        if self.setup:
            prepared = environment.prepare(
                self.environment, lambda line: print(f"benchmark instructions: {line}", flush=True)
            )
            print(
                f"benchmark instructions: {prepared.directory} has qemu {prepared.qemu_version}, "
                f"LiteRT {prepared.litert_version}"
            )
            if not self.models:
                return
        if not self.models or not self.output:
            raise UsageError("--models, --output must be given; --help explains each")
        if self.most_increase is not None and not self.earlier:
            raise UsageError("--most_increase: compares with an earlier result; give it as --earlier")
        if sum((self.estimate, self.counter is not None, self.environment is not None)) > 1:
            raise UsageError("--estimate, --counter and --environment: give one")
        results.check_output(self.output)
        earlier = schema.read_of_kind(Path(self.earlier), "instructions") if self.earlier else None
        files, same = files_of(self.models, self.baseline)
        texts = self.read_texts(files)
        if texts and self.sequence_lengths:
            raise UsageError("--texts and --sequence_lengths: give one; texts choose the length")
        counter, about = self._counter()
        if earlier is not None:
            instructions.check_comparable(about, earlier, str(self.earlier))
        settings: dict[str, Any] = {"sequence_lengths": self.sequence_lengths, "threads": 1}
        settings |= {"texts": texts.name} if texts else {}
        subjects: list[Subject] = []

        def write() -> dict[str, Any]:
            baselines = None if same is None else instructions.baselines(subjects, titles(files)[files[same]])
            written = results.document("instructions", "million", settings, subjects, baselines, **about)
            results.write(self.output, written)
            print(instructions.table(written))
            return written

        try:
            for counted in instructions.measure(files, counter, self._lengths(), texts):
                subjects += counted
        except (KeyboardInterrupt, FailedError, UsageError):
            if subjects:
                write()
                counts = f"{len({one.name for one in subjects})} of {len(files)} files"
                print(f"\nbenchmark instructions: {self.output} has {counts}; the rest were not counted")
            raise
        written = write()
        print(f"\nbenchmark instructions: {self.output} has all numbers")
        if earlier is not None:
            self._compare(*instructions.changes(written, earlier))

    def _lengths(self) -> tuple[int, ...] | None:
        if self.sequence_lengths is None:
            return ()
        if self.sequence_lengths == "all":
            return None
        return tuple(dict.fromkeys(whole_numbers(self.sequence_lengths, "sequence_lengths", 1, 100_000)))

    def _counter(self) -> tuple[Counter, dict[str, Any]]:
        from mobilebert_tf.benchmarks import programs
        from mobilebert_tf.benchmarks.arm import environment
        from mobilebert_tf.benchmarks.files import instructions
        from mobilebert_tf.litert import instructions as estimates

        if self.estimate:
            known = estimates.known()
            emulator = {"core": known["core"], "name": "estimate", "version": None, "fitted": known["fitted"]}
            runtime = {"name": "LiteRT", "version": known["litert"]}
            return instructions.Estimated(), {"where": "estimated", "runtime": runtime, "emulator": emulator}
        if self.counter is not None:
            name = Path(programs.words_of(self.counter, "counter")[0]).name
            runtime = {"name": instructions.OF_THE_COUNTER, "tools": [{"kind": "program", "name": name}]}
            emulator = {"core": instructions.OF_THE_COUNTER, "name": name}
            return instructions.Program(self.counter), {"where": "emulated", "runtime": runtime, "emulator": emulator}
        emulation = environment.open_environment(self.environment)
        cores = tuple(dict.fromkeys(self.check_cores.split(","))) if self.check_cores else ()
        for core in (self.core, *cores):
            if core not in environment.CORES:
                raise UsageError(f"core {core}: choose from {', '.join(environment.CORES)}")
        version = emulation.qemu_version
        runtime = {"name": "LiteRT", "version": emulation.litert_version,
                   "tools": [{"kind": "qemu", "name": "qemu-aarch64", "version": version}]}  # fmt: skip
        emulator = {"core": self.core, "name": "qemu", "version": version}
        counter = instructions.Emulated(emulation, self.core, cores)
        return counter, {"where": "emulated", "runtime": runtime, "emulator": emulator}

    def _compare(self, changes: list[tuple[str, float]], missing: list[str]) -> None:
        if missing:
            print(f"{self.earlier}: has no {', no '.join(missing)}")
        for name, change in changes:
            print(f"{name}: {f'{change:+.1%} against' if change else 'as in'} {self.earlier}")
        most = self.most_increase
        if most is None:
            return
        if worse := [name for name, change in changes if change > most]:
            raise FailedError(f"{', '.join(worse)}: more than {most:.1%} above {self.earlier}")
        if missing:
            raise FailedError(f"{', '.join(missing)}: not in {self.earlier}, so their increase is unknown")
