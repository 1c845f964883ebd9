"""Speed of a fine-tuning step, compared with other implementations in the same run."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import sys
from typing import Any

from mobilebert_tf.benchmarks.programs import answer_of, output_of
from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import FailedError, UsageError

OURS = "mobilebert_tf"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Content of a step and number of timed steps."""

    preset: str = "mobilebert"
    batch_size: int = 16
    sequence_length: int = 128
    threads: int = 2
    dtypes: tuple[str, ...] = ("float32",)
    """Types of activations; each is measured."""
    quantization_aware: bool = False
    """Whether the step of `finetune --quantization_aware` is measured too, in float32."""
    steps: int = 12
    """Timed steps per round."""
    rounds: int = 3


def parse_peers(text: str | None) -> dict[str, str]:
    """Peers by name from "NAME=COMMAND; NAME=COMMAND". Raises UsageError."""
    peers = {}
    for entry in filter(None, (part.strip() for part in (text or "").split(";"))):
        name, equals, command = entry.partition("=")
        if not equals or not command:
            raise UsageError(f"--peers: {entry!r} is not NAME=COMMAND")
        peers[name.strip()] = command.strip()
    return peers


def measure(settings: Settings, peers: dict[str, str]) -> list[Subject]:
    """Seconds per step, this library's first. A peer's command must print its median as "... = X steps/s"
    and may print "first step s Y".

    Raises:
      FailedError: a process died or printed no such line.
    """
    ours: dict[str, dict[str, Any]] = {
        f"{OURS} {dtype}": {"dtype": dtype, "quantization_aware": False} for dtype in settings.dtypes
    }
    if settings.quantization_aware:
        ours[f"{OURS} quantisation-aware"] = {"dtype": "float32", "quantization_aware": True}
    seen: dict[str, list[dict[str, Any]]] = {name: [] for name in (*ours, *peers)}
    turns = [name for _ in range(settings.rounds) for name in seen]
    for name in track(turns, "measuring", "processes", len(turns)):
        seen[name].append(_ours(settings, ours[name]) if name in ours else _peer(name, peers[name]))
    return [
        Subject(name=name, details={} if name in ours else {"command": peers[name]}, rounds=rounds)
        for name, rounds in seen.items()
    ]


def _ours(settings: Settings, kind: dict[str, Any]) -> dict[str, Any]:
    values = {**dataclasses.asdict(settings), **kind}
    command = [sys.executable, "-m", "mobilebert_tf.benchmarks.library.training_step", json.dumps(values)]
    return answer_of(OURS, command)


def _peer(name: str, command: str) -> dict[str, Any]:
    text = output_of(name, shlex.split(command))
    rate = re.search(r"= *([\d.]+) steps/s", text)
    first = re.search(r"first step s ([\d.]+)", text)
    if not rate:
        raise FailedError(f"peer {name}: printed no line with `= X steps/s`")
    return {
        "samples": [1.0 / float(rate.group(1))],
        "first_step_seconds": float(first.group(1)) if first else None,
    }


def table(written: dict[str, Any]) -> str:
    """The results as a text table for the terminal."""
    width = max(len(subject["name"]) for subject in written["subjects"])
    lines = [f"{'':<{width}}  steps/s  first step   speed against the first"]
    ours = written["subjects"][0]["summary"]["median"]
    for subject in written["subjects"]:
        median = subject["summary"]["median"]
        firsts = sorted(f for f in (r.get("first_step_seconds") for r in subject["rounds"]) if f is not None)
        first = f"{firsts[len(firsts) // 2]:8.1f} s" if firsts else f"{'-':>10}"
        lines.append(f"{subject['name']:<{width}} {1 / median:8.3f}  {first}   {ours / median:.2f}")
    return "\n".join(lines)
