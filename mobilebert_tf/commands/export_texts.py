"""The texts that an export calibrates, compares and scores its files with."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from mobilebert_tf.errors import UsageError
from mobilebert_tf.export.verify.examples import draw, of_all_lengths, spread, synthetic_features
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.task import Features, Task
from mobilebert_tf.text_table import counted

if TYPE_CHECKING:
    from mobilebert_tf.commands.export import Export
    from mobilebert_tf.export.aware.stored import Trained
    from mobilebert_tf.tokenization import Tokenizer

FEWEST = 20
"""Least number of rows for --max_drop; hundreds are better."""

POOL = 1000
"""Texts to choose the contracts' examples from, and texts to determine tolerances with."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Texts:
    """Rows of the tables as the network reads them, with their names in the report."""

    calibration: Features | None
    """Features [k, T] whose activations determine static scales; None: there is no text."""
    calibrated_on: str | None
    compared: Features
    """Features [n, T] on which file and Keras are compared."""
    compared_on: str
    scored: Features | None
    """Labelled features [m, T]; None: no score."""
    pool: list[Example]
    """Texts to determine the tolerances of the contracts' examples with."""

    def after(self, trained: Trained) -> Texts:
        """The same for a network whose ranges come from its training."""
        rest = f"; other tensors from {self.calibrated_on}" if self.calibrated_on else ""
        name = f"fine-tuning with --quantization_aware for {trained.recipe.name}{rest}"
        return dataclasses.replace(self, calibrated_on=name)


def read(command: Export, task: Task, tokenizer: Tokenizer) -> Texts:
    """Read --evaluation and --calibration; without either, the files are compared on random ids.

    Raises:
      UsageError: a table is wrong, or --max_drop has no rows to score on.
    """
    evaluation = task.read(command.evaluation, labelled=True) if command.evaluation else []
    texts = task.read(command.calibration, labelled=False) if command.calibration else evaluation
    if command.max_drop is not None and len(draw(evaluation, command.score_examples)) < FEWEST:
        if len(evaluation) >= FEWEST:
            raise UsageError(f"--score_examples={command.score_examples}: --max_drop needs at least {FEWEST}")
        raise UsageError(
            f"--max_drop: {command.evaluation} has {counted(len(evaluation), 'row')}, too few to choose by; give at "
            f"least {FEWEST}: one half is for the search, the other for the score"
        )
    scored = task.features(draw(evaluation, command.score_examples), tokenizer) if evaluation else {}
    if "label" not in scored and command.max_drop is not None:
        raise UsageError(f"--max_drop: {command.evaluation} has no labelled pairs to score embeddings on")
    calibration = calibrated_on = None
    if texts:
        calibration = of_all_lengths(task.features(texts, tokenizer), command.calibration_examples)
        calibrated_on = _rows(calibration, command.calibration or command.evaluation, task)
        if not command.calibration:
            calibrated_on += ", which the files are scored on too"
        compared = task.features(draw(evaluation or texts, command.parity_examples), tokenizer)
        compared_on = _rows(compared, command.evaluation or command.calibration, task)
    else:
        count = min(64, command.parity_examples)
        compared = synthetic_features(count, task.max_seq_length, tokenizer)
        compared_on = f"{count} sequences of random ids, no text was given"
    return Texts(
        calibration=calibration,
        calibrated_on=calibrated_on,
        compared=compared,
        compared_on=compared_on,
        scored=scored if "label" in scored else None,
        pool=task.inputs(spread(evaluation or texts, POOL)),
    )


def _rows(features: Features, path: str | None, task: Task) -> str:
    count, what = len(features["input_ids"]), "text" if task.name == "embedding" else "row"
    return f"{count} {what}{'' if count == 1 else 's'} of {Path(path or '').name}"
