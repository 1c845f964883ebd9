"""Is a `.tflite` file the network it was made from? Parity, padding, order, threads, operators, gates."""

from __future__ import annotations

import dataclasses
import math
import os
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
    signal_to_noise_db: float | None
    """Power of the Keras logits over that of the errors; None: there is no error."""
    decision_agreement: float
    """Share of examples with the same most likely class; one whose logits are no numbers has none."""
    examples: int
    without_numbers: int = 0
    """Examples of which a logit is NaN or infinite; the errors are then no numbers either."""


def measure_parity(reference: np.ndarray, candidate: np.ndarray) -> Parity:
    """Compare logits [n, C] of a file with those of the Keras model, which are numbers; the file's may be none."""
    reference, candidate = reference.astype(np.float64), candidate.astype(np.float64)
    scale = max(float(np.abs(reference).max()), np.finfo(np.float32).tiny)
    error = np.abs(candidate - reference) / scale
    norms = float(np.linalg.norm(reference) * np.linalg.norm(candidate))
    noise = float(np.square(candidate - reference).sum())
    signal = max(float(np.square(reference).sum()), 1e-300)
    ratio = 10 * math.log10(signal / noise) if 0 < noise < math.inf else math.nan
    return Parity(
        max_relative_error=float(error.max()),
        mean_relative_error=float(error.mean()),
        cosine=float(np.vdot(reference, candidate)) / norms if norms else 0.0,
        signal_to_noise_db=ratio if noise else None,
        decision_agreement=decision_agreement(reference, candidate),
        examples=len(reference),
        without_numbers=without_numbers(candidate),
    )


def decision_agreement(reference: np.ndarray, candidate: np.ndarray) -> float:
    """Share of rows of logits [n, C] with the same most likely class; NaN and infinity decide nothing."""
    same = reference.argmax(axis=-1) == candidate.argmax(axis=-1)
    return float((same & np.isfinite(candidate).all(axis=-1)).mean())


def without_numbers(logits: np.ndarray) -> int:
    """How many rows of logits [n, C] have one that is NaN or infinite."""
    return int((~np.isfinite(logits)).any(axis=-1).sum())


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
        changed += _different(classifier.run(inputs, length), classifier.run(scrambled, length))
    return changed


def order_changes(classifier: TfliteClassifier, features: Mapping[str, np.ndarray]) -> int:
    """How many examples get other logits, by a single bit, when they are run in the opposite order."""
    changed = 0
    for length in classifier.lengths:
        inputs = crop(features, length)
        backwards = {name: values[::-1] for name, values in inputs.items()}
        changed += _different(classifier.run(inputs, length), classifier.run(backwards, length)[::-1])
    return changed


def thread_changes(path: str | os.PathLike[str], features: Mapping[str, np.ndarray]) -> int:
    """How many examples get other logits, by a single bit, on two threads than on one."""
    one, two = TfliteClassifier(path, 1), TfliteClassifier(path, 2)
    changed = 0
    for length in one.lengths:
        inputs = crop(features, length)
        changed += _different(one.run(inputs, length), two.run(inputs, length))
    return changed


def _different(a: np.ndarray, b: np.ndarray) -> int:
    return int((np.ascontiguousarray(a).view(np.uint32) != np.ascontiguousarray(b).view(np.uint32)).any(axis=1).sum())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """Of the shares of right answers of two files on the same examples."""

    accuracy: float
    """The file's minus Keras's."""
    low: float
    high: float
    """An interval that holds the difference on all such text with 95 % confidence."""


def paired_difference(reference: np.ndarray, candidate: np.ndarray, labels: np.ndarray) -> Difference:
    """How much a file loses against Keras, from logits [n, C] of both on the same examples with `labels` [n].

    An example for which the file gives no numbers is wrong.
    Paired: where both are right or both wrong nothing is learned, so the interval is far narrower than
    that of either score. Normal approximation of the mean of +1, 0 and -1; with half a vote added to
    each side, so that a file without a single other answer has an interval too.
    """
    right, reference_right = (
        (logits.argmax(axis=-1) == labels) & np.isfinite(logits).all(axis=-1) for logits in (candidate, reference)
    )
    better, worse = int((right & ~reference_right).sum()), int((~right & reference_right).sum())
    count = len(labels)
    mean = (better - worse) / count
    variance = (better + worse + 1) / count - mean**2
    half = 1.96 * math.sqrt(max(variance, 0.0) / count)
    # With a handful of examples the approximation leaves the range of what is possible.
    return Difference(accuracy=mean, low=max(mean - half, -1.0), high=min(mean + half, 1.0))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Changes:
    """How many of a few examples get other logits by what must not matter."""

    padding: int
    order: int
    threads: int


def fault(
    gate: Gate,
    parity: Parity,
    changes: Changes,
    operators: Operators,
    difference: Difference | None = None,
    unscored: int = 0,
) -> str | None:
    """Why a file is not to be published, in one line; None if nothing speaks against it.

    `unscored`: labelled examples for which it gives no numbers.
    """
    if operators.foreign:
        return f"needs operators that a plain runtime lacks: {', '.join(operators.foreign)}"
    if parity.without_numbers:
        return f"gives logits that are not finite in {parity.without_numbers} of {parity.examples} examples"
    if unscored:
        return f"gives logits that are not finite in {unscored} of the labelled examples"
    for what in ("padding", "order", "threads"):
        if changed := getattr(changes, what):
            return f"{_CAUSES[what]} the logits of {changed} examples"
    if gate.max_relative_error is not None and parity.max_relative_error > gate.max_relative_error:
        return f"relative error {parity.max_relative_error:.2g} is above {gate.max_relative_error:.2g}"
    if gate.min_decision_agreement is not None and parity.decision_agreement < gate.min_decision_agreement:
        return (
            f"decides as Keras in {parity.decision_agreement:.1%} of the examples, "
            f"{gate.min_decision_agreement:.1%} are asked for"
        )
    if gate.max_score_drop is not None and difference and -difference.accuracy > gate.max_score_drop:
        lost, allowed = -100 * difference.accuracy, 100 * gate.max_score_drop
        return (
            f"accuracy falls by {lost:.1f} points, {allowed:.3g} are allowed (max_score_drop={gate.max_score_drop:g})"
        )
    return None


_CAUSES = {
    "padding": "padding changes",
    "order": "the order of the texts changes",
    "threads": "a second thread changes",
}
