"""Speed of the stages of knowledge transfer; for a small pair, with other implementations in the same run."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf.benchmarks.library.training import OURS
from mobilebert_tf.benchmarks.programs import answer_of, output_of
from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import FailedError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Timing of every stage. LAMB with clipping, no padding, no dropout; the published losses."""

    sequence_length: int = 128
    predictions: int = 20
    """Masked words per example."""
    threads: int = 2
    steps: int = 12
    """Timed steps per stage and round, after two warm-up steps."""
    rounds: int = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """A teacher, a student and their batch size."""

    name: str
    teacher: MobileBertConfig
    student: MobileBertConfig
    batch_size: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One stage of one pair, measured in one process."""

    pair: Pair
    stage: str
    """The stage's name in the plan."""
    plan: str = "default"
    teacher_dtype: str = "float32"

    @property
    def name(self) -> str:
        below = {"default": "", "tf_models": ", all below train too"}[self.plan] if self.layer else ""
        dtype = "" if self.teacher_dtype == "float32" else f", teacher in {self.teacher_dtype}"
        return f"{OURS}, {self.pair.name}: {stage_name(self.layer)}{below}{dtype}"

    @property
    def layer(self) -> int:
        """The transferred layer, counted from 1; 0 in distillation."""
        return int(self.stage.removeprefix("transfer_")) if self.stage != "distillation" else 0


def stage_name(layer: int) -> str:
    return f"layer {layer}" if layer else "distillation"


_SIX_LAYERS: dict[str, Any] = dict(hidden_size=256, num_hidden_layers=6)

# Lacks tf-models' pooler and the inner layer of its next-sentence head: two products of 16 rows in distillation.
SMALL = Pair(
    name="6 layers",
    # Google's approximate GELU, which tf-models calls gelu.
    teacher=MobileBertConfig(
        **_SIX_LAYERS,
        intermediate_size=512,
        num_feedforward_networks=1,
        normalization_type="layer_norm",
        hidden_act="gelu_tanh",
        use_bottleneck_attention=True,
        key_query_shared_bottleneck=False,
    ),
    student=MobileBertConfig(**_SIX_LAYERS, intra_bottleneck_size=64, intermediate_size=256),
    batch_size=16,
)
FULL = Pair(
    name="24 layers",
    teacher=MobileBertConfig.preset("ib_bert_large"),
    student=MobileBertConfig.preset("mobilebert"),
    batch_size=8,
)

CASES = {
    "small": (
        Case(pair=SMALL, stage="transfer_6"),
        Case(pair=SMALL, stage="transfer_6", teacher_dtype="bfloat16"),
        Case(pair=SMALL, stage="transfer_6", plan="tf_models"),
        Case(pair=SMALL, stage="distillation"),
    ),
    "full": (
        *(Case(pair=FULL, stage=stage) for stage in ("transfer_1", "transfer_12", "transfer_24", "distillation")),
        *(Case(pair=FULL, stage=stage, teacher_dtype="bfloat16") for stage in ("transfer_24", "distillation")),
    ),
}
"""Cases by --size. Peers are measured with the small pair only."""


def measure(cases: Sequence[Case], settings: Settings, peers: Mapping[str, str]) -> list[Subject]:
    """Seconds per step of every case, each round in a fresh process, then those of the peers.

    A peer's command measures the small pair's stages itself and prints a line for each:
    "stage 5 ... = X steps/s; build+first Y s", stages counted from 0, distillation last. It runs in a directory
    that is deleted afterwards. The details of a case that a peer measures too have the ratio to the peer.

    Raises:
      FailedError: a process died, or a peer printed no line for a stage that is measured.
    """
    seen: dict[str, list[dict[str, Any]]] = {case.name: [] for case in cases}
    layers = sorted({case.layer for case in cases if case.pair is SMALL}, reverse=True)
    seen |= {peer_name(peer, layer): [] for peer in peers for layer in layers}
    one_round: list[Case | str] = [*cases, *peers]
    turns = one_round * settings.rounds
    for turn in track(turns, "measuring", "processes", len(turns)):
        if isinstance(turn, Case):
            seen[turn.name].append(_ours(turn, settings))
        else:
            for layer, round_ in read_peer(turn, _run_peer(turn, peers[turn]), layers).items():
                seen[peer_name(turn, layer)].append(round_)
    peer_subjects = [
        Subject(name=name, details={"layer": layer, "command": peers[peer]}, rounds=seen[name])
        for peer in peers
        for layer in layers
        for name in [peer_name(peer, layer)]
    ]
    return [*(_subject(case, seen[case.name], peer_subjects) for case in cases), *peer_subjects]


