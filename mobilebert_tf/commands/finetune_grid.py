"""`finetune` with several rates or seeds: one run for each, and the best of them as the output."""

from __future__ import annotations

import dataclasses
import gc
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilebert_tf import atomic
from mobilebert_tf.commands import finetune_quantized
from mobilebert_tf.commands.data_options import NO_EVALUATION
from mobilebert_tf.errors import DivergedError, FailedError, UsageError
from mobilebert_tf.options import numbers, option
from mobilebert_tf.run_directory import RUNS, find_run, require_finished
from mobilebert_tf.text_table import aligned

if TYPE_CHECKING:
    from mobilebert_tf.commands.finetune import Finetune
    from mobilebert_tf.tasks.task import Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridOptions:
    """Flag of `finetune` about the number of trainings."""

    seeds: int = option(
        "trainings with each learning rate, with seeds counting up from --seed; the one that scores best is the output",
        default=1,
        least=1,
        most=1000,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """One run of the grid, as metrics.json records it."""

    directory: str
    """Path relative to the output."""
    seed: int
    learning_rate: float | None = None
    """None: the run diverged before it reported the rate that it chose."""
    score: float | None = None
    """Primary score on the evaluation table; None: the run diverged, or the score is not a number."""
    loss: float | None = None

    @property
    def rank(self) -> tuple[float, float]:
        """Sort key of which the highest is best: the score, and for equal scores the lower loss."""
        score = -np.inf if self.score is None else self.score
        return score, -np.inf if self.loss is None else -self.loss


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """Scores of the runs with one learning rate."""

    learning_rate: float
    runs: int
    diverged: int
    median: float | None = None
    min: float | None = None
    max: float | None = None
    mean_low: float | None = None
    mean_high: float | None = None
    """Upper end of Student's 95 % interval of the mean, as `mean_low` is the lower; None: fewer than three runs."""


def has_several(command: Finetune) -> bool:
    return command.seeds > 1 or isinstance(command.learning_rate, str)


def run(command: Finetune) -> bool:
    """Train with every rate and seed that is not done yet, and copy the best run; returns False if all was done.

    Raises:
      UsageError: as `Finetune.run`, or there is no evaluation table to choose by.
      FailedError: the same, or no run came to an end.
    """
    asked = f"--seeds={command.seeds}" if command.seeds > 1 else f"--learning_rate={command.learning_rate}"
    if command.distribution == "multi_worker":
        raise UsageError(f"{asked}: --distribution=multi_worker runs one training; run a command for each")
    if command.seed + command.seeds > 2**32:
        raise UsageError(f"{asked}: from --seed={command.seed} on, they end beyond {2**32 - 1}; give a smaller --seed")
    with command.open_run("finetune") as grid:
        if command.is_done(grid):
            return False
        data = command.read()
        if not data.evaluation:
            fix = "leave --eval=none out" if command.eval == NO_EVALUATION else "give --eval a table"
            raise UsageError(f"{asked}: choosing the best training needs labelled rows; {fix}")
        cells = _cells(command)
        for cell in cells:
            if earlier := find_run(cell, "finetune", cell.output, cell.accept_changes):
                cell.check_changes(earlier)
        grid.accept_changes(command)
        outcomes = []
        for number, cell in enumerate(cells, 1):
            rate = "" if cell.learning_rate is None else f"learning rate {cell.learning_rate:g}, "
            print(f"finetune: run {number} of {len(cells)}: {rate}seed {cell.seed}", flush=True)
            outcomes.append(_outcome(cell, grid.directory, data.task))
        best = max(outcomes, key=lambda outcome: outcome.rank)
        if best.score is None:
            raise FailedError(f"{command.output}: none of {len(cells)} runs has a score; try smaller rates")
        metrics = _assemble(grid.directory, best, outcomes)
        print(_table(data.task, metrics["rates"]))
        score = f"{data.task.score_title} {best.score:.1%}"
        print(
            f"finetune: the best is {grid.directory / best.directory}, {score}; it was chosen from {len(cells)} by the "
            "rows that score it, so expect the median on other rows"
        )
        grid.finish(**metrics)
    return True


def _cells(command: Finetune) -> list[Finetune]:
    """The commands of the grid, one per rate and seed."""
    rate = command.learning_rate
    rates: Sequence[float | None] = numbers(rate, "learning_rate") if isinstance(rate, str) else [rate]
    return [
        dataclasses.replace(
            command,
            learning_rate=rate,
            seed=seed,
            seeds=1,
            output=str(Path(command.output) / RUNS / f"{'' if rate is None else f'rate_{rate!r}_'}seed_{seed}"),
        )
        for rate in rates
        for seed in range(command.seed, command.seed + command.seeds)
    ]


def _outcome(cell: Finetune, output: Path, task: Task) -> Outcome:
    """Train unless the run is done, read its score, and delete its checkpoints, which have then served."""
    directory = Path(cell.output)
    known = Outcome(directory=directory.relative_to(output).as_posix(), seed=cell.seed)
    try:
        cell.run_once(finetune_quantized.check(cell))
    except DivergedError as error:
        print(f"finetune: {error}")
        rate = cell.learning_rate
        return dataclasses.replace(known, learning_rate=None if rate is None else float(rate))
    finally:
        # The graphs and variables of one training are of no use to the next. A run that was done needed no Keras.
        if keras := sys.modules.get("keras"):
            keras.utils.clear_session()
            gc.collect()
    shutil.rmtree(directory / "checkpoints", ignore_errors=True)
    metrics = json.loads((directory / "metrics.json").read_text(encoding="utf-8"))
    evaluation = metrics.get("quantized_evaluation", metrics["evaluation"])
    return dataclasses.replace(
        known,
        learning_rate=metrics["learning_rate"],
        score=evaluation[task.score_name],
        loss=evaluation.get("loss"),
    )


def _assemble(output: Path, best: Outcome, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Copy the best run's files into the output; write and return metrics.json with all of them."""
    source = output / best.directory
    for name in require_finished(source)["outputs"]:
        if name != "metrics.json":
            with atomic.write_aside(output / name) as aside:
                shutil.copyfile(source / name, aside)
    metrics: dict[str, Any] = json.loads((source / "metrics.json").read_text(encoding="utf-8"))
    metrics["best_run"] = best.directory
    metrics["runs"] = [dataclasses.asdict(outcome) for outcome in outcomes]
    metrics["rates"] = [dataclasses.asdict(summary) for summary in summaries(outcomes)]
    atomic.write_json(output / "metrics.json", metrics)
    return metrics


def summaries(outcomes: Sequence[Outcome]) -> list[Summary]:
    """One summary for each learning rate, in their order."""
    from scipy import stats

    rows = []
    rates = dict.fromkeys(o.learning_rate for o in outcomes if o.learning_rate is not None)
    for rate in rates:
        # A run that diverged lacks its rate only where `finetune` chose it; then all runs have the same one.
        of_rate = [o for o in outcomes if o.learning_rate == rate or (o.learning_rate is None and len(rates) == 1)]
        scores = np.array([o.score for o in of_rate if o.score is not None])
        figures: dict[str, float] = {}
        if len(scores):
            figures = {"median": float(np.median(scores)), "min": float(scores.min()), "max": float(scores.max())}
        if len(scores) > 2:
            half = float(stats.t.ppf(0.975, len(scores) - 1) * scores.std(ddof=1) / np.sqrt(len(scores)))
            figures |= {"mean_low": float(scores.mean()) - half, "mean_high": float(scores.mean()) + half}
        rows.append(Summary(learning_rate=rate, runs=len(of_rate), diverged=len(of_rate) - len(scores), **figures))
    return rows


def _table(task: Task, rates: Sequence[dict[str, Any]]) -> str:
    rows = [["learning rate", "runs", f"median {task.score_title}", "min to max", "95 % interval of the mean"]]
    for row in rates:
        diverged = f" ({row['diverged']} diverged)" if row["diverged"] else ""
        median = "" if row["median"] is None else f"{row['median']:.1%}"
        rows.append([
            f"{row['learning_rate']:g}",
            f"{row['runs']}{diverged}",
            median,
            _span(row["min"], row["max"]),
            _span(row["mean_low"], row["mean_high"]),
        ])  # fmt: skip
    return aligned(rows)


def _span(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.1%} to {high:.1%}"
