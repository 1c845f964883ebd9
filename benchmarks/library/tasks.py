"""Speed of the work around the network: features of questions, scoring a file, batches of similar length."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any

from mobilebert_tf.benchmarks.programs import answer_of
from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.data.progress import track

PAIRS = {
    "questions to features": ("tokenizer_alone", "questions"),
    "scoring a file": ("one_process", "all_processors"),
    "fine-tuning": ("padded", "by_length"),
}
"""Comparisons by title: the baseline, then this library's way."""

NAMES = {
    "tokenizer_alone": "tokenizer alone, all questions and passages",
    "questions": "features of the same questions",
    "one_process": "scoring with a file, one process",
    "all_processors": "scoring with a file, all processors",
    "padded": "fine-tuning, every example padded to 128",
    "by_length": "fine-tuning, batches of like length",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Inputs and length of the measurements."""

    questions: str
    vocab: str
    file: str
    table: str
    text_column: str
    label_column: str
    model: str
    steps: int
    rounds: int


def measure(settings: Settings) -> list[Subject]:
    """Seconds of every piece of work, each in a fresh process, all in turn within a round.

    Raises:
      FailedError: a process died.
    """
    seen: dict[str, list[dict[str, Any]]] = {work: [] for pair in PAIRS.values() for work in pair}
    turns = [work for _ in range(settings.rounds) for work in seen]
    for work in track(turns, "measuring", "processes", len(turns)):
        values = json.dumps({"work": work, **dataclasses.asdict(settings)})
        command = [sys.executable, "-m", "mobilebert_tf.benchmarks.library.one_task", values]
        seen[work].append(answer_of(NAMES[work], command))
    return [Subject(name=NAMES[work], details={}, rounds=rounds) for work, rounds in seen.items()]


def table(subjects: list[Subject]) -> str:
    """Each pair with the ratio of its times, for the terminal."""
    by_name = {subject.name: subject for subject in subjects}
    lines = []
    for title, (yardstick, ours) in PAIRS.items():
        ratio = by_name[NAMES[yardstick]].ratio_to(by_name[NAMES[ours]])
        lines.append(f"{title}: {ratio.median:.2f} times as fast ({ratio.min:.2f} to {ratio.max:.2f}) as {yardstick}")
    return "\n".join(line.replace("_", " ") for line in lines)
