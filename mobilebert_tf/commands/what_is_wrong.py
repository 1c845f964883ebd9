"""A model's mistakes, for a terminal: figures of each class, confusions between classes, single examples."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mobilebert_tf.fields import read_object
from mobilebert_tf.options import option
from mobilebert_tf.tasks.review import Mistake, Review, read_review
from mobilebert_tf.text_table import aligned, cut

SHOWN = 10
"""Most classes, and most examples, that a terminal shows."""

_WIDEST = 200
"""Most characters of an example's text that are shown."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MistakeOptions:
    """Flag of the commands that score a model."""

    show_mistakes: bool = option(
        "print the ten examples that the model gets most wrong; mistakes.json beside metrics.json has fifty",
        default=False,
        identity=False,
    )


def classes(metrics: Mapping[str, Any]) -> str:
    """A table of the classes in the figures of `Task.score`; empty where there are none.

    Up to SHOWN classes are followed by their confusion counts, with a numbered column for each row; of more classes
    those with the lowest F1 are shown.
    """
    by_class = metrics.get("by_class", {})
    if not by_class:
        return ""
    names = list(by_class)
    confusion = metrics.get("confusion") if len(names) <= SHOWN else None
    shown = sorted(names, key=lambda name: by_class[name]["f1"])[:SHOWN] if len(names) > SHOWN else names
    rows = [["class", "F1", "precision", "recall", "rows"]]
    for name in shown:
        figures = by_class[name]
        title = f"{names.index(name) + 1} {_cut(name, 30)}" if confusion else _cut(name, 30)
        rows.append(
            [title, *(f"{figures[key]:.1%}" for key in ("f1", "precision", "recall")), f"{figures['support']:,}"]
        )
    if confusion:
        rows[0] += ["  predicted", *(f"{number}" for number in range(1, len(names) + 1))]
        for row, counts in zip(rows[1:], confusion, strict=True):
            row += ["", *(f"{count:,}" for count in counts)]
    table = aligned(rows)
    if len(names) > SHOWN:
        table += f"\n{SHOWN} of {len(names)} classes, those with the lowest F1; metrics.json has all"
    return table


def examples(review: Review) -> str:
    """The worst of the wrong answers, two lines each; empty where there are none."""
    lines = []
    for mistake in review.mistakes[:SHOWN]:
        texts = [mistake.text, *([] if mistake.text_pair is None else [mistake.text_pair])]
        lines.append(f"  {in_words(mistake, review.measure)}")
        lines.append(f"    {' | '.join(_cut(text, _WIDEST) for text in texts)}")
    if not lines:
        return ""
    count = "largest errors" if review.wrong is None else f"most wrong of {review.wrong:,}"
    return "\n".join([f"{count} in {review.examples:,} examples:", *lines])


def say(command: MistakeOptions, directory: Path) -> None:
    """Print the mistakes of the fine-tuned model in a directory, from the files there."""
    metrics = read_object(directory / "metrics.json")
    if table := classes(metrics.get("quantized_evaluation", metrics.get("evaluation", {}))):
        print(table)
    review = read_review(directory) if command.show_mistakes else None
    if review and (shown := examples(review)):
        print(shown)


def in_words(mistake: Mistake, measure: str) -> str:
    """The answer that was given, and the right one."""
    if mistake.size is None:
        size = "no number"
    elif measure == "error":
        size = f"off by {mistake.size:+.4g}"
    else:
        size = f"{mistake.size:.1%}" if measure == "probability" else f"cosine {mistake.size:.3f}"
    return f"{mistake.given} ({size}), is {mistake.wanted}"


def _cut(text: str, most: int) -> str:
    return cut(" ".join(text.split()), most)
