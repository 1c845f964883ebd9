"""Report on the tables of a fine-tuning: their contents and their problems, before hours are spent on training."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mobilebert_tf.data.bad_rows import LeftOut
from mobilebert_tf.tasks import leaks
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.label_spelling import plain
from mobilebert_tf.tasks.task import Task, text_key
from mobilebert_tf.tokenization import Tokenizer

MOST = 20_000
"""Maximum number of rows, evenly spaced, that are tokenized and searched for leaks; other checks read all rows."""

FEW = 10
"""Number of rows below which a class is reported as having few."""

UNEQUAL = 10
"""Ratio of the most frequent class's rows to the rarest one's from which on classes are reported as unequal."""

WHOLE = 0.99
"""Share of the texts that a network should read whole."""

CUT = 0.01
"""Share of texts longer than the network's inputs above which they are reported."""

REPEATED = 0.01
"""Share of rows that repeat the text of an earlier row above which they are reported."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableReport:
    """The content of `data.json`."""

    rows: Mapping[str, int]
    """Number of rows by purpose: training, evaluation."""
    left_out: Mapping[str, Any]
    """Numbers of rows that were left out, and the first problem."""
    labels: Mapping[str, Mapping[str, int]]
    """Number of rows of each label, by purpose; empty for values."""
    values: Mapping[str, float]
    """Least, mean, most and standard deviation of values; empty for other labels."""
    lengths: Mapping[str, float]
    """Word pieces with [CLS] and [SEP]: median, 99 % quantile, longest, limit, and the share of texts that is cut."""
    unknown: float
    """Share of the word pieces that are [UNK]."""
    duplicates: Mapping[str, int]
    """Rows with the text of an earlier row; texts with different labels; evaluation rows that are also trained on."""
    alike_labels: Sequence[Sequence[str]]
    """Groups of labels that differ only in spelling; reading the table reports them on standard error."""
    leaks: Sequence[str]
    """Giveaways of labels, a sentence each."""
    in_windows: bool
    """Whether texts longer than the network's inputs are read in several windows."""
    warnings: Sequence[str]
    """Problems and likely mistakes, a sentence each, the worst first."""

    def to_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "summary": self.summary()}

    def lines(self) -> list[str]:
        """The lines to show: problems, then the summary."""
        return [*self.warnings, *self.summary()]

    def summary(self) -> list[str]:
        """The contents of the tables in words."""
        shares = ", ".join(f"{label} {count:,}" for label, count in self._most_frequent())
        more = len(self.labels) - 8
        what = f"; rows by label: {shares}{f', and {more} more' if more > 0 else ''}" if self.labels else ""
        if self.values:
            what = "; values {least:g} to {most:g}, mean {mean:.3g}, deviation {deviation:.3g}".format(**self.values)
        scored = self.rows["evaluation"]
        lengths = "word pieces: median {median:.0f}, 99 % at most {quantile_99:.0f}, longest {longest:.0f}"
        return [
            f"{self.rows['training']:,} rows to train on{f', {scored:,} to score' if scored else ''}{what}",
            lengths.format(**self.lengths)
            + f"; {self.lengths['cut']:.1%} {'have several windows of' if self.in_windows else 'are cut at'}"
            + f" {self.lengths['limit']:.0f}",
        ]

    def _most_frequent(self) -> list[tuple[str, int]]:
        counts = [(label, of["training"]) for label, of in self.labels.items()]
        return sorted(counts, key=lambda item: -item[1])[:8]


