"""Instructions of one inference on an emulated core, and its outputs there."""

from __future__ import annotations

import dataclasses
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mobilebert_tf import child_process
from mobilebert_tf.benchmarks.arm.environment import HERE, Environment
from mobilebert_tf.errors import FailedError


@dataclasses.dataclass(frozen=True)
class Counted:
    """Cost and outputs of one graph of a file."""

    million: float
    outputs: Mapping[str, np.ndarray]
    """Outputs by name; for a graph without a name, by tensor name."""
    resize_million: Mapping[str, float]
    """Additional cost of an inference after one of another signature, by that signature."""


def count(
    environment: Environment,
    core: str,
    path: Path,
    rows: Mapping[str, np.ndarray],
    signatures: Sequence[str | None],
    changes: Sequence[tuple[str, str]] = (),
) -> dict[str | None, Counted]:
    """Run graphs of a file on a core with one thread. Repeated counts differ by a few thousand instructions.

    Args:
      rows: inputs by SIGNATURE/INPUT, of which the first row is used.
      signatures: names of signatures; None: the only graph, which has no name.
      changes: signatures of one graph to run one after the other; the second is one of `signatures`.

    Raises:
      FailedError: the file does not run on this core.
    """
    environment.use(core)
    with tempfile.TemporaryDirectory() as directory:
        inputs, outputs, order = (Path(directory) / name for name in ("inputs.npz", "outputs.npz", "order.json"))
        np.savez(inputs, **rows)  # type: ignore[arg-type]
        paths = {"path": str(path.absolute()), "inputs": str(inputs), "outputs": str(outputs)}
        order.write_text(json.dumps({**paths, "signatures": list(signatures), "changes": list(changes)}))
        words = [*environment.command(core), str(HERE / "inside.py"), str(order)]
        done = child_process.run(words, variables=environment.variables(), safe_path=False)
        if done.returncode or not outputs.is_file():
            lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("instructions")]
            how = child_process.ending(done.returncode)
            raise FailedError(f"{path}: does not run on {core} ({(lines or [how])[-1][:200]})")
        arrays = dict(np.load(outputs))
    counted = {}
    asking, numbers = read(done.stderr)
    for signature in signatures:
        first, second = numbers[signature or ""]
        resizes = {}
        for before in (before for before, after in changes if after == signature):
            start, resized, again = numbers[f"{before} > {signature}"]
            resizes[before] = ((resized - start) - (again - resized)) / 1e6
        own = {name.removeprefix(f"{signature or ''}/"): values for name, values in arrays.items()
               if name.startswith(f"{signature or ''}/")}  # fmt: skip
        counted[signature] = Counted((second - first - asking) / 1e6, own, resizes)
    return counted


def read(printed: str) -> tuple[int, dict[str, tuple[int, ...]]]:
    """Parse the counter's output: the cost of a query, and the counts around the inferences of each signature."""
    before, _, rest = printed.partition("signature ")
    first, second, *_ = map(int, re.findall(r"^instructions (\d+)$", before, re.MULTILINE))
    numbers = {}
    for part in rest.split("signature "):
        name, _, lines = part.partition("\n")
        numbers[name.strip()] = tuple(map(int, re.findall(r"^instructions (\d+)$", lines, re.MULTILINE)))
    return second - first, numbers
