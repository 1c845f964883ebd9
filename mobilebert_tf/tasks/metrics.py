"""Metrics of predictions against true values and classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def of_values(predicted: np.ndarray, wanted: np.ndarray) -> dict[str, Any]:
    """Correlations and errors of values [n]; correlations are 0 for values that are constant or not finite."""
    wanted = wanted.astype(np.float64)
    error = predicted - wanted
    return {
        "examples": int(len(wanted)),
        **correlations(predicted, wanted),
        "root_mean_square_error": float(np.sqrt(np.square(error).mean())),
        "mean_absolute_error": float(np.abs(error).mean()),
    }


def correlations(predicted: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
    """Spearman's and Pearson's correlation of values [n]; 0 for values that are constant or not finite."""
    if not np.isfinite(predicted).all() or np.ptp(predicted) == 0 or np.ptp(wanted) == 0:
        return {"spearman": 0.0, "pearson": 0.0}
    from scipy import stats  # takes half a second to import

    return {
        "spearman": float(stats.spearmanr(predicted, wanted).statistic),
        "pearson": float(stats.pearsonr(predicted, wanted).statistic),
    }


def rank_correlation(pairs: np.ndarray) -> float:
    """Spearman's correlation of predicted and true values [n, 2]."""
    return correlations(pairs[:, 0], pairs[:, 1])["spearman"]


def f1_of_counts(counts: np.ndarray) -> float:
    """Micro F1 of examples with these counts [n, 2]: right labels, and wanted plus decided labels."""
    right, wanted_and_decided = counts.sum(axis=0)
    return float(2 * right / wanted_and_decided) if wanted_and_decided else 1.0


def by_class(labels: Sequence[str], right: np.ndarray, given: np.ndarray, wanted: np.ndarray) -> dict[str, Any]:
    """Precision, recall and F1 of each class, 0 where the divisor is zero, and its support.

    Args:
      labels: names of the classes.
      right: int [C], number of times that a class was both given and wanted.
      given: int [C], number of times that it was given.
      wanted: int [C], number of times that it was wanted.
    """
    return {
        label: {
            "f1": float(2 * r / (g + w)) if g + w else 0.0,
            "precision": float(r / g) if g else 0.0,
            "recall": float(r / w) if w else 0.0,
            "support": int(w),
        }
        for label, r, g, w in zip(labels, right, given, wanted, strict=True)
    }


def matthews(confusion: np.ndarray) -> float:
    """Matthews' correlation of counts [C, C], true class before predicted one; 0 where either has a single class.

    Source: Gorodkin 2004 (doi 10.1016/j.compbiolchem.2004.09.006), which for two classes is Matthews 1975.
    """
    counts = confusion.astype(np.float64)
    total, true, predicted = counts.sum(), counts.sum(axis=1), counts.sum(axis=0)
    spread = (total**2 - (true**2).sum()) * (total**2 - (predicted**2).sum())
    return float((np.trace(counts) * total - true @ predicted) / np.sqrt(spread)) if spread > 0 else 0.0


def f1_of_classes(confusion: np.ndarray) -> np.ndarray:
    """F1 of each class, [C], from counts [C, C]; 0 for a class that neither occurs nor is predicted."""
    hits: np.ndarray = np.diag(confusion)
    return 2 * hits / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1), 1)


def confusion_of(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts [C, C] of true and predicted classes [n]."""
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


BINS = 15
"""Number of bins of confidence, equally wide, as in Guo et al. 2017."""


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error: the difference between confidence [n] and the share of right answers [n] in each
    bin, averaged over examples. Source: arXiv 1706.04599 §2."""
    known = np.isfinite(confidence)
    bins = np.minimum((confidence[known] * BINS).astype(int), BINS - 1)
    gaps = np.zeros(BINS)
    np.add.at(gaps, bins, right[known] - confidence[known])
    return float(np.abs(gaps).sum() / max(1, len(confidence)))


RISKS = (1, 2, 5)
"""Per cent of wrong answers for which coverage is reported."""


def risks(confidence: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coverage and risk of every distinct threshold: thresholds [K], falling, coverage [K] and risk [K].

    Coverage is the share of all examples whose confidence is at least the threshold; risk is the share of wrong answers
    among these. A confidence that is not finite counts as lower than all others.

    Args:
      confidence: float [n].
      right: bool [n].
    """
    confidence = np.where(np.isfinite(confidence), confidence, -np.inf)
    order = np.argsort(-confidence, kind="stable")
    ordered, wrong = confidence[order], np.cumsum(~right[order].astype(bool))
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    counts = last + 1
    return ordered[last], counts / len(order), wrong[last] / counts


def risk_coverage(confidence: np.ndarray, right: np.ndarray) -> dict[str, float]:
    """Figures on how well confidence [n] separates right answers [n] from wrong ones.

    `risk_coverage_area` is the share of wrong answers among those with at least an example's confidence, averaged over
    the examples: 0 is perfect, and a confidence that says nothing reaches the share of all wrong answers.
    `coverage_at_1` and so on are the largest shares of examples that can be answered with at most that many per cent of
    the answers wrong. Source: Geifman and El-Yaniv 2017, arXiv 1705.08500.
    """
    thresholds, coverage, risk = risks(confidence, right)
    weights = np.diff(coverage, prepend=0.0)
    figures = {"risk_coverage_area": float((weights * risk).sum())}
    for percent in RISKS:
        covered = coverage[risk <= percent / 100 + 1e-12]
        figures[f"coverage_at_{percent}"] = float(covered.max()) if len(covered) else 0.0
    return figures


def best_temperature(logits: np.ndarray, labels: np.ndarray, least: float, most: float) -> float:
    """The divisor of logits [n, C] from `least` to `most` that minimises the cross-entropy of labels [n]."""
    from scipy import optimize

    centred = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    true = np.take_along_axis(centred, labels[:, None], axis=1)[:, 0]

    def loss(log_temperature: float) -> float:
        scaled = centred / np.exp(log_temperature)
        return float((np.log(np.exp(scaled).sum(axis=1)) - true / np.exp(log_temperature)).mean())

    result = optimize.minimize_scalar(loss, bounds=(np.log(least), np.log(most)), method="bounded")
    return float(np.clip(np.exp(result.x), least, most))
