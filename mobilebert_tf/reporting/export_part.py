"""The part of a page about one export: its sentences, tables and picture, used by both HTML and Markdown."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from mobilebert_tf.exported import Variant
from mobilebert_tf.reporting import export_search, scores, shipping, tradeoff
from mobilebert_tf.reporting.numbers import (
    ABSENT,
    added_bytes,
    count,
    megabytes,
    milliseconds,
    percent,
    points,
    significant,
)
from mobilebert_tf.reporting.results import Exported
from mobilebert_tf.reporting.tables import Cell, Table
from mobilebert_tf.tasks.figures import Score


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """All content about one export."""

    export: Exported
    number: int
    choices: tuple[shipping.Choice, ...]
    rejections: tuple[tuple[Variant, str], ...]
    cautions: tuple[str, ...]
    chart: str
    chart_caption: str
    search: export_search.SearchPart | None
    files: Table
    lengths: Table | None
    rewrites: Table | None
    operators: Table | None
    gpu: Table | None
    facts: tuple[tuple[str, str], ...]


def part(export: Exported, number: int) -> Part:
    """The part of an export; `number` makes its names on the page unique."""
    chart, caption = tradeoff.chart(f"tradeoff-{number}", export)
    return Part(
        export=export,
        number=number,
        choices=shipping.choices(export),
        rejections=shipping.rejections(export),
        cautions=shipping.cautions(export),
        chart=Markup(chart),
        chart_caption=caption,
        search=export_search.part(export.searched, number) if export.searched else None,
        files=_files(export),
        lengths=_lengths(export) if export.sequence_lengths and any(v.file for v in export.variants) else None,
        rewrites=_rewrites(export) if export.brought else None,
        operators=_operators(export) if any(v.ops for v in export.variants) else None,
        gpu=_gpu(export) if any(v.gpu for v in export.variants) else None,
        facts=_facts(export),
    )


def _files(export: Exported) -> Table:
    score, agreement = _capital(export.task.title), export.task.agreement.capitalize()
    head = (
        "Variant", "Size", score, "Latency, host", agreement, "Largest error", "Runs from", "Ops", "Checks",
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    if export.keras_score:
        # Only a share has an interval.
        is_share = export.keras_score.primary == export.keras_score.accuracy
        interval = scores.wilson(export.keras_score) if is_share else None
        notes = [f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f} %"] if interval else []
        notes += _further(export.keras_score)
        empty = (Cell(ABSENT),) * 6
        name = Cell("Keras", ("what the files are compared with",))
        rows.append((name, Cell(ABSENT), Cell(percent(export.keras_score.primary), tuple(notes)), *empty))
    rows += [_file(variant) for variant in export.variants]
    return Table("Exported files", head, tuple(rows), _files_caption(export))


def _file(variant: Variant) -> tuple[Cell, ...]:
    accuracy = []
    if variant.difference:
        low, high = points(variant.difference.low), points(variant.difference.high)
        accuracy = [f"{points(variant.difference.score)} points", f"({low} to {high})"]
    if variant.score:
        accuracy += _further(variant.score)
    times = [f"{milliseconds(variant.median(length))} at {length}" for length in sorted(variant.latency_ms)]
    noise = variant.parity.get("signal_to_noise_db")
    error = variant.parity.get("max_relative_error")
    below = f"{noise:.0f}\u00a0dB" if noise is not None else "no error" if error == 0 else ""
    if variant.parity and error is None:
        below = "gave no numbers"
    # The picture and the choice are based on the last length.
    latency = Cell(times[-1], tuple(times[:-1])) if times else Cell(ABSENT)
    return (
        Cell(variant.name, (variant.description,) if variant.description else (), "file"),
        Cell(megabytes(variant.bytes)),
        Cell(percent(variant.score.primary if variant.score else None), tuple(accuracy)),
        latency,
        Cell(percent(variant.parity.get("decision_agreement")), _as_trained(variant)),
        Cell(significant(error), (below,) if below else ()),
        Cell(variant.oldest_runtime or ("none" if variant.ops else ABSENT)),
        Cell(count(sum(variant.ops.values())) if variant.ops else ABSENT),
        _checks(variant),
    )


def _capital(title: str) -> str:
    return title[:1].upper() + title[1:]


def _further(score: Score) -> list[str]:
    """The second figure of a score, as a note."""
    name, value = score.second
    return [f"{name.removeprefix('macro ')} {percent(value)}"]


def _as_trained(variant: Variant) -> tuple[str, ...]:
    agreement = variant.trained
    if not agreement:
        return ()
    same, error = percent(agreement.get("decision_agreement")), significant(agreement.get("mean_relative_error"))
    return (f"against fine-tuning: {same}, {error}",)


def _checks(variant: Variant) -> Cell:
    changing = [f"{what} changes {changed}" for what, changed in variant.changes.items() if changed]
    summary = ", ".join(changing) or (f"{', '.join(variant.changes)}: no change" if variant.changes else "")
    # A change is itself the reason for a rejection, so it is not repeated.
    notes = (variant.reason, "" if changing and variant.reason else summary)
    word, kind = ("passed", "passed") if variant.passed else ("rejected", "failed")
    return Cell(word, tuple(filter(None, notes)), kind)


def _files_caption(export: Exported) -> str:
    lines = []
    examples = {v.score.examples for v in export.variants if v.score and v.score.examples}
    if len(examples) == 1:
        number = examples.pop()
        lines.append(
            f"{_capital(export.task.title)} on {count(number)} held-out example{'' if number == 1 else 's'}, below "
            "it the difference from Keras on the same examples with its 95 % interval, and "
            f"{next(v.score.second[0] for v in export.variants if v.score)}."
        )
    settings = {(one.threads, one.runs) for v in export.variants for one in v.latency_ms.values()}
    if len(settings) == 1:
        threads, runs = settings.pop()
        lines.append(
            f"Latency: median of {count(runs)} run{'' if runs == 1 else 's'} at the given number of word pieces on "
            f"this machine, {count(threads)} thread{'' if threads == 1 else 's'}; not a phone."
        )
    if any(v.parity for v in export.variants):
        on = f" ({export.parity_examples}, in every length)" if export.parity_examples else ""
        lines.append(
            f"{export.task.agreement.capitalize()}, and largest error of an output relative to the largest output, are "
            f"against Keras{on}; below the error: signal-to-noise ratio."
        )
        if export.task.name == "classification" and any(v.target == "mediapipe" for v in export.variants):
            lines[-1] += " Files for MediaPipe end in the softmax: their error is that of a probability."
    if any(v.trained for v in export.variants):
        lines.append(
            "Against fine-tuning: the file compared with the network as fine-tuned, whose numbers were rounded in "
            "training as in the file: the share of equal answers, and the mean error of an output."
        )
    if any(v.oldest_runtime for v in export.variants):
        lines.append("Runs from: the first TensorFlow Lite that has all its operators in their versions.")
    if any(v.ops for v in export.variants):
        lines.append("Ops: their number in one signature.")
    if any(v.changes for v in export.variants):
        lines.append(
            "Checks: whether scrambled padding, another order of the texts or a second thread change an output by "
            "a single bit, and in how many examples."
        )
    return " ".join(lines)


def _lengths(export: Exported) -> Table:
    lengths = export.sequence_lengths
    rows = []
    for variant in export.variants:
        if not variant.file:
            continue
        cells = []
        for length in lengths:
            size = variant.bytes_of_lengths.get(length)
            latency, notes = variant.latency_ms.get(length), []
            if latency:
                notes = [f"{milliseconds(latency.median)}, p90 {milliseconds(latency.p90)}"]
            if "decision_agreement" in (parity := variant.parity_of_lengths.get(length, {})):
                notes.append(f"{percent(parity['decision_agreement'])} same")
            first = length == min(variant.bytes_of_lengths, default=0)
            if first and variant.weight_bytes:
                notes.insert(0, f"{megabytes(variant.weight_bytes)} of it weights")
            cells.append(Cell(megabytes(size) if first else added_bytes(size), tuple(notes)))
        rows.append((Cell(variant.name, (), "file"), *cells))
    head = ("Variant", *(f"{length} word pieces" for length in lengths))
    caption = (
        "The size of a file with the shortest length alone, including weights and their scales, and the bytes that "
        "each longer one adds: the lengths share their weights. "
        "Below: median and 90th percentile of the latency, and how often file and Keras decide the same."
    )
    return Table("Files by length", head, tuple(rows), caption)


def _rewrites(export: Exported) -> Table:
    rows = []
    for one in export.brought:
        spread = f"{one.latency_ratio_min:.2f} to {one.latency_ratio_max:.2f}"
        rows.append((
            Cell(one.rewrite, (), "file"),
            Cell(f"{one.operators:+d}"),
            Cell(added_bytes(one.bytes)),
            Cell(f"{one.latency_ratio:.2f}", (spread,)),
        ))  # fmt: skip
    caption = (
        "The float32 network of the longest length without one rewrite, but with all others: the operators and bytes "
        "that it adds, and the ratio of its latency to that with all, with its range over the rounds."
    )
    return Table("Rewrites", ("Without", "Operators", "Size", "Latency, ratio"), tuple(rows), caption)


def _operators(export: Exported) -> Table:
    rows = []
    for variant in export.variants:
        if variant.ops:
            parts = []
            for name, number in variant.ops.items():
                version = variant.op_versions.get(name)
                parts.append(f"{number} {name}" + (f" v{version}" if version and version > 1 else ""))
            rows.append((Cell(variant.name, (), "file"), Cell(", ".join(parts))))
    caption = "How often each occurs in one signature, and its version if not the first."
    return Table("Operators", ("Variant", "Operators"), tuple(rows), caption)


def _gpu(export: Exported) -> Table:
    rows = []
    for variant in export.variants:
        if residency := variant.gpu:
            refused = ", ".join(f"{number} {what}" for what, number in residency.refused.items())
            batches = ", ".join(map(str, residency.batches))
            rows.append((
                Cell(variant.name, (), "file"),
                Cell(f"{count(residency.taken)} of {count(residency.operators)}"),
                Cell(count(residency.partitions), (f"batches of {batches}",) if len(residency.batches) > 1 else ()),
                Cell(refused or "none"),
            ))  # fmt: skip
    caption = (
        "Derived from the rules in the source of TensorFlow Lite's GPU delegate, for the longest signature; nothing "
        "was run on a GPU. Refused operators run on the CPU, and data is copied between the pieces. OpenGL and "
        "Metal build only networks with a single batch size. The GPU accelerator of LiteRT 2 has other rules."
    )
    return Table(
        "GPU delegate, not run on a GPU", ("Variant", "Operators taken", "Pieces", "Refused"), tuple(rows), caption
    )


def _facts(export: Exported) -> tuple[tuple[str, str], ...]:
    """Name and value of the facts about the making of the files."""
    if not export.variants:
        return ()
    largest = export.largest_activation
    half = count(float(np.finfo(np.float16).max))
    lines = (
        ("Model", _model(export.model)),
        ("Lengths", ", ".join(map(str, export.sequence_lengths))),
        ("Rewrites of the network", ", ".join(name.replace("_", " ") for name in export.rewrites) or "none"),
        ("Static scales from", export.calibration_examples or "no text was given, so there are none"),
        ("Compared with Keras on", export.parity_examples),
        ("Examples in the contracts, word for word", export.contract_examples),
        ("Largest activation", f"{significant(largest)}; float16 ends at {half}" if largest is not None else ""),
    )
    return tuple((name, value) for name, value in lines if value)


def _model(model: Mapping[str, Any]) -> str:
    digest = str(model.get("weights_sha256") or "")
    return str(model.get("name") or "") + (f", weights {digest[:12]}" if digest else "")
