"""Seconds and memory of converting a checkpoint, each conversion in a process of its own."""

from __future__ import annotations

import dataclasses
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mobilebert_tf import child_process
from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.checkpoints.checkpoint import Architecture, Checkpoint
from mobilebert_tf.checkpoints.conversion import WORLDS
from mobilebert_tf.checkpoints.names import weights
from mobilebert_tf.config import Heads, MobileBertConfig
from mobilebert_tf.data.progress import track

ROUTES = (("huggingface", "keras"), ("keras", "huggingface"), ("tf1", "keras"), ("keras", "tf1"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The converted model and the number of rounds."""

    preset: str = "mobilebert"
    rounds: int = 3


def measure(settings: Settings) -> list[Subject]:
    """Wall-clock seconds from the start of `mobilebert-tf convert` to its end, with the pre-training heads.

    Raises:
      FailedError: a conversion failed.
    """
    seen: dict[tuple[str, str], list[dict[str, Any]]] = {route: [] for route in ROUTES}
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        for world, write in WORLDS.items():
            (place / world).mkdir()
            write(_new_model(settings.preset), place / world)
        turns = [route for _ in range(settings.rounds) for route in ROUTES]
        for source, to in track(turns, "measuring", "conversions", len(turns)):
            seen[source, to].append(_convert(place / source, place / "output", to))
    return [Subject(name=f"{source} to {to}", details={}, rounds=rounds) for (source, to), rounds in seen.items()]


def _new_model(preset: str) -> Checkpoint:
    """A checkpoint without weights: the writers draw all of them at random."""
    config, heads = MobileBertConfig.preset(preset), Heads.of(["masked_words", "next_sentence"])
    table = weights(config, heads)
    return Checkpoint(
        path=Path(preset),
        world="keras",
        architecture=Architecture(config),
        heads=heads,
        files=(),
        weights=table,
        read_there=_unreadable,
        missing=frozenset(weight.name for weight in table),
    )


def _unreadable(_: Any) -> Any:
    raise AssertionError("a new model has nothing to read")


def _convert(source: Path, output: Path, to: str) -> dict[str, Any]:
    shutil.rmtree(output, ignore_errors=True)
    flags = [f"--input={source}", f"--output={output}", f"--to={to}"]
    start = time.perf_counter()
    command = [sys.executable, "-m", "mobilebert_tf.benchmarks.library.one_conversion", *flags]
    done = child_process.run(command)
    seconds = time.perf_counter() - start
    peak = child_process.answer(f"converting {source.name} to {to}", done)
    return {"samples": [round(seconds, 3)], "peak_memory_mib": float(peak)}


def table(written: dict[str, Any]) -> str:
    """The results as a text table for the terminal."""
    lines = [f"{'':<22} seconds  peak memory"]
    for subject in written["subjects"]:
        peak = max(one["peak_memory_mib"] for one in subject["rounds"])
        lines.append(f"{subject['name']:<22} {subject['summary']['median']:7.2f}  {peak:7.0f} MiB")
    return "\n".join(lines)