def describe(
    task: Task,
    training: Sequence[Example],
    evaluation: Sequence[Example],
    tokenizer: Tokenizer,
    left_out: LeftOut,
    positions: int,
) -> TableReport:
    """The report on a fine-tuning's examples; takes seconds, whatever their number.

    Args:
      positions: maximum number of word pieces that the network can read.
    """
    sides = {"training": training, "evaluation": evaluation}
    in_windows, has_values = "label" not in task.targets, task.answer_kind == "value"
    counted = {} if has_values else _label_counts(task, sides)
    names = sorted({name for counts in counted.values() for name in counts}) if in_windows else task.labels
    labels = {name: {side: counts[name] for side, counts in counted.items()} for name in names}
    values = _values([float(e.label) for e in training]) if has_values else {}  # type: ignore[arg-type]
    sample = _evenly([*training, *evaluation])
    encoded = _encoded(sample, tokenizer)
    lengths = _lengths(_measured(sample, encoded), task.max_seq_length) | {"positions": float(positions)}
    pieces = [piece for side in encoded for text in side for piece in text]
    unknown = sum(piece == tokenizer.id("[UNK]") for piece in pieces) / max(1, len(pieces))
    duplicates, example = _duplicates(task, training, evaluation)
    groups: dict[str, list[str]] = collections.defaultdict(list)
    for label in task.labels:
        groups[plain(label)].append(label)
    alike = [group for group in groups.values() if len(group) > 1]
    sentences = [] if in_windows else leaks.find(task, _evenly(training))
    dropped = {
        "bad": len(left_out.bad),
        "first": next(iter(left_out.bad.values()), None),
        "without_text": sum(map(len, left_out.without_text.values())),
    }
    report = TableReport(
        rows={side: len(examples) for side, examples in sides.items()},
        left_out=dropped,
        labels=labels,
        values=values,
        lengths=lengths,
        unknown=unknown,
        duplicates=duplicates,
        alike_labels=alike,
        leaks=sentences,
        in_windows=in_windows,
        warnings=(),
    )
    return dataclasses.replace(report, warnings=tuple(_warnings(report, example)))


def _warnings(report: TableReport, contradicted: str | None) -> list[str]:
    """Problems of the tables, in words."""
    duplicates, left_out = report.duplicates, report.left_out
    lines = list(report.leaks)
    if duplicates["on_both_sides"]:
        lines.append(
            f"{duplicates['on_both_sides']:,} of {report.rows['evaluation']:,} rows to score have a text that is also "
            "trained on, so the score will be too high; remove these rows from --train"
        )
    if duplicates["contradicting"]:
        texts = f"{_counted(duplicates['contradicting'], 'text')} with different labels"
        lines.append(f"{texts}, for example {_short(contradicted or '')}; at most one of them can be right")
    if left_out["bad"]:
        lines.append(f"{_counted(left_out['bad'], 'unusable row')} left out, the first: {left_out['first']}")
    counts = {label: of["training"] for label, of in report.labels.items()}
    few = [label for label, count in counts.items() if count < FEW]
    if few:
        lines.append(f"{_some(few)} {'has' if len(few) == 1 else 'have'} fewer than {FEW} rows to learn from")
    elif counts and max(counts.values()) >= UNEQUAL * min(counts.values()) and not report.in_windows:
        rarest = min(counts, key=lambda label: counts[label])
        times = max(counts.values()) / counts[rarest]
        lines.append(
            f"{rarest!r} has {counts[rarest]:,} rows, the most frequent label {times:.0f} times as many; "
            "--class_weights=balanced gives all labels equal weight"
        )
    unscored = [label for label, of in report.labels.items() if report.rows["evaluation"] and not of["evaluation"]]
    if unscored:
        lines.append(f"{_some(unscored)} {'is' if len(unscored) == 1 else 'are'} in no row that is scored")
    if report.lengths["cut"] > CUT and not report.in_windows:
        lines.append(
            f"{report.lengths['cut']:.1%} of the texts are longer than {report.lengths['limit']:.0f} word pieces and "
            f"lose their ends; {_mend_of_length(report.lengths)}"
        )
    if duplicates["repeated"] > REPEATED * sum(report.rows.values()):
        lines.append(
            f"{_counted(duplicates['repeated'], 'row')} with the text of an earlier row, which counts more than once"
        )
    return lines


def _mend_of_length(lengths: Mapping[str, float]) -> str:
    needed, most = _rounded(lengths["quantile_99"]), int(lengths["positions"])
    if needed <= most:
        return f"--max_seq_length={needed} keeps 99 % whole"
    if lengths["limit"] < most:
        return f"--max_seq_length={most}, as many as the model has positions, keeps more"
    return "the model has no more positions, so only shorter texts are read whole"


