"""Hugging Face directories: `config.json`, `model.safetensors` (or shards of it), tokenizer.

Both files come from strangers. Nothing in them is run, and no name in them leads out
of the directory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from mobilebert_tf import atomic
from mobilebert_tf.checkpoints import beside
from mobilebert_tf.checkpoints.checkpoint import Allowed, Architecture, Checkpoint, check_vocabulary, match
from mobilebert_tf.checkpoints.huggingface_config import CLASSES, from_huggingface, to_huggingface
from mobilebert_tf.checkpoints.names import Weight
from mobilebert_tf.config import Heads, MobileBertConfig
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks.files import read_json, read_labels
from mobilebert_tf.tokenizer_files import read_tokenizer, write_huggingface_tokenizer

FILE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLE = "pytorch_model.bin"

# Tied to the word table and to the bias of the masked words: checked, then left out.
_TIED = {"cls.predictions.decoder.weight": "word_table", "cls.predictions.decoder.bias": "masked_words/bias"}


def open_checkpoint(path: Path, allowed: Allowed, head: str | None = None, vocab: str | None = None) -> Checkpoint:
    """The model in a Hugging Face directory, with or without the prefix of its encoder's names.

    Args:
      head: the one to read, if `architectures` does not say it.
      vocab: a vocabulary; by default the directory's.

    Raises:
      UsageError: a file is missing, damaged or a pickle, or the model is none of those known here.
    """
    source = path / "config.json"
    values = read_json(source)
    arrays = _Arrays(path)
    # Files of BERT's first years name no type; only MobileBERT projects its embeddings.
    projects = any("embedding_transformation" in name for name in arrays.names)
    values.setdefault("model_type", "mobilebert" if projects else "bert")
    config = from_huggingface(values, source)
    prefix = f"{values['model_type']}."
    if not any(name.startswith(prefix) for name in arrays.names):
        prefix = ""
    aliases = {_modern(name): name for name in arrays.names}
    shapes = {name: arrays.shape(there) for name, there in aliases.items()}
    heads = _heads(values, shapes, head, path)
    if not any(name.startswith(f"{prefix}pooler.") for name in shapes) and not {
        "next_sentence",
        "classifier",
    } & set(heads.present):
        # These classes build no pooler, whatever the configuration says.
        config = MobileBertConfig.from_dict({**vars(config), "classifier_activation": False})
    tokenizer = read_tokenizer(path, vocab)
    check_vocabulary(path, config, tokenizer)
    named = read_labels(path) or _labels(values, heads, source)
    labels = beside.labels_or_numbers(named, heads, path)

    def name_of(weight: Weight) -> str:
        return prefix + weight.huggingface if weight.in_encoder else weight.huggingface

    wanted, missing, extra = match(
        path,
        config,
        heads,
        shapes,
        name_of,
        turned=lambda weight: weight.huggingface_transposed,
        unneeded=lambda name: name in _TIED or name.endswith("embeddings.position_ids"),
        allowed=allowed,
    )

    def read(weight: Weight) -> np.ndarray:
        array = arrays.read(aliases[name_of(weight)])
        return array.T if weight.huggingface_transposed else array

    _check_ties(path, arrays, aliases, wanted, read)
    architecture = Architecture(config, labels, tokenizer, beside.task_of(path, labels, config, heads))
    return Checkpoint(path, "huggingface", architecture, heads, tuple(_files(path)), wanted, read, missing, extra)


def write_checkpoint(checkpoint: Checkpoint, directory: Path) -> list[str]:
    """Write `config.json`, `model.safetensors`, tokenizer; returns warnings.

    Raises:
      UsageError: Hugging Face's models cannot be this one.
    """
    warnings: list[str] = []
    values = to_huggingface(checkpoint.config, checkpoint.heads, checkpoint.architecture.labels)
    prefix = f"{values['model_type']}." if checkpoint.heads.present else ""
    arrays = {}
    for weight in checkpoint.weights:
        array = beside.read_checked(checkpoint, weight, warnings)
        name = prefix + weight.huggingface if weight.in_encoder else weight.huggingface
        arrays[name] = np.ascontiguousarray(array.T if weight.huggingface_transposed else array)
    with atomic.write_aside(directory / FILE) as aside:
        safetensors.numpy.save_file(arrays, aside, metadata={"format": "pt"})
    atomic.write_json(directory / "config.json", values)
    if checkpoint.architecture.tokenizer:
        longest = checkpoint.config.max_position_embeddings
        write_huggingface_tokenizer(directory, checkpoint.architecture.tokenizer, longest)
    beside.write_task_or_labels(checkpoint, directory)
    return warnings


class _Arrays:
    """The tensors of one file or of several; each is read, from mapped memory, when it is asked for."""

    def __init__(self, path: Path):
        self._file_of: dict[str, Any] = {}
        for file in _files(path):
            try:
                opened = safetensors.safe_open(file, framework="np")
            except (safetensors.SafetensorError, OSError, ValueError) as error:
                raise UsageError(f"{file}: is damaged or no safetensors file ({_first_line(error)})") from None
            for name in opened.keys():
                if name in self._file_of:
                    raise UsageError(f"{file}: {name} is in another file of {path} too")
                self._file_of[name] = (file, opened)
        self.names = frozenset(self._file_of)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._file_of[name][1].get_slice(name).get_shape())

    def read(self, name: str) -> np.ndarray:
        file, opened = self._file_of[name]
        try:
            return opened.get_tensor(name)
        except (safetensors.SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(f"{file}: {name} cannot be read ({_first_line(error)})") from None


def _files(path: Path) -> list[Path]:
    if (path / FILE).exists():
        return [path / FILE]
    if not (path / INDEX).exists():
        if (path / PICKLE).exists():
            raise UsageError(
                f"{path / PICKLE}: a pickle can run code and is not read; where PyTorch is, make {FILE} of it: "
                f'cd {path} && python -c "import torch, safetensors.torch as s; s.save_file({{k: v.clone() for k, v '
                f"in torch.load('{PICKLE}', weights_only=True).items()}}, '{FILE}')\""
            )
        raise UsageError(f"{path}: has no {FILE}")
    weight_map = read_json(path / INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
        raise UsageError(f"{path / INDEX}: has no weight_map from tensors to files")
    files = []
    for name in sorted(set(weight_map.values())):
        if name in ("", ".", "..") or Path(name).name != name or "\\" in name:
            raise UsageError(f"{path / INDEX}: {name!r} is no file of this directory")
        if not (path / name).exists():
            raise UsageError(f"{path / name}: missing, {INDEX} names it")
        files.append(path / name)
    return files


def _modern(name: str) -> str:
    """Names of old files: a norm's gamma and beta."""
    if name.endswith((".gamma", ".beta")):
        stem, last = name.rsplit(".", 1)
        return f"{stem}.{'weight' if last == 'gamma' else 'bias'}"
    return name


