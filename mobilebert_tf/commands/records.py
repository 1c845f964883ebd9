"""`records`: corpus + vocabulary -> pretraining records."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mobilebert_tf import atomic, notes, provenance, quiet
from mobilebert_tf.commands import next_step
from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option
from mobilebert_tf.run_directory import Run, open_run

if TYPE_CHECKING:
    from mobilebert_tf.data.record_writer import Totals
    from mobilebert_tf.tokenization import Tokenizer

ShardWriter = Callable[..., "tuple[Totals, dict[str, dict[str, int]]]"]
"""`write_shards` of the local runner, or of Beam."""


LEAST_RANDOM, MOST_RANDOM = 0.3, 0.75
"""Shares of pairs with a random second segment between which the next-sentence head learns more than a constant."""


_FULL = "ib_bert_large"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Records:
    """Make pretraining examples (masked words and next sentence) by BERT's rules.

    Reads a directory that `corpus` wrote, or text files (also .gz, .bz2, .xz), and a
    vocabulary. Writes TFRecord files, records.json, which describes them, and a copy of
    vocab.txt with its rules. Every document is cut --dupe_factor times into pairs of segments; in half of
    the pairs the second segment is from another document (label 1). 15 % of the pieces are to
    be predicted: of these 80 % are replaced by [MASK], 10 % by a random piece, 10 % stay.

    --masking=token masks single pieces, whole_word all pieces of a word (in scripts without blanks, runs of one
    to three pieces); dynamic leaves the pairs unmasked, and `pretrain` masks them anew each time it reads them.
    The same text, options and seed give the same records, whatever --workers is.

    --runner=beam gives the same work to Apache Beam (the extra `beam`), on the runner that
    --beam_options names; without one Beam runs on this machine, with all records in memory,
    to try it out. The records are the same, their order is not. This process reads the
    text once and cuts it into chunks of 1 MB. It stages them where the workers read them and
    write their records: in a folder in --temp_location of the Beam options, which this machine
    and all workers must reach (gs://..., a shared file system), else in a folder in --output.
    The folder needs room for the text once and the records twice, and is removed at the end;
    a killed run leaves it in --temp_location. The workers need this package and its
    dependencies (--sdk_container_image, --extra_package or --setup_file of Beam), nothing
    else: the vocabulary travels with the work, and --save_main_session is not needed.

    Examples:
      mobilebert-tf records --input=corpus --vocab=vocab/vocab.txt --output=records
      mobilebert-tf records --input='wiki/*.txt.xz' --vocab=vocab.txt --output=records --masking=whole_word
      mobilebert-tf records --input=corpus --vocab=vocab.txt --output=records --runner=beam
          --beam_options="--direct_num_workers=8 --direct_running_mode=multi_processing"
      mobilebert-tf records --input=corpus --vocab=vocab.txt --output=/shared/records --runner=beam
          --beam_options="--runner=FlinkRunner --flink_master=host:8081 --environment_type=DOCKER
          --sdk_container_image=IMAGE --temp_location=/shared/tmp"
    """

    output: str = option("directory to write")
    input: str = option("corpus directory, text files or patterns, comma-separated", is_input=True)
    vocab: str = option("vocabulary file, one piece per line, or a model that has one", is_input=True)
    max_seq_length: int = option("T, word pieces of an example, special tokens included", 128, least=5, most=100_000)
    max_predictions: int = option("most pieces to predict in an example", 20, least=1, most=100_000)
    dupe_factor: int = option(
        "times that each document is used, each time with other cuts and masks", 5, least=1, most=1000
    )
    masking: str = option(
        "which pieces are masked together, and when", "token", choices=("token", "whole_word", "dynamic")
    )
    short_seq_prob: float = option("share of examples cut to a random shorter length", 0.1, least=0, most=1)
    single_segment_prob: float = option(
        "share of examples with one segment in place of two, for a student that learns from a teacher's layers alone; "
        "such examples teach no next sentence",
        0.0,
        least=0,
        most=1,
    )
    masked_lm_prob: float = option("share of an example's pieces to predict", 0.15, least=0, most=1)
    shards: int = option("files to write", 4, least=1, most=99_999)
    seed: int = option("random seed for cuts, pairs and masks", 1, most=2**32 - 1, least=0)
    workers: int = option("local: processes (0: one per core)", 0, identity=False, least=0, most=1024)
    runner: str = option(
        "what does the work: processes of this machine, or Apache Beam",
        "local",
        choices=("local", "beam"),
        identity=False,
    )
    beam_options: str | None = option(
        "beam: Apache Beam's own options in one string, its --runner among them (default: local)", None, identity=False
    )

    def run(self) -> None:
        """Write the records.

        Raises:
          UsageError: text or vocabulary is missing, empty or broken, or Apache Beam is not
            installed or rejects its options.
          FailedError: a worker failed.
        """
        from mobilebert_tf.data import documents

        if not 0.0 < self.masked_lm_prob < 1.0:
            raise UsageError(f"--masked_lm_prob={self.masked_lm_prob}: must be above 0 and below 1")
        write_shards = self._writer()
        files = documents.input_files(self.input)
        tokenizer = self.tokenizer()
        with open_run(self, "records", self.output) as run:
            if run.finished:
                print(run.finished_line)
            else:
                self._write(run, write_shards, documents.read_documents(files), tokenizer)

    def tokenizer(self) -> Tokenizer:
        """The tokenizer of --vocab. Raises UsageError: there is none, or it is broken."""
        from mobilebert_tf.checkpoints import shipped
        from mobilebert_tf.tokenization import Tokenizer
        from mobilebert_tf.tokenizer_files import read_tokenizer

        path = shipped.located(Path(self.vocab))
        if not path.is_dir():
            return Tokenizer.from_vocab(path)
        if tokenizer := read_tokenizer(path):
            return tokenizer
        raise UsageError(
            f"--vocab={self.vocab}: is a directory without a vocabulary; give a vocab.txt or a model directory"
        )

    def _write(self, run: Run, write_shards: ShardWriter, text: Iterable[list[str]], tokenizer: Tokenizer) -> None:
        from mobilebert_tf.data import lost_text, record_writer, records
        from mobilebert_tf.tokenizer_files import write_tokenizer

        same = {field.name for field in dataclasses.fields(record_writer.Settings)} - {"tokenizer"}
        settings = record_writer.Settings(
            tokenizer=tokenizer.of_running_text, **{name: getattr(self, name) for name in same}
        )
        start = time.monotonic()
        totals, shards = write_shards(text, settings, run.directory, self.shards)
        seconds = time.monotonic() - start
        write_tokenizer(run.directory, tokenizer)
        share = totals.random_next / totals.examples
        index = {
            "masking": self.masking,
            "features": records.describe(records.features_for(self.masking)),
            "max_seq_length": self.max_seq_length,
            "max_predictions": self.max_predictions,
            "masked_lm_prob": self.masked_lm_prob,
            "single_segment_prob": self.single_segment_prob,
            "seed": self.seed,
            "examples": totals.examples,
            "random_next_share": round(share, 4),
            "vocab_sha256": provenance.sha256(run.directory / "vocab.txt"),
            "files": shards,
        }
        atomic.write_json(run.directory / records.INDEX, index)
        run.finish(
            examples=totals.examples,
            pieces=totals.pieces,
            random_next_share=index["random_next_share"],
            examples_per_second=round(totals.examples / seconds, 1),
            pieces_per_second=round(totals.pieces / seconds, 1),
        )
        print(
            f"records: {self.output} ({totals.examples:,} examples from {totals.pieces:,} pieces in {seconds:.1f} s: "
            f"{totals.examples / seconds:,.0f} examples/s, {totals.pieces / seconds:,.0f} pieces/s)"
        )
        lost_text.say(f"records: {self.input}", totals.lost, tokenizer, f"{self.vocab} lacks characters of the text")
        if self.single_segment_prob < 1 and (why := _one_sided(share / (1 - self.single_segment_prob))):
            notes.say(f"records: warning: {why}")
        if not self.single_segment_prob:  # no next sentences, so nothing to pre-train a teacher on
            next_step.say(self._next(totals.examples))

    def _next(self, examples: int) -> str:
        """The command that trains a teacher with enough positions, for some twenty passes over the examples."""
        positions = {name: MobileBertConfig.preset(name).max_position_embeddings for name in ("demo_teacher", _FULL)}
        if self.max_seq_length > positions[_FULL]:
            return (
                f"records: the presets have {positions[_FULL]} positions; pretrain a --model=config.json that has "
                f"{self.max_seq_length} of them"
            )
        fits = positions["demo_teacher"] >= self.max_seq_length
        steps = min(500_000, max(1000, examples * 20 // 32))
        flags = [f"--records={self.output}", f"--model={'demo_teacher' if fits else _FULL}"]
        return next_step.line(
            "pretrain", *flags, f"--steps={steps}", f"--output={next_step.beside(self.output, 'teacher')}"
        )

    def _writer(self) -> ShardWriter:
        """`write_shards` of the runner."""
        if self.runner == "local":
            from mobilebert_tf.data import record_writer

            if self.beam_options is not None:
                raise UsageError("--beam_options: needs --runner=beam")
            return functools.partial(record_writer.write_shards, workers=self.workers)
        try:
            with quiet.python_warnings_unlogged():
                import apache_beam  # noqa: F401
        except ImportError:
            raise UsageError(
                "--runner=beam: Apache Beam is not installed; install the extra `beam`: "
                "pip install -e '.[beam]' in the source tree"
            ) from None
        from mobilebert_tf.data import beam_records

        options = beam_records.read_options(self.beam_options or "")
        return functools.partial(beam_records.write_shards, options=options)


def _one_sided(share: float) -> str:
    """Why next sentences can hardly be learned where `share` of the pairs has a random second segment; else empty."""
    if share < LEAST_RANDOM:
        reason = (
            "the text is almost a single document, and random segments come from others; a blank line ends a document"
        )
    elif share > MOST_RANDOM:
        reason = (
            "mostly no second sentence follows, because documents are a single sentence (a blank line ends a document, "
            "so put none between sentences of the same one) or sentences are longer than --max_seq_length"
        )
    else:
        return ""
    return (
        f"in {share:.0%} of the pairs the second segment is random, where half should be, so next sentences "
        f"are hardly learned: {reason}"
    )
