"""Masked words and next sentence as a task: which network fits the records, and how well it does."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.data.pretraining_input import RecordSet, load_records, one_pass
from mobilebert_tf.errors import UsageError
from mobilebert_tf.models import PretrainingModel
from mobilebert_tf.tokenization import Tokenizer, read_vocab
from mobilebert_tf.transfer.objectives import prediction_terms

SCORED_EXAMPLES = 2048
"""How many held-out examples are scored at most."""

_BATCH = 32


def config_for(model: str, records: RecordSet, tokenizer: Tokenizer) -> MobileBertConfig:
    """The configuration `model` (a preset's name or a JSON file) with the records' vocabulary.

    Raises:
      UsageError: there is no such preset or file, or the records are longer than the
        position table.
    """
    if os.path.exists(model) and Path(model).suffix == ".json":
        try:
            config = MobileBertConfig.from_dict(json.loads(Path(model).read_text(encoding="utf-8")), source=model)
        except ValueError:  # UnicodeDecodeError too
            raise UsageError(f"{model}: is not readable as JSON") from None
        if config.vocab_size != tokenizer.size:
            raise UsageError(
                f"{model}: vocab_size is {config.vocab_size}, the records' vocabulary has {tokenizer.size} pieces"
            )
    else:
        config = MobileBertConfig.preset(model, vocab_size=tokenizer.size)
    check_length(config, records)
    return config


def load_held_out(directory: str | None, config: MobileBertConfig, tokenizer: Tokenizer) -> RecordSet | None:
    """The records that only score a model; None if none are named.

    Raises:
      UsageError: as `load_records`; they do not fit into the position table or have another vocabulary.
    """
    if directory is None:
        return None
    records = load_records(directory)
    check_length(config, records)
    if read_vocab(records.vocab) != tokenizer.vocab:
        raise UsageError(f"--held_out={directory}: made with another vocabulary than the training records")
    return records


def check_length(config: MobileBertConfig, records: RecordSet) -> None:
    """Raise UsageError if the records do not fit into the position table."""
    if records.max_seq_length > config.max_position_embeddings:
        raise UsageError(
            f"{records.directory}: examples have {records.max_seq_length} pieces, the model's position table "
            f"{config.max_position_embeddings}; make records with a smaller --max_seq_length"
        )


def score(model: PretrainingModel, records: RecordSet, teacher: PretrainingModel | None = None) -> dict[str, Any]:
    """Losses (nats) and accuracies of both heads over held-out records, without dropout.

    With a teacher also `teacher_agreement`: the share of masked words where both
    models' first choice is the same.
    """

    @tf.function(autograph=False)
    def terms(batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        outputs = model(batch, training=False)
        result = prediction_terms(outputs, batch)
        result["words"] = tf.reduce_sum(batch["masked_lm_weights"])
        if teacher is not None:
            ours, theirs = (
                tf.argmax(logits, axis=-1)
                for logits in (outputs["masked_word_logits"], teacher(batch, training=False)["masked_word_logits"])
            )
            same = tf.cast(ours == theirs, tf.float32) * batch["masked_lm_weights"]
            result["teacher_agreement"] = tf.reduce_sum(same) / tf.maximum(result["words"], 1.0)
        return result

    rows, sizes = [], []
    for batch in one_pass(records, _BATCH, SCORED_EXAMPLES):
        rows.append({name: float(value) for name, value in terms(batch).items()})
        sizes.append(int(batch["input_ids"].shape[0]))
    words, examples = np.array([row.pop("words") for row in rows]), np.array(sizes)
    # Batches differ in their number of masked words; each metric is weighted by what it is a mean of.
    means = {
        name: float(np.average([row[name] for row in rows], weights=examples if name.startswith("next") else words))
        for name in rows[0]
    }
    return {"examples": int(examples.sum()), **means}


def show(metrics: Any) -> str:
    """One line of a score."""
    line = (
        f"masked words {metrics['masked_word_accuracy']:.1%} right (loss {metrics['masked_word_loss']:.3f}), "
        f"next sentence {metrics['next_sentence_accuracy']:.1%}"
    )
    return line + (f", {metrics['teacher_agreement']:.1%} as the teacher" if "teacher_agreement" in metrics else "")
