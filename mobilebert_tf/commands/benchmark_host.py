"""`benchmark host`: latency of .tflite files on this machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilebert_tf.commands.benchmark_files import Timed, files_of
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.options import option, whole_numbers

if TYPE_CHECKING:
    from mobilebert_tf.benchmarks.files.configuration import Configuration
    from mobilebert_tf.benchmarks.files.host import Measurement, Settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkHost(Timed):
    """Measure how long one inference of a .tflite file takes on this machine.

    Runs every file in a fresh process, batch 1, the files in random order within each round, and
    writes one JSON file with all samples, hashes, versions and the machine. Prints medians, tails, and
    ratios to the baseline, paired by round, with their 95 % interval (for fewer than 6 rounds: their
    spread); "no difference" is what a file and a copy of it show. Each line has a verdict: ok, warn or
    invalid, with reasons; an invalid result is kept in the JSON file and not shown. Any .tflite file can be
    measured: inputs are texts of the task (--inputs=TABLE) or value files (--inputs=DIRECTORY), else the
    examples of the file's contract, else made up. The figures are host figures: they say nothing about a phone.

    Examples:
      mobilebert-tf benchmark host --models=exported/dynamic_int8.tflite --output=latency.json
      mobilebert-tf benchmark host --models=a.tflite,b.tflite --baseline=b.tflite --threads=1,2 --output=ratio.json
      mobilebert-tf benchmark host --models=a.tflite --sequence_lengths=all --weight_cache=off,file --output=a.json
      mobilebert-tf benchmark host --models='exported/*.tflite' --texts=dev.tsv --output=texts.json
    """

    sequence_lengths: str | None = option(
        "lengths T, in word pieces, of the signatures to run, comma-separated, or `all`; default: the longest",
        None,
    )
    signatures: str | None = option("names of signatures to run in place of lengths, comma-separated", None)
    threads: str = option("threads of the runtime; several numbers, comma-separated, are measured side by side", "1")
    weight_cache: str = option(
        "XNNPACK's cache of packed weights: off, memory (one copy for all signatures), file (mapped, and shared with "
        "later starts) or new_file (the same, written again in every process); several, comma-separated",
        "off",
    )
    float16: str = option(
        "compute float parts in float16, which this machine emulates: off, on, or both, comma-separated", "off"
    )
    rounds: int = option("rounds over all files; fewer than 8 cannot tell which is faster", 9, least=1, most=10**4)
    runs: int = option("least number of timed inferences per file and round", 20, least=1, most=10**6)
    seconds: float = option("least seconds of timing per file and round", 0.0, least=0.0, most=86_400.0)
    warm_up: int = option("inferences before the timed ones", 10, least=1, most=10**6)
    strict: bool = option("run at least 1,024 inferences and 60 seconds of each file, as MLPerf Mobile asks for", False)

    def run(self) -> None:
        """Measure, write, print.

        Raises:
          UsageError: a file cannot be measured, the baseline is not among the files, or
            the output exists.
          FailedError: a measuring process died; the results of the others are written.
        """
        from mobilebert_tf.benchmarks import results
        from mobilebert_tf.benchmarks.files import host

        settings = host.Settings(
            rounds=self.rounds, runs=self.runs, seconds=self.seconds, warm_up=self.warm_up, strict=self.strict
        )
        results.check_output(self.output)
        files, same = files_of(self.models, self.baseline)
        texts = self.read_texts(files)
        if texts and (self.sequence_lengths or self.signatures or self.inputs):
            raise UsageError(
                "--texts and --sequence_lengths, --signatures or --inputs: give one; texts choose the length"
            )
        sweep = host.Sweep(
            configurations=self._configurations(),
            lengths=self._lengths(),
            signatures=tuple(self.signatures.split(",")) if self.signatures else (),
            feeds=None if texts else self.feeds(files),
            texts=texts,
        )
        measurement = host.Measurement(files, sweep, settings)
        try:
            measurement.run()
        except KeyboardInterrupt:
            self._write(measurement, settings, files, same, texts.name if texts else None, stopped=True)
            raise
        self._write(measurement, settings, files, same, texts.name if texts else None)
        if measurement.failures:
            first = next(iter(measurement.failures.values()))
            count = len(measurement.failures)
            rest = f" ({count} subjects failed; {self.output} has the others)" if count > 1 else ""
            raise FailedError(first + rest)

    def _write(
        self,
        measurement: Measurement,
        settings: Settings,
        files: Sequence[Path],
        same: int | None,
        texts: str | None,
        stopped: bool = False,
    ) -> None:
        from mobilebert_tf.benchmarks import results, runtime, table

        subjects = measurement.subjects()
        if stopped and not any(subject.rounds for subject in subjects):
            return
        baselines = None if same is None else measurement.baselines(subjects, files[same])
        named: dict[str, Any] = {"texts": texts} if texts else {}
        asked = dataclasses.asdict(settings.enough) | named | {"order": "random within each round"}
        asked.pop("threads")
        written = results.document("host latency", "ms", asked, subjects, baselines, runtime=runtime.describe("python"))
        results.write(self.output, written)
        print(table.host_table(written))
        print(f"\nbenchmark host: {self.output} has all samples" + (" until it was stopped" if stopped else ""))

    def _configurations(self) -> tuple[Configuration, ...]:
        from mobilebert_tf.benchmarks.files.configuration import FILE, MEMORY, NEW_FILE, OFF, Configuration

        caches = _choices(self.weight_cache, "weight_cache", (OFF, MEMORY, FILE, NEW_FILE))
        halves = _choices(self.float16, "float16", ("off", "on"))
        threads = whole_numbers(self.threads, "threads", 1, 1024)
        # Compared options all run through the same class, or the cost of the class would count as the option's.
        compiled = len(caches) + len(halves) > 2
        return tuple(
            Configuration(threads=count, weight_cache=cache, float16=half == "on", compiled=compiled)
            for count in dict.fromkeys(threads)
            for cache in caches
            for half in halves
        )

    def _lengths(self) -> tuple[int, ...] | None:
        if self.sequence_lengths is None:
            return ()
        if self.signatures:
            raise UsageError("--signatures and --sequence_lengths: give one")
        if self.sequence_lengths == "all":
            return None
        return tuple(dict.fromkeys(whole_numbers(self.sequence_lengths, "sequence_lengths", 1, 100_000)))


def _choices(text: str, flag: str, known: Sequence[str]) -> list[str]:
    words = list(dict.fromkeys(text.split(",")))
    if not set(words) <= set(known):
        raise UsageError(f"--{flag}={text}: choose from {', '.join(known)}, separated by commas")
    return words
