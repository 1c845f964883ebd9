"""Instructions of one inference on another processor: the same on any machine, whatever its load.

They are counted by the emulator of `benchmarks/arm`, or by a user's program that is called with a file and the name of
a signature (no name: the only one) and prints the number first, or they are estimated from the file alone.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mobilebert_tf import provenance
from mobilebert_tf.benchmarks import schema, verdict
from mobilebert_tf.benchmarks.arm.count import count
from mobilebert_tf.benchmarks.arm.environment import Environment
from mobilebert_tf.benchmarks.files import outputs as reference
from mobilebert_tf.benchmarks.files.configuration import Configuration
from mobilebert_tf.benchmarks.files.feeds import Beside
from mobilebert_tf.benchmarks.files.host import known_signatures, signatures_of
from mobilebert_tf.benchmarks.files.inputs import Signatures
from mobilebert_tf.benchmarks.files.origin import origin
from mobilebert_tf.benchmarks.files.texts import Texts
from mobilebert_tf.benchmarks.files.titles import titles
from mobilebert_tf.benchmarks.programs import output_of
from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.litert.instructions import estimate
from mobilebert_tf.litert.one_graph import any_shapes

VISIBLE = 0.005
"""Smallest change of a count that is reported, as a share: counts repeat to 0.01 %, so 0.5 % is real."""


OF_THE_COUNTER = "of the counter"
"""Name used instead of a core's if a user's program counts."""

GROW, SHRINK = "grow", "shrink"
"""Changes of length: an inference after one of a shorter, or of a longer signature of the same graph."""


class Counter(Protocol):
    """Counter of the instructions of a file's graphs."""

    def __call__(self, file: Path, signatures: Sequence[str | None]) -> tuple[list[float], dict[str, Any]]:
        """Millions of instructions of each signature, and further details of the file for results.

        Where all signatures share a graph, details have `resize_million` by signature, or None if it is not counted:
        the millions that an inference costs more after a change of length, by GROW and SHRINK.

        Raises:
          UsageError: the file has operators of unknown cost.
          FailedError: counting failed.
        """


@dataclasses.dataclass(frozen=True)
class Program:
    """A user's program that counts."""

    command: str

    def __call__(self, file: Path, signatures: Sequence[str | None]) -> tuple[list[float], dict[str, Any]]:
        return [self._count(file, signature) for signature in signatures], _not_counted(file)

    def _count(self, file: Path, signature: str | None) -> float:
        printed = output_of(file.name, [*shlex.split(self.command), str(file), *([signature] if signature else [])])
        number = re.match(r"\s*(\d+)\b", printed)
        if not number:
            raise FailedError(f"{file}: the counter must print a number first, but it printed {printed.strip()[:80]!r}")
        return int(number[1]) / 1e6


@dataclasses.dataclass(frozen=True)
class Emulated:
    """The project's own emulator, which also compares the outputs on some cores with those of this machine."""

    environment: Environment
    core: str
    checked: tuple[str, ...]
    """Cores whose outputs are compared."""

    def __call__(self, file: Path, signatures: Sequence[str | None]) -> tuple[list[float], dict[str, Any]]:
        known = known_signatures(file)
        feeds = Beside()
        rows: dict[str, np.ndarray] = {}
        values: dict[str | None, dict[str, np.ndarray]] = {}
        changes = _changes(file, known, signatures)
        for name in dict.fromkeys([*signatures, *(before for before, _ in changes)]):
            signature = known.named(name or "")
            own, _ = feeds.rows(signature)
            values[name] = {key: array[:1] for key, array in own.items()}
            shaped = signature.rows({f"{name or ''}/{key}": array for key, array in values[name].items()})
            rows |= {f"{name or ''}/{key}": array for key, array in shaped.items()}
        counts: list[float] = []
        resizes: dict[str, dict[str, float]] = {}
        errors: dict[str, float | None] = {}
        for core in dict.fromkeys((self.core, *self.checked)):
            own_changes = list(changes) if core == self.core else []
            counted = count(self.environment, core, file, rows, signatures, own_changes)
            if core == self.core:
                counts = [counted[name].million for name in signatures]
            for before, after in own_changes:
                way = changes[before, after]
                resizes.setdefault(after, {})[way] = round(counted[after].resize_million[before], 6)
            if core in self.checked:
                worst = [_error(known, name, file, values[name], counted[name].outputs) for name in signatures]
                errors[core] = None if None in worst else max(one for one in worst if one is not None)
        bad = [error is None for error in errors.values()]
        outputs = {
            "checked": bool(errors),
            "max_relative_error": None
            if any(bad) or not errors
            else max(one for one in errors.values() if one is not None),
            "tolerance": reference.tolerance_of(file).relative,
            "of_cores": errors,
        }
        return counts, {"outputs": outputs} | ({"resize_million": resizes} if changes else {})


