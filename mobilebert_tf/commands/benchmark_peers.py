"""`benchmark peers`: this project beside its rivals and beside what users would take instead, in one run."""

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
"""Texts that static files are calibrated on: as many as `export` takes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkPeers:
    """Make this project's rivals, run them beside it, and set all figures in one table.

    A rival is installed in an environment of its own, makes its files of the same network (random weights: latency
    and size mean something, scores do not) and is timed in fresh processes, in random order within each round, on
    the same texts as this project's files: latency, load, memory, seconds of a step of fine-tuning. Of `.tflite` files
    the instructions of a Cortex-A76 stand beside it, counted where `benchmark instructions --setup` was run, else
    estimated. What fails is named with its reason, and the others go on.

    The peers, each by its name for --peers:

      student          this project's files, with the signatures that `export` gives them
      tf_models        tf-models 2.20 and TensorFlow's converter (installs 3.3 GB)
      huggingface      Hugging Face through litert-torch and AI Edge Quantizer (6.6 GB)
      onnx_runtime     Hugging Face on ONNX Runtime (6.8 GB, in one environment with the next)
      pytorch          Hugging Face on PyTorch
      mobilebert_mini  the student that comes with this package, as sentence embeddings
      minilm           all-MiniLM-L6-v2, exported by this project (0.1 GB)
      static_vectors   the mean of its word pieces' vectors

    What is there is not made again, so a stopped command goes on when it is given again.

    Examples:
      mobilebert-tf benchmark peers --setup --peers=tf_models,onnx_runtime
      mobilebert-tf benchmark peers --output=peers.json
      mobilebert-tf benchmark peers --inputs=dev.tsv --texts=dev.tsv --pairs=sts-test.tsv --output=peers.json
    """

    output: str = option("JSON file for the results", "")
    setup: bool = option("only install the environments and make the files", False)
    peers: str | None = option("names of peers, with commas between; left out: all", None)
    directory: str | None = option(
        "directory for environments and files; left out: ~/.cache/mobilebert_tf/peers", None, is_input=True
    )
    model: str = option("preset of the network that all of them make", "mobilebert")
    sequence_length: int = option("length T that all are timed at, in word pieces", 128, least=8, most=512)
    threads: str = option("threads of the runtimes; several with commas between are measured beside each other", "1")
    inputs: str | None = option(
        "table of texts to time with, and to calibrate static files on; left out: built-in sentences",
        None,
        is_input=True,
    )
    texts: str | None = option(
        "table of texts: also the mean over their lengths. A file takes the shortest signature that a text fits in; "
        "a runtime that takes any length gets each text as it is",
        None,
        is_input=True,
    )
    text_column: str = option("column of texts in a table; of several names the first that is there", "text,sentence")
    pairs: str | None = option(
        "table of pairs with what people said of how alike they are: score of those that give sentence embeddings",
        None,
        is_input=True,
    )
    pair_columns: str = option("columns of --pairs: both texts and the label", "sentence1,sentence2,score")
    baseline: str = option("the one that others are divided by, as the table calls it", BASELINE)
    rounds: int = option("rounds over all; fewer than 8 cannot tell which is faster", 8, least=1, most=10**4)
    runs: int = option("timed inferences per file and round, at least", 20, least=1, most=10**6)
    seconds: float = option("seconds that a file is timed per round, at least", 0.0, least=0.0, most=86_400.0)
    warm_up: int = option("inferences before the timed ones", 10, least=1, most=10**6)
    steps: int = option("timed steps of fine-tuning per round, batch 16; 0: none", 4, least=0, most=10**6)
    step_rounds: int = option("rounds over those that are fine-tuned", 2, least=1, most=10**4)
    step_threads: int = option("threads of fine-tuning", 2, least=1, most=1024)
    environment: str | None = option(
        "directory of the emulator for instructions; left out: the default of `benchmark instructions`, and an "
        "estimate if that is not there",
        None,
        is_input=True,
    )

    def run(self) -> None:
        """Install, make, measure, write, print.

        Raises:
          UsageError: a flag or a table is wrong, or nothing could be made.
          FailedError: a result is against its schema.
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
            raise UsageError(f"--baseline={self.baseline}: there are {'; '.join(names)}")
        directory = Path(self.directory or os.path.expanduser(environments.DEFAULT)).absolute()
        workshop, inputs = self._prepared(directory)
        variants, failures = workshop.make(wanted)
        if not variants:
            raise UsageError("; ".join(failures.values()))
        if self.setup:
            print(f"benchmark peers: {len(variants)} files in {directory}; --output=NAME.json measures them")
            return
        there = {one.name: one for one in catalogue.environments(wanted, directory)}
        # What can fail, and needs no quiet machine, comes first.
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
        """Where things are made, and what they are timed on."""
        quiet.start_tensorflow()
        from mobilebert_tf.benchmarks.files.feeds import MOST
        from mobilebert_tf.benchmarks.peers import inputs
        from mobilebert_tf.benchmarks.peers.measure import Inputs
        from mobilebert_tf.benchmarks.peers.workshop import Workshop
        from mobilebert_tf.config import MobileBertConfig
        from mobilebert_tf.export.convert.signatures import parse_lengths

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
