"""What an inference of a file costs: instructions of an emulated processor, or milliseconds of this one."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mobilebert_tf import atomic
from mobilebert_tf.benchmarks import stats
from mobilebert_tf.benchmarks.files import host, instructions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Costs:
    """Costs of one inference of each file, by name."""

    values: Mapping[str, float]
    rounds: Mapping[str, stats.Rounds] = dataclasses.field(default_factory=dict)
    """Samples of the same rounds, by name; empty: the values are exact."""

    def cheapest(self, names: Collection[str]) -> list[str]:
        """Names that none of the others is cheaper than: several where times do not tell them apart."""
        if self.rounds:
            return stats.fastest({name: self.rounds[name] for name in names})
        least = min(self.values[name] for name in names)
        return [name for name in names if self.values[name] == least]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Instructions:
    """Millions of instructions, by a program as `benchmark instructions` calls it."""

    counter: str
    unit = "million instructions"

    def __call__(self, contents: Mapping[str, bytes]) -> Costs:
        with _files(contents) as files:
            found = list(instructions.measure(list(files.values()), instructions.Program(self.counter)))
        return Costs(values={name: one.samples[0][0] for name, (one,) in zip(files, found, strict=True)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Milliseconds:
    """Latency on this machine: of the first file its median, of the others that times their ratio to it by round."""

    settings: host.Settings
    unit = "ms"

    def __call__(self, contents: Mapping[str, bytes]) -> Costs:
        with _files(contents) as files:
            found = host.measure(list(files.values()), self.settings)
        first = stats.summarize(found[0].samples).median
        return Costs(
            values={name: first * one.ratio_to(found[0]).median for name, one in zip(files, found, strict=True)},
            rounds={name: one.samples for name, one in zip(files, found, strict=True)},
        )


@contextmanager
def _files(contents: Mapping[str, bytes]) -> Iterator[dict[str, Path]]:
    """The contents as files, by name."""
    with tempfile.TemporaryDirectory() as directory:
        files = {}
        for number, (name, content) in enumerate(contents.items()):
            files[name] = Path(directory) / f"{number}_{re.sub(r'[^a-z0-9]+', '_', name)}.tflite"
            with atomic.naming(files[name]):
                files[name].write_bytes(content)
        yield files