def _changes(file: Path, known: Signatures, signatures: Sequence[str | None]) -> dict[tuple[str, str], str]:
    """GROW or SHRINK for pairs of a signature to run before and one of `signatures`; empty: none share a graph.

    The cost of a change does not depend on how far the lengths are apart, so the shortest and the longest come before.
    """
    if not any_shapes(file.read_bytes()):
        return {}
    lengths = {one.name: one.length for one in known.each if one.name and one.length}
    shortest, longest = (choose(lengths, key=lambda name: lengths[name]) for choose in (min, max))
    changes = {}
    for name in (name for name in signatures if name):
        if lengths[name] > lengths[shortest]:
            changes[shortest, name] = GROW
        if lengths[name] < lengths[longest]:
            changes[longest, name] = SHRINK
    return changes


def _not_counted(file: Path) -> dict[str, Any]:
    """Details of a file whose changes of length are not counted; empty: it has none."""
    return {"resize_million": None} if any_shapes(file.read_bytes()) else {}


@dataclasses.dataclass(frozen=True)
class Estimated:
    """An estimate from the file's operators, without counting."""

    def __call__(self, file: Path, signatures: Sequence[str | None]) -> tuple[list[float], dict[str, Any]]:
        content = file.read_bytes()
        counts = []
        for name in signatures:
            million = estimate(content, name)
            if million is None:
                raise UsageError(f"{file}: has operators of unknown cost; count it instead (--environment)")
            counts.append(million)
        return counts, _not_counted(file)


def measure(
    files: Sequence[Path], counter: Counter, lengths: Sequence[int] | None = (), texts: Texts | None = None
) -> Iterator[list[Subject]]:
    """Millions of instructions of one inference of each file at the given lengths.

    A count takes seconds to minutes, so each file's is yielded as soon as it is known; problems with any file are
    raised before the first count.

    Args:
      lengths: T of the signatures; empty: the longest of each file; None: all that it has.
      texts: if given, one mean over these texts per file, in any order; each text takes the shortest signature that
        it fits in, and where all lengths share one graph, changes of length are counted too.

    Raises:
      UsageError: a file is not a `.tflite` file, has other inputs than ids, mask and segments, or lacks a T.
      FailedError: the counter failed, or printed no number.
    """
    chosen = {file: _signatures(file, lengths, texts) for file in files}
    names_of = titles(files)
    for file in track(files, "counting", "files", len(files)):
        names = chosen[file].names
        counts, more = counter(file, list(names.values()))
        yield _subjects(names_of[file], file, chosen[file], dict(zip(names, counts, strict=True)), more)


def _subjects(
    name: str, file: Path, chosen: _Chosen, counts_of: Mapping[int, float], more: Mapping[str, Any]
) -> list[Subject]:
    resizes: Mapping[str, Mapping[str, float]] | None = more.get("resize_million", {})
    details = {
        "sha256": provenance.sha256(file),
        "bytes": file.stat().st_size,
        **origin(file),
        "configuration": Configuration().describe() | {"api": None, "weight_cache": None},
        **{key: value for key, value in more.items() if key != "resize_million"},
        "validity": _judged(more).describe(),
    }
    if chosen.shares:
        mean = sum(share * counts_of[length] for length, share in chosen.shares.items())
        details |= {"shares_of_lengths": chosen.shares, "million_of_lengths": counts_of}
        if resizes is None:
            details |= {"resize_million_in_mean": None}
        elif resizes:
            of_lengths = {length: resizes.get(chosen.names[length] or "", {}) for length in chosen.shares}
            resizing = _resizing(chosen.shares, of_lengths)
            details |= {"resize_million_of_lengths": of_lengths, "resize_million_in_mean": round(resizing, 6)}
            mean += resizing
        return [Subject(name=name, details=details, rounds=[{"samples": [round(mean, 6)]}])]
    subjects = []
    for length, million in counts_of.items():
        resize = (resizes or {}).get(chosen.names[length] or "")
        own = {"sequence_length": length, "signature": chosen.names[length]}
        own_details = details | own | ({"resize_million": resize} if resize else {})
        subjects.append(Subject(name=name, details=own_details, rounds=[{"samples": [round(million, 6)]}]))
    return subjects


def _resizing(shares: Mapping[int, float], resizes: Mapping[int, Mapping[str, float]]) -> float:
    """Millions of instructions for changes of length in the mean over texts, which come in any order.

    Args:
      shares: share of the texts by length T; a text follows one of any length with that length's share.
      resizes: what a change to T costs, by GROW and SHRINK.
    """
    return sum(
        share * shares[before] * resizes[length][GROW if before < length else SHRINK]
        for length, share in shares.items()
        for before in shares
        if before != length
    )


def baselines(subjects: Sequence[Subject], name: str) -> list[Subject | None]:
    """The baseline's subject of the same length for each subject; a baseline with one length is compared at any."""
    own = [one for one in subjects if one.name == name]
    return [
        next((one for one in own if one.details.get("sequence_length") == subject.details.get("sequence_length")),
             own[0] if len(own) == 1 else None)
        for subject in subjects
    ]  # fmt: skip


