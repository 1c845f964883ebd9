"""Comparison of a `.tflite` file with its Keras model: parity, padding, order, threads, operators, gates."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping

import numpy as np

from mobilebert_tf.export.recipes import Gate
from mobilebert_tf.exported import Difference
from mobilebert_tf.litert.operators import Operators
from mobilebert_tf.litert.runtime import TfliteModel, fit
from mobilebert_tf.tasks.task import INPUTS, Features, Outputs, Scores, Task, all_values, take, without_numbers


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parity:
    """Distance of a file's outputs [R, ...] from the Keras model's."""

    max_relative_error: float
    """Largest absolute error, divided by the largest absolute Keras value."""
    mean_relative_error: float
    """Mean absolute error, divided by the same value."""
    cosine: float
    """Cosine of both sets of values, each taken as one vector."""
    signal_to_noise_db: float | None
    """Power of the Keras values over that of the errors; None: there is no error."""
    decision_agreement: float
    """Agreement of the answers as the task defines it: for classes the share with the same most likely class."""
    examples: int
    without_numbers: int = 0
    """Number of examples with a value that is NaN or infinite; the errors are then not finite either."""


def measure_parity(task: Task, wanted: Outputs, found: Outputs, features: Features) -> Parity:
    """Compare the outputs [R, ...] of a file, `found`, with those of the Keras model, `wanted`.

    The Keras outputs must be finite; the file's may be NaN. `features` are the inputs of both.
    """
    reference, candidate = (all_values(one).astype(np.float64) for one in (wanted, found))
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
        decision_agreement=float(task.agreement(wanted, found, features).mean()),
        examples=len(reference),
        without_numbers=int(without_numbers(found).sum()),
    )


def crop(features: Mapping[str, np.ndarray], length: int) -> dict[str, np.ndarray]:
    """The inputs [n, T] cut or padded to [n, length]; a text that is too long loses its end.

    Every signature is thus verified with every example, even if all texts are long.
    """
    return {name: fit(features[name], length) for name in INPUTS}


def padding_changes(file: TfliteModel, features: Mapping[str, np.ndarray], vocab_size: int, trigram: bool) -> int:
    """Number of examples whose outputs change, if only by a bit, when their padding is scrambled.

    Counted over all signatures; texts that leave little padding are cut to half the signature's length. With a
    trigram input the first padding token is kept: the last real token sees it by design.
    """
    random = np.random.default_rng(0)
    changed = 0
    for length in file.lengths:
        inputs = crop(features, length)
        real = np.minimum(inputs["input_mask"].sum(axis=1), max(1, length // 2))[:, None]
        position = np.arange(length)[None, :]
        inputs["input_mask"] = (position < real).astype(np.int32)
        scrambled = dict(inputs)
        free = position >= real + (1 if trigram else 0)
        for name, values in (("input_ids", vocab_size), ("segment_ids", 2)):
            noise = random.integers(0, values, inputs[name].shape, dtype=np.int32)
            scrambled[name] = np.where(free, noise, inputs[name])
        changed += _different(file.run(inputs, length), file.run(scrambled, length))
    return changed


def order_changes(file: TfliteModel, features: Mapping[str, np.ndarray]) -> int:
    """Number of examples whose outputs change, if only by a bit, when they are run in reverse order."""
    changed = 0
    for length in file.lengths:
        inputs = crop(features, length)
        backwards = {name: values[::-1] for name, values in inputs.items()}
        changed += _different(file.run(inputs, length), take(file.run(backwards, length), slice(None, None, -1)))
    return changed


def thread_changes(path: str | os.PathLike[str], features: Mapping[str, np.ndarray]) -> int:
    """Number of examples whose outputs differ, if only by a bit, between one thread and two."""
    one, two = TfliteModel(path, 1), TfliteModel(path, 2)
    changed = 0
    for length in one.lengths:
        inputs = crop(features, length)
        changed += _different(one.run(inputs, length), two.run(inputs, length))
    return changed


def _different(a: Outputs, b: Outputs) -> int:
    first, second = (np.ascontiguousarray(all_values(one)).view(np.uint32) for one in (a, b))
    return int((first != second).any(axis=1).sum())


RESAMPLES = 1000
"""Number of bootstrap draws."""


def paired_difference(task: Task, reference: Outputs, candidate: Outputs, features: Features) -> Difference:
    """Score of a file less that of Keras, from the outputs of both for the same labelled features.

    The comparison is paired: examples that both get right or both get wrong do not widen the interval, which is far
    narrower than that of either score. If a score is a mean over examples, the interval is that of the mean of the
    differences, by normal approximation, with half a vote added to each side so that a file that answers everything
    as Keras does has an interval too. If it is a figure of all examples together, such as a correlation, examples are
    resampled with replacement, the same for both networks (Efron's percentile bootstrap).
    """
    file_scores, keras_scores = task.score(candidate, features), task.score(reference, features)
    difference = file_scores.primary - keras_scores.primary
    if file_scores.whole is None:
        half = _half_width(file_scores.per_example - keras_scores.per_example)
        # With a handful of examples the approximation exceeds the possible range.
        return Difference(score=difference, low=max(difference - half, -1.0), high=min(difference + half, 1.0))
    low, high = np.percentile(_resampled(file_scores, keras_scores), [2.5, 97.5])
    return Difference(score=difference, low=float(min(low, difference)), high=float(max(high, difference)))


def _half_width(differences: np.ndarray) -> float:
    """Half the width of the 95 % interval of a mean of values from -1 to 1."""
    count = len(differences)
    variance = (np.square(differences).sum() + 1) / count - differences.mean() ** 2
    return 1.96 * math.sqrt(max(float(variance), 0.0) / count)


def _resampled(ours: Scores, keras: Scores) -> list[float]:
    """Differences of the scores, each on a sample of examples drawn with replacement."""
    assert ours.whole is not None
    random = np.random.default_rng(0)
    count = len(ours.per_example)
    draws = (random.integers(0, count, count) for _ in range(RESAMPLES))
    return [ours.whole(ours.per_example[drawn]) - ours.whole(keras.per_example[drawn]) for drawn in draws]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Changes:
    """Numbers of examples whose outputs change with padding, order or threads, none of which must matter."""

    padding: int
    order: int
    threads: int


def fault(
    gate: Gate,
    task: Task,
    parity: Parity,
    changes: Changes,
    operators: Operators,
    difference: Difference | None = None,
    unscored: int = 0,
) -> str | None:
    """The reason not to publish a file, in one line; None: there is none.

    `unscored` is the number of labelled examples for which its outputs are not finite.
    """
    if operators.foreign:
        return f"needs operators that a plain runtime lacks: {', '.join(operators.foreign)}"
    if parity.without_numbers:
        return _without_numbers(parity)
    if unscored:
        return f"gives values that are not finite in {unscored} of the labelled examples"
    for what in ("padding", "order", "threads"):
        if changed := getattr(changes, what):
            return f"{_CAUSES[what]} the answers of {changed} examples"
    if found := parity_fault(gate, task, parity):
        return found
    if gate.max_score_drop is not None and difference and difference.loses_more_than(gate.max_score_drop):
        lost, allowed = -100 * difference.score, 100 * gate.max_score_drop
        falls = f"{task.score_title} falls by {lost:.1f} points"
        return f"{falls}, {allowed:.3g} are allowed (max_score_drop={gate.max_score_drop:g})"
    return None


def parity_fault(gate: Gate, task: Task, parity: Parity) -> str | None:
    """The reason why a file is too far from Keras, in one line; None: it is close enough."""
    if parity.without_numbers:
        return _without_numbers(parity)
    if gate.max_relative_error is not None and parity.max_relative_error > gate.max_relative_error:
        return f"relative error {parity.max_relative_error:.2g} is above {gate.max_relative_error:.2g}"
    if gate.min_decision_agreement is not None and parity.decision_agreement < gate.min_decision_agreement:
        return (
            f"{task.agreement_name} as Keras: {parity.decision_agreement:.1%}, "
            f"at least {gate.min_decision_agreement:.1%} is required"
        )
    return None


def _without_numbers(parity: Parity) -> str:
    return f"gives values that are not finite in {parity.without_numbers} of {parity.examples} examples"


_CAUSES = {
    "padding": "padding changes",
    "order": "the order of the texts changes",
    "threads": "a second thread changes",
}
