"""Pretraining records -> batches, each a pure function of the seed and its number."""

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
"""Records held in memory to be drawn from (about 1 KB each); more of them are mixed only
with what stands near."""


@dataclasses.dataclass(frozen=True)
class RecordSet:
    """What a directory of pretraining records holds."""

    files: tuple[Path, ...]
    counts: tuple[int, ...]
    """Examples in each."""
    features: dict[str, records.Feature]
    """What stands in a record; what a batch holds is `records.FEATURES` always."""
    masking: str
    max_seq_length: int
    """T of every batch. Whether the model has so many positions is for the caller to check."""
    max_predictions: int
    """P, most pieces to predict in an example."""
    masked_lm_prob: float
    single_segment_prob: float
    """Share of the examples that have one segment, and so no next sentence."""
    vocab: Path

    @property
    def count(self) -> int:
        """Examples in all files."""
        return sum(self.counts)

    @property
    def directory(self) -> Path:
        """The directory that holds the files and their vocabulary."""
        return self.vocab.parent


def load_records(directory: str | os.PathLike[str]) -> RecordSet:
    """The records that `mobilebert-tf records` wrote to `directory`, or TFRecord files of Google's script in one.

    Raises:
      UsageError: they are missing, unfinished, cut short, or do not go with their vocabulary.
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
    """How examples are read; the defaults leave them as they were written."""

    length: int | None = None
    """Pieces of an example that are kept; all if left out. What was to be predicted beyond them counts nowhere."""
    whole_text: bool = False
    """Put the hidden words back: for a student that learns from a teacher's layers alone."""
    group_by_length: bool = False
    """Examples of like length together, each batch as long as its longest: padding is not computed."""


GROUPED_BATCHES = 32
"""So many batches are sorted by length together, and then shuffled again."""

LENGTH_STEP = 8
"""Batches of grouped examples are as long as the longest, rounded up to this many pieces."""


def batches(
    record_set: RecordSet, batch_size: int, seed: int, first_example: int = 0, reading: Reading = Reading()
) -> tf.data.Dataset:
    """Endless training batches, from the example on that has the number `first_example`.

    Each epoch has an order of its own; a batch can hold the end of one and the beginning
    of the next. A batch depends on `seed`, its size and its first example alone: not on where the
    iterator began, nor on TensorFlow's global seed.

    Returns:
      Dicts as `records.FEATURES`: int32 or float32 [B, T] and [B, P]; labels int32 [B].
    """
    import tensorflow as tf

    # What is sorted together has its place in the order of all examples, wherever the reading begins.
    gathered = batch_size * (GROUPED_BATCHES if reading.group_by_length else 1)
    group, inside = divmod(first_example, gathered)
    first_read = group * gathered if reading.group_by_length else first_example
    epoch, skipped = divmod(first_read, record_set.count)

    def of_epoch(number: Any) -> tf.data.Dataset:
        # tf.data mixes the global seed into its own; this sets the global seed of this
        # function's graph, and of nothing else. (0 is not possible: TensorFlow compares
        # both seeds with 0 in Python, and the other one is a tensor.)
        tf.compat.v1.set_random_seed(1)
        draw = tf.random.stateless_uniform([], [seed, number], maxval=2**31 - 1, dtype=tf.int64)
        order = _records(record_set)
        return order.shuffle(min(record_set.count, SHUFFLE_BUFFER), seed=draw, reshuffle_each_iteration=False)

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
    """The text as it was before words were hidden."""
    import tensorflow as tf

    chosen = tf.where(batch["masked_lm_weights"] > 0)
    places = tf.stack([chosen[:, 0], tf.cast(tf.gather_nd(batch["masked_lm_positions"], chosen), tf.int64)], axis=1)
    words = tf.gather_nd(batch["masked_lm_ids"], chosen)
    return batch | {"input_ids": tf.tensor_scatter_nd_update(batch["input_ids"], places, words)}


