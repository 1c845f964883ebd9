"""Hugging Face directories: `config.json`, `model.safetensors` (or shards of it), tokenizer.

These files are untrusted. Nothing in them is run, and no name in them can lead out of the directory.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes  # registers bfloat16 with NumPy, for safetensors
import numpy as np
import safetensors
import safetensors.numpy

from mobilebert_tf import atomic
from mobilebert_tf.checkpoints import beside, sentence_vectors
from mobilebert_tf.checkpoints.checkpoint import (
    Allowed,
    Architecture,
    Checkpoint,
    check_vocabulary,
    find_heads,
    match,
    require_network,
)
from mobilebert_tf.checkpoints.huggingface_config import CLASSES, from_huggingface, to_huggingface
from mobilebert_tf.checkpoints.names import Weight, weights
from mobilebert_tf.config import Heads, MobileBertConfig
from mobilebert_tf.errors import UsageError, first_line
from mobilebert_tf.fields import read as read_fields
from mobilebert_tf.names import plain_name
from mobilebert_tf.tasks import tagging
from mobilebert_tf.tasks.files import read_json
from mobilebert_tf.tokenizer_files import HUGGINGFACE, read_tokenizer, write_huggingface_tokenizer

FILE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLE = "pytorch_model.bin"
ADAPTER = "adapter_config.json"

# Copies of the word table and of the bias of the masked words: checked, then left out.
_DECODER = "cls.predictions.decoder.weight"
_TIED = {_DECODER: "word_table", "cls.predictions.decoder.bias": "masked_words/bias"}


def open_checkpoint(path: Path, allowed: Allowed, head: str | None = None, vocab: str | None = None) -> Checkpoint:
    """The model in a Hugging Face directory, whose names of encoder weights may have or lack their prefix.

    Args:
      head: head to read, if `architectures` does not name it.
      vocab: vocabulary file; default: the directory's.

    Raises:
      UsageError: a file is missing, damaged or a pickle, or the model is of an unknown kind.
    """
    refuse_adapter(path)
    source = path / "config.json"
    values = read_json(source)
    arrays = _Arrays(path)
    classes = _classes(values, source)
    # Early files of BERT name no type; only MobileBERT projects its embeddings.
    projects = any("embedding_transformation" in name for name in arrays.names)
    values.setdefault("model_type", "mobilebert" if projects else "bert")
    config = from_huggingface(values, source)
    prefix = f"{values['model_type']}."
    if not any(name.startswith(prefix) for name in arrays.names):
        prefix = ""
    aliases = {_modern(name): name for name in sorted(arrays.names)}
    if len(aliases) < len(arrays.names):
        raise UsageError(f"{path}: has a norm under both its old and its new name")
    # A file with only one of two tied tables may have either one.
    table = f"{prefix}embeddings.word_embeddings.weight"
    if table not in aliases and _DECODER in aliases:
        aliases[table] = aliases.pop(_DECODER)
    shapes = {name: arrays.shape(stored) for name, stored in aliases.items()}

    def name_of(weight: Weight) -> str:
        return _name(weight, prefix)

    require_network(path, config, shapes, name_of)
    found, count = find_heads(config, shapes, name_of)
    heads = beside.choose_heads(found, count, head or _single_head(classes), path)
    if head is None and classes and set(heads.present) < set(classes):
        raise UsageError(f"{path}: its class has the heads {', '.join(classes)}, its file only: {heads}")
    pooler = [name_of(weight) for weight in weights(config, heads) if weight.part == "pooler"]
    modules = sentence_vectors.read_modules(path)
    has_pooler = any(name in shapes for name in pooler)
    if not {"next_sentence", "classifier"} & set(heads.present):
        # Hugging Face's other classes build no pooler, whatever the configuration says.
        means = sentence_vectors.are_means(modules)
        if means:
            config = dataclasses.replace(config, classifier_pooling="mean")
        if means or not has_pooler:
            config = dataclasses.replace(config, classifier_activation=False)
    tokenizer = read_tokenizer(path, vocab, HUGGINGFACE)
    check_vocabulary(path, source.name, config, tokenizer, vocab)
    labels = beside.labels_of(path, heads, _labels(values, heads, source))
    if heads.labels and head is None and not classes:
        sign = "no pooler" if pooler and not has_pooler else "their labels" if tagging.is_scheme(labels) else None
        if sign:
            raise UsageError(
                f"{source}: has no architectures, and its classifier looks like one that labels tokens: it has {sign}; "
                "`convert --head=token_classifier` reads it as one"
            )

    wanted, missing, extra = match(
        path,
        source.name,
        config,
        heads,
        shapes,
        name_of,
        turned=lambda weight: weight.huggingface_transposed,
        unneeded=lambda name: _is_unneeded(name, shapes[name], config),
        allowed=allowed,
    )

    def read(weight: Weight) -> np.ndarray:
        array = arrays.read(aliases[name_of(weight)])
        return array.T if weight.huggingface_transposed else array

    _check_ties(path, arrays, aliases, wanted, read)
    task = beside.task_of(path, labels, config, heads, head)
    architecture = Architecture(config, labels, tokenizer, task, modules)
    return Checkpoint(path, "huggingface", architecture, heads, tuple(_files(path)), wanted, read, missing, extra)


def write_checkpoint(checkpoint: Checkpoint, directory: Path, dtype: str = "float32") -> list[str]:
    """Write `config.json`, `model.safetensors` and the tokenizer; returns warnings.

    Args:
      dtype: type of the stored weights: float32, float16 or bfloat16.

    Raises:
      UsageError: no model class of Hugging Face can hold this model, or a weight exceeds the range of `dtype`.
    """
    warnings: list[str] = []
    architecture = checkpoint.architecture
    values = to_huggingface(checkpoint.config, checkpoint.heads, architecture.labels, architecture.task)
    prefix = f"{values['model_type']}." if checkpoint.heads.present else ""
    arrays = {}
    for weight in checkpoint.weights:
        array = beside.read_checked(checkpoint, weight, warnings)
        array = np.ascontiguousarray(array.T if weight.huggingface_transposed else array)
        arrays[_name(weight, prefix)] = _stored(array, dtype, weight.name)
    with atomic.write_aside(directory / FILE) as aside:
        try:
            safetensors.numpy.save_file(arrays, aside, metadata={"format": "pt"})
        except safetensors.SafetensorError as error:
            raise _system_error(error) from None
    atomic.write_json(directory / "config.json", values)
    if checkpoint.architecture.tokenizer:
        longest = checkpoint.config.max_position_embeddings
        write_huggingface_tokenizer(directory, checkpoint.architecture.tokenizer, longest)
    beside.write_task_or_labels(checkpoint, directory)
    return warnings


def _stored(array: np.ndarray, dtype: str, name: str) -> np.ndarray:
    largest = float(ml_dtypes.finfo(dtype).max)
    if np.abs(array[np.isfinite(array)]).max(initial=0.0) > largest:
        raise UsageError(f"{name}: has values beyond {dtype}, whose largest is {largest:,.0f}; leave --dtype out")
    return array.astype(dtype, copy=False)


class _Arrays:
    """The tensors of one or several files; `read` loads each from mapped memory on request."""

    def __init__(self, path: Path):
        self._file_of: dict[str, Any] = {}
        for file in _files(path):
            try:
                opened = safetensors.safe_open(file, framework="np")
            except (safetensors.SafetensorError, OSError, ValueError) as error:
                raise UsageError(f"{file}: is damaged or not a safetensors file ({first_line(error)})") from None
            for name in opened.keys():
                if name in self._file_of:
                    raise UsageError(f"{file}: {name} is also in another file of {path}")
                self._file_of[name] = (file, opened)
        self.names = frozenset(self._file_of)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._file_of[name][1].get_slice(name).get_shape())

    def read(self, name: str) -> np.ndarray:
        file, opened = self._file_of[name]
        try:
            return opened.get_tensor(name)
        except (safetensors.SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(f"{file}: {name} cannot be read ({first_line(error)})") from None


def _name(weight: Weight, prefix: str) -> str:
    return prefix + weight.huggingface if weight.in_encoder else weight.huggingface


def refuse_pickle(path: Path) -> None:
    """Raise UsageError, with a fix, if `path` is a pickle of PyTorch or a directory that holds one."""
    folder = path if path.is_dir() else path.parent
    pickled = (PICKLE, f"{PICKLE}.index.json")
    if path.name in pickled or (path.is_dir() and any((path / name).exists() for name in pickled)):
        names = sorted(file.name for file in folder.glob("pytorch_model*.bin")) or [PICKLE]
        raise UsageError(
            f"{path}: a pickle can run code and is not read; where PyTorch is installed, make {FILE} of it: "
            f'cd {shlex.quote(str(folder))} && python -c "import torch, safetensors.torch as s; '
            f"s.save_file({{k: v.contiguous().clone() for f in {names} for k, v in torch.load(f, weights_only=True)"
            f".items()}}, '{FILE}')\""
        )


def refuse_adapter(path: Path) -> None:
    """Raise UsageError if a directory holds an adapter, such as LoRA's, since the weights alone are not the model."""
    if (path / ADAPTER).exists():
        raise UsageError(
            f"{path / ADAPTER}: belongs to an adapter, which changes the model; where PEFT is installed, load both, "
            "call merge_and_unload() and save the result"
        )


