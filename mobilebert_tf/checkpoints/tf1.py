"""Google's checkpoints: variables with TensorFlow 1 names, read and written by TensorFlow 2."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf import atomic
from mobilebert_tf.checkpoints import beside
from mobilebert_tf.checkpoints.checkpoint import (
    Allowed,
    Architecture,
    Checkpoint,
    check_vocabulary,
    find_heads,
    match,
    require_network,
)
from mobilebert_tf.checkpoints.google_config import from_google, heads_kept, to_google
from mobilebert_tf.checkpoints.names import Weight
from mobilebert_tf.checkpoints.sentence_vectors import read_modules
from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.data import tensorflow_parts
from mobilebert_tf.errors import UsageError, first_line
from mobilebert_tf.tasks.files import read_json
from mobilebert_tf.tokenizer_files import read_tokenizer, write_tokenizer

CONFIG = "bert_config.json"

# Variables that training saves besides the weights: step counters, and the moments of any optimizer.
_UNNEEDED = re.compile(
    r"(^|/)(global_step|beta[12]_power|adam_[mv]|lamb_[mv]|Adam(_1)?|(Adam|LAMB)\w*|ExponentialMovingAverage)$"
    r"|^loss_scale|^good_steps|^teacher/"
)


_OBJECT_BASED = (".ATTRIBUTES/VARIABLE_VALUE", "_CHECKPOINTABLE_OBJECT_GRAPH")


def is_checkpoint(path: Path) -> bool:
    """Whether `path` is a prefix such as `dir/bert_model.ckpt`, one of a checkpoint's files, or their directory."""
    return bool(_index_file(path))


def open_checkpoint(
    path: Path, allowed: Allowed, head: str | None = None, config: str | None = None, vocab: str | None = None
) -> Checkpoint:
    """The checkpoint at a prefix, or the newest one in a directory.

    Args:
      head: head to read; by default, top-level `output_weights` are a classifier unless the configuration names a head.
      config: preset or `bert_config.json`; default: the file in the directory.
      vocab: vocabulary file; default: `vocab.txt` in the directory.

    Raises:
      UsageError: a file is missing or damaged, or the names are not those of the architecture.
    """
    prefix = _prefix(path)
    directory = prefix.parent
    reader = _reader(prefix)
    shapes = {name: tuple(shape) for name, shape in reader.get_variable_to_shape_map().items()}
    if any(name.endswith(_OBJECT_BASED) for name in shapes):
        raise UsageError(
            f"{prefix}: is a TensorFlow 2 checkpoint (tf.train.Checkpoint), whose names depend on the program that "
            "wrote it; only TensorFlow 1's are read; take the model's Hugging Face directory, if it has one"
        )
    described, values, source = _config(directory, config)
    tokenizer = read_tokenizer(directory, vocab)
    check_vocabulary(directory, source, described, tokenizer, vocab)
    require_network(prefix, described, shapes, _name)
    found, count = find_heads(described, shapes, _name)
    kept = heads_kept(values)
    single_head = kept.present[0] if kept and len(kept.present) == 1 else None
    heads = beside.choose_heads(found, count, head or single_head, prefix)
    labels = beside.labels_of(directory, heads)
    wanted, missing, extra = match(
        prefix,
        source,
        described,
        heads,
        shapes,
        name_of=_name,
        turned=lambda weight: weight.google_transposed,
        unneeded=lambda name: bool(_UNNEEDED.search(name)),
        allowed=allowed,
    )

    def read(weight: Weight) -> np.ndarray:
        array = _tensor(reader, prefix, _name(weight))
        return array.T if weight.google_transposed else array

    task = beside.task_of(directory, labels, described, heads, head)
    architecture = Architecture(described, labels, tokenizer, task, read_modules(directory))
    files = tuple(sorted(directory.glob(f"{glob.escape(prefix.name)}.data-*")))
    return Checkpoint(
        path if path.is_dir() else prefix, "tf1", architecture, heads, files, wanted, read, missing, extra
    )


