"""Networks of the paper's tables, exported by this project: parameters, multiply-adds, size, estimated instructions."""

from __future__ import annotations

import dataclasses
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf import atomic, provenance
from mobilebert_tf.benchmarks import schema
from mobilebert_tf.benchmarks.library import networks
from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.benchmarks.verdict import INVALID
from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import read
from mobilebert_tf.litert.instructions import estimate
from mobilebert_tf.litert.multiply_adds import multiply_adds

TABLES = Path(__file__).with_name("paper.json")
"""The tables of MobileBERT's paper."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One network of a table."""

    name: str
    preset: str
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    published_parameters: str = ""
    pixel_4_ms: float | None = None
    remembered: bool = False
    """Whether the paper's figures are quoted from memory."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Paper:
    """The content of `paper.json`."""

    about: str
    sequence_length: int
    tables: Mapping[str, Sequence[Row]]


def load(path: Path) -> Paper:
    """Read the tables of a file. Raises UsageError: the file is missing or invalid, or names an unknown preset."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    paper: Paper = read(path, Paper, refuses_unknown=True)
    for rows in paper.tables.values():
        for row in rows:
            MobileBertConfig.preset(row.preset, **row.changes)
    return paper


def measure(
    paper: Paper,
    only: Sequence[str],
    recipes: Sequence[str],
    directory: Path,
    measured: Mapping[str, Mapping[str, float]] | None = None,
) -> list[Subject]:
    """One subject for each network and recipe. Its file is written unless it exists.

    The sample is the estimate of instructions, in millions. Weights are random: they change neither size nor work.
    A network that is in several tables has one file.

    Args:
      only: names of tables; empty: all of them.
      measured: `Measured.by_hash` of `figures`.

    Raises:
      UsageError: a table is unknown.
    """
    if unknown := set(only) - set(paper.tables):
        raise UsageError(f"--tables={','.join(sorted(unknown))}: choose from {', '.join(paper.tables)}")
    asked = [(table, row) for table in only or paper.tables for row in paper.tables[table]]
    names: dict[MobileBertConfig, str] = {}
    for table, rows in paper.tables.items():
        for row in rows:
            names.setdefault(_config(row), f"{slug(table)}-{slug(row.name)}")
    subjects = []
    for table, row in track(asked, "converting", "networks", len(asked)):
        config = _config(row)
        paths = {recipe: directory / f"{names[config]}-{recipe}.tflite" for recipe in recipes}
        known = directory / f"{names[config]}.json"
        if not known.is_file() or not all(path.is_file() for path in paths.values()):
            _make(row.name, config, paper.sequence_length, paths, known)
        parameters = json.loads(known.read_text())["parameters"]
        for recipe, path in paths.items():
            content, digest = path.read_bytes(), provenance.sha256(path)
            million = estimate(content)
            details = {
                "table": table,
                **dataclasses.asdict(row),
                "recipe": recipe,
                "file": path.name,
                "sha256": digest,
                "bytes": len(content),
                "sequence_length": paper.sequence_length,
                "parameters": parameters,
                "multiply_adds": multiply_adds(content),
                "estimated": million is not None,
                **(measured or {}).get(digest, {}),
            }
            details.pop("name")
            subjects.append(Subject(name=row.name, details=details, rounds=[{"samples": [million or 0.0]}]))
    return subjects


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """Measurements of files, from other results."""

    by_hash: Mapping[str, Mapping[str, float]]
    """`host_ms` and `counted_million`, where measured, by SHA-256 of the file."""
    host: str | None
    """The machine that `host_ms` was measured on; None: no result has milliseconds."""


