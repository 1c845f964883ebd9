"""The weights that a fine-tuning keeps, the best or the last, and its report on them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option
from mobilebert_tf.tasks.figures import SCORE_TITLES

if TYPE_CHECKING:
    from mobilebert_tf.training.best import Best
    from mobilebert_tf.training.stage import Stage


@dataclasses.dataclass(frozen=True, kw_only=True)
class KeepingOptions:
    """Flags of `finetune` about which weights it keeps."""

    keep: str | None = option(
        "weights that are written. best: those with the best score on the scored rows, measured before the first step "
        "too; equal scores are ranked by loss. last: those of the last step. default: best where rows are scored, else "
        "last",
        default=None,
        choices=("best", "last"),
    )
    patience: int | None = option(
        "stop after this many measurements in a row without a better score, or an equal one with a lower loss; "
        "default: train to the end",
        default=None,
        least=1,
        most=10**6,
    )
    measure_every: int | None = option(
        "steps between measurements of the score, which is also measured at the beginning and the end: on all scored "
        "rows or, if that would take more than about a fifth of the training time, on some of them; default: a tenth "
        "of all steps, but at least 100",
        default=None,
        least=1,
        most=10**9,
    )

    def keeps_best(self, has_evaluation: bool) -> bool:
        """Whether the best weights are kept. Raises UsageError: a flag needs an evaluation table, or the best."""
        asked = "--keep=best" if self.keep == "best" else f"--patience={self.patience}" if self.patience else None
        if asked and not has_evaluation:
            raise UsageError(f"{asked}: needs scores on the way; leave --eval=none out, or give --eval a table")
        if self.patience and self.keep == "last":
            raise UsageError(f"--patience={self.patience}: keeps the best weights; leave --keep=last out")
        return has_evaluation and self.keep != "last"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measuring:
    """How often a score is measured, and on how many rows of the evaluation table."""

    every: int
    """Steps."""
    rows: int
    of_rows: int

    @property
    def words(self) -> str:
        """The rows in words, for a printed line."""
        return f"all {self.rows:,} rows" if self.rows == self.of_rows else f"{self.rows:,} of {self.of_rows:,} rows"


def measuring(measure_every: int | None, stage: Stage, examples: int, keeps_best: bool) -> Measuring:
    """The way to measure during `stage`, with an evaluation table of `examples` rows.

    The best weights are chosen on as many rows as are affordable; a curve that is only looked at needs few.
    """
    from mobilebert_tf.tasks.inference import GLANCE
    from mobilebert_tf.training.best import affordable_rows

    every = measure_every or max(100, stage.steps // 10)
    rows = affordable_rows(min(every, stage.steps), stage.batch_size, GLANCE) if keeps_best else GLANCE
    return Measuring(every=every, rows=min(rows, examples), of_rows=examples)


def last(stage: Stage) -> dict[str, Any]:
    """Entry of metrics.json for kept weights that are those of the last step."""
    return {"weights": "last", "step": stage.steps, "trained_steps": stage.steps, "planned_steps": stage.steps}


def best(found: Best, stage: Stage, how: Measuring) -> dict[str, Any]:
    """Entry of metrics.json for kept weights that are the best."""
    return {
        "weights": "best",
        "step": found.step,
        "trained_steps": found.seen,
        "planned_steps": stage.steps,
        "score_name": found.score_name,
        "score": found.score,
        "last_score": found.latest_score,
        "measurements": found.measurements,
        "measured_examples": how.rows,
        "evaluation_examples": how.of_rows,
    }


def line(kept: dict[str, Any], how: Measuring) -> str:
    """The kept weights in words."""
    trained, planned = kept["trained_steps"], kept["planned_steps"]
    early = f"ended early, at step {trained:,} of {planned:,}; " if trained < planned else ""
    score = f"{SCORE_TITLES[kept['score_name']]} {kept['score']:.1%} on {how.words} that are scored"
    if kept["step"] == trained:
        count = kept["measurements"]
        which = f"the best of {count} measured" if count > 1 else "the only ones measured"
        return f"{early}kept the last weights, {which}: {score}"
    weights = f"the weights of step {kept['step']:,} of {trained:,}"
    alike = kept["last_score"] == kept["score"]
    last = "the same score, and no lower loss" if alike else f"{kept['last_score']:.1%}"
    return f"{early}kept {weights}, the best of {kept['measurements']} measured: {score}; the last have {last}"