def peer_name(peer: str, layer: int) -> str:
    return f"{peer}, {SMALL.name}: {stage_name(layer)}"


def _subject(case: Case, rounds: Sequence[Mapping[str, Any]], theirs: Sequence[Subject]) -> Subject:
    details: dict[str, Any] = {
        **{name: getattr(case, name) for name in ("layer", "stage", "plan", "teacher_dtype")},
        "batch_size": case.pair.batch_size,
        "teacher": dataclasses.asdict(case.pair.teacher),
        "student": dataclasses.asdict(case.pair.student),
    }
    subject = Subject(name=case.name, details={}, rounds=rounds)
    peer = next((other for other in theirs if case.pair is SMALL and other.details["layer"] == case.layer), None)
    if peer:
        details["ratio"] = {"baseline": peer.name, **dataclasses.asdict(subject.ratio_to(peer))}
    return dataclasses.replace(subject, details=details)


def _ours(case: Case, settings: Settings) -> dict[str, Any]:
    values = {**dataclasses.asdict(settings), **dataclasses.asdict(case), **dataclasses.asdict(case.pair)}
    command = [sys.executable, "-m", "mobilebert_tf.benchmarks.library.transfer_step", json.dumps(values)]
    return answer_of(case.name, command)


def _run_peer(name: str, command: str) -> str:
    # The command runs in another directory, so paths of files here become absolute. Links are not resolved: the Python
    # of a virtual environment is one.
    words = [str(Path(word).absolute()) if Path(word).exists() else word for word in shlex.split(command)]
    with tempfile.TemporaryDirectory() as scratch:
        return output_of(name, words, scratch)


def read_peer(name: str, text: str, layers: Sequence[int]) -> dict[int, dict[str, Any]]:
    """One round of each of these layers (counted from 1, 0 is distillation), from the text that a peer printed.

    Raises:
      FailedError: the line of a layer is missing.
    """
    lines = re.findall(r"^stage (\d+)\b.*= *([\d.]+) steps/s(?:.*build\+first ([\d.]+))?", text, re.M)
    by_stage = {int(stage): (float(rate), float(first) if first else None) for stage, rate, first in lines}
    rounds = {}
    for layer in layers:
        stage = (layer or SMALL.student.num_hidden_layers + 1) - 1
        if stage not in by_stage:
            raise FailedError(f"peer {name}: printed no line `stage {stage} ... = X steps/s`")
        rate, first = by_stage[stage]
        rounds[layer] = {"samples": [1.0 / rate], "first_step_seconds": first}
    return rounds


def first_step(subject: Mapping[str, Any]) -> float | None:
    """Median over the rounds of a written subject, in seconds; None: not recorded."""
    firsts = sorted(one["first_step_seconds"] for one in subject["rounds"] if one.get("first_step_seconds"))
    return firsts[len(firsts) // 2] if firsts else None


def peak(subject: Mapping[str, Any]) -> float | None:
    """Largest peak memory of a written subject's rounds, in MiB; None: not recorded."""
    return max((one["peak_memory_mib"] for one in subject["rounds"] if one.get("peak_memory_mib")), default=None)


def table(written: Mapping[str, Any]) -> str:
    """The results as a text table for the terminal."""
    width = max(len(subject["name"]) for subject in written["subjects"])
    lines = [f"{'':<{width}}  steps/s  first step  peak memory  speed, peer = 1"]
    for subject in written["subjects"]:
        first, most, ratio = first_step(subject), peak(subject), subject.get("ratio")
        cells = (
            f"{1 / subject['summary']['median']:8.2f}",
            f"{first:9.1f} s" if first else f"{'-':>11}",
            f"{most:8.0f} MiB" if most else f"{'-':>12}",
            f"{1 / ratio['median']:16.2f}" if ratio else "",
        )
        lines.append(" ".join([f"{subject['name']:<{width}}", *cells]).rstrip())
    return "\n".join(lines)