def check_comparable(about: Mapping[str, Any], earlier: Mapping[str, Any], path: str) -> None:
    """Raise UsageError if two results are of different processors, or only one of them is an estimate.

    Args:
      about: `where` and `emulator` of the result that is about to be made.
      earlier: an earlier result.
      path: the earlier result's path.
    """
    counted_now, counted_then = _counted(about), _counted(earlier)
    if counted_now != counted_then:
        raise UsageError(
            f"--earlier={path}: has {counted_then}, which cannot be compared with {counted_now}; "
            "count both in the same way"
        )


def _counted(document: Mapping[str, Any]) -> str:
    core = schema.core_of(document)
    what = "estimates" if document.get("where") == "estimated" else "counts"
    # Two programs of users may count different things, so their names are compared too.
    by = f" by {document['emulator'].get('name')}" if core == OF_THE_COUNTER else ""
    return f"{what} of {core}{by}"


def changes(written: Mapping[str, Any], earlier: Mapping[str, Any]) -> tuple[list[tuple[str, float]], list[str]]:
    """Changes against an earlier result, as shares, by file; and the files that the earlier result lacks.

    A change below VISIBLE is given as 0.
    """

    def counts(document: Mapping[str, Any]) -> dict[str, float]:
        texts = f"texts of {document['settings'].get('texts')}"
        return {
            f"{one['name']} at {one.get('sequence_length') or texts}": one["summary"]["median"]
            for one in document["subjects"]
            if "summary" in one
        }

    before, now = counts(earlier), counts(written)
    exact = [(name, now[name] / before[name] - 1) for name in now if before.get(name)]
    visible = [(name, change if abs(change) >= VISIBLE else 0.0) for name, change in exact]
    return visible, [name for name in now if not before.get(name)]


def _judged(more: Mapping[str, Any]) -> verdict.Verdict:
    outputs = more.get("outputs")
    if not outputs or not outputs["checked"]:
        return verdict.of([], [])
    error, tolerance = outputs["max_relative_error"], outputs["tolerance"]
    if error is None:
        return verdict.of(["outputs on the core are NaN or infinite"], [])
    if error > tolerance:
        return verdict.of(
            [], [f"outputs differ by {error:.2g} of the largest between cores, {tolerance:.2g} is allowed"]
        )
    return verdict.of([], [])


def _error(
    known: Signatures, name: str | None, file: Path, values: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]
) -> float | None:
    """Largest difference between a core's outputs and this machine's, as a share of the scale; None: not finite."""
    expected = reference.expected_by_name(file, known.named(name or ""), dict(values))
    tolerance = reference.tolerance_of(file)
    errors = [tolerance.error(own, outputs[key]) for key, own in expected.items()]
    return None if None in errors else max(error for error in errors if error is not None)


@dataclasses.dataclass(frozen=True)
class _Chosen:
    """The signatures of a file to count."""

    shares: dict[int, float]
    """Share of the inferences by length T; empty without texts."""
    names: dict[int, str | None]
    """Names of the signatures, by T."""


def _signatures(file: Path, lengths: Sequence[int] | None, texts: Texts | None) -> _Chosen:
    names = signatures_of(file)
    if texts:
        shares = texts.shares(names)
        return _Chosen(shares, {length: names[length] for length in shares})
    for length in lengths or ():
        if length not in names:
            known = ", ".join(map(str, sorted(names)))
            raise UsageError(f"{file}: has no graph for --sequence_lengths={length}; it has {known}")
    chosen = list(names) if lengths is None else list(lengths) or [max(names)]
    return _Chosen({}, {length: names[length] for length in chosen})


def table(written: Mapping[str, Any]) -> str:
    """Millions of instructions and their ratios to the baseline as a text table, followed by the verdicts' reasons."""
    from mobilebert_tf.text_table import aligned

    about = "estimate of million instructions" if written["where"] == "estimated" else "million instructions"
    valid = [one for one in written["subjects"] if schema.verdict(one) != verdict.INVALID]
    ways = [way for way in (GROW, SHRINK) if any(way in one.get("resize_million", {}) for one in valid)]
    rows = [["file", "T", "MB", about, "ratio", *ways]]
    for one in valid:
        against = schema.valid_ratio(one, written["subjects"])
        ratio = f"{against['median']:.3f}" if against else ""
        count_ = f"{one['summary']['median']:.1f}"
        resizes = [f"+{one['resize_million'][way]:.1f}" if way in one.get("resize_million", {}) else "" for way in ways]
        rows.append([one["name"], schema.length_label(one), f"{one['bytes'] / 1e6:.1f}", count_, ratio, *resizes])
    notes = [f"{one['name']}: {one['validity']['verdict']}: {'; '.join(one['validity']['reasons'])}"
             for one in written["subjects"] if one["validity"]["reasons"]]  # fmt: skip
    if ways:
        notes.append(f"{', '.join(ways)}: million more for an inference after one of a shorter or longer signature")
    for one in (one for one in valid if "resize_million_in_mean" in one):
        in_mean = one["resize_million_in_mean"]
        what = "without the changes of length, which are not counted"
        notes.append(f"{one['name']}: {what if in_mean is None else f'{in_mean:.2f} of these for changes of length'}")
    return "\n".join([aligned(rows), *notes])