def _heads(values: Mapping[str, Any], shapes: Mapping[str, Any], head: str | None, path: Path) -> Heads:
    classes = values.get("architectures") or []
    named = classes[0] if isinstance(classes, list) and classes and isinstance(classes[0], str) else ""
    if named.endswith("ForMultipleChoice"):
        raise UsageError(f"{path}: {named} has a head for multiple choice, which this project has not")
    said = next((heads[0] for heads, ending in CLASSES.items() if len(heads) == 1 and named.endswith(ending)), None)
    marks = {
        "masked_words": "cls.predictions.bias",
        "next_sentence": "cls.seq_relationship.weight",
        "classifier": "classifier.weight",
        "answer_span": "qa_outputs.weight",
    }
    found = [name for name, mark in marks.items() if mark in shapes]
    labels = shapes["classifier.weight"][0] if "classifier" in found else 0
    return beside.choose_heads(found, labels, head or said, path)


def _labels(values: Mapping[str, Any], heads: Heads, source: Path) -> tuple[str, ...] | None:
    names = values.get("id2label")
    if not heads.labels or names is None:
        return None
    try:
        return tuple(str(names[str(i)]) for i in range(len(names)))
    except (KeyError, TypeError):
        raise UsageError(f"{source}: id2label does not number its labels from 0 on") from None


def _check_ties(
    path: Path,
    arrays: _Arrays,
    aliases: Mapping[str, str],
    wanted: tuple[Weight, ...],
    read: Callable[[Weight], np.ndarray],
) -> None:
    for copy, ours in _TIED.items():
        original = next((weight for weight in wanted if weight.name.endswith(ours)), None)
        if copy not in aliases or original is None:
            continue
        if not np.array_equal(arrays.read(aliases[copy]), read(original), equal_nan=True):
            raise UsageError(f"{path}: {copy} is not equal to {original.huggingface}; only tied ones can be held here")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["unknown reason"])[0]
