"""The sequence lengths of an export."""

from __future__ import annotations

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import UsageError

SHORTEST = 3
"""Shortest sequence length: [CLS], one word piece, [SEP]."""

BUCKETS = (32, 64, 128, 256)
"""Lengths that have signatures by default: a text takes the time of the shortest signature that it fits into."""

BUCKETS_OF_ONE_GRAPH = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384)
"""The same where all share one graph, so that a further length costs nothing."""


def parse_lengths(lengths: str | None, default: int, config: MobileBertConfig, one_graph: bool = False) -> list[int]:
    """Sequence lengths T of an export, in word pieces, shortest first.

    Args:
      lengths: comma-separated lengths; None or empty: `default` and the shorter ones of BUCKETS, or of
        BUCKETS_OF_ONE_GRAPH.
      default: longest length if none are given.
      config: config of the model, which limits the length.
      one_graph: whether they are to share one graph.

    Raises:
      UsageError: a length is not a number, is too short, is longer than the position table, or is named twice.
    """
    try:
        wanted = (
            sorted(int(word) for word in lengths.split(","))
            if lengths
            else [*(n for n in (BUCKETS_OF_ONE_GRAPH if one_graph else BUCKETS) if n < default), default]
        )
    except ValueError:
        raise UsageError(f"--sequence_lengths={lengths}: must be whole numbers, such as 32,64,128") from None
    if len(set(wanted)) < len(wanted):
        raise UsageError(f"--sequence_lengths={lengths}: names a length twice")
    if wanted[0] < SHORTEST:
        raise UsageError(f"--sequence_lengths={lengths}: {wanted[0]} is too short; [CLS] text [SEP] needs {SHORTEST}")
    if wanted[-1] > config.max_position_embeddings:
        raise UsageError(
            f"--sequence_lengths: {wanted[-1]} word pieces do not fit this model, "
            f"whose position table ends at {config.max_position_embeddings}"
        )
    return wanted
