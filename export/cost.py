"""What an inference of a file costs: instructions of an emulated processor, or milliseconds of this one."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mobilebert_tf import atomic
from mobilebert_tf.benchmarks import host, instructions
from mobilebert_tf.benchmarks.stats import summarize


@dataclasses.dataclass(frozen=True, kw_only=True)
class Instructions:
    """Millions of instructions, by a program as `benchmark instructions` calls it."""

    counter: str
    unit = "million instructions"

    def __call__(self, contents: Mapping[str, bytes]) -> dict[str, float]:
        with _files(contents) as files:
            found = instructions.measure(list(files.values()), self.counter)
        return {name: one.samples[0][0] for name, one in zip(files, found, strict=True)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Milliseconds:
    """Median latency on this machine, the files in turn."""

    settings: host.Settings
    unit = "ms"

    def __call__(self, contents: Mapping[str, bytes]) -> dict[str, float]:
        with _files(contents) as files:
            found = host.measure(list(files.values()), self.settings)
        return {name: summarize(one.samples).median for name, one in zip(files, found, strict=True)}


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