@dataclasses.dataclass(frozen=True)
class _Index:
    weight_map: dict[str, str]
    """Name of the file of each tensor."""


def _files(path: Path) -> list[Path]:
    if (path / FILE).exists():
        return [path / FILE]
    if not (path / INDEX).exists():
        raise UsageError(f"{path}: has no {FILE}")
    index: _Index = read_fields(path / INDEX, _Index)
    files = []
    for name in sorted(set(index.weight_map.values())):
        plain_name(name, f"{path / INDEX}: weight_map")
        if not (path / name).exists():
            raise UsageError(f"{path / name}: missing, {INDEX} names it")
        files.append(path / name)
    return files


def _modern(name: str) -> str:
    """The current name of a weight; old files call a norm's weight and bias gamma and beta."""
    if name.endswith((".gamma", ".beta")):
        stem, last = name.rsplit(".", 1)
        return f"{stem}.{'weight' if last == 'gamma' else 'bias'}"
    return name


def _is_unneeded(name: str, shape: tuple[int, ...], config: MobileBertConfig) -> bool:
    """Whether a tensor is one that Hugging Face's code stores but does not use."""
    unused = (
        name in _TIED
        or name.endswith("embeddings.position_ids")
        # An untied table of width zero.
        or 0 in shape
        # Built although use_bottleneck_attention overrides it.
        or (config.use_bottleneck_attention and ".bottleneck.attention." in name)
        or (not config.projects_embeddings and "embeddings.embedding_transformation." in name)
        # sentence-transformers stores it although it takes the mean of the tokens.
        or (config.classifier_pooling != "cls" and not config.classifier_activation and "pooler.dense." in name)
    )
    return unused