def write_checkpoint(checkpoint: Checkpoint, directory: Path) -> list[str]:
    """Write `NAME.ckpt.*`, `checkpoint`, `bert_config.json`, tokenizer and task; returns warnings."""
    warnings: list[str] = []
    name = "mobilebert_variables.ckpt" if checkpoint.config.use_bottleneck else "bert_model.ckpt"

    def arrays() -> Iterator[tuple[str, np.ndarray]]:
        for weight in checkpoint.weights:
            array = beside.read_checked(checkpoint, weight, warnings)
            yield weight.google, array.T if weight.google_transposed else array

    tensorflow_parts.save(str(directory / name), arrays())
    atomic.write_text(
        directory / "checkpoint", f'model_checkpoint_path: "{name}"\nall_model_checkpoint_paths: "{name}"\n'
    )
    atomic.write_json(directory / CONFIG, to_google(checkpoint.config, checkpoint.heads))
    if checkpoint.architecture.tokenizer:
        write_tokenizer(directory, checkpoint.architecture.tokenizer)
    beside.write_task_or_labels(checkpoint, directory)
    return warnings


def _name(weight: Weight) -> str:
    return weight.google


def _config(directory: Path, config: str | None) -> tuple[MobileBertConfig, dict[str, Any], str]:
    """The configuration, all values of its file, and its source, for messages."""
    if config and not config.endswith(".json"):
        return MobileBertConfig.preset(config), {}, f"--config={config}"
    path = Path(config) if config else directory / CONFIG
    if not config and not path.exists():
        others = sorted(set(directory.glob("*config*.json")) - {directory / "tokenizer_config.json"})
        if not others:
            raise UsageError(f"{directory}: has no {CONFIG}; give --config=mobilebert, another preset, or a file")
        path = others[0]
    source, values = f"--config={config}" if config else path.name, read_json(path)
    if {"mask_mode", "mask_constant"} <= set(values):  # config.json of a model directory
        return MobileBertConfig.from_dict(values, source=str(path)), {}, source
    return from_google(values, path), values, source


def _index_file(path: Path) -> Path | None:
    if path.is_file() and path.name in (CONFIG, "checkpoint"):
        return _index_file(path.parent)
    if not path.is_dir():
        index = path.with_name(re.sub(r"\.(index|meta|data-\d{5}-of-\d{5})$", "", path.name) + ".index")
        return index if index.exists() else None
    indices = {index.name.removesuffix(".index"): index for index in path.glob("*.index")}
    listed = path / "checkpoint"
    if listed.is_file():
        text = listed.read_text(encoding="utf-8", errors="replace")
        named = re.search(r'^model_checkpoint_path: "([^"]+)"', text, re.M)
        # TensorFlow often writes the full path that the checkpoint had on the machine that wrote it.
        name = re.split(r"[/\\]", named[1])[-1] if named else ""
        if name in indices:
            return indices[name]
    if len(indices) > 1:
        raise UsageError(
            f"{path}: has several checkpoints ({', '.join(sorted(indices))}); give the path of one of them"
        )
    return next(iter(indices.values()), None)


def _prefix(path: Path) -> Path:
    index = _index_file(path)
    if index is None:
        raise UsageError(f"{path}: no such TensorFlow checkpoint; its files end in .index and .data-00000-of-00001")
    prefix = index.with_name(index.name.removesuffix(".index"))
    files = prefix.parent.glob(f"{glob.escape(prefix.name)}.data-*")
    pieces = (re.search(r"\.data-\d{5}-of-(\d{5})$", path.name) for path in files)
    count = max((int(piece[1]) for piece in pieces if piece), default=1)
    for number in range(count):
        piece = prefix.with_name(f"{prefix.name}.data-{number:05d}-of-{count:05d}")
        if not piece.exists():
            raise UsageError(f"{piece}: missing, a checkpoint needs all of its {count} data file(s)")
    return prefix


# Errors of a file that ends too early; for other faults TensorFlow raises a class of its own for each status.
_UNREADABLE = (ValueError, RuntimeError, IndexError, OSError, KeyError)


def _reader(prefix: Path) -> Any:
    try:
        return tensorflow_parts.Reader(str(prefix))
    except Exception as error:
        raise _damaged(error, f"{prefix}: is not a readable checkpoint") from None


def _tensor(reader: Any, prefix: Path, name: str) -> np.ndarray:
    try:
        return reader.get_tensor(name)
    except Exception as error:
        raise _damaged(error, f"{prefix}: {name} cannot be read, the data file is damaged or cut short") from None


def _damaged(error: Exception, message: str) -> Exception:
    """A UsageError if TensorFlow raised the error about its input; a bug's error is returned unchanged."""
    if isinstance(error, _UNREADABLE) or type(error).__module__.startswith("tensorflow."):
        return UsageError(f"{message} ({first_line(error)})")
    return error
