"""Figures of result files, each with the place that it is true of."""

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
"""Kinds of results that are of `.tflite` files."""

SOMETIMES = ("tool", "api", "signature")
"""Settings that make rows of their own only where one place has a file with several of them: a host has no tool, and
its figure still stands beside a phone's."""


@dataclasses.dataclass(frozen=True, order=True)
class Place:
    """Origin of figures: those of two places are never in one column."""

    where: str
    """host, emulated, estimated or device."""
    name: str
    unit: str

    @property
    def title(self) -> str:
        """Head of a column."""
        kind = {"host": "host", "emulated": "emulated", "estimated": "estimated", "device": "device"}[self.where]
        unit = f"{self.unit} instructions" if self.where in ("emulated", "estimated") else self.unit
        return f"{kind}: {self.name}, {unit}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure:
    """A file in a configuration, at a place."""

    place: Place
    name: str
    sha256: str
    bytes: int
    length: int | None
    """T; None: the mean over texts."""
    configuration: Mapping[str, Any]
    subject: Mapping[str, Any]
    ratio: Mapping[str, Any] | None = None
    """To the baseline of its own measurement, where that is valid."""
    has_namesakes: bool = False
    """Whether other files have its name."""
    told_apart_by: Sequence[str] = ()
    """Settings of SOMETIMES that differ among the figures of a place."""

    @property
    def key(self) -> tuple[Any, ...]:
        """What is the same file in the same configuration, wherever."""
        own = self.configuration
        texts = tuple(sorted((self.subject.get("shares_of_lengths") or {}).items()))
        return (self.sha256, self.length, texts, own.get("threads", 1), own.get("accelerator", "cpu"),
                own.get("affinity"), own.get("weight_cache") or "off", bool(own.get("float16")),
                *map(self.setting, self.told_apart_by))  # fmt: skip

    @property
    def length_label(self) -> str:
        """T, or that it is a mean over texts; empty: the file takes no tokens."""
        return str(self.length) if self.length else schema.length_label(self.subject)

    @property
    def label(self) -> str:
        """File, with the beginning of its SHA-256 where others have its name; what of its settings is not usual."""
        named = self.name.split(", ")[0] + (f" ({self.sha256[:8]})" if self.has_namesakes else "")
        own, words = self.configuration, [named]
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
        """Label with the threads, where there are several."""
        threads = self.configuration.get("threads", 1)
        return self.label + (f", {threads} threads" if threads > 1 else "")

    def setting(self, name: str) -> str | None:
        """Value of one of SOMETIMES; None: the result does not say."""
        value: str | None = self.subject.get("signature") if name == "signature" else self.configuration.get(name)
        return value

    @property
    def valid(self) -> bool:
        return schema.verdict(self.subject) != INVALID

    @property
    def reasons(self) -> Sequence[str]:
        """What speaks against the figure."""
        return list(self.subject.get("validity", {}).get("reasons", ()))


def read(paths: Iterable[Path]) -> tuple[list[Figure], list[tuple[Path, dict[str, Any]]]]:
    """Figures of files in results, and the other results as they are.

    Raises:
      UsageError: a file is missing, or is no result.
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
    """Figures of one result, those of invalid measurements too."""
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
        # Version 1 had the threads in its settings, and no other choices.
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
    """The place of all of them. Raises UsageError: there are several, which no column may mix."""
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
