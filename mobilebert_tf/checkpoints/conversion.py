"""Conversion between formats: a path's kind of checkpoint, and the function that writes each kind."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from mobilebert_tf.checkpoints import huggingface, keras_directory, shipped, tf1
from mobilebert_tf.checkpoints.checkpoint import Allowed, Checkpoint
from mobilebert_tf.errors import UsageError
from mobilebert_tf.weights_file import WEIGHTS

WORLDS: dict[str, Callable[..., list[str]]] = {
    "keras": keras_directory.write_checkpoint,
    "huggingface": huggingface.write_checkpoint,
    "tf1": tf1.write_checkpoint,
}


_OTHERS = ("*.onnx", "*.gguf", "*.keras", "*.h5", "flax_model.msgpack", "saved_model.pb", "*.pt", "*.pth", "*.ckpt")
"""Files of models in unsupported formats."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """Choices for reading a checkpoint: facts that it does not state, and differences to accept."""

    allowed: Allowed = Allowed()
    head: str | None = None
    """Head to read, where a file has several or its names leave the kind open."""
    config: str | None = None
    """Preset or configuration file, for a TF1 checkpoint without one."""
    vocab: str | None = None
    """Vocabulary file; None: the checkpoint's."""


def open_checkpoint(path: str | Path, reading: Reading = Reading()) -> Checkpoint:
    """The model at `path`: a model directory, a Hugging Face directory, a TF1 checkpoint (a directory or a prefix), or
    the name of a shipped model. Its weights are read on request.

    Raises:
      UsageError: `path` is none of these, or the model is damaged or contradicts itself.
    """
    path = shipped.located(Path(path))
    is_part = path.match("model-*-of-*.safetensors")
    if path.is_file() and (is_part or path.name in (WEIGHTS, "config.json", huggingface.FILE, huggingface.INDEX)):
        path = path.parent  # the directory is read as a whole
    files = [name for name in (WEIGHTS, huggingface.FILE, huggingface.INDEX) if (path / name).exists()]
    if files and reading.config:
        raise UsageError(f"--config={reading.config}: is for TensorFlow checkpoints; {path} has its own config.json")
    if WEIGHTS in files:
        return keras_directory.open_checkpoint(path, reading.allowed, reading.head, reading.vocab)
    if files:
        return huggingface.open_checkpoint(path, reading.allowed, reading.head, reading.vocab)
    if tf1.is_checkpoint(path):
        return tf1.open_checkpoint(path, reading.allowed, reading.head, reading.config, reading.vocab)
    if not path.exists():
        known = ", ".join(shipped.names()) or "none in this installation"
        raise UsageError(
            f"{path}: no such model directory, Hugging Face directory or TensorFlow checkpoint; models that come with "
            f"the package: {known}"
        )
    huggingface.refuse_adapter(path)
    huggingface.refuse_pickle(path)
    if path.suffix == ".tflite" or any(path.glob("*.tflite")):
        raise UsageError(
            f"{path}: an exported file cannot be converted or trained; its contract and "
            "report.html describe it, and what can is the model directory it was made from"
        )
    others = [name for pattern in _OTHERS for name in sorted(path.glob(pattern))] if path.is_dir() else [path]
    if others and (path.is_dir() or any(path.match(pattern) for pattern in _OTHERS)):
        raise UsageError(f"{others[0]}: has an unsupported format; save the model as {huggingface.FILE}")
    if not path.is_dir():
        raise UsageError(
            f"{path}: is not a model file; give a model directory, or the prefix of a TensorFlow checkpoint"
        )
    raise UsageError(
        f"{path}: holds no model: neither {WEIGHTS}, nor {huggingface.FILE}, nor a TensorFlow checkpoint; "
        "the run that writes it may not have finished"
    )
