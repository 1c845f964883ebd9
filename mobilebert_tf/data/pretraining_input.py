"""Batches of pretraining records; each batch is a pure function of the seed and its number."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilebert_tf import provenance, run_directory
from mobilebert_tf.data import found_records, records
from mobilebert_tf.data.masking import Pieces
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tokenization import Tokenizer, read_vocab

if TYPE_CHECKING:
    import tensorflow as tf

SHUFFLE_BUFFER = 131_072
"""Records (about 1 KB each) held in memory, from which the next is drawn; a larger set is mixed only
among its neighbours."""


@dataclasses.dataclass(frozen=True)
class RecordSet:
    """The pretraining records in a directory."""

    files: tuple[Path, ...]
    counts: tuple[int, ...]
    """Number of examples in each file."""
    features: dict[str, records.Feature]
    """Features of a stored record; a batch always holds `records.FEATURES`."""
    masking: str
    max_seq_length: int
    """T of every batch. The caller checks that the model has that many positions."""
    max_predictions: int
    """P, the maximum number of predicted pieces in an example."""
    masked_lm_prob: float
    single_segment_prob: float
    """Share of the examples that have one segment, and therefore no next sentence."""
    vocab: Path

    @property
    def count(self) -> int:
        """Number of examples in all files."""
        return sum(self.counts)

    @property
    def directory(self) -> Path:
        """The directory that holds the files and their vocabulary."""
        return self.vocab.parent


def load_records(directory: str | os.PathLike[str]) -> RecordSet:
    """The records in `directory`: written by `mobilebert-tf records`, or TFRecord files of Google's script.

    Raises:
      UsageError: the records are missing, unfinished, cut short, or do not match their vocabulary.
    """
    directory = Path(directory)
    if not (directory / records.INDEX).exists() and not (directory / run_directory.RECORD).exists():
        if files := found_records.find(directory):
            return _of_others(directory, found_records.describe(files))
    run_directory.require_finished(directory)
    index = records.read_index(directory / records.INDEX)
    vocab = directory / "vocab.txt"
    for name, shard in index.files.items():
        _check_size(directory / name, shard.bytes)
    read_vocab(vocab)
    if provenance.sha256(vocab) != index.vocab_sha256:
        raise UsageError(f"{vocab}: is not the vocabulary that these records were made with; make the records again")
    return RecordSet(
        files=tuple(directory / name for name in index.files),
        counts=tuple(shard.examples for shard in index.files.values()),
        features=records.features_for(index.masking),
        masking=index.masking,
        max_seq_length=index.max_seq_length,
        max_predictions=index.max_predictions,
        masked_lm_prob=index.masked_lm_prob,
        single_segment_prob=index.single_segment_prob,
        vocab=vocab,
    )


def _of_others(directory: Path, index: Mapping[str, Any]) -> RecordSet:
    return RecordSet(
        files=tuple(directory / name for name in index["files"]),
        counts=tuple(shard["examples"] for shard in index["files"].values()),
        features={name: records.Feature(**feature) for name, feature in index["features"].items()},
        masking=index["masking"],
        max_seq_length=index["max_seq_length"],
        max_predictions=index["max_predictions"],
        masked_lm_prob=index["masked_lm_prob"],
        single_segment_prob=0.0,
        vocab=directory / "vocab.txt",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """Changes made to examples while they are read; the defaults make none."""

    length: int | None = None
    """Number of pieces kept of an example; None: all. Predictions beyond them have no weight."""
    whole_text: bool = False
    """Put the masked words back: for a student that learns from a teacher's layers alone."""
    group_by_length: bool = False
    """Batch examples of similar length, and cut each batch to its longest, which saves computing padding."""


GROUPED_BATCHES = 32
"""Number of batches that are sorted by length together and then shuffled again."""

LENGTH_STEP = 8
"""A batch of grouped examples is as long as its longest, rounded up to a multiple of this."""


