"""Pre-training on masked words and next sentences: the configuration of a network that fits the records."""

from __future__ import annotations

import os
from pathlib import Path

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.data.pretraining_input import RecordSet, load_records
from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import read_object
from mobilebert_tf.tokenization import Tokenizer


def config_for(model: str, records: RecordSet, tokenizer: Tokenizer) -> MobileBertConfig:
    """The configuration `model` (a preset's name or a JSON file) with the records' vocabulary.

    Raises:
      UsageError: the preset or file does not exist, the file has another vocabulary size, or the records are longer
        than the position table.
    """
    if os.path.exists(model) and Path(model).suffix == ".json":
        config = MobileBertConfig.from_dict(read_object(Path(model)), source=model)
        if config.vocab_size != tokenizer.size:
            raise UsageError(
                f"{model}: vocab_size is {config.vocab_size}, the records' vocabulary has {tokenizer.size} pieces"
            )
    else:
        config = MobileBertConfig.preset(model, vocab_size=tokenizer.size)
    check_length(config, records)
    return config


def load_held_out(directory: str | None, config: MobileBertConfig, tokenizer: Tokenizer) -> RecordSet | None:
    """The held-out records, which only score a model; None without a directory.

    Raises:
      UsageError: `load_records` fails, or the records are longer than the position table or have another vocabulary.
    """
    if directory is None:
        return None
    records = load_records(directory)
    check_length(config, records)
    if not Tokenizer.from_vocab(records.vocab).reads_like(tokenizer):
        raise UsageError(
            f"--held_out={directory}: made with another vocabulary, or other rules for case and accents, than the "
            "training records"
        )
    return records


def check_next_sentence(records: RecordSet) -> None:
    """Raise UsageError if records may have a single segment, which has no next sentence."""
    if records.single_segment_prob:
        raise UsageError(
            f"{records.directory}: made with --single_segment_prob={records.single_segment_prob:g}, so next-sentence "
            "prediction cannot be learned from them; make records without it"
        )


def check_length(config: MobileBertConfig, records: RecordSet) -> None:
    """Raise UsageError if the records are longer than the position table."""
    if records.max_seq_length > config.max_position_embeddings:
        raise UsageError(
            f"{records.directory}: examples have {records.max_seq_length} pieces, the model's position table "
            f"{config.max_position_embeddings}; make records with a smaller --max_seq_length"
        )