def _by_length(batch_size: int, seed: int, number: Any, examples: dict[str, Any]) -> tf.data.Dataset:
    """The examples of a group as batches of like length, in random order."""
    import tensorflow as tf

    by_length = tf.argsort(tf.reduce_sum(examples["input_mask"], axis=1), stable=True)
    draw = tf.stack([tf.constant(seed, tf.int64), number])
    order = tf.random.experimental.stateless_shuffle(tf.reshape(by_length, [-1, batch_size]), draw)
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
    """The first `length` pieces of each example."""
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
    """Every example once in the order of the files, or the first `limit`, for evaluation.

    The last batch is smaller when they do not divide. Dynamic masks are the same each time.
    """

    serialized = _records(record_set)
    if limit is not None:
        serialized = serialized.take(limit)
    examples = _examples(serialized.batch(batch_size).enumerate(), record_set, seed=0)
    return (examples.map(_as_it_is(_with_hidden_words)) if whole_text else examples).prefetch(2)


@contextlib.contextmanager
def clear_read_errors(*record_sets: RecordSet | None) -> Iterator[None]:
    """Around everything that takes batches of these sets: a damaged record becomes one clear line.

    Raises:
      UsageError: a record's checksum is wrong, it holds something else than `records.json` says, or a file has
        another number of them.
    """
    import tensorflow as tf

    given = [record_set for record_set in record_sets if record_set]
    places = " or ".join(dict.fromkeys(str(record_set.directory) for record_set in given))
    try:
        yield
    except tf.errors.FailedPreconditionError as error:
        if "expected to contain" not in error.message:
            raise
        raise UsageError(f"{_miscounted(given) or places}; make the records again") from None
    except tf.errors.InvalidArgumentError as error:
        said = re.search(r"Key: \w+[.,][^\n]{0,70}|Could not parse example|\w+ outside of 0 to \d+", error.message)
        if said is None:
            raise
        raise UsageError(
            f"{_strange(given) or places}: a record does not hold what {records.INDEX} says ({said[0].strip()}); make "
            "the records again"
        ) from None
    except tf.errors.DataLossError as error:
        where = re.search(r"corrupted record at \d+|truncated record at \d+", error.message)
        reason = f" ({where[0]})" if where else ""
        raise UsageError(f"{_damaged(given) or places}: a record is damaged{reason}; make the records again") from None


def _miscounted(record_sets: Sequence[RecordSet]) -> str:
    """The first file that has another number of records than it should, and both numbers."""
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
    """The first file with a record that does not hold what its set does."""
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
    """The batch; ids, positions and marks that cannot be are an InvalidArgumentError: most of them would train on."""
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
    """Numbered batches of serialized records to batches of examples."""
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
        made = mask(batch, tf.stack([seed, tf.cast(number, tf.int32)]))
        # What was traced for batches of any size serves others too, and does not know theirs.
        return {name: tf.ensure_shape(values, [batch.shape[0], *values.shape[1:]]) for name, values in made.items()}

    return numbered.map(_as_it_is(masked))


@functools.lru_cache(maxsize=4)
def _masking(
    pieces: Pieces, size: int, features: Sequence[tuple[str, records.Feature]], share: float, *lengths: int
) -> Callable[[Any, Any], dict[str, Any]]:
    """The function (serialized batch, seed [2]) -> masked examples, traced once for all readings of such records."""
    import tensorflow as tf

    from mobilebert_tf.data.dynamic_masking import mask_pairs

    @tf.function(autograph=False)
    def mask(batch: Any, seed: Any) -> dict[str, Any]:
        pairs = _sound(records.parse(batch, dict(features), *lengths), size)
        return mask_pairs(pairs, pieces, seed, share, *lengths)

    traced: Callable[[Any, Any], dict[str, Any]] = mask
    return traced


def _as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function for tf.data that autograph leaves alone: it has no Python that depends on a tensor, and to look
    for some in it, and in TensorFlow Text, takes half of the time to read a first batch with dynamic masks."""
    import tensorflow as tf

    wrapped: Callable[..., Any] = tf.autograph.experimental.do_not_convert(function)
    return wrapped
