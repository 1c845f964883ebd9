"""Summary of a model's parts and cost, from its configuration and table of weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from mobilebert_tf import text_table
from mobilebert_tf.checkpoints.checkpoint import Checkpoint
from mobilebert_tf.checkpoints.names import Weight
from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import UsageError
from mobilebert_tf.run_directory import RECORD, read_record


def parameters_by_part(weights: Iterable[Weight]) -> dict[str, int]:
    """Number of parameters of each part; all blocks are one part."""
    count: Counter[str] = Counter()
    for weight in weights:
        count["blocks" if weight.part.startswith("block_") else weight.part] += weight.size
    return dict(count)


def multiply_accumulates(config: MobileBertConfig, weights: Iterable[Weight], length: int) -> int:
    """Number of multiply-accumulates in the encoder's matrix products for one input of `length` word pieces, without
    pooler and heads."""
    matrices = sum(
        weight.size
        for weight in weights
        if weight.name.endswith("/kernel") and (weight.part == "embeddings" or weight.part.startswith("block_"))
    )
    # Scores and context are two T x T products over the width inside each block.
    attention = 2 * length * length * config.intra_bottleneck_size * config.num_hidden_layers
    return matrices * length + attention


def describe(checkpoint: Checkpoint, length: int) -> str:
    """Readable description of a model: parts, architecture, size, cost and origin."""
    config, parts = checkpoint.config, parameters_by_part(checkpoint.weights)
    total = sum(parts.values())
    stored = sum(file.stat().st_size for file in checkpoint.files)
    cost = multiply_accumulates(config, checkpoint.weights, length)
    tokenizer = checkpoint.architecture.tokenizer
    lines = [
        f"{checkpoint.path} ({_WORLDS[checkpoint.world]})",
        "",
        text_table.aligned(
            [
                ("part", "parameters"),
                *((name.replace("_", " "), f"{n:,}") for name, n in (*parts.items(), ("total", total))),
            ]
        ),
        "",
        f"architecture  {config.num_hidden_layers} blocks, {config.hidden_size} wide, {config.intra_bottleneck_size} "
        f"inside, {config.num_attention_heads} heads, {config.num_feedforward_networks} feed-forward networks of "
        f"{config.intermediate_size}, {config.hidden_act}, {config.normalization_type}",
        f"heads         {checkpoint.heads}" + _labels(checkpoint),
        f"vocabulary    {config.vocab_size:,} pieces" + ("" if tokenizer else ", no vocab.txt beside the weights"),
        f"weights       {len(checkpoint.weights):,} arrays, {stored / 1e6:,.1f} MB in "
        f"{', '.join(file.name for file in checkpoint.files)}",
        f"cost          {cost / 1e9:,.3f} G multiply-accumulates for {length} word pieces, heads left out",
        f"made by       {_provenance(checkpoint)}",
    ]
    if checkpoint.missing:
        lines.append(f"missing       taken as a new model has them: {text_table.some(sorted(checkpoint.missing), 4)}")
    if checkpoint.passed_over:
        lines.append(
            f"not needed    {len(checkpoint.passed_over):,} in the file: {text_table.some(checkpoint.passed_over, 4)}"
        )
    return "\n".join(lines)


_WORLDS = {"keras": "model directory", "huggingface": "Hugging Face directory", "tf1": "TensorFlow 1 checkpoint"}


def _labels(checkpoint: Checkpoint) -> str:
    labels = checkpoint.architecture.labels
    return f"; labels {text_table.some(labels, 4)}" if labels else ""


def _provenance(checkpoint: Checkpoint) -> str:
    try:
        made = read_record(checkpoint.path / RECORD).get("made_by", {})
    except (OSError, UsageError):
        return f"unknown: no {RECORD}"
    return f"{made.get('command')} ({made.get('date')}, mobilebert_tf {made.get('mobilebert_tf')})"
