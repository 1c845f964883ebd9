"""`benchmark memory`: the cost of lengths and weight caches when a file is loaded."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilebert_tf import quiet
from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option, whole_numbers
from mobilebert_tf.text_table import counted

if TYPE_CHECKING:
    from mobilebert_tf.benchmarks.files.host import Job
    from mobilebert_tf.benchmarks.results import Subject


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkMemory:
    """Measure memory, load time and first inference of files with one, three and six lengths, by weight cache.

    XNNPACK packs the weights of a file again for each of its signatures, unless it has a cache of packed weights, or
    its lengths share one graph (`export --one_graph`). This makes files of a network with random weights, loads each in
    fresh processes in random order (without a cache, with one in memory, with one whose file is being written, and with
    one whose file exists), and runs every length. Files stay in --files and are not made again. --models adds files of
    your own or of a rival.

    Examples:
      mobilebert-tf benchmark memory --files=lengths --output=memory.json
      mobilebert-tf benchmark memory --files=lengths --models=peer.tflite --rounds=9 --output=memory.json
    """

    output: str = option("JSON file for the results")
    files: str = option("directory for the .tflite files", identity=False)
    model: str = option("preset of the network", "mobilebert")
    lengths: str = option(
        "lengths T of the signatures of each file, in word pieces: commas within a file, semicolons between files",
        "128;32,64,128;16,24,32,48,64,128",
    )
    one_graph: str = option(
        "the same for files whose lengths share one graph; none: make no such file", "16,24,32,48,64,128"
    )
    recipes: str = option("recipes of the files, comma-separated", "dynamic_int8,static_int8")
    models: str | None = option("more .tflite files or patterns, comma-separated", None, is_input=True)
    weight_cache: str = option("weight caches to measure with, comma-separated", "off,memory,new_file,file")
    rounds: int = option("rounds over all files and caches, each in a fresh process", 9, least=1, most=10**4)
    runs: int = option("timed inferences per length and round", 5, least=1, most=10**6)

    def run(self) -> None:
        """Make, measure, write, print.

        Raises:
          UsageError: a flag is wrong, or the output exists.
          FailedError: a network cannot be converted.
        """
        from mobilebert_tf.benchmarks import results
        from mobilebert_tf.benchmarks.files import host
        from mobilebert_tf.data.progress import track

        results.check_output(self.output)
        jobs = self._jobs()
        settings = host.Settings(rounds=self.rounds, runs=self.runs, warm_up=2)
        seen: dict[Job, list[list[dict[str, Any]]]] = {job: [] for _, job in jobs}
        failures: dict[Job, str] = {}
        with tempfile.TemporaryDirectory() as temporary:
            turns = host.turns([job for _, job in jobs], settings, Path(temporary), False, failures)
            try:
                for job, round_of_job in track(turns, "measuring", "processes", len(jobs) * self.rounds):
                    seen[job].append(round_of_job)
            except KeyboardInterrupt:
                if any(seen.values()):
                    self._write(jobs, seen, failures, " until it was stopped")
                raise
        self._write(jobs, seen, failures)

    def _write(
        self,
        jobs: Sequence[tuple[str, Job]],
        seen: Mapping[Job, list[list[dict[str, Any]]]],
        failures: Mapping[Job, str],
        until: str = "",
    ) -> None:
        from mobilebert_tf.benchmarks import results, runtime
        from mobilebert_tf.benchmarks.report import memory as report

        subjects = [self._subject(title, job, seen[job], failures.get(job)) for title, job in jobs]
        asked = {"rounds": self.rounds, "runs": self.runs, "model": self.model, "lengths": self.lengths, "threads": 1}
        written = results.document("memory", "ms", asked, subjects, runtime=runtime.describe("python"))
        results.write(self.output, written)
        print(report.table(written))
        print(f"\nbenchmark memory: {self.output} has all samples{until}, {self.files} the files")

    def _jobs(self) -> list[tuple[str, Job]]:
        """Processes to run, each with the title of its file in the table."""
        from mobilebert_tf.benchmarks.files import host
        from mobilebert_tf.benchmarks.files.configuration import FILE, MEMORY, NEW_FILE, OFF, Configuration
        from mobilebert_tf.paths import expand

        caches = self.weight_cache.split(",")
        if not set(caches) <= {OFF, MEMORY, NEW_FILE, FILE}:
            raise UsageError(f"--weight_cache={self.weight_cache}: choose from {OFF}, {MEMORY}, {NEW_FILE}, {FILE}")
        files = self._made()
        for path in expand(self.models) if self.models else []:
            files.append((path.name, path, list(host.signatures_of(path))))
        jobs = []
        for title, path, lengths in files:
            for cache in caches:
                configuration = Configuration(threads=1, weight_cache=cache, compiled=True)
                # The longest first, so that its memory is known before the others are used.
                jobs.append((title, host.Job(path=path, configuration=configuration, lengths=tuple(lengths[::-1]))))
        return jobs

    def _made(self) -> list[tuple[str, Path, list[int]]]:
        """Files of the network, made where they are missing: title, path and lengths of each."""
        quiet.start_tensorflow()
        from mobilebert_tf import atomic
        from mobilebert_tf.benchmarks.library import networks, one_network
        from mobilebert_tf.benchmarks.peers import inputs
        from mobilebert_tf.config import MobileBertConfig
        from mobilebert_tf.export.convert.lengths import parse_lengths

        config, recipes = MobileBertConfig.preset(self.model), self.recipes.split(",")
        if not set(recipes) <= set(one_network.RECIPES):
            raise UsageError(f"--recipes={self.recipes}: choose from {', '.join(one_network.RECIPES)}")
        sets = []
        for name, all_words in (("lengths", self.lengths), ("one_graph", self.one_graph)):
            for words in [] if (name, all_words) == ("one_graph", "none") else all_words.split(";"):
                whole_numbers(words, name, 1, config.max_position_embeddings)
                sets.append((parse_lengths(words, 0, config), name == "one_graph"))
        files = []
        for lengths, one_graph in sets:
            place = Path(self.files) / "_".join([self.model, *map(str, lengths), *["one_graph"] * one_graph])
            if missing := [recipe for recipe in recipes if not (place / f"{recipe}.tflite").is_file()]:
                print(f"benchmark memory: making {', '.join(missing)} of {self.model} with {lengths}", flush=True)
                with atomic.directory_aside(place) as aside:
                    texts = inputs.texts_of(None, "text")
                    networks.write(self.model, dataclasses.asdict(config), lengths, missing, texts, aside, one_graph)
            files += [(f"{self.model}, {recipe}", place / f"{recipe}.tflite", lengths) for recipe in recipes]
        return files

    def _subject(self, title: str, job: Job, found: Sequence[list[dict[str, Any]]], failure: str | None) -> Subject:
        """Rounds of one file with one cache: times of the longest length, memory after it and after all."""
        from mobilebert_tf import provenance
        from mobilebert_tf.benchmarks import verdict
        from mobilebert_tf.benchmarks.results import Subject

        rounds = [
            {
                **{key: value for key, value in each[0].items() if key not in ("signature", "delegation")},
                "memory_used_mib": each[-1]["memory_mib"],
                "first_ms_of_lengths": {one["sequence_length"]: one["first_ms"] for one in each},
            }
            for each in found
        ]
        judged = (
            verdict.of([failure], [])
            if failure
            else verdict.of_host(rounds, 1, provenance.machine()["cores"] or 1, False)
        )
        cache = job.configuration.weight_cache
        one_graph = any("resize_ms" in round_ for round_ in rounds)
        details = {
            "title": title,
            "sha256": provenance.sha256(job.path),
            "bytes": job.path.stat().st_size,
            "configuration": job.configuration.describe(),
            "sequence_length": job.lengths[0],
            "sequence_lengths": sorted(length for length in job.lengths if length),
            "one_graph": one_graph,
            "validity": judged.describe(),
        }
        lengths = f"{counted(len(job.lengths), 'length')}{' in one graph' * one_graph}"
        name = f"{title}, {lengths}, weight cache {cache}"
        return Subject(name=name, details=details, rounds=rounds)
