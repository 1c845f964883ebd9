"""Figures of result files, each with the place where it was measured."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf.benchmarks import schema
from mobilebert_tf.benchmarks.verdict import INVALID
from mobilebert_tf.errors import UsageError

FILES = ("host latency", "device latency", "instructions")
"""Kinds of results about `.tflite` files."""

SOMETIMES = ("tool", "api", "signature")
"""Settings that split a file's figures into separate rows only if one place has several values of them: a host has no
tool, but its figure must still share a row with a phone's."""


@dataclasses.dataclass(frozen=True, order=True)
class Place:
    """Origin of figures. Figures of different places never share a column."""

    where: str
    """host, emulated, estimated or device."""
    name: str
    unit: str

    @property
    def title(self) -> str:
        """Title of a column."""
        kind = {"host": "host", "emulated": "emulated", "estimated": "estimated", "device": "device"}[self.where]
        unit = f"{self.unit} instructions" if self.where in ("emulated", "estimated") else self.unit
        return f"{kind}: {self.name}, {unit}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure of one file in one configuration, at one place."""

    place: Place
    name: str
    sha256: str
    bytes: int
    length: int | None
    """T; None: the mean over texts."""
    configuration: Mapping[str, Any]
    subject: Mapping[str, Any]
    ratio: Mapping[str, Any] | None = None
    """Ratio to the baseline of its own measurement; None: there is no baseline, or it is invalid."""
    has_namesakes: bool = False
    """Whether other files have the same name."""
    told_apart_by: Sequence[str] = ()
    """Settings of SOMETIMES that differ among the figures of one place."""

    @property
    def key(self) -> tuple[Any, ...]:
        """Identity of the file and its configuration, equal at all places."""
        own = self.configuration
        texts = tuple(sorted((self.subject.get("shares_of_lengths") or {}).items()))
        return (self.sha256, self.length, texts, own.get("threads", 1), own.get("accelerator", "cpu"),
                own.get("affinity"), own.get("weight_cache") or "off", bool(own.get("float16")),
                *map(self.setting, self.told_apart_by))  # fmt: skip

    @property
    def length_label(self) -> str:
        """T, or a label of the mean over texts; empty: the file takes no tokens."""
        return str(self.length) if self.length else schema.length_label(self.subject)

    @property
    def label(self) -> str:
        """Name of the file, with the first digits of its SHA-256 if other files share it, and unusual settings."""
        # A configuration may follow the file's name, which may contain commas itself.
        named, suffix, _ = self.name.rpartition(".tflite")
        named = named + suffix if suffix else self.name.split(", ")[0]
        own, words = self.configuration, [named + (f" ({self.sha256[:8]})" if self.has_namesakes else "")]
        if own.get("accelerator", "cpu") != "cpu":
            words.append(str(own["accelerator"]).upper())
        if own.get("affinity"):
            words.append(f"{own['affinity']} cores")
        if own.get("weight_cache") not in (None, "off"):
            words.append(f"weight cache in {'memory' if own['weight_cache'] == 'memory' else 'a file'}")
        if own.get("float16"):
            words.append("float16")
        words += [str(value) for name in self.told_apart_by if (value := self.setting(name))]
        return ", ".join(words)

    @property
    def full_label(self) -> str:
        """The label, with the number of threads if there are several."""
        threads = self.configuration.get("threads", 1)
        return self.label + (f", {threads} threads" if threads > 1 else "")

    def setting(self, name: str) -> str | None:
        """Value of one of SOMETIMES; None: the result does not record it."""
        value: str | None = self.subject.get("signature") if name == "signature" else self.configuration.get(name)
        return value

    @property
    def valid(self) -> bool:
        return schema.verdict(self.subject) != INVALID

    @property
    def reasons(self) -> Sequence[str]:
        """Reasons to doubt the figure."""
        return list(self.subject.get("validity", {}).get("reasons", ()))


def read(paths: Iterable[Path]) -> tuple[list[Figure], list[tuple[Path, dict[str, Any]]]]:
    """Read results: the figures of those about files, and the documents of all others.

    Raises:
      UsageError: a file is missing, or is not a result.
    """
    figures, others = [], []
    for path in paths:
        document = schema.read(path)
        if document.get("kind") in FILES:
            figures += _of(document)
        else:
            others.append((path, document))
    return _told_apart(figures), others


def of(document: Mapping[str, Any]) -> list[Figure]:
    """Figures of one result, including those of invalid measurements."""
    return _told_apart(_of(document))


def _told_apart(figures: Sequence[Figure]) -> list[Figure]:
    hashes, alike = collections.defaultdict(set), collections.defaultdict(list)
    for figure in figures:
        hashes[figure.name].add(figure.sha256)
        alike[figure.place, figure.key].append(figure)
    differing = tuple(
        name
        for name in SOMETIMES
        if any(len({one.setting(name) for one in same} - {None}) > 1 for same in alike.values())
    )
    return [
        dataclasses.replace(figure, has_namesakes=len(hashes[figure.name]) > 1, told_apart_by=differing)
        for figure in figures
    ]


def _of(document: Mapping[str, Any]) -> list[Figure]:
    place = Place(schema.where(document), _place_name(document), str(document["unit"]))
    figures = []
    for subject in document["subjects"]:
        # Version 1 recorded the threads in its settings, and had no other choices.
        threads = document["settings"].get("threads", 1)
        configuration = subject.get("configuration", {"threads": threads, "accelerator": "cpu"})
        figures.append(Figure(
            place=place,
            name=subject["name"],
            sha256=subject["sha256"],
            bytes=subject["bytes"],
            length=subject.get("sequence_length"),
            configuration=configuration,
            subject=subject,
            ratio=schema.valid_ratio(subject, document["subjects"]),
        ))  # fmt: skip
    return figures


def column(figures: Sequence[Figure]) -> Place:
    """The common place of all figures. Raises UsageError: there are several, which a column must not mix."""
    places = sorted({figure.place for figure in figures})
    if len(places) != 1:
        names = " and ".join(place.title for place in places) or "no place"
        raise UsageError(f"figures of {names} do not belong in one column: they say nothing about each other")
    return places[0]


def _place_name(document: Mapping[str, Any]) -> str:
    where = schema.where(document)
    if where in ("emulated", "estimated"):
        return schema.core_of(document)
    if where == "device":
        device = document["device"]
        name = " ".join(str(device[key]) for key in ("manufacturer", "model") if device.get(key))
        tools = [tool["kind"] for tool in document["runtime"].get("tools", ())]
        via = f" ({', '.join(tools)})" if tools else ""
        return {"test": "NO DEVICE, a test: ", "emulator": "emulator: "}.get(device.get("kind"), "") + name + via
    return schema.machine_name(document["made_by"])
