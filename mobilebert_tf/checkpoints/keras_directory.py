"""Model directories of this project as checkpoints."""

from __future__ import annotations

from pathlib import Path

from mobilebert_tf import atomic
from mobilebert_tf.checkpoints import beside
from mobilebert_tf.checkpoints.checkpoint import (
    Allowed,
    Architecture,
    Checkpoint,
    check_vocabulary,
    match,
    require_network,
)
from mobilebert_tf.checkpoints.sentence_vectors import read_modules
from mobilebert_tf.config import HEADS, Heads, MobileBertConfig
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks.files import read_json
from mobilebert_tf.tokenizer_files import read_tokenizer, write_tokenizer
from mobilebert_tf.weights_file import WEIGHTS, WeightsFile, write_weights


def open_checkpoint(path: Path, allowed: Allowed, head: str | None = None, vocab: str | None = None) -> Checkpoint:
    """The model in a model directory; if `head` is given, the model must have that head.

    Raises:
      UsageError: a file is missing, broken, or belongs to another architecture.
    """
    source = path / "config.json"
    config = MobileBertConfig.from_dict(read_json(source), source=str(source))
    tokenizer = read_tokenizer(path, vocab)
    check_vocabulary(path, source.name, config, tokenizer, vocab)
    file = WeightsFile(path / WEIGHTS)
    require_network(path / WEIGHTS, config, file.shapes, lambda weight: weight.name)
    found = [name for name in HEADS if any(path.startswith(f"{name}/") for path in file.shapes)]
    biases = (file.shapes.get(f"{name}/dense/bias") or (0,) for name in ("classifier", "token_classifier"))
    heads = Heads.of(found, max(bias[0] for bias in biases))
    if head is not None and head not in found:
        raise UsageError(f"{path / WEIGHTS}: has no head {head}; it has: {heads}")
    if len(found) > 1 and not set(found) <= {"masked_words", "next_sentence"}:
        raise UsageError(f"{path / WEIGHTS}: has several heads ({', '.join(found)}); a model directory has one")
    labels = beside.labels_of(path, heads)
    task = beside.task_of(path, labels, config, heads, head)
    wanted, missing, extra = match(
        path / WEIGHTS,
        source.name,
        config,
        heads,
        file.shapes,
        name_of=lambda weight: weight.name,
        turned=lambda weight: False,
        unneeded=lambda name: False,
        allowed=allowed,
    )
    architecture = Architecture(config, labels, tokenizer, task, read_modules(path))
    files = (path / WEIGHTS,)
    return Checkpoint(path, "keras", architecture, heads, files, wanted, lambda w: file.read(w.name), missing, extra)


def write_checkpoint(checkpoint: Checkpoint, directory: Path) -> list[str]:
    """Write `config.json`, `model.weights.h5`, tokenizer and task; returns warnings."""
    warnings: list[str] = []
    arrays = ((weight.name, beside.read_checked(checkpoint, weight, warnings)) for weight in checkpoint.weights)
    write_weights(directory / WEIGHTS, arrays)
    atomic.write_text(directory / "config.json", checkpoint.config.to_json())
    if checkpoint.architecture.tokenizer:
        write_tokenizer(directory, checkpoint.architecture.tokenizer)
    beside.write_task_or_labels(checkpoint, directory)
    return warnings
