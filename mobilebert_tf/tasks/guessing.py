"""Check of a score against that of a model that does not read the texts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mobilebert_tf.text_table import counted

_DEVIATIONS = 2
"""Number of binomial deviations by which a share of right answers must exceed another one to count as higher."""


MORE_ROWS = "More rows would tell"
"""End of the sentence on a score that is good, but may be so by chance."""


def no_better_than_guessing(metrics: Mapping[str, Any]) -> str:
    """A sentence on a score that always giving the same answer would reach too; empty for better scores.

    There are two cases. Either the model does not read the texts: answers drawn with the same shares, whatever the
    text, would be right as often. Or it does, but the table has so many rows of one class, perhaps more than the
    training had, that always naming that class is hard to beat.

    Args:
      metrics: figures of `Task.score`.
    """
    if "spearman" in metrics:
        return _of_values(metrics)
    if "majority_accuracy" not in metrics:
        return ""
    examples, accuracy, majority = metrics["examples"], metrics["accuracy"], metrics["majority_accuracy"]
    if majority == 1:
        return "all rows of the table are of one class, so the score says nothing; include rows of all classes"
    if _is_more(accuracy, majority, examples):
        return ""
    confusion = np.asarray(metrics.get("confusion", [[examples]]), float) / examples
    by_chance = float(confusion.sum(axis=1) @ confusion.sum(axis=0))
    if "confusion" in metrics and _is_more(accuracy, by_chance, examples):
        return (
            f"always answering with the most frequent class would be right as often, {majority:.1%}; but the answers "
            f"depend on the texts: drawn at random, they would be right on {by_chance:.1%}. Where one class is so "
            f"frequent, macro F1 says more, here {metrics['macro_f1']:.1%}; check that the table has the classes in "
            "the same shares as the training table"
        )
    if accuracy > majority:
        return (
            f"that is better than always answering with the most frequent class, which is right on {majority:.1%}; but "
            f"on {counted(examples, 'row')} it may be chance. {MORE_ROWS}"
        )
    return (
        f"that is no better than always answering with the most frequent class, which is right on {majority:.1%}. "
        "Check that the columns are the right ones"
    )


def _of_values(metrics: Mapping[str, Any]) -> str:
    """The same for values: the correlation with values that ignore the texts is 0, with a known deviation."""
    if metrics["spearman"] > _DEVIATIONS / math.sqrt(max(1, metrics["examples"] - 1)):
        return ""
    return (
        f"a correlation of {metrics['spearman']:.2f} on {metrics['examples']} examples cannot be told from chance. "
        "Check that the columns are the right ones"
    )


def _is_more(accuracy: float, share: float, examples: int) -> bool:
    return accuracy > share + _DEVIATIONS * math.sqrt(share * (1 - share) / examples)