def _classes(values: Mapping[str, Any], source: Path) -> tuple[str, ...]:
    """The heads of the model's class; () if the file names none. Raises UsageError: the class is unknown."""
    classes = values.get("architectures") or []
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise UsageError(f"{source}: architectures is {classes!r}; it must be a list of names")
    if not classes:
        return ()
    for family in ("MobileBert", "Bert"):
        for heads, ending in CLASSES.items():
            if classes[0] == family + ending:
                return heads
    endings = ", ".join(CLASSES.values())
    raise UsageError(f"{source}: is of class {classes[0]}; supported are MobileBert and Bert with {endings}")


def _single_head(heads: tuple[str, ...]) -> str | None:
    return heads[0] if len(heads) == 1 else None


def _labels(values: Mapping[str, Any], heads: Heads, source: Path) -> tuple[str, ...] | None:
    names = values.get("id2label")
    if not heads.labels or names is None:
        return None
    try:
        labels = tuple(str(names[str(i)]) for i in range(len(names)))
    except (KeyError, TypeError, IndexError):
        raise UsageError(f"{source}: id2label does not number its labels from 0") from None
    numbers = values.get("label2id")
    numbers = numbers if isinstance(numbers, dict) else {}
    conflicting = [label for number, label in enumerate(labels) if numbers.get(label, number) != number]
    if conflicting:
        raise UsageError(
            f"{source}: id2label and label2id give {conflicting[0]!r} different numbers, so its labels are ambiguous"
        )
    return labels


def _check_ties(
    path: Path,
    arrays: _Arrays,
    aliases: Mapping[str, str],
    wanted: tuple[Weight, ...],
    read: Callable[[Weight], np.ndarray],
) -> None:
    for copy, suffix in _TIED.items():
        original = next((weight for weight in wanted if weight.name.endswith(suffix)), None)
        if copy not in aliases or original is None:
            continue
        if not np.array_equal(arrays.read(aliases[copy]), read(original), equal_nan=True):
            raise UsageError(f"{path}: {copy} differs from {original.huggingface}; only tied tables are supported")


def _system_error(error: Exception) -> Exception:
    """The system's error, such as a full disk, by the number that the library puts into its message."""
    number = re.search(r"\(os error (\d+)\)", str(error))
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else error