def fitting_length(examples: Sequence[Example], tokenizer: Tokenizer, most: int) -> tuple[int, int]:
    """The input length that reads 99 % of the texts whole, at most `most`; and the longest length of these texts.

    The former is a multiple of 16, so that tables of similar texts get the same. In word pieces with [CLS] and [SEP].
    """
    sample = _evenly(examples)
    lengths = _measured(sample, _encoded(sample, tokenizer))
    longest = int(np.quantile(lengths, WHOLE, method="inverted_cdf"))
    return min(most, _rounded(longest)), longest


def _label_counts(task: Task, sides: Mapping[str, Sequence[Example]]) -> dict[str, collections.Counter[str]]:
    """Number of rows by name of each label or kind of entity, on each side."""
    counts: dict[str, Any] = {
        side: collections.Counter(stratum for strata in task.strata(rows) for stratum in strata)
        for side, rows in sides.items()
    }
    if "label" in task.targets:
        counts = {side: {name: of[n] for n, name in enumerate(task.labels)} for side, of in counts.items()}
    return {side: collections.Counter({name: rows for name, rows in of.items() if name}) for side, of in counts.items()}


def _values(values: Sequence[float]) -> dict[str, float]:
    array = np.array(values)
    return {
        "least": float(array.min()),
        "mean": float(array.mean()),
        "most": float(array.max()),
        "deviation": float(array.std()),
    }


Encoded = tuple[list[list[int]], list[list[int]]]
"""Word pieces of the first and of the second texts; the latter are empty for single texts."""


def _encoded(examples: Sequence[Example], tokenizer: Tokenizer) -> Encoded:
    first = tokenizer.encode_batch([e.text for e in examples])
    return first, tokenizer.encode_batch([e.text_pair or "" for e in examples])


def _measured(examples: Sequence[Example], encoded: Encoded) -> np.ndarray:
    """Number of word pieces of each example with [CLS] and [SEP], int [n]."""
    sides = zip(examples, *encoded, strict=True)
    return np.array([len(a) + len(b) + (2 if e.text_pair is None else 3) for e, a, b in sides])


def _lengths(lengths: np.ndarray, limit: int) -> dict[str, float]:
    return {
        "median": float(np.median(lengths)),
        "quantile_99": float(np.quantile(lengths, WHOLE, method="inverted_cdf")),
        "longest": float(lengths.max()),
        "limit": float(limit),
        "cut": float((lengths > limit).mean()),
        "measured_rows": float(len(lengths)),
    }


def _duplicates(
    task: Task, training: Sequence[Example], evaluation: Sequence[Example]
) -> tuple[dict[str, int], str | None]:
    """The report's counts of duplicates, and one text with different labels, if any."""
    labels_of: dict[str, set[Any]] = collections.defaultdict(set)
    for example in (*training, *evaluation):
        labels_of[text_key(example)].add(example.label)
    contradicting = [key for key, labels in labels_of.items() if len(labels) > 1] if task.has_labels else []
    trained = set(map(task.side_key, training))
    return {
        "repeated": sum(len(side) - len(set(map(text_key, side))) for side in (training, evaluation)),
        "contradicting": len(contradicting),
        "on_both_sides": sum(task.side_key(example) in trained for example in evaluation),
    }, next(iter(contradicting), None)


def _evenly(examples: Sequence[Example]) -> list[Example]:
    """At most MOST of the examples, evenly spaced."""
    chosen = np.linspace(0, len(examples) - 1, min(MOST, len(examples))).round().astype(int)
    return [examples[number] for number in chosen]


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _some(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - 3} more labels" if len(labels) > 3 else ""
    return ", ".join(map(repr, labels[:3])) + more


def _rounded(length: float) -> int:
    """The length rounded up to a multiple of 16."""
    return -(-int(length) // 16) * 16


def _short(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= 60 else f"{line[:57]}...")
