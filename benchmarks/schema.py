"""Validation of benchmark results against `schema.json`, and access to results of any schema version."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jsonschema

from mobilebert_tf import fields
from mobilebert_tf.errors import UsageError

VERSION = 2
"""Version of the schema that is written."""


@functools.cache
def _validator() -> jsonschema.Draft202012Validator:
    schema = json.loads((Path(__file__).parent / "schema.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)


def fault(document: Any) -> str | None:
    """The place and kind of a document's violation of the schema; None: it is valid."""
    # JSON turns numeric keys into text: a document that is about to be written is checked as it will be read.
    error = jsonschema.exceptions.best_match(_validator().iter_errors(json.loads(json.dumps(document))))
    if error is None:
        return None
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    message = error.message if len(error.message) <= 160 else f"...{error.message[-150:]}"
    return f"{place.lstrip('.') or 'the document'}: {message}"


def _not_finite(value: Any, place: str = "") -> str | None:
    """The place of a number that is none, which JSON cannot write but Python does; None: there is none."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{place.lstrip('.')}: is {value}, not a number"
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    places = ((f"{place}[{key}]" if isinstance(key, int) else f"{place}.{key}", one) for key, one in inner)
    return next((said for where, one in places if (said := _not_finite(one, where))), None)


def read(path: Path) -> dict[str, Any]:
    """Read a results file.

    Raises:
      UsageError: it is missing, is not JSON, or violates the schema.
    """
    if not path.is_file():
        raise UsageError(f"{path}: {'is a directory; name its files' if path.is_dir() else 'no such file'}")
    document = fields.read_object(path)
    if wrong := fault(document) or _not_finite(document):
        raise UsageError(f"{path}: {wrong}; it is not the result of a benchmark, or was edited")
    return document


def read_of_kind(path: Path, kind: str) -> dict[str, Any]:
    """Read a results file of one kind of benchmark.

    Raises:
      UsageError: see `read`; or it is of another kind.
    """
    document = read(path)
    if (found := document.get("kind", "pipeline")) != kind:
        raise UsageError(f"{path}: is a result of the kind {found!r}; give one of the kind {kind!r}")
    return document


def where(document: Mapping[str, Any]) -> str:
    """host, emulated, estimated or device; version 1 did not record it, and had no devices."""
    if document.get("schema_version") == VERSION:
        return str(document["where"])
    return "emulated" if document.get("kind") == "instructions" else "host"


def machine_name(made_by: Mapping[str, Any]) -> str:
    """Name of the machine that a result, or an export, was made on."""
    machine = made_by.get("machine") or {}
    return str(machine.get("model") or machine.get("processor") or "a machine")


def core_of(document: Mapping[str, Any]) -> str:
    """The core whose instructions a result has; version 1 had only one, and did not record it."""
    return str(document.get("emulator", {}).get("core", "cortex-a76"))


def verdict(subject: Mapping[str, Any]) -> str:
    """ok, warn or invalid; results of version 1 have no verdict, which counts as warn."""
    return str(subject.get("validity", {}).get("verdict", "warn"))


def has_inferences(subject: Mapping[str, Any]) -> bool:
    """Whether samples are times of single inferences, so that their percentiles are those of an inference.

    Some tools give only a median or mean per process. With texts a sample is the mean over them, even if version 1
    states otherwise.
    """
    return subject.get("samples_are", "inferences") == "inferences" and not subject.get("shares_of_lengths")


def length_label(subject: Mapping[str, Any]) -> str:
    """T of a subject, or "texts" for a mean over texts; empty: the file takes no tokens."""
    return str(subject.get("sequence_length") or ("texts" if subject.get("shares_of_lengths") else ""))


def valid_ratio(subject: Mapping[str, Any], subjects: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The ratio of `subject` to its baseline; None: there is no baseline, or its figures are invalid.

    The baseline is looked up in `subjects` by name and number of threads, then by the same length and the same
    other settings if such a subject exists.
    """
    ratio: Mapping[str, Any] | None = subject.get("ratio")
    if not ratio:
        return None

    def threads(one: Mapping[str, Any]) -> Any:
        return one.get("configuration", {}).get("threads")

    named = [one for one in subjects if one["name"] == ratio["baseline"] and threads(one) == threads(subject)]
    same = [one for one in named if one.get("sequence_length") == subject.get("sequence_length")] or named
    same = [one for one in same if one.get("configuration") == subject.get("configuration")] or same
    return None if any(verdict(one) == "invalid" for one in same) else ratio
