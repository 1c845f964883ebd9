"""Writing the pretraining examples of documents to sharded TFRecord files, in a pool of processes.

The unit of work is a chunk of documents. The examples of a chunk depend on its text, its
number and the seed, so the number of processes changes nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import random
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mobilebert_tf import atomic, quiet
from mobilebert_tf.data import lost_text, records
from mobilebert_tf.data.lost_text import Lost
from mobilebert_tf.data.masking import Pieces, mask_pieces
from mobilebert_tf.data.pool import map_in_order
from mobilebert_tf.data.progress import track
from mobilebert_tf.data.segment_pairs import Document, SegmentPair, segment_pairs
from mobilebert_tf.data.sentences import split_sentences
from mobilebert_tf.errors import UsageError
from mobilebert_tf.text_table import counted
from mobilebert_tf.tokenization import Tokenizer

CHUNK_CHARACTERS = 1_000_000

STAGING = ".beam"
"""Folder in the output directory for the intermediate files of `beam_records`."""

Chunk = tuple[int, list[list[str]]]
"""The number of a chunk, and its documents: each a list of paragraphs."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings that decide which examples are made of a chunk."""

    tokenizer: Tokenizer
    """The tokenizer itself, not its path, which a worker on another machine could not read."""
    max_seq_length: int
    max_predictions: int
    dupe_factor: int
    masking: str
    short_seq_prob: float
    single_segment_prob: float
    masked_lm_prob: float
    seed: int


class Made(NamedTuple):
    """The records made of one chunk."""

    records: list[bytes]
    random_next: int
    """Number of records whose second segment is from another document."""
    pieces: int
    """Word pieces of the chunk's text."""
    lost: Lost


@dataclasses.dataclass
class Totals:
    """The counts of everything written so far."""

    examples: int = 0
    random_next: int = 0
    pieces: int = 0
    """Word pieces of the text, each counted once however often it is used in records."""
    lost: Lost = Lost()


def chunks(documents: Iterable[list[str]], size: int = CHUNK_CHARACTERS) -> Iterator[Chunk]:
    """Chunks of successive documents, each of at least `size` characters except the last.

    A chunk has at least two documents, because a random next segment comes from another
    document of the same chunk; only a text of a single document makes a chunk of one.
    """
    ready: list[list[str]] = []
    gathered: list[list[str]] = []
    number = characters = 0
    for document in documents:
        gathered.append(document)
        characters += sum(map(len, document))
        if characters >= size and len(gathered) > 1:
            if ready:
                yield number, ready
                number += 1
            ready, gathered, characters = gathered, [], 0
    if len(gathered) == 1:
        ready, gathered = [*ready, *gathered], []
    for chunk in filter(None, (ready, gathered)):
        yield number, chunk
        number += 1


def make_records(settings: Settings, chunk: Chunk) -> Made:
    """The examples of one chunk in random order: the task of one worker, in a pool or in Beam."""
    number, documents = chunk
    tokenizer, pieces = _with_pieces(settings.tokenizer)
    tokenized, lost = _tokenize(tokenizer, documents)
    features = records.features_for(settings.masking)
    serialized, random_next = [], 0
    # Each example is serialized at once: Python's garbage collector would look through tens of
    # thousands of live lists again and again, which took a sixth of all time at five copies.
    for example in make_examples(settings, number, tokenized, pieces):
        serialized.append(records.serialize(example, features))
        random_next += example["next_sentence_labels"][0]
    random.Random(f"{settings.seed}/{number}").shuffle(serialized)
    return Made(serialized, random_next, sum(len(ids) for document in tokenized for ids in document), lost)


def make_examples(
    settings: Settings, number: int, tokenized: Sequence[Document], pieces: Pieces
) -> Iterator[records.Example]:
    """The examples of chunk `number`, with those of each document together."""
    for copy in range(settings.dupe_factor):
        # A string seed is hashed with SHA-512: independent streams for neighbouring numbers.
        rng = random.Random(f"{settings.seed}/{number}/{copy}")
        shares = settings.short_seq_prob, rng, settings.single_segment_prob
        for pair in segment_pairs(tokenized, settings.max_seq_length, *shares):
            yield _unmasked(pair) if settings.masking == "dynamic" else _masked(pair, pieces, settings, rng)


def _tokenize(tokenizer: Tokenizer, documents: list[list[str]]) -> tuple[list[list[list[int]]], Lost]:
    """Ids of the sentences of each document, and the loss to [UNK]; sentences without word pieces are left out."""
    sentences = [[s for paragraph in document for s in split_sentences(paragraph)] for document in documents]
    encoded, lost = lost_text.encode(tokenizer, [s for document in sentences for s in document])
    flat = iter(encoded)
    tokenized = [[ids for _ in document if (ids := next(flat))] for document in sentences]
    return [document for document in tokenized if document], lost


