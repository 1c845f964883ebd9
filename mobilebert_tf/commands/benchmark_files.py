"""`benchmark host`, `instructions`, `kernels`: of .tflite files; help says what each measures."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option

if TYPE_CHECKING:
    from mobilebert_tf.benchmarks.files.texts import Texts


@dataclasses.dataclass(frozen=True, kw_only=True)
class _OfFiles:
    """What is measured, and where it is written."""

    models: str = option(".tflite files or patterns, comma-separated", is_input=True)
    output: str = option("JSON file for the results")
    sequence_length: int | None = option(
        "sequence length, in word pieces, of the signature to run; left out: the longest", None, least=1, most=100_000
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Comparison(_OfFiles):
    """Of files that do the same."""

    baseline: str | None = option("the one of the files that the others are divided by", None, is_input=True)
    texts: str | None = option(
        "table of texts: the mean over their lengths, each in the shortest signature that it fits in",
        None,
        is_input=True,
    )
    text_column: str = option("column of --texts; of several names the first that is there", "text,sentence")
    vocab: str | None = option(
        "vocabulary that --texts are split with; left out: vocab.txt beside the first file", None, is_input=True
    )

    def read_texts(self, files: list[Path]) -> Texts | None:
        """The texts to take the mean over, if that is asked for. Raises UsageError: they cannot be."""
        from mobilebert_tf.answering.exported import home_of
        from mobilebert_tf.benchmarks.files.texts import read_texts
        from mobilebert_tf.tokenizer_files import read_tokenizer

        if not self.texts:
            return None
        if self.sequence_length is not None:
            raise UsageError("--texts and --sequence_length: give one; texts choose the length")
        home = home_of(files[0])
        tokenizer = read_tokenizer(home, self.vocab)
        if tokenizer is None:
            raise UsageError(
                f"{home / 'vocab.txt'}: no such file; --vocab names the vocabulary that --texts are split with"
            )
        return read_texts(self.texts, self.text_column, tokenizer)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkHost(_Comparison):
    """Measure how long one inference of a .tflite file takes on this machine.

    Runs every file in a fresh process, batch 1, three quarters of the sequence filled,
    the files in random order within each round. Takes any file with token ids, mask and segment
    ids as integer inputs [1, T], so files from elsewhere can be compared. Writes one
    JSON with all samples, hashes, versions and the machine; prints medians and ratios
    to the baseline with their 95 % interval (of less than 6 rounds: their spread). A figure from here is a host
    figure: it says nothing about a phone.

    Examples:
      mobilebert-tf benchmark host --models=exported/dynamic_int8.tflite --output=latency.json
      mobilebert-tf benchmark host --models=a.tflite,b.tflite --baseline=b.tflite --threads=2 --output=ratio.json
      mobilebert-tf benchmark host --models='exported/*.tflite' --texts=dev.tsv --output=texts.json
    """

    threads: int = option("threads of the interpreter", 1, least=1, most=1024)
    rounds: int = option("rounds over all files; fewer than 6 cannot tell which is faster", 9, least=1, most=10**4)
    runs: int = option("timed inferences per file and round", 20, least=1, most=10**6)
    warm_up: int = option("inferences before the timed ones", 10, least=1, most=10**6)

    def run(self) -> None:
        """Measure, write, print.

        Raises:
          UsageError: a file cannot be measured, the baseline is not among the files, or
            the output exists.
          FailedError: a measuring process died.
        """
        from mobilebert_tf.benchmarks import results, table
        from mobilebert_tf.benchmarks.files import host

        settings = host.Settings(
            threads=self.threads,
            rounds=self.rounds,
            runs=self.runs,
            warm_up=self.warm_up,
            sequence_length=self.sequence_length,
        )
        results.check_output(self.output)
        files, same = _files(self.models, self.baseline)
        texts = self.read_texts(files)
        subjects = host.measure(files, settings, texts)
        baseline = None if same is None else subjects[same]
        named = {"texts": texts.name} if texts else {}
        written = results.document("host latency", "ms", dataclasses.asdict(settings) | named, subjects, baseline)
        results.write(self.output, written)
        print(table.host_table(written))
        print(f"\nbenchmark host: {self.output} has all samples")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkInstructions(_Comparison):
    """Count the instructions of one inference of .tflite files on another processor.

    Milliseconds of this machine say nothing about a phone. The number of instructions
    that an emulated phone processor executes says a good part of it, and is the same
    whatever else the machine does. The counter is a program of yours: called with a file and
    a signature, it prints the number first.

    Example:
      mobilebert-tf benchmark instructions --models=a.tflite,b.tflite --baseline=b.tflite \\
        --counter=./arm64-instructions --output=instructions.json
    """

    counter: str = option("command that is called with a file and the name of a signature")

    def run(self) -> None:
        """Count, write, print.

        Raises:
          UsageError: a file cannot be counted, the baseline is not among the files, or the output exists.
          FailedError: the counter failed.
        """
        from mobilebert_tf.benchmarks import results
        from mobilebert_tf.benchmarks.files import instructions

        results.check_output(self.output)
        files, same = _files(self.models, self.baseline)
        texts = self.read_texts(files)
        subjects = instructions.measure(files, self.counter, self.sequence_length, texts)
        baseline = None if same is None else subjects[same]
        settings = {"counter": Path(self.counter.split()[0]).name, "sequence_length": self.sequence_length}
        settings |= {"texts": texts.name} if texts else {}
        written = results.document("instructions", "million", settings, subjects, baseline)
        results.write(self.output, written)
        print(instructions.table(written))
        print(f"\nbenchmark instructions: {self.output} has all numbers")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkKernels(_OfFiles):
    """Show in which functions of the runtime the time of .tflite files goes.

    Linux's `perf` samples a process of inferences of each file. LiteRT's library keeps
    its names, so the table tells products in int8 from products in float, sums, and
    conversions between the two: what a recipe can still gain, and what it cannot.

    Example:
      mobilebert-tf benchmark kernels --models=exported/static_int8.tflite,peer.tflite --output=kernels.json
    """

    threads: int = option("threads of the interpreter", 1, least=1, most=1024)
    runs: int = option("inferences of each file", 1000, least=1, most=10**6)

    def run(self) -> None:
        """Sample, write, print.

        Raises:
          UsageError: a file cannot be run, there is no `perf`, or the output exists.
          FailedError: `perf` may not sample here.
        """
        from mobilebert_tf.benchmarks import results
        from mobilebert_tf.benchmarks.files import host, kernels

        results.check_output(self.output)
        files, _ = _files(self.models, None)
        settings = host.Settings(threads=self.threads, rounds=1, runs=self.runs, sequence_length=self.sequence_length)
        written = results.document("kernels", "ms", dataclasses.asdict(settings), kernels.measure(files, settings))
        results.write(self.output, written)
        print(kernels.table(written))
        print(f"\nbenchmark kernels: {self.output} has all samples")


def _files(models: str, baseline: str | None) -> tuple[list[Path], int | None]:
    """The files, and which of them is the baseline."""
    from mobilebert_tf.run_directory import expand

    files = expand(models)
    if len({file.resolve() for file in files}) < len(files):
        raise UsageError(f"--models={models}: names a file twice")
    same = [i for i, file in enumerate(files) if baseline and file.resolve() == Path(baseline).resolve()]
    if baseline and not same:
        raise UsageError(f"--baseline={baseline}: must be one of --models")
    return files, same[0] if same else None
