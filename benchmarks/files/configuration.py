"""Configurations of a file: what flags of a benchmark sweep over."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

OFF, MEMORY, FILE, NEW_FILE = "off", "memory", "file", "new_file"
"""Kinds of XNNPACK's weight cache. FILE is there from the second round on, NEW_FILE is written in each."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Configuration:
    """Settings of the runtime on this machine."""

    threads: int = 1
    weight_cache: str = OFF
    float16: bool = False
    """Compute float parts in float16, as ARM processors do where a file allows it; emulated here."""
    compiled: bool = False
    """Run by CompiledModel, also where no option needs it."""

    @property
    def api(self) -> str:
        """LiteRT's class: in Python its Interpreter takes neither a cache nor XNNPACK's flags."""
        return "CompiledModel" if self.compiled or self.float16 or self.weight_cache != OFF else "Interpreter"

    def describe(self) -> dict[str, Any]:
        """The same as results have it."""
        return {
            "threads": self.threads,
            "accelerator": "cpu",
            "api": self.api,
            "weight_cache": self.weight_cache,
            "float16": True if self.float16 else None,
        }


def label(one: Configuration, others: Sequence[Configuration]) -> str:
    """Words that tell a configuration from others, behind a file's name; empty: there is no other."""
    words = []
    if len({other.threads for other in others}) > 1:
        words.append(f"{one.threads} thread{'s' if one.threads > 1 else ''}")
    if len({other.weight_cache for other in others}) > 1:
        cache = {OFF: "no weight cache", MEMORY: "weight cache in memory", FILE: "weight cache in a file",
                 NEW_FILE: "weight cache in a new file"}  # fmt: skip
        words.append(cache[one.weight_cache])
    if len({other.float16 for other in others}) > 1:
        words.append("float16" if one.float16 else "float32")
    if len({other.api for other in others}) > 1 and not words:
        words.append(one.api)
    return "".join(f", {word}" for word in words)
