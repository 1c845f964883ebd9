"""One classifier through several recipes: convert, verify, score, time."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf import quiet
from mobilebert_tf.benchmarks import host
from mobilebert_tf.benchmarks.stats import summarize
from mobilebert_tf.errors import FailedError
from mobilebert_tf.export.convert import convert
from mobilebert_tf.export.operators import read_operators
from mobilebert_tf.export.recipes import Recipe
from mobilebert_tf.export.rewrite.rules import REWRITES
from mobilebert_tf.export.runtime import TfliteClassifier
from mobilebert_tf.export.signatures import write_saved_model
from mobilebert_tf.export.verify import Parity, crop, fault, measure_parity, padding_changes
from mobilebert_tf.models import ClassificationModel
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.inference import keras_logits

REJECTED = "rejected"
"""Directory, beside the published files, of those that missed their gate."""

PADDING_EXAMPLES = 8
"""Examples of the padding check, per signature and twice: there is no tolerance to average out."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant:
    """One recipe's row in `report.json`. A recipe that does not convert has no file and no figures."""

    name: str
    file: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    metrics: dict[str, Any] | None = None
    parity: dict[str, Any] | None = None
    padding_invariant: bool | None = None
    ops: dict[str, int] | None = None
    """How often each operator stands in one signature."""
    latency_ms: dict[str, Any] | None = None
    passed: bool = False
    reason: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checks:
    """What the files of an export are held against."""

    parity_features: Mapping[str, np.ndarray]
    """Examples [n, T] that file and Keras are compared on, in every signature."""
    scored_features: Mapping[str, np.ndarray] | None
    """Labelled examples [m, T] of the task score; None: no score."""
    task: ClassificationTask
    latency: host.Settings


def make_variants(
    model: ClassificationModel,
    lengths: Sequence[int],
    recipes: Sequence[Recipe],
    checks: Checks,
    directory: Path,
    rewrites: Sequence[str] = tuple(REWRITES),
) -> list[Variant]:
    """Write `<recipe>.tflite` into `directory`, or into `rejected/` below it, and measure each.

    All hold the network after these `rewrites`; all are compared with the Keras model.

    A recipe that fails does not stop the others; its row says why.

    Raises:
      FailedError: a measuring process died.
    """
    references = {length: keras_logits(model, crop(checks.parity_features, length)) for length in lengths}
    rows = []
    with tempfile.TemporaryDirectory() as saved_model:
        with quiet.native_stderr_hidden():
            write_saved_model(model, lengths, saved_model, rewrites)
        for recipe in recipes:
            print(f"export: {recipe.name} ({recipe.description})", flush=True)
            try:
                content = convert(saved_model, lengths, recipe)
            except FailedError as error:
                rows.append(Variant(name=recipe.name, reason=str(error)))
                continue
            rows.append(_verified(content, recipe, model, references, checks, directory))
    return _timed(rows, checks.latency, directory)


def _verified(
    content: bytes,
    recipe: Recipe,
    model: ClassificationModel,
    references: Mapping[int, np.ndarray],
    checks: Checks,
    directory: Path,
) -> Variant:
    name = f"{recipe.name}.tflite"
    path = directory / name
    path.write_bytes(content)
    classifier = TfliteClassifier(path, checks.latency.threads)
    parity = _parity(classifier, references, checks.parity_features)
    few = {key: values[:PADDING_EXAMPLES] for key, values in checks.parity_features.items()}
    changed = padding_changes(classifier, few, model.config.vocab_size, model.config.trigram_input)
    operators = read_operators(path)
    reason = fault(recipe.gate, parity, changed, operators)
    metrics = None
    if checks.scored_features is not None:
        logits = classifier.logits(checks.scored_features, show_progress=True)
        metrics = checks.task.metrics(logits, checks.scored_features["label"])
    if reason:
        (directory / REJECTED).mkdir(exist_ok=True)
        name = f"{REJECTED}/{name}"
        path.replace(directory / name)
    return Variant(
        name=recipe.name,
        file=name,
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        metrics=metrics,
        parity=dataclasses.asdict(parity),
        padding_invariant=changed == 0,
        ops=operators.counts,
        passed=reason is None,
        reason=reason,
    )


def _parity(
    classifier: TfliteClassifier, references: Mapping[int, np.ndarray], features: Mapping[str, np.ndarray]
) -> Parity:
    """Over all signatures together: each runs every example, against Keras at the same length."""
    lengths = sorted(references)
    candidates = [classifier.logits(crop(features, length), length) for length in lengths]
    return measure_parity(np.concatenate([references[length] for length in lengths]), np.concatenate(candidates))


def _timed(rows: Sequence[Variant], settings: host.Settings, directory: Path) -> list[Variant]:
    """The rows with the latency of their files, measured in turn."""
    files = {row.name: directory / row.file for row in rows if row.file}
    if not files:
        return list(rows)
    subjects = dict(zip(files, host.measure(list(files.values()), settings), strict=True))
    timed = []
    for row in rows:
        if row.name in subjects:
            subject = subjects[row.name]
            figures = dataclasses.asdict(summarize(subject.samples))
            length = subject.details["sequence_length"]
            row = dataclasses.replace(
                row, latency_ms={**figures, "threads": settings.threads, "sequence_length": length}
            )
        timed.append(row)
    return timed