def write_shards(
    documents: Iterable[list[str]], settings: Settings, directory: Path, shards: int, workers: int
) -> tuple[Totals, dict[str, dict[str, int]]]:
    """Write the files `records-00000-of-0000N.tfrecord`, with examples dealt out in turn.

    Returns:
      The totals, and bytes and number of examples of each file.

    Raises:
      UsageError: there are fewer examples than files, or the documents cannot be read.
    """
    quiet.start_tensorflow()
    import tensorflow as tf

    _allow_open_files(shards)
    names = shard_names(shards)
    clear(directory)
    totals = Totals()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_naming(directory))
        asides = [stack.enter_context(atomic.write_aside(directory / name)) for name in names]
        writers = [stack.enter_context(tf.io.TFRecordWriter(str(aside))) for aside in asides]
        done = map_in_order(functools.partial(make_records, settings), chunks(documents), workers)
        for chunk_records in track(done, "records", "chunk"):
            totals.pieces += chunk_records.pieces
            totals.random_next += chunk_records.random_next
            totals.lost += chunk_records.lost
            for record in chunk_records.records:
                writers[totals.examples % shards].write(record)
                totals.examples += 1
        require_enough(totals.examples, shards)  # raises inside `write_aside`, so that no file is moved to its place
    files = {}
    for i, name in enumerate(names):
        count = len(range(i, totals.examples, shards))
        files[name] = {"bytes": (directory / name).stat().st_size, "examples": count}
    return totals, files


_OTHER_FILES = 64
"""Files that are open beside the shards: modules, pipes of the workers, inputs."""


def _allow_open_files(shards: int) -> None:
    """Let this process open a file for each shard. Raises UsageError: the system does not allow so many."""
    try:
        import resource
    except ImportError:  # Windows, where no such limit is set
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = shards + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise UsageError(
            f"--shards={shards}: all are written at once, and a process may open {hard:,} files here; give at most "
            f"{max(1, hard - _OTHER_FILES):,}, or raise `ulimit -n`"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@contextlib.contextmanager
def _naming(directory: Path) -> Iterator[None]:
    """Context that makes errors of the TFRecord writer, which name no file, name `directory`."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        code = errno.ENOSPC if "No space left" in error.message else errno.EIO
        raise OSError(code, error.message, str(directory)) from None


def clear(directory: Path) -> None:
    """Remove the files that a killed run has left, of the pool or of Beam."""
    for stale in directory.glob(".*.tfrecord"):
        stale.unlink()
    shutil.rmtree(directory / STAGING, ignore_errors=True)


def shard_names(shards: int) -> list[str]:
    return [f"records-{i:05d}-of-{shards:05d}.tfrecord" for i in range(shards)]


def require_enough(examples: int, shards: int) -> None:
    """Raise UsageError if a file would be empty."""
    if not examples:
        raise UsageError(
            "the text makes no examples: a document of a single sentence has no second segment; blank lines separate "
            "documents"
        )
    if examples < shards:
        raise UsageError(f"the text makes {counted(examples, 'example')}, too few for --shards={shards}")


@functools.lru_cache(maxsize=1)
def _with_pieces(tokenizer: Tokenizer) -> tuple[Tokenizer, Pieces]:
    """The tokenizer and its pieces, the same objects for all chunks of a worker: each chunk brings its own copy."""
    return tokenizer, Pieces.of(tokenizer)


def _unmasked(pair: SegmentPair) -> records.Example:
    return {
        "first_segment": pair.first,
        "second_segment": pair.second,
        "next_sentence_labels": [int(pair.is_random)],
    }


def _masked(pair: SegmentPair, pieces: Pieces, settings: Settings, rng: random.Random) -> records.Example:
    after = [*pair.second, pieces.sep] if pair.second else []
    ids = [pieces.cls, *pair.first, pieces.sep, *after]
    whole_word = settings.masking == "whole_word"
    masked = mask_pieces(ids, pieces, whole_word, settings.masked_lm_prob, settings.max_predictions, rng)
    rest = [0] * (settings.max_seq_length - len(ids))
    unused = [0] * (settings.max_predictions - len(masked.positions))
    return {
        "input_ids": masked.ids + rest,
        "input_mask": [1] * len(ids) + rest,
        "segment_ids": [0] * (len(pair.first) + 2) + [1] * len(after) + rest,
        "masked_lm_positions": masked.positions + unused,
        "masked_lm_ids": masked.labels + unused,
        "masked_lm_weights": [1] * len(masked.positions) + unused,
        "next_sentence_labels": [int(pair.is_random)],
    }
