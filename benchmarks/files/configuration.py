"""Runtime configurations that a benchmark's flags sweep over."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from mobilebert_tf.text_table import counted

OFF, MEMORY, FILE, NEW_FILE = "off", "memory", "file", "new_file"
"""Kinds of XNNPACK's weight cache. FILE exists from the second round on, NEW_FILE is written anew in each."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Configuration:
    """Settings of the runtime on this machine."""

    threads: int = 1
    weight_cache: str = OFF
    float16: bool = False
    """Compute float operators in float16, as ARM processors do if a file allows it; emulated on this machine."""
    compiled: bool = False
    """Run with CompiledModel even if no option needs it."""

    @property
    def api(self) -> str:
        """LiteRT's class that runs the file: in Python, Interpreter accepts neither a cache nor XNNPACK's flags."""
        return "CompiledModel" if self.compiled or self.float16 or self.weight_cache != OFF else "Interpreter"

    def describe(self) -> dict[str, Any]:
        """The configuration as results record it."""
        return {
            "threads": self.threads,
            "accelerator": "cpu",
            "api": self.api,
            "weight_cache": self.weight_cache,
            "float16": True if self.float16 else None,
        }


def label(one: Configuration, others: Sequence[Configuration]) -> str:
    """Suffix of a file's name that tells a configuration from the others; empty: there is only one."""
    words = []
    if len({other.threads for other in others}) > 1:
        words.append(counted(one.threads, "thread"))
    if len({other.weight_cache for other in others}) > 1:
        cache = {OFF: "no weight cache", MEMORY: "weight cache in memory", FILE: "weight cache in a file",
                 NEW_FILE: "weight cache in a new file"}  # fmt: skip
        words.append(cache[one.weight_cache])
    if len({other.float16 for other in others}) > 1:
        words.append("float16" if one.float16 else "float32")
    if len({other.api for other in others}) > 1 and not words:
        words.append(one.api)
    return "".join(f", {word}" for word in words)
