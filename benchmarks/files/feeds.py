"""Inputs that files are timed with: a contract's examples, texts of a table, value files, or random ids."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mobilebert_tf import fields
from mobilebert_tf.benchmarks.files.inputs import IDS, MASK, SEGMENTS, Signature, made_up
from mobilebert_tf.errors import UsageError
from mobilebert_tf.litert.lookups import table_rows
from mobilebert_tf.tokenization import Tokenizer

MOST = 64
"""Largest number of different inputs per signature: more would only take longer to prepare."""

CONTRACT = ".contract.json"


class Feeds(Protocol):
    """Source of inputs."""

    def rows(self, signature: Signature) -> tuple[dict[str, np.ndarray], str]:
        """Values [N, ...] by input, and a description of them.

        Raises:
          UsageError: this signature has no values, or one is outside the file's embedding tables.
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class Beside:
    """Examples of the contract next to a file; without one, random ids that the file's tables have rows for."""

    def rows(self, signature: Signature) -> tuple[dict[str, np.ndarray], str]:
        path = Path(signature.path)
        contract = path.with_name(path.stem + CONTRACT)
        examples = [one for one in _examples(contract) if one["signature"] == signature.name]
        if examples and signature.roles and signature.length:
            texts = [(one["ids"], one["segment_ids"]) for one in examples[:MOST]]
            return _padded(signature, texts), f"{len(texts)} examples of {contract.name}"
        if not (roles := signature.roles):
            return {}, "none"
        words = table_rows(path.read_bytes(), signature.name).get(_key_of(signature, IDS), 0)
        by_role = made_up(signature.length or 1, words or 5)
        return {key: by_role[one] for key, one in roles.items()}, f"made up: random ids below {words or 5}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Texts:
    """Texts of the task's table."""

    name: str
    texts: Sequence[str]
    tokenizer: Tokenizer

    def rows(self, signature: Signature) -> tuple[dict[str, np.ndarray], str]:
        length = signature.length
        if not signature.roles or length is None:
            raise UsageError(
                f"{signature.path}: takes no token ids, so no texts; give a directory of values as --inputs"
            )
        first, last = self.tokenizer.id("[CLS]"), self.tokenizer.id("[SEP]")
        pieces = self.tokenizer.encode_batch(list(self.texts[:MOST]))
        ids = [[first, *own[: length - 2], last] for own in pieces]
        words = table_rows(Path(signature.path).read_bytes(), signature.name).get(_key_of(signature, IDS))
        if words is not None and (largest := max(map(max, ids))) >= words:
            raise UsageError(
                f"{signature.path}: its word table has {words:,} rows, but texts of {self.name} have the id "
                f"{largest:,}; give the vocabulary that it was made with as --vocab"
            )
        return _padded(signature, [(own, [0] * len(own)) for own in ids]), f"{len(ids)} texts of {self.name}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Values:
    """A value file for each input: raw little-endian, as `benchmark_model` reads it, or .npy."""

    directory: Path

    def rows(self, signature: Signature) -> tuple[dict[str, np.ndarray], str]:
        arrays = {}
        for key, about in signature.inputs.items():
            name = key if signature.name else str(about["name"])
            arrays[key] = self._values(name, about)
        counts = {len(values) for values in arrays.values()}
        if len(counts) > 1:
            raise UsageError(
                f"{self.directory}: its files hold values for {' and '.join(map(str, sorted(counts)))} inferences"
            )
        self._check(signature, arrays)
        return arrays, f"{counts.pop()} values of {self.directory.name}"

    def _values(self, name: str, about: Mapping[str, Any]) -> np.ndarray:
        shape, dtype = [int(size) for size in about["shape"]], np.dtype(about["dtype"])
        for path in (self.directory / f"{name}.npy", self.directory / f"{name}.bin"):
            if not path.is_file():
                continue
            try:
                values = _array(path) if path.suffix == ".npy" else np.fromfile(path, dtype.newbyteorder("<"))
                values = values.reshape(-1, *shape)
            except ValueError:
                raise UsageError(f"{path}: does not hold whole inputs of {dtype.name} {shape}") from None
            if not len(values):
                raise UsageError(f"{path}: is empty")
            return values
        raise UsageError(f"{self.directory}: has neither {name}.npy nor {name}.bin, the values of an input")

    def _check(self, signature: Signature, found: Mapping[str, np.ndarray]) -> None:
        tables = table_rows(Path(signature.path).read_bytes(), signature.name)
        for key, values in found.items():
            rows = tables.get(key)
            if rows is not None and (values.min() < 0 or values.max() >= rows):
                raise UsageError(
                    f"{self.directory}: values of {key} range from {values.min():,} to {values.max():,}, but the "
                    f"file's table has {rows:,} rows"
                )


def _array(path: Path) -> np.ndarray:
    """The content of a .npy file. Raises ValueError: it is not a .npy file, or is cut short."""
    with path.open("rb") as file:
        values: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    return values


def _examples(contract: Path) -> list[dict[str, Any]]:
    if not contract.is_file():
        return []
    examples = fields.read_object(contract).get("examples", [])
    needed = {"signature", "ids", "segment_ids"}
    return [one for one in examples if isinstance(one, dict) and needed <= set(one)]


def _padded(signature: Signature, texts: Sequence[tuple[Sequence[int], Sequence[int]]]) -> dict[str, np.ndarray]:
    assert signature.roles and signature.length
    values = {one: np.zeros((len(texts), 1, signature.length), np.int64) for one in (IDS, MASK, SEGMENTS)}
    for number, (ids, segments) in enumerate(texts):
        real = min(len(ids), signature.length)
        values[IDS][number, 0, :real] = ids[:real]
        values[SEGMENTS][number, 0, :real] = segments[:real]
        values[MASK][number, 0, :real] = 1
    return {key: values[one] for key, one in signature.roles.items()}


def _key_of(signature: Signature, wanted: str) -> str:
    return next(key for key, one in (signature.roles or {}).items() if one == wanted)
