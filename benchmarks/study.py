"""A study: variants of a chain of commands, run with several seeds, and the differences between their figures.

A study is a JSON file (this project's are in `studies/`):

    about     the question that it answers
    chain     steps by name, in order: `command`, its `flags`, and `seeds` if the step is repeated for each of
              the study's seeds; {NAME} in a flag is the value given for NAME, or the output of the step NAME
    variants  by name, the flags that differ in each step; null removes a flag, or in place of flags the step
    baseline  the variant that others are compared with; if names are like "8 rows: tf-idf", the part after the
              colon, which names a baseline in each group
    seeds     number of repetitions of the whole chain
    figures   by name: `step` and `at`, a path in its metrics.json, with `*` for the mean of all matches;
              `digits`, or `percent`
    published other people's figures as published, shown below the rest: `name`, `source`, `figures` by name

Every run is a `mobilebert-tf` command with its own directory, so that a stopped study can go on and the model behind
each figure can be inspected.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import math
import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from mobilebert_tf.benchmarks.programs import run_own
from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.fields import read as read_fields
from mobilebert_tf.fields import within
from mobilebert_tf.names import distinct_names, plain_name

Flags = Mapping[str, Any]

SEEDED = ("distill", "finetune", "pretrain", "benchmark baseline")
"""Commands that are given a --seed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """One command of the chain."""

    command: str
    flags: Flags
    seeds: Annotated[int, within(1, 1000)] = 1
    """Repetitions for each seed of the study."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure:
    """One number of a run."""

    step: str
    at: str
    """Path of keys in the step's metrics.json, joined by dots; a pattern means the mean of all matches."""
    digits: int = 3
    percent: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
    """Figures that other people published about their model; not measured here."""

    name: str
    source: str
    figures: Mapping[str, str]
    """Figures by name, as published."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """The content of a study file."""

    about: str
    chain: Mapping[str, Step]
    variants: Mapping[str, Mapping[str, Flags | None]]
    figures: Mapping[str, Figure]
    baseline: str
    seeds: Annotated[int, within(1, 1000)] = 1
    published: tuple[Published, ...] = ()


def read(path: str) -> Study:
    """Read the study in a JSON file.

    Raises:
      UsageError: it is missing or not JSON, or a name in it is unknown or cannot be a directory's name.
    """
    if not Path(path).exists():
        raise UsageError(f"--study={path}: no such file")
    study: Study = read_fields(Path(path), Study, refuses_unknown=True)
    for what in ("chain", "variants", "figures"):
        if not getattr(study, what):
            raise UsageError(f"{path}: {what}: is empty")
    for name in study.chain:
        plain_name(name, f"{path}: name of a step, and so of a directory")
    distinct_names([_slug(name) or name for name in study.variants], f"{path}: directories of variants")
    for name, own in study.chain.items():
        _check_flags(own.flags, f"{path}: chain: step {name!r}")
    for variant, changes in study.variants.items():
        if not _slug(variant):
            raise UsageError(f"{path}: variant {variant!r}: has no letter or digit to name its directory after")
        for step in changes:
            if step not in study.chain:
                raise UsageError(f"{path}: variant {variant!r}: there is no step {step!r}")
            _check_flags(changes[step] or {}, f"{path}: variant {variant!r}: step {step!r}")
    for name, figure in study.figures.items():
        if figure.step not in study.chain:
            raise UsageError(f"{path}: figure {name!r}: there is no step {figure.step!r}")
        for variant, changes in study.variants.items():
            if changes.get(figure.step, {}) is None:
                raise UsageError(
                    f"{path}: variant {variant!r}: leaves out step {figure.step!r}, which figure {name!r} is read from"
                )
    for published in study.published:
        if unknown := [name for name in published.figures if name not in study.figures]:
            raise UsageError(f"{path}: published {published.name!r}: there is no figure {unknown[0]!r}")
    for name in study.variants:
        if baseline_of(name, study.baseline, study.variants) not in study.variants:
            raise UsageError(f"{path}: the baseline {study.baseline!r} is not one of the variants")
    return study


def _check_flags(flags: Flags, place: str) -> None:
    """Raise UsageError if a step's flags have no command's name as `command`, or one that is not theirs to set."""
    if not isinstance(command := flags.get("command", ""), str):
        raise UsageError(f"{place}: command: is {command!r}; it must be the name of a command")
    if "output" in flags:
        raise UsageError(f"{place}: output: is set by the study; leave it out")
    for name in ("help", "debug", "flagfile"):
        if name in flags:
            raise UsageError(f"{place}: {name}: does not go with a study; leave it out")


def baseline_of(variant: str, baseline: str, variants: Collection[str]) -> str:
    """Name of the variant that `variant` is compared with: the baseline, or that of its group."""
    group = group_of(variant)
    return baseline if baseline in variants or not group else f"{group}: {baseline}"


def group_of(name: str) -> str:
    """The part before the colon of "8 rows: tf-idf"; empty: the name has none."""
    group, colon, _ = name.partition(": ")
    return group if colon else ""


@dataclasses.dataclass(frozen=True)
class _Run:
    """One command in its directory."""

    step: str
    words: tuple[str, ...]
    directory: Path


Round = Mapping[str, Any]
"""One repetition of a variant: its figures, and the commands that produced them."""

Commands = tuple[str, ...]


def measure(
    study: Study, given: Mapping[str, str], work: Path, earlier: Mapping[Commands, Round] | None = None
) -> Iterator[tuple[str, Round]]:
    """Run everything that is not done yet, and read the figures.

    Yields a variant's name and a round for each run of the variant's last step.

    Args:
      given: values for the names in braces.
      work: directory of all runs.
      earlier: rounds that need not be run again, by their commands.

    Raises:
      FailedError: a command failed; the next call with the same `work` resumes there.
      UsageError: a name in braces has no value.
    """
    known = earlier or {}
    turns = [(seed, name) for seed in range(study.seeds) for name in study.variants]
    for seed, name in track(turns, "variants and seeds", "runs", len(turns)):
        for runs in _chains(study, name, seed, given, work):
            if (measured := known.get(_commands(runs))) is None:
                for run in runs:
                    _execute(run)
                    # Read before the rest of the chain runs: hours would be wasted if a figure is missing.
                    _figures(study, {run.step: run})
                measured = _round(study, seed, runs)
            yield name, measured


def command_lines(study: Study, given: Mapping[str, str], work: Path) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Variant, step and words of each command of the first round. Raises UsageError: a name in braces has no value."""
    for variant in study.variants:
        for run in next(_chains(study, variant, 0, given, work)):
            yield variant, run.step, run.words


