"""Figures of predicted values against true ones."""

from __future__ import annotations

from typing import Any

import numpy as np


def of_values(predicted: np.ndarray, wanted: np.ndarray) -> dict[str, Any]:
    """Correlations and errors of values [n]; a correlation with what is constant or no number is 0."""
    wanted = wanted.astype(np.float64)
    error = predicted - wanted
    return {
        "examples": int(len(wanted)),
        **correlations(predicted, wanted),
        "root_mean_square_error": float(np.sqrt(np.square(error).mean())),
        "mean_absolute_error": float(np.abs(error).mean()),
    }


def correlations(predicted: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
    """Spearman's and Pearson's, of values [n]; 0 with what is constant or no number."""
    if not np.isfinite(predicted).all() or np.ptp(predicted) == 0 or np.ptp(wanted) == 0:
        return {"spearman": 0.0, "pearson": 0.0}
    from scipy import stats  # takes half a second to import

    return {
        "spearman": float(stats.spearmanr(predicted, wanted).statistic),
        "pearson": float(stats.pearsonr(predicted, wanted).statistic),
    }
