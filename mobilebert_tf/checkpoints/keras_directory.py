"""This project's model directory as a checkpoint."""

from __future__ import annotations

from pathlib import Path

from mobilebert_tf import atomic
from mobilebert_tf.checkpoints import beside
from mobilebert_tf.checkpoints.checkpoint import Allowed, Architecture, Checkpoint, check_vocabulary, match
from mobilebert_tf.config import HEADS, Heads, MobileBertConfig
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks.files import read_json, read_labels
from mobilebert_tf.tokenizer_files import read_tokenizer, write_tokenizer
from mobilebert_tf.weights_file import WEIGHTS, WeightsFile, write_weights


def open_checkpoint(path: Path, allowed: Allowed, vocab: str | None = None) -> Checkpoint:
    """The model in a model directory.

    Raises:
      UsageError: a file is missing, broken, or belongs to another architecture.
    """
    source = path / "config.json"
    config = MobileBertConfig.from_dict(read_json(source), source=str(source))
    tokenizer = read_tokenizer(path, vocab)
    check_vocabulary(path, config, tokenizer)
    file = WeightsFile(path / WEIGHTS)
    names = {name.split("/")[0] for name in file.shapes}
    labels = next(
        (file.shapes[key][0] for h in ("classifier", "token_classifier") if (key := f"{h}/dense/bias") in file.shapes),
        0,
    )
    heads = Heads.of(names & set(HEADS), labels)
    named = beside.labels_or_numbers(read_labels(path), heads, path)
    task = beside.task_of(path, named, config, heads)
    if task and task.max_seq_length > config.max_position_embeddings:
        raise UsageError(
            f"{path}: task.json says max_seq_length={task.max_seq_length}, the position table of config.json "
            f"ends at {config.max_position_embeddings}; they belong to different models"
        )
    wanted, missing, extra = match(
        path / WEIGHTS,
        config,
        heads,
        file.shapes,
        name_of=lambda weight: weight.name,
        turned=lambda weight: False,
        unneeded=lambda name: False,
        allowed=allowed,
    )
    architecture = Architecture(config, named, tokenizer, task)
    files = (path / WEIGHTS,)
    return Checkpoint(path, "keras", architecture, heads, files, wanted, lambda w: file.read(w.name), missing, extra)


def write_checkpoint(checkpoint: Checkpoint, directory: Path) -> list[str]:
    """Write `config.json`, `model.weights.h5`, tokenizer, task; returns warnings."""
    warnings: list[str] = []
    arrays = ((weight.name, beside.read_checked(checkpoint, weight, warnings)) for weight in checkpoint.weights)
    write_weights(directory / WEIGHTS, arrays)
    atomic.write_text(directory / "config.json", checkpoint.config.to_json())
    if checkpoint.architecture.tokenizer:
        write_tokenizer(directory, checkpoint.architecture.tokenizer)
    beside.write_task_or_labels(checkpoint, directory)
    return warnings
