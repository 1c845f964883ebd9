"""`benchmark records`, `training`, `transfer` and `conversion`: the speed of this library's own work."""

from __future__ import annotations

import dataclasses
import os

from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option, whole_numbers


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkRecords:
    """Measure how fast `records` is, compared with the tokenizer alone on the same sentences.

    Makes records of T 128 with one process and with more, and tokenizes the same text in one
    thread, each in a fresh process, all of them in turn within each round. With
    --dupe_factors=1 every word piece is tokenized, masked and written once, so the
    ratio is the cost of pairing, masking and writing; more copies need more
    masks and records for the same tokens. Clock and processor time are both recorded.

    Example:
      mobilebert-tf benchmark records --input='wiki/*.txt.xz' --vocab=vocab.txt --output=records.json
    """

    input: str = option("corpus directory, text files or patterns, comma-separated; about 20 MB", is_input=True)
    vocab: str = option("vocabulary file, one piece a line", is_input=True)
    output: str = option("JSON file for the results")
    dupe_factors: str = option(
        "times that each document is used; several numbers, comma-separated, are each measured", "1,5"
    )
    workers: int = option("processes to measure, beside a single one (0: one per core)", 0, least=0, most=1024)
    rounds: int = option("rounds over the tokenizer and all settings", 3, least=1, most=10**4)

    def run(self) -> None:
        """Measure, write, print.

        Raises:
          UsageError: the output exists, or text or vocabulary is missing or broken.
          FailedError: a measuring process died.
        """
        from mobilebert_tf.benchmarks import results
        from mobilebert_tf.benchmarks.library import records
        from mobilebert_tf.data import documents
        from mobilebert_tf.tokenization import read_vocab

        results.check_output(self.output)
        factors = tuple(whole_numbers(self.dupe_factors, "dupe_factors", 1, 10_000))
        if len(set(factors)) < len(factors):
            raise UsageError(
                f"--dupe_factors={self.dupe_factors}: must be different numbers of at least 1, such as 1,5"
            )
        files = documents.input_files(self.input)
        read_vocab(self.vocab)
        next(documents.read_documents(files))  # an empty file is reported before anything is measured
        workers = tuple(sorted({1, self.workers or os.cpu_count() or 1}))
        settings = records.Settings(dupe_factors=factors, workers=workers, rounds=self.rounds)
        subjects = records.measure(files, self.vocab, settings)
        written = results.document("records", "s", dataclasses.asdict(settings), subjects)
        results.write(self.output, written)
        print(records.table(written))
        print(f"\nbenchmark records: {self.output} has all samples")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkTraining:
    """Measure steps per second of fine-tuning, and the time to the first step.

    Batches are made up, but the network is real: by default the 24-layer student, batch 16,
    length 128, AdamW with clipping. Other implementations can run in the same rounds;
    their command must print `= X steps/s`.

    Examples:
      mobilebert-tf benchmark training --output=training.json
      mobilebert-tf benchmark training --output=both.json --peers="other=python other_step.py"
      mobilebert-tf benchmark training --output=aware.json --quantization_aware
    """

    output: str = option("JSON file for the results")
    model: str = option("preset to train", "mobilebert")
    batch_size: int = option("examples per step", 16, least=1, most=65_536)
    sequence_length: int = option("word pieces per example", 128, least=1, most=100_000)
    threads: int = option("threads of TensorFlow", 2, least=1, most=1024)
    dtypes: str = option("types of activations, comma-separated: float32, bfloat16", "float32")
    quantization_aware: bool = option("also measure the step of `finetune --quantization_aware`", False)
    steps: int = option("timed steps per round", 12, least=1, most=10**9)
    rounds: int = option("rounds over this library and the peers, each in a fresh process", 3, least=1, most=10**4)
    peers: str | None = option("other implementations, as NAME=COMMAND; NAME=COMMAND", None)

    def run(self) -> None:
        """Measure, write, print.

        Raises:
          UsageError: the output exists, a type is unknown, the length is beyond the position
            table, or a peer is not NAME=COMMAND.
          FailedError: a measuring process died.
        """
        from mobilebert_tf.benchmarks import results
        from mobilebert_tf.benchmarks.library import training
        from mobilebert_tf.config import MobileBertConfig

        positions = MobileBertConfig.preset(self.model).max_position_embeddings
        if self.sequence_length > positions:
            raise UsageError(
                f"--sequence_length={self.sequence_length}: the position table of {self.model} ends at {positions}"
            )
        dtypes = tuple(self.dtypes.split(","))
        for dtype in dtypes:
            if dtype not in ("float32", "bfloat16") or dtypes.count(dtype) > 1:
                raise UsageError(f"--dtypes={self.dtypes}: must be float32, bfloat16, or both separated by a comma")
        results.check_output(self.output)
        settings = training.Settings(
            preset=self.model,
            batch_size=self.batch_size,
            sequence_length=self.sequence_length,
            threads=self.threads,
            dtypes=dtypes,
            quantization_aware=self.quantization_aware,
            steps=self.steps,
            rounds=self.rounds,
        )
        subjects = training.measure(settings, training.parse_peers(self.peers))
        written = results.document("training step", "s", dataclasses.asdict(settings), subjects, subjects[0])
        results.write(self.output, written)
        print(training.table(written))
        print(f"\nbenchmark training: {self.output} has all samples")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkTransfer:
    """Measure the stages of knowledge transfer: steps per second, time to the first step, memory.

    small: teacher and student of 6 layers, hidden size 256, batch 16; the last layer-wise stage and
    distillation are measured. full: ib_bert_large teaches mobilebert, 24 layers, batch 8; the 1st, 12th
    and 24th stage and distillation are measured. Batches are made up, the optimizer is LAMB. Other
    implementations of the small pair can run in the same rounds; their command must print a line
    `stage 5 ... = X steps/s` for each stage.

    Examples:
      mobilebert-tf benchmark transfer --output=transfer.json
      mobilebert-tf benchmark transfer --sizes=small --output=both.json --peers="other=python other_stages.py"
    """

    output: str = option("JSON file for the results")
    sizes: str = option("pairs to measure: small, full, or both, comma-separated", "small,full")
    threads: int = option("threads of TensorFlow", 2, least=1, most=1024)
    steps: int = option("timed steps per stage and round", 12, least=1, most=10**9)
    rounds: int = option("rounds over all stages and the peers, each in a fresh process", 3, least=1, most=10**4)
    peers: str | None = option("other implementations of the small pair, as NAME=COMMAND; NAME=COMMAND", None)

    def run(self) -> None:
        """Measure, write, print.

        Raises:
          UsageError: the output exists, a size is unknown, or a peer is not NAME=COMMAND.
          FailedError: a measuring process died.
        """
        from mobilebert_tf.benchmarks import results
        from mobilebert_tf.benchmarks.library import training, transfer

        sizes = self.sizes.split(",")
        if not set(sizes) <= set(transfer.CASES) or len(set(sizes)) < len(sizes):
            raise UsageError(f"--sizes={self.sizes}: must be small, full, or both separated by a comma")
        peers = training.parse_peers(self.peers)
        if peers and "small" not in sizes:
            raise UsageError(f"--peers: run beside the small pair, which --sizes={self.sizes} leaves out")
        results.check_output(self.output)
        settings = transfer.Settings(threads=self.threads, steps=self.steps, rounds=self.rounds)
        cases = [case for size in sizes for case in transfer.CASES[size]]
        subjects = transfer.measure(cases, settings, peers)
        written = results.document("transfer step", "s", dataclasses.asdict(settings), subjects)
        results.write(self.output, written)
        print(transfer.table(written))
        print(f"\nbenchmark transfer: {self.output} has all samples")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkConversion:
    """Measure the time and memory that converting a checkpoint takes.

    The preset with its pre-training heads is converted between the forms of Hugging Face, Google and
    this project, each time in a fresh process; the start of Python is included.

    Example:
      mobilebert-tf benchmark conversion --output=conversion.json
    """

    output: str = option("JSON file for the results")
    model: str = option("preset to convert", "mobilebert")
    rounds: int = option("rounds over all routes", 3, least=1, most=10**4)

    def run(self) -> None:
        """Measure, write, print.

        Raises:
          UsageError: the output exists, or there is no such preset.
          FailedError: a conversion failed.
        """
        from mobilebert_tf.benchmarks import results
        from mobilebert_tf.benchmarks.library import conversion

        results.check_output(self.output)
        settings = conversion.Settings(preset=self.model, rounds=self.rounds)
        subjects = conversion.measure(settings)
        written = results.document("conversion", "s", dataclasses.asdict(settings), subjects)
        results.write(self.output, written)
        print(conversion.table(written))
        print(f"\nbenchmark conversion: {self.output} has all samples")
