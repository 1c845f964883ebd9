"""Is a `.tflite` file the network it was made from? Parity, padding, operators, gates."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from mobilebert_tf.export.operators import Operators
from mobilebert_tf.export.recipes import Gate
from mobilebert_tf.export.runtime import INPUTS, TfliteClassifier, fit


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parity:
    """How far logits [n, C] lie from the Keras model's."""

    max_relative_error: float
    """Largest absolute error over the largest absolute Keras logit."""
    mean_relative_error: float
    """Mean absolute error over the same scale."""
    cosine: float
    """Of all logits as one vector."""
    decision_agreement: float
    """Share of examples with the same most likely class."""
    examples: int


def measure_parity(reference: np.ndarray, candidate: np.ndarray) -> Parity:
    """Compare logits [n, C] of a file with those of the Keras model; NaN stays NaN."""
    reference, candidate = reference.astype(np.float64), candidate.astype(np.float64)
    scale = max(float(np.abs(reference).max()), np.finfo(np.float32).tiny)
    error = np.abs(candidate - reference) / scale
    norms = float(np.linalg.norm(reference) * np.linalg.norm(candidate))
    return Parity(
        max_relative_error=float(error.max()),
        mean_relative_error=float(error.mean()),
        cosine=float(np.vdot(reference, candidate)) / norms if norms else 0.0,
        decision_agreement=float((reference.argmax(axis=-1) == candidate.argmax(axis=-1)).mean()),
        examples=len(reference),
    )


def crop(features: Mapping[str, np.ndarray], length: int) -> dict[str, np.ndarray]:
    """The inputs [n, T] cut or padded to [n, length]; of a text that is too long the end is lost.

    So every signature is verified with every example, also where all texts are long.
    """
    return {name: fit(features[name], length) for name in INPUTS}


def padding_changes(
    classifier: TfliteClassifier, features: Mapping[str, np.ndarray], vocab_size: int, trigram: bool, seed: int = 0
) -> int:
    """How many of these examples get other logits, by a single bit, when their padding is scrambled.

    In every signature; texts that leave little padding are cut to half of it. With a
    trigram input the first padding token stays: the last real token sees it by design.
    """
    random = np.random.default_rng(seed)
    changed = 0
    for length in classifier.lengths:
        inputs = crop(features, length)
        real = np.minimum(inputs["input_mask"].sum(axis=1), max(1, length // 2))[:, None]
        position = np.arange(length)[None, :]
        inputs["input_mask"] = (position < real).astype(np.int32)
        scrambled = dict(inputs)
        free = position >= real + (1 if trigram else 0)
        for name, values in (("input_ids", vocab_size), ("segment_ids", 2)):
            noise = random.integers(0, values, inputs[name].shape, dtype=np.int32)
            scrambled[name] = np.where(free, noise, inputs[name])
        before, after = classifier.logits(inputs, length), classifier.logits(scrambled, length)
        changed += int((before.view(np.uint32) != after.view(np.uint32)).any(axis=1).sum())
    return changed


def fault(gate: Gate, parity: Parity, padding_changed: int, operators: Operators) -> str | None:
    """Why a file is not to be published, in one line; None if nothing speaks against it."""
    if operators.foreign:
        return f"needs operators that a plain runtime lacks: {', '.join(operators.foreign)}"
    if not np.isfinite(parity.max_relative_error):
        return "gives logits that are not finite"
    if padding_changed:
        return f"padding changes the logits of {padding_changed} examples"
    if gate.max_relative_error is not None and parity.max_relative_error > gate.max_relative_error:
        return f"relative error {parity.max_relative_error:.2g} is above {gate.max_relative_error:.2g}"
    if gate.min_decision_agreement is not None and parity.decision_agreement < gate.min_decision_agreement:
        return (
            f"decides as Keras in {parity.decision_agreement:.1%} of the examples, "
            f"{gate.min_decision_agreement:.1%} are asked for"
        )
    return None
