"""`benchmark peers`: this project beside its rivals and other models that users could choose, in one run."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilebert_tf import quiet
from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option, whole_numbers

if TYPE_CHECKING:
    from mobilebert_tf.benchmarks.peers.catalogue import Peer, Variant
    from mobilebert_tf.benchmarks.peers.environments import Environment
    from mobilebert_tf.benchmarks.peers.measure import Comparison, Inputs
    from mobilebert_tf.benchmarks.peers.workshop import Workshop
    from mobilebert_tf.benchmarks.results import Subject


BASELINE = "tf-models, dynamic int8"
"""The fastest file that a rival is known to make."""

CALIBRATED = 256
"""Number of texts that static files are calibrated on: as many as `export` takes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkPeers:
    """Install this project's rivals, run them beside it, and put all figures in one table.

    Each rival is installed in an environment of its own, makes its files of the same network (with random weights:
    latency and size are meaningful, scores are not) and is timed in fresh processes, in random order within each
    round, on the same texts as this project's files: latency, load, memory, seconds of a fine-tuning step. For
    `.tflite` files the instructions on a Cortex-A76 are added, counted where `benchmark instructions --setup` was
    run, else estimated. A peer that fails is named with the reason, and the others go on.

    The peers, by their names for --peers:

      student          this project's files, with the signatures that `export` gives them
      tf_models        tf-models 2.20 and TensorFlow's converter (installs 3.3 GB)
      huggingface      Hugging Face through litert-torch and AI Edge Quantizer (6.6 GB)
      onnx_runtime     Hugging Face on ONNX Runtime (6.8 GB, in one environment with the next)
      pytorch          Hugging Face on PyTorch
      mobilebert_mini  the student that comes with this package, as sentence embeddings
      minilm           all-MiniLM-L6-v2, exported by this project (0.1 GB)
      static_vectors   the mean of MiniLM's word-piece vectors

    Existing environments and files are not made again, so a stopped command goes on when it is given again.

    Examples:
      mobilebert-tf benchmark peers --setup --peers=tf_models,onnx_runtime
      mobilebert-tf benchmark peers --output=peers.json
      mobilebert-tf benchmark peers --inputs=dev.tsv --texts=dev.tsv --pairs=sts-test.tsv --output=peers.json
    """

    output: str = option("JSON file for the results", "")
    setup: bool = option("only install the environments and make the files", False)
    peers: str | None = option("names of peers, comma-separated; default: all", None)
    directory: str | None = option(
        "directory for environments and files; default: ~/.cache/mobilebert_tf/peers", None, is_input=True
    )
    model: str = option("preset of the network that all peers make", "mobilebert")
    sequence_length: int = option("length T that all peers are timed at, in word pieces", 128, least=8, most=512)
    threads: str = option("threads of the runtimes; several numbers, comma-separated, are measured side by side", "1")
    inputs: str | None = option(
        "table of texts to time with, and to calibrate static files on; default: built-in sentences",
        None,
        is_input=True,
    )
    texts: str | None = option(
        "table of texts: also measure the mean over their lengths. A file runs each text in the shortest signature "
        "that it fits in; a runtime that takes any length gets each text unpadded",
        None,
        is_input=True,
    )
    text_column: str = option(
        "column of texts in a table; of several names the first that the table has", "text,sentence"
    )
    pairs: str | None = option(
        "table of text pairs that people rated by similarity, to score the peers that give sentence embeddings",
        None,
        is_input=True,
    )
    pair_columns: str = option("columns of --pairs: first text, second text, rating", "sentence1,sentence2,score")
    baseline: str = option("peer that the others are shown as ratios to, by its name in the table", BASELINE)
    rounds: int = option("rounds over all peers; fewer than 8 cannot tell which is faster", 8, least=1, most=10**4)
    runs: int = option("least number of timed inferences per file and round", 20, least=1, most=10**6)
    seconds: float = option("least seconds of timing per file and round", 0.0, least=0.0, most=86_400.0)
    warm_up: int = option("inferences before the timed ones", 10, least=1, most=10**6)
    steps: int = option("timed steps of fine-tuning per round, batch 16; 0: none", 4, least=0, most=10**6)
    step_rounds: int = option("rounds over the peers that are fine-tuned", 2, least=1, most=10**4)
    step_threads: int = option("threads of fine-tuning", 2, least=1, most=1024)
    environment: str | None = option(
        "directory of the emulator for instructions; default: that of `benchmark instructions`, or an estimate if it "
        "does not exist",
        None,
        is_input=True,
    )

    def run(self) -> None:
        """Install, make, measure, write, print.

        Raises:
          UsageError: a flag or a table is wrong, or nothing could be made.
          FailedError: a result does not match its schema.
        """
        from mobilebert_tf.benchmarks import results
        from mobilebert_tf.benchmarks.peers import catalogue, environments
        from mobilebert_tf.benchmarks.peers.measure import Comparison

        if not self.setup and not self.output:
            raise UsageError("--output or --setup must be given; --help explains each")
        if self.output:
            results.check_output(self.output)
        threads = tuple(dict.fromkeys(whole_numbers(self.threads, "threads", 1, 1024)))
        wanted = catalogue.peers(self.peers.split(",") if self.peers else catalogue.NAMES)
        names = [f"{peer.title}, {precision}" for peer in wanted for precision in peer.files.values()]
        if self.baseline not in names and self.baseline != BASELINE:
            raise UsageError(f"--baseline={self.baseline}: choose from {'; '.join(names)}")
        directory = Path(self.directory or os.path.expanduser(environments.DEFAULT)).absolute()
        workshop, inputs = self._prepared(directory)
        variants, failures = workshop.make(wanted)
        if not variants:
            raise UsageError("; ".join(failures.values()))
        if self.setup:
            print(f"benchmark peers: {len(variants)} files in {directory}; --output=NAME.json measures them")
            return
        there = {one.name: one for one in catalogue.environments(wanted, directory)}
        # Work that can fail, and needs no quiet machine, comes first.
        more = self._beside(variants, inputs, workshop, there)
        settings = self._settings()
        comparison = Comparison(variants, there, workshop.config, inputs, self.sequence_length, threads, settings)
        trained: list[Subject] = []
        try:
            comparison.run()
            trained, untrained = self._steps(wanted, there, workshop)
            failures |= {f"{name}, fine-tuning": reason for name, reason in untrained.items()}
        except KeyboardInterrupt:
            if any(subject.rounds for subject in comparison.subjects()):
                self._write(comparison, failures, trained, more, " until it was stopped")
            raise
        self._write(comparison, failures, trained, more)

    def _prepared(self, directory: Path) -> tuple[Workshop, Inputs]:
        """The workshop that makes the files, and the inputs that they are timed on."""
        quiet.start_tensorflow()
        from mobilebert_tf.benchmarks.files.feeds import MOST
        from mobilebert_tf.benchmarks.peers import inputs
        from mobilebert_tf.benchmarks.peers.measure import Inputs
        from mobilebert_tf.benchmarks.peers.workshop import Workshop
        from mobilebert_tf.config import MobileBertConfig
        from mobilebert_tf.export.convert.lengths import parse_lengths

        length, config = self.sequence_length, MobileBertConfig.preset(self.model)
        texts, tokenizer = inputs.texts_of(self.inputs, self.text_column), inputs.tokenizer()
        ids = inputs.encode(texts, tokenizer, length)
        own = inputs.encode(inputs.texts_of(self.texts, self.text_column), tokenizer, length) if self.texts else None
        workshop = Workshop(
            directory=directory,
            preset=self.model,
            length=length,
            lengths=tuple(parse_lengths(None, length, config)),
            texts=tuple(texts[:CALIBRATED]),
            say=lambda line: print(f"benchmark peers: {line}", flush=True),
        )
        name = Path(self.inputs).name if self.inputs else "the package"
        measured = Inputs(
            feeds=inputs.Rows(name=name, ids=ids),
            rows=inputs.padded(ids[:MOST], length, config.vocab_size),
            texts=inputs.lengths_of(Path(self.texts).name, own) if self.texts and own else None,
            text_rows=inputs.of_own_lengths(own, length, config.vocab_size) if own else None,
        )
        return workshop, measured

    def _settings(self) -> Any:
        from mobilebert_tf.benchmarks.files import host

        return host.Settings(rounds=self.rounds, runs=self.runs, seconds=self.seconds, warm_up=self.warm_up)

    def _steps(
        self, wanted: Sequence[Peer], there: dict[str, Environment], workshop: Workshop
    ) -> tuple[list[Subject], dict[str, str]]:
        from mobilebert_tf.benchmarks.library import training
        from mobilebert_tf.benchmarks.peers import measure

        if not self.steps:
            return [], {}
        settings = training.Settings(
            preset=self.model, sequence_length=self.sequence_length, threads=self.step_threads, steps=self.steps,
            rounds=self.step_rounds,
        )  # fmt: skip
        return measure.steps(wanted, there, workshop.config, settings)

    def _beside(
        self, variants: Sequence[Variant], inputs: Inputs, workshop: Workshop, there: dict[str, Environment]
    ) -> dict[str, Any]:
        from mobilebert_tf.benchmarks.peers import beside

        found = {"instructions": beside.instructions(variants, self.sequence_length, inputs.texts, self.environment)}
        if self.pairs:
            found["scores"] = beside.scores(variants, workshop, there, self.pairs, self.pair_columns.split(","))
        return found

    def _write(
        self,
        comparison: Comparison,
        failures: dict[str, str],
        trained: Sequence[Subject],
        more: dict[str, Any],
        until: str = "",
    ) -> None:
        from mobilebert_tf.benchmarks import results, runtime
        from mobilebert_tf.benchmarks.peers import beside, measure
        from mobilebert_tf.benchmarks.report import peers as report

        if trained:
            more["fine_tuning"] = beside.fine_tuning(trained, self.step_threads)
        if failures:
            more["not_measured"] = [{"peer": name, "reason": reason} for name, reason in failures.items()]
        subjects = comparison.subjects()
        asked = dataclasses.asdict(self._settings()) | {
            "threads": self.threads, "sequence_length": self.sequence_length, "model": self.model,
            "inputs": Path(self.inputs).name if self.inputs else "built-in sentences",
            "texts": Path(self.texts).name if self.texts else None, "order": "random within each round",
        }  # fmt: skip
        written = results.document(
            "peers", "ms", asked, subjects, measure.baselines(subjects, self.baseline),
            runtime=runtime.describe("python"), **more,
        )  # fmt: skip
        results.write(self.output, written)
        print(report.table(written))
        print(f"\nbenchmark peers: {self.output} has all samples{until}")
