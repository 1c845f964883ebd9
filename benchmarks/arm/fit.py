"""Fit what a unit of work costs to operators and files that were counted:

    python -m mobilebert_tf.benchmarks.arm.fit counted.json.gz instruction_costs.json

A row of the counts has `name`, `units` from `litert.instructions.work`, `million`, and `group`. Files of one network
form a group; the errors of a group are those of a fit without it. Rows of the group `operator` are single operators,
each in its own file; they have additional units for the cost of calling such a file, and of converting its inputs and
outputs to float16 and back.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from mobilebert_tf import atomic

OPERATOR = "operator"
FILE_WEIGHT = 3.0
"""Weight of a file relative to an operator: the fit is for estimates of files."""

ONLY_ALONE = ("alone", "alone: converted")
"""Units that only rows of single operators have."""


def fit(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Non-negative millions of instructions per unit, by least squares of the relative errors."""
    names = sorted({name for row in rows for name in row["units"]})
    table = np.array([[row["units"].get(name, 0.0) for name in names] for row in rows])
    counts = np.array([row["million"] for row in rows])
    weights = np.array([1.0 if row["group"] == OPERATOR else FILE_WEIGHT for row in rows])
    relative = table / counts[:, None] * weights[:, None]
    scale = relative.max(axis=0)
    scaled, _ = nnls(relative / scale, weights, maxiter=50 * len(names))
    return dict(zip(names, scaled / scale, strict=True))


def predicted(costs: Mapping[str, float], row: Mapping[str, Any]) -> float:
    """Millions of instructions of a row; units without a cost are ignored."""
    return sum(amount * costs.get(name, 0.0) for name, amount in row["units"].items())


def held_out(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[str, float]]]:
    """Names and relative errors of the files in each group, by a fit without that group."""
    errors = {}
    for group in dict.fromkeys(row["group"] for row in rows if row["group"] != OPERATOR):
        costs = fit([row for row in rows if row["group"] != group])
        own = [row for row in rows if row["group"] == group]
        errors[group] = [(row["name"], predicted(costs, row) / row["million"] - 1) for row in own]
    return errors


def main(counted: str, output: str) -> None:
    with gzip.open(counted, "rt") as file:
        known = json.load(file)
    rows, left_out = known["rows"], held_out(known["rows"])
    errors = np.array([error for group in left_out.values() for _, error in group])
    for group, own in left_out.items():
        worst = max(own, key=lambda one: abs(one[1]))
        print(f"{group}: {len(own)} graphs, worst {worst[1]:+.1%} ({worst[0]})")
    print(
        f"{len(errors)} graphs left out: {np.mean(np.abs(errors) <= 0.03):.0%} within 3 %, worst {max(abs(errors)):.1%}"
    )
    costs = {name: float(f"{cost:.6g}") for name, cost in fit(rows).items() if name not in ONLY_ALONE}
    atomic.write_json(output, {
        "core": known["core"],
        "litert": known["litert"],
        "fitted": {
            "operators": sum(row["group"] == OPERATOR for row in rows),
            "graphs": len(errors),
            "left_out_within_3_percent": round(float(np.mean(np.abs(errors) <= 0.03)), 3),
            "left_out_median_error": round(float(np.median(np.abs(errors))), 4),
            "left_out_worst_error": round(float(np.abs(errors).max()), 4),
        },
        "million_per_unit": costs,
    })  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*map(str, map(Path, sys.argv[1:])))