def figures(results: Mapping[Path, Mapping[str, Any]]) -> Measured:
    """Host milliseconds and counted instructions from results of `benchmark host` and `instructions`.

    Subjects that are invalid or used several threads are left out, and so are estimates.

    Raises:
      UsageError: a result is of another kind, or of another core than the table's, or there are two hosts.
    """
    by_hash: dict[str, dict[str, float]] = {}
    hosts: dict[str, Path] = {}
    for path, document in results.items():
        kind = document.get("kind", "pipeline")
        key = {"host latency": "host_ms", "instructions": "counted_million"}.get(kind)
        if key is None:
            raise UsageError(
                f"{path}: is a result of the kind {kind!r}; give one of the kind 'host latency' or 'instructions'"
            )
        if kind == "instructions" and schema.core_of(document) != CORE:
            raise UsageError(
                f"{path}: its core is {schema.core_of(document)!r}, but the tables are for {CORE!r}; leave it out"
            )
        if schema.where(document) == "estimated":
            continue
        if kind == "host latency":
            hosts.setdefault(schema.machine_name(document["made_by"]), path)
        for subject in document["subjects"]:
            threads = subject.get("configuration", {}).get("threads", 1)
            if "summary" in subject and schema.verdict(subject) != INVALID and threads == 1:
                by_hash.setdefault(subject["sha256"], {})[key] = subject["summary"]["median"]
    if len(hosts) > 1:
        machines = " and ".join(f"{path} of {machine}" for machine, path in hosts.items())
        raise UsageError(f"--measured: {machines} do not belong in one column; make a table of each")
    return Measured(by_hash=by_hash, host=next(iter(hosts), None))


def _config(row: Row) -> MobileBertConfig:
    return MobileBertConfig.preset(row.preset, **row.changes)


def _make(name: str, config: MobileBertConfig, length: int, paths: Mapping[str, Path], known: Path) -> None:
    """Write the files of a network, and its number of parameters to `known`."""
    with tempfile.TemporaryDirectory(prefix=".", dir=known.parent) as aside:
        answer = networks.write(name, dataclasses.asdict(config), [length], list(paths), ["A text."], Path(aside))
        for recipe, path in paths.items():
            (Path(aside) / f"{recipe}.tflite").replace(path)
        atomic.write_json(str(known), answer)


def slug(name: str) -> str:
    """A file name made from the words of a name."""
    return "-".join(re.findall(r"\w+", name.lower()))


def table(document: Mapping[str, Any]) -> str:
    """All tables in Markdown, with the source of each figure."""
    parts = []
    host = any("host_ms" in one for one in document["subjects"])
    head = [*HEAD[:-1], *([HOST] if host else []), HEAD[-1]]
    for name in dict.fromkeys(one["table"] for one in document["subjects"]):
        lines = ["| " + " | ".join(head) + " |", "| --- " + "| ---: " * (len(head) - 1) + "|"]
        for one in (subject for subject in document["subjects"] if subject["table"] == name):
            mark = "\\*" if one["remembered"] else ""
            paper_ms = f"{one['pixel_4_ms']:g} ms{mark}" if one["pixel_4_ms"] else ""
            published = f"{one['published_parameters']}{mark}" if one["published_parameters"] else ""
            million = f"≈ {one['summary']['median']:,.0f} million" if one["estimated"] else ""
            if "counted_million" in one:
                million = f"{one['counted_million']:,.0f} million"
            products = sum(one["multiply_adds"].values())
            cells = [one["name"], one["recipe"], f"{one['parameters'] / 1e6:.1f}M", published]
            cells += [f"{products / 1e9:.2f}", f"{one['bytes'] / 1e6:.1f} MB", million]
            cells += [f"{one['host_ms']:.1f} ms" if "host_ms" in one else ""] if host else []
            cells.append(paper_ms)
            lines.append("| " + " | ".join(cells) + " |")
        parts.append(f"{name[0].upper()}{name[1:]}:\n\n" + "\n".join(lines))
    note = "Random weights, 128 word pieces. \\* quoted from memory. The paper's times are of other files and runtimes."
    if any(one["estimated"] and "counted_million" not in one for one in document["subjects"]):
        note += " ≈: estimated from the file; other instructions are counted on an emulated core."
    if host:
        # Older results do not name the host; they were made entirely on one machine.
        machine = document["settings"].get("host") or schema.machine_name(document["made_by"])
        note += f" Host: {machine}, one thread, not a phone."
    return "\n\n".join([*parts, note])


CORE = "cortex-a76"
"""The core whose instructions the tables show."""

HEAD = ("", "file", "parameters, here", "in the paper", "billion multiply-adds", "size",
        "instructions of a Cortex-A76", "Pixel 4 in the paper")  # fmt: skip
HOST = "host"
"""Title of the column before the last, which is there if a result of `benchmark host` was given."""
