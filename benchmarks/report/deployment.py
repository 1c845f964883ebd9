"""Table of the exports of several models: one row per file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mobilebert_tf.benchmarks import schema, verdict
from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.exported import Report, Variant

BEFORE = ("", "size", "score", "less Keras's, in points", "same answers", "instructions")
HOST = "host"
BEHIND = ("off in float16",)


def subjects(exports: Mapping[str, Report]) -> list[Subject]:
    """A subject for each Keras model and for each of its files, named after the export."""
    return [subject for name, export in exports.items() for subject in _of_export(name, export)]


def _of_export(name: str, export: Report) -> Iterator[Subject]:
    score, longest = export.task.score, export.sequence_lengths[-1]
    about = {"export": name, "score": export.task.title, "sequence_length": longest}
    made_by = {key: export.made_by.get(key) for key in ("command", "date", "commit", "machine")}
    if export.keras:
        rounds = [{"samples": [export.keras[score]], "examples": export.keras.get("examples")}]
        yield Subject(name=f"{name}, Keras", details={**about, "found_by": made_by}, rounds=rounds)
    for variant in export.variants:
        if variant.file and variant.metrics:
            cores = (made_by["machine"] or {}).get("cores") or 1
            round_ = {"samples": [variant.metrics[score]], **_figures(variant, longest, cores)}
            details = {**about, "sha256": variant.sha256, "machine": schema.machine_name(made_by)}
            yield Subject(name=f"{name}, {variant.file}", details=details, rounds=[round_])


def _figures(variant: Variant, longest: int, cores: int) -> dict[str, Any]:
    difference, latency = variant.difference, variant.latency_ms.get(longest)
    busy = latency and verdict.is_crowded(latency.foreign_cores, latency.threads or 1, cores)
    return {
        "bytes": variant.bytes,
        "difference": [difference.score, difference.low, difference.high] if difference else None,
        "same_answers": variant.parity.get("decision_agreement"),
        "million_instructions": variant.instructions.get(longest),
        "ms": None if busy else variant.median(longest),
        "error_in_float16": variant.half_parity.get("max_relative_error"),
        "passed": variant.passed,
    }


def note(document: Mapping[str, Any]) -> str:
    """The note below the table that explains its columns."""
    first, hosts = document["subjects"][0], _hosts(document)
    times = f" Host: {' and '.join(map(str, hosts))}, not a phone." if hosts else ""
    return (
        f"{first['score'].capitalize()}; less Keras's: 95 % interval of the difference on the same examples. "
        f"Instructions of one inference of {first['sequence_length']} word pieces on a Cortex-A76, estimated from the "
        f"file.{times}"
    )


def head(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Titles of the columns; times have a column for each machine that files were timed on."""
    hosts = _hosts(document)
    return (*BEFORE, *([f"{HOST}: {name}" for name in hosts] if len(hosts) > 1 else [HOST]), *BEHIND)


def rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Cells below `head`; figures that are missing or do not apply are empty."""
    hosts = _hosts(document) or [None]
    table = []
    for subject in document["subjects"]:
        own = _host(document, subject)
        table.append(_row(subject["name"], subject["rounds"][0], [host == own for host in hosts]))
    return table


def _hosts(document: Mapping[str, Any]) -> list[str | None]:
    """Machines that files were timed on."""
    hosts = (_host(document, subject) for subject in document["subjects"])
    return list(dict.fromkeys(host for host in hosts if host))


def _host(document: Mapping[str, Any], subject: Mapping[str, Any]) -> str | None:
    """The machine that a file was timed on; None: it was not timed. Older results name it only once per export."""
    if subject["rounds"][0].get("ms") is None:
        return None
    same = (one for one in document["subjects"] if one["export"] == subject["export"])
    of_export: Mapping[str, Any] = next((one["found_by"] for one in same if "found_by" in one), {})
    return str(subject.get("machine") or schema.machine_name(of_export))


def _row(name: str, found: Mapping[str, Any], is_host: Sequence[bool]) -> tuple[str, ...]:
    def cell(key: str, form: str, scale: float = 1.0) -> str:
        return "" if found.get(key) is None else form.format(scale * found[key])

    ends = [f"{100 * end:+.1f}" for end in (found.get("difference") or ())[1:]]
    return (
        name if found.get("passed", True) else f"{name} (rejected)",
        cell("bytes", "{:.1f} MB", 1e-6),
        f"{found['samples'][0]:.1%}",
        " to ".join(ends),
        cell("same_answers", "{:.1%}"),
        cell("million_instructions", "{:.1f} million"),
        *(cell("ms", "{:.2f} ms") if own else "" for own in is_host),
        cell("error_in_float16", "{:.1e}"),
    )
