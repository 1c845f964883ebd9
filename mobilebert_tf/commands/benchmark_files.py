"""`benchmark kernels`, and the options of all benchmarks of .tflite files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option

if TYPE_CHECKING:
    from mobilebert_tf.benchmarks.files.feeds import Feeds
    from mobilebert_tf.benchmarks.files.texts import Texts
    from mobilebert_tf.tokenization import Tokenizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class OfFiles:
    """Options of every benchmark of files: the files, and the path of the results."""

    models: str = option(".tflite files or patterns, comma-separated", is_input=True)
    output: str = option("JSON file for the results")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison(OfFiles):
    """Options of benchmarks that compare files which compute the same."""

    baseline: str | None = option("one of the files: the others are shown as ratios to it", None, is_input=True)
    texts: str | None = option(
        "table of texts: measure the mean over their lengths, each text in the shortest signature that it fits in",
        None,
        is_input=True,
    )
    text_column: str = option(
        "column of texts in a table; of several names the first that the table has", "text,sentence"
    )
    vocab: str | None = option(
        "vocabulary that texts are split with; default: vocab.txt beside the first file", None, is_input=True
    )

    def read_texts(self, files: list[Path]) -> Texts | None:
        """The texts to take the mean over, None without --texts. Raises UsageError: they cannot be read."""
        from mobilebert_tf.benchmarks.files.texts import read_texts

        return read_texts(self.texts, self.text_column, self.tokenizer(files, "--texts")) if self.texts else None

    def tokenizer(self, files: list[Path], flag: str) -> Tokenizer:
        """The tokenizer for the texts of `flag`. Raises UsageError: there is no vocabulary."""
        from mobilebert_tf.answering.exported import home_of
        from mobilebert_tf.tokenizer_files import read_tokenizer

        home = home_of(files[0])
        tokenizer = read_tokenizer(home, self.vocab)
        if tokenizer is None:
            raise UsageError(f"{home / 'vocab.txt'}: no such file; give the vocabulary for {flag} with --vocab")
        return tokenizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timed(Comparison):
    """Options of benchmarks that time files on inputs."""

    inputs: str | None = option(
        "table of texts, or directory with a value file INPUT.bin or INPUT.npy for each input (raw, little-endian); "
        "default: the examples of the contract beside the file, else made-up values",
        None,
        is_input=True,
    )

    def feeds(self, files: list[Path]) -> Feeds:
        """The source of the files' inputs. Raises UsageError: --inputs cannot be used."""
        from mobilebert_tf.benchmarks.files import feeds
        from mobilebert_tf.data.tables import read_table

        if self.inputs is None:
            return feeds.Beside()
        if Path(self.inputs).is_dir():
            return feeds.Values(directory=Path(self.inputs))
        rows = read_table(self.inputs, [self.text_column])
        texts = [text for _, row in rows if (text := row[self.text_column])]
        if not texts:
            raise UsageError(f"{self.inputs}: has no texts")
        return feeds.Texts(name=Path(self.inputs).name, texts=texts, tokenizer=self.tokenizer(files, "--inputs"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkKernels(OfFiles):
    """Show which functions of the runtime take the time of .tflite files.

    Linux's `perf` samples a process that runs inferences of each file. LiteRT's library keeps
    its function names, so the table separates products in int8, products in float, sums, and
    conversions between int8 and float: what a recipe can still gain, and what it cannot.

    Example:
      mobilebert-tf benchmark kernels --models=exported/static_int8.tflite,peer.tflite --output=kernels.json
    """

    threads: int = option("threads of the interpreter", 1, least=1, most=1024)
    runs: int = option("inferences of each file", 1000, least=1, most=10**6)
    sequence_length: int | None = option(
        "sequence length, in word pieces, of the signature to run; default: the longest", None, least=1, most=100_000
    )

    def run(self) -> None:
        """Sample, write, print.

        Raises:
          UsageError: a file cannot be run, there is no `perf`, or the output exists.
          FailedError: `perf` is not permitted to sample here.
        """
        from mobilebert_tf.benchmarks import results
        from mobilebert_tf.benchmarks.files import host, kernels

        results.check_output(self.output)
        files, _ = files_of(self.models, None)
        settings = host.Settings(threads=self.threads, rounds=1, runs=self.runs)
        subjects = kernels.measure(files, settings, self.sequence_length)
        written = results.document("kernels", "ms", dataclasses.asdict(settings), subjects)
        results.write(self.output, written)
        print(kernels.table(written))
        print(f"\nbenchmark kernels: {self.output} has all samples")


def files_of(models: str, baseline: str | None) -> tuple[list[Path], int | None]:
    """The files, and the index of the baseline among them. Raises UsageError: it is not, or a file is named twice."""
    from mobilebert_tf.paths import expand

    files = expand(models)
    if len({file.resolve() for file in files}) < len(files):
        raise UsageError(f"--models={models}: names a file twice")
    same = [i for i, file in enumerate(files) if baseline and file.resolve() == Path(baseline).resolve()]
    if baseline and not same:
        raise UsageError(f"--baseline={baseline}: must be one of --models")
    return files, same[0] if same else None