def batches(
    record_set: RecordSet, batch_size: int, seed: int, first_example: int = 0, reading: Reading = Reading()
) -> tf.data.Dataset:
    """Endless training batches, starting at example number `first_example`.

    Each epoch has an order of its own; a batch can hold the end of one and the beginning
    of the next. A batch depends only on `seed`, its size and its first example: not on where the
    iterator began, nor on TensorFlow's global seed.

    Returns:
      Dicts with the keys of `records.FEATURES`: int32 or float32 [B, T] and [B, P]; labels int32 [B].
    """
    import tensorflow as tf

    # Groups that are sorted together are counted from example 0, so they do not depend on where reading begins.
    gathered = batch_size * (GROUPED_BATCHES if reading.group_by_length else 1)
    group, inside = divmod(first_example, gathered)
    first_read = group * gathered if reading.group_by_length else first_example
    epoch, skipped = divmod(first_read, record_set.count)

    def of_epoch(number: Any) -> tf.data.Dataset:
        # tf.data mixes the global seed into its own; this sets the global seed of this
        # function's graph only. (0 is not possible: TensorFlow compares both seeds with
        # 0 in Python, and the other seed is a tensor.)
        tf.compat.v1.set_random_seed(1)
        epoch_seed = tf.random.stateless_uniform([], [seed, number], maxval=2**31 - 1, dtype=tf.int64)
        order = _records(record_set)
        return order.shuffle(min(record_set.count, SHUFFLE_BUFFER), seed=epoch_seed, reshuffle_each_iteration=False)

    serialized = tf.data.Dataset.range(epoch, tf.int64.max).flat_map(_as_it_is(of_epoch))
    batched = serialized.skip(skipped).batch(gathered, drop_remainder=True)
    examples = _examples(batched.enumerate(group), record_set, seed)
    if reading.whole_text:
        examples = examples.map(_as_it_is(_with_hidden_words))
    if reading.length is not None and reading.length < record_set.max_seq_length:
        examples = examples.map(_as_it_is(functools.partial(_cut, reading.length)))
    if reading.group_by_length:
        of_group = _as_it_is(functools.partial(_by_length, batch_size, seed))
        shortened = _as_it_is(_without_padding)
        examples = examples.enumerate(group).flat_map(of_group).skip(inside // batch_size).map(shortened)
    return examples.prefetch(2)


def _records(record_set: RecordSet) -> tf.data.Dataset:
    """The serialized examples of all files, one file after the other, each counted as it is read."""
    import tensorflow as tf

    counts = tf.constant(record_set.counts, tf.int64)
    files = tf.data.Dataset.from_tensor_slices(([str(file) for file in record_set.files], counts))
    return files.flat_map(
        _as_it_is(
            lambda file, count: tf.data.TFRecordDataset(file).apply(tf.data.experimental.assert_cardinality(count))
        )
    )


def _with_hidden_words(batch: dict[str, Any]) -> dict[str, Any]:
    """The batch with its text as it was before words were masked."""
    import tensorflow as tf

    chosen = tf.where(batch["masked_lm_weights"] > 0)
    places = tf.stack([chosen[:, 0], tf.cast(tf.gather_nd(batch["masked_lm_positions"], chosen), tf.int64)], axis=1)
    words = tf.gather_nd(batch["masked_lm_ids"], chosen)
    return batch | {"input_ids": tf.tensor_scatter_nd_update(batch["input_ids"], places, words)}


def _by_length(batch_size: int, seed: int, number: Any, examples: dict[str, Any]) -> tf.data.Dataset:
    """The examples of a group as batches of similar length, in random order."""
    import tensorflow as tf

    by_length = tf.argsort(tf.reduce_sum(examples["input_mask"], axis=1), stable=True)
    shuffle_seed = tf.stack([tf.constant(seed, tf.int64), number])
    order = tf.random.experimental.stateless_shuffle(tf.reshape(by_length, [-1, batch_size]), shuffle_seed)
    return tf.data.Dataset.from_tensor_slices(order).map(
        lambda rows: {name: tf.gather(values, rows) for name, values in examples.items()}
    )


def _without_padding(batch: dict[str, Any]) -> dict[str, Any]:
    """A batch cut to its longest example."""
    import tensorflow as tf

    longest = tf.reduce_max(tf.reduce_sum(batch["input_mask"], axis=1))
    kept = tf.minimum(-(-longest // LENGTH_STEP) * LENGTH_STEP, tf.shape(batch["input_ids"])[1])
    return batch | {name: batch[name][:, :kept] for name in ("input_ids", "input_mask", "segment_ids")}


def _cut(length: int, batch: dict[str, Any]) -> dict[str, Any]:
    """The batch with the first `length` pieces of each example."""
    import tensorflow as tf

    positions = batch["masked_lm_positions"]
    inside = tf.cast(positions < length, tf.float32)
    return batch | {
        **{name: batch[name][:, :length] for name in ("input_ids", "input_mask", "segment_ids")},
        "masked_lm_positions": tf.minimum(positions, length - 1),
        "masked_lm_weights": batch["masked_lm_weights"] * inside,
    }


def one_pass(
    record_set: RecordSet, batch_size: int, limit: int | None = None, whole_text: bool = False
) -> tf.data.Dataset:
    """Batches for evaluation: every example once, or the first `limit`, in the order of the files.

    The last batch may be smaller. Dynamic masks are the same in every pass.
    """

    serialized = _records(record_set)
    if limit is not None:
        serialized = serialized.take(limit)
    examples = _examples(serialized.batch(batch_size).enumerate(), record_set, seed=0)
    return (examples.map(_as_it_is(_with_hidden_words)) if whole_text else examples).prefetch(2)


@contextlib.contextmanager
def clear_read_errors(*record_sets: RecordSet | None) -> Iterator[None]:
    """Context for all code that takes batches of these sets: turns errors of damaged records into one clear line.

    Raises:
      UsageError: a record's checksum is wrong, a record does not match `records.json`, or a file has another
        number of records than `records.json` says.
    """
    import tensorflow as tf

    sets = [record_set for record_set in record_sets if record_set]
    places = " or ".join(dict.fromkeys(str(record_set.directory) for record_set in sets))
    try:
        yield
    except tf.errors.FailedPreconditionError as error:
        if "expected to contain" not in error.message:
            raise
        raise UsageError(f"{_miscounted(sets) or places}; make the records again") from None
    except tf.errors.InvalidArgumentError as error:
        fault = re.search(r"Key: \w+[.,][^\n]{0,70}|Could not parse example|\w+ outside of 0 to \d+", error.message)
        if fault is None:
            raise
        has_index = all((record_set.directory / records.INDEX).exists() for record_set in sets)
        expected = f"what {records.INDEX} says" if has_index else "what the first record and vocab.txt say"
        raise UsageError(
            f"{_strange(sets) or places}: a record does not match {expected} ({fault[0].strip()}); make the records "
            "again"
        ) from None
    except tf.errors.DataLossError as error:
        where = re.search(r"corrupted record at \d+|truncated record at \d+", error.message)
        reason = f" ({where[0]})" if where else ""
        raise UsageError(f"{_damaged(sets) or places}: a record is damaged{reason}; make the records again") from None


def _miscounted(record_sets: Sequence[RecordSet]) -> str:
    """The first file with a wrong number of records, that number and the expected one, as text."""
    for record_set in record_sets:
        for file, expected in zip(record_set.files, record_set.counts, strict=True):
            count = found_records.count(file)
            if count != expected:
                return f"{file}: has {count:,} records, {records.INDEX} says {expected:,}"
    return ""


def _damaged(record_sets: Sequence[RecordSet]) -> str:
    """The first file with a record whose checksum is wrong."""
    import tensorflow as tf

    for file in (file for record_set in record_sets for file in record_set.files):
        try:
            for _ in tf.data.TFRecordDataset(str(file)).batch(1000):
                pass
        except tf.errors.DataLossError:
            return str(file)
    return ""


def _strange(record_sets: Sequence[RecordSet]) -> str:
    """The first file with a record that does not match the features of its set."""
    import tensorflow as tf

    for record_set in record_sets:
        for file in record_set.files:
            alone = dataclasses.replace(record_set, files=(file,), counts=(found_records.count(file),))
            try:
                for _ in one_pass(alone, 1000):
                    pass
            except tf.errors.InvalidArgumentError:
                return str(file)
    return ""


def _check_size(path: Path, expected: int) -> None:
    if not path.exists():
        raise UsageError(f"{path}: is missing; make the records again")
    size = path.stat().st_size
    if size != expected:
        sizes = f"{size:,} bytes instead of {expected:,}"
        raise UsageError(f"{path}: has {sizes}, so it was cut short or changed; make the records again")


def _sound(batch: dict[str, Any], vocab_size: int) -> dict[str, Any]:
    """The batch, with ids, positions and marks checked: most impossible ones would otherwise be trained on.

    An impossible value raises InvalidArgumentError when the batch is computed.
    """
    import tensorflow as tf

    ends = {
        **dict.fromkeys(("input_ids", "masked_lm_ids", "first_segment", "second_segment"), vocab_size),
        **dict.fromkeys(("input_mask", "segment_ids", "next_sentence_labels"), 2),
    }
    if "input_ids" in batch:
        ends["masked_lm_positions"] = batch["input_ids"].shape[1]
    checks = []
    for name, end in ends.items():
        if name in batch:
            values = batch[name].values if isinstance(batch[name], tf.RaggedTensor) else batch[name]
            inside = tf.reduce_all((values >= 0) & (values < end))
            checks.append(tf.debugging.Assert(inside, [f"{name} outside of 0 to {end - 1}"]))
    with tf.control_dependencies(checks):
        return {name: tf.identity(values) for name, values in batch.items()}


def _examples(numbered: tf.data.Dataset, record_set: RecordSet, seed: int) -> tf.data.Dataset:
    """The batches of examples in numbered batches of serialized records."""
    import tensorflow as tf

    lengths = (record_set.max_seq_length, record_set.max_predictions)
    size = len(read_vocab(record_set.vocab))
    if record_set.masking != "dynamic":
        return numbered.map(
            _as_it_is(lambda _, batch: _sound(records.parse(batch, record_set.features, *lengths), size))
        )

    pieces = Pieces.of(Tokenizer.from_vocab(record_set.vocab))
    mask = _masking(pieces, size, tuple(record_set.features.items()), record_set.masked_lm_prob, *lengths)

    def masked(number: Any, batch: Any) -> dict[str, Any]:
        examples = mask(batch, tf.stack([seed, tf.cast(number, tf.int32)]))
        # The function may have been traced for batches of any size, so its results lack the batch size.
        return {name: tf.ensure_shape(values, [batch.shape[0], *values.shape[1:]]) for name, values in examples.items()}

    return numbered.map(_as_it_is(masked))


@functools.lru_cache(maxsize=4)
def _masking(
    pieces: Pieces, size: int, features: Sequence[tuple[str, records.Feature]], share: float, *lengths: int
) -> Callable[[Any, Any], dict[str, Any]]:
    """The function (serialized batch, seed [2]) -> masked examples, traced once for all reads of such records."""
    import tensorflow as tf

    from mobilebert_tf.data.dynamic_masking import mask_pairs

    @tf.function(autograph=False)
    def mask(batch: Any, seed: Any) -> dict[str, Any]:
        pairs = _sound(records.parse(batch, dict(features), *lengths), size)
        return mask_pairs(pairs, pieces, seed, share, *lengths)

    traced: Callable[[Any, Any], dict[str, Any]] = mask
    return traced


def _as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function for tf.data that autograph does not convert: no Python in it depends on a tensor, and autograph's
    search for it there and in TensorFlow Text takes half of the time to a first batch with dynamic masks."""
    import tensorflow as tf

    wrapped: Callable[..., Any] = tf.autograph.experimental.do_not_convert(function)
    return wrapped
