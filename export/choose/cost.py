"""Cost of an inference of a file: instructions of a phone's processor, estimated or counted, or milliseconds on this
machine."""

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
from mobilebert_tf.errors import FailedError
from mobilebert_tf.litert import flatbuffer
from mobilebert_tf.litert.instructions import estimate
from mobilebert_tf.litert.one_graph import length_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Costs:
    """Costs of one inference of each file, by name."""

    values: Mapping[str, float]
    rounds: Mapping[str, stats.Rounds] = dataclasses.field(default_factory=dict)
    """Samples by name, all from the same rounds; empty: the values are exact."""

    def cheapest(self, names: Collection[str]) -> list[str]:
        """Names of the cheapest files: several if the measured times do not separate them."""
        if self.rounds:
            return stats.fastest({name: self.rounds[name] for name in names})
        least = min(self.values[name] for name in names)
        return [name for name in names if self.values[name] == least]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimated:
    """Millions of instructions of a Cortex-A76, estimated from the files."""

    unit = "million estimated instructions"

    def __call__(self, contents: Mapping[str, bytes]) -> Costs:
        """Raises FailedError: the cost of an operator is not known."""
        values = {}
        for name, content in contents.items():
            signatures = (one.signatureKey.decode() for one in flatbuffer.read(content).signatureDefs)
            million = estimate(content, max(signatures, key=lambda one: length_of(one) or 0))
            if million is None:
                raise FailedError(
                    f"--max_drop: {name} has an operator whose instructions cannot be estimated; use --counter, or "
                    "--cost=milliseconds"
                )
            values[name] = million
        return Costs(values=values)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Counted:
    """Millions of instructions, counted by a program that is called as in `benchmark instructions`."""

    counter: str
    unit = "million instructions"

    def __call__(self, contents: Mapping[str, bytes]) -> Costs:
        with _files(contents) as files:
            subjects = list(instructions.measure(list(files.values()), instructions.Program(self.counter)))
        return Costs(values={name: one.samples[0][0] for name, (one,) in zip(files, subjects, strict=True)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Milliseconds:
    """Latency on this machine: the median of the first file; for each other file, that median times the median of the
    two files' ratios in each round."""

    settings: host.Settings
    unit = "ms"

    def __call__(self, contents: Mapping[str, bytes]) -> Costs:
        with _files(contents) as files:
            subjects = host.measure(list(files.values()), self.settings)
        first = stats.summarize(subjects[0].samples).median
        return Costs(
            values={name: first * one.ratio_to(subjects[0]).median for name, one in zip(files, subjects, strict=True)},
            rounds={name: one.samples for name, one in zip(files, subjects, strict=True)},
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