def subjects(study: Study, rounds: Sequence[tuple[str, Round]]) -> list[Subject]:
    """A subject for each variant that has been measured."""
    return [
        Subject(name=name, details={"changes": study.variants[name]}, rounds=own)
        for name in study.variants
        if (own := [measured for variant, measured in rounds if variant == name])
    ]


def rounds_of(document: Mapping[str, Any], study: Study) -> dict[Commands, Round]:
    """The rounds of an earlier result that have all figures of the study, by their commands.

    Each round records the commit that it was measured with.
    """
    return {
        tuple(measured["commands"]): {"commit": document["made_by"].get("commit"), **measured}
        for subject in document["subjects"]
        for measured in subject["rounds"]
        if "commands" in measured and measured.get("figures", {}).keys() >= study.figures.keys()
    }


def _chains(study: Study, variant: str, seed: int, given: Mapping[str, str], work: Path) -> Iterator[list[_Run]]:
    """The commands of each repetition; steps that are not repeated are identical in all of them."""
    repeats = max(step.seeds for step in study.chain.values())
    for repeat in range(repeats):
        runs: list[_Run] = []
        known = dict(given)
        for name, step in study.chain.items():
            if (changes := study.variants[variant].get(name, {})) is None:
                continue
            own = min(repeat, step.seeds - 1)
            directory = work / _slug(variant) / f"{name}-{seed}" / (f"{own}" if step.seeds > 1 else "only")
            flags = {**step.flags, **changes}
            command = flags.pop("command", step.command)
            if command in SEEDED:
                flags.setdefault("seed", seed * step.seeds + own)
            flags = {flag: value for flag, value in flags.items() if value is not None}
            words = [*command.split(), *(f"--{flag}={_filled(value, known)}" for flag, value in flags.items())]
            runs.append(_Run(name, (*words, f"--output={directory}"), directory))
            known[name] = str(directory)
        yield runs


def _filled(value: Any, known: Mapping[str, str]) -> str:
    try:
        return re.sub(r"\{(\w+)\}", lambda match: known[match[1]], str(value))
    except KeyError as name:
        raise UsageError(f"the study needs an input {name}; give it with --inputs=NAME=PATH") from None


def _execute(run: _Run) -> None:
    run_own(run.words, run.directory)


def _round(study: Study, seed: int, runs: Sequence[_Run]) -> dict[str, Any]:
    figures = _figures(study, {run.step: run for run in runs})
    return {
        "samples": [next(iter(figures.values()))],
        "seed": seed,
        "figures": figures,
        "seconds": {run.step: _json(run.directory / "run.json")["seconds"] for run in runs},
        "commands": list(_commands(runs)),
    }


def _figures(study: Study, runs: Mapping[str, _Run]) -> dict[str, float]:
    """Figures of the steps in `runs`. Raises FailedError, naming the file: a figure is missing or not a number."""
    by_name = {}
    for name, figure in study.figures.items():
        if figure.step in runs:
            path = runs[figure.step].directory / "metrics.json"
            try:
                by_name[name] = value_at(_json(path), figure.at)
            except FileNotFoundError:
                problem = f"step {figure.step} writes no such file"
                raise FailedError(f"{path}: {problem}; correct the study's figure {name!r}") from None
            except FailedError as error:
                raise FailedError(f"{path}: {error}; correct the study's figure {name!r}") from None
    return by_name


def _commands(runs: Sequence[_Run]) -> Commands:
    return tuple(shlex.join(["mobilebert-tf", *run.words]) for run in runs)


def value_at(metrics: Mapping[str, Any], path: str) -> float:
    """The number at a path such as "evaluation.accuracy", or the mean of those that match "held_out.layer_*/x".

    Raises:
      FailedError: nothing matches, or a match is not a finite number.
    """
    matches: list[Any] = [metrics]
    for key in path.split("."):
        # Only objects have keys.
        objects = [one for one in matches if isinstance(one, Mapping)]
        matches = [inner for one in objects for name, inner in one.items() if fnmatch.fnmatchcase(name, key)]
    if not matches:
        raise FailedError(f"a run has no figure {path}; it has {', '.join(metrics)}")
    for one in matches:
        if isinstance(one, bool) or not isinstance(one, int | float) or not math.isfinite(one):
            kind = f"an object of {', '.join(one)}" if isinstance(one, Mapping) else f"{json.dumps(one)[:40]}"
            raise FailedError(f"a run's figure {path} is {kind}, not a number")
    return float(np.mean(matches))


def _slug(name: str) -> str:
    return "-".join(re.findall(r"\w+", name.lower()))


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
