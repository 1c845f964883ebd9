"""The processes that train one model together, as TF_CONFIG describes them."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Annotated

import msgspec

from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import build


@dataclasses.dataclass(frozen=True)
class Cluster:
    """How many workers there are, and which one this process is."""

    workers: int
    index: int
    others: tuple[tuple[str, str], ...] = ()
    """Names and addresses of the other processes."""

    @property
    def is_chief(self) -> bool:
        """Whether this process writes for all: the task "chief", or without one the first worker."""
        return self.index == 0


@dataclasses.dataclass(frozen=True)
class _Jobs:
    chief: tuple[str, ...] = ()
    worker: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class _Task:
    type: str
    index: int | Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,6}\Z")]


@dataclasses.dataclass(frozen=True)
class _Config:
    """What TF_CONFIG holds."""

    cluster: _Jobs
    task: _Task


_FORM = '{"cluster": {"worker": ["host0:port", "host1:port"]}, "task": {"type": "worker", "index": 0}}'


def from_environment() -> Cluster:
    """Read TF_CONFIG: {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}.

    Raises:
      UsageError: it is not set, or does not have this form.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        raise UsageError(f"--distribution=multi_worker needs TF_CONFIG in the environment of each process: {_FORM}")
    try:
        config: _Config = build(_Config, json.loads(text), "TF_CONFIG", f"it must have the form {_FORM}")
    except (ValueError, RecursionError):
        raise UsageError(f"TF_CONFIG: is not readable as JSON; it must have the form {_FORM}") from None
    chiefs, workers = len(config.cluster.chief), len(config.cluster.worker)
    kind, index = config.task.type, int(config.task.index)
    places = {
        (job, number): address
        for job in ("chief", "worker")
        for number, address in enumerate(getattr(config.cluster, job))
    }
    if kind not in ("chief", "worker") or chiefs > 1 or not 0 <= index < {"chief": chiefs, "worker": workers}[kind]:
        raise UsageError(f"TF_CONFIG: task {kind} {index} is not one of {chiefs} chief and {workers} workers")
    others = tuple((f"{job} {i}", address) for (job, i), address in places.items() if (job, i) != (kind, index))
    return Cluster(chiefs + workers, index if kind == "chief" else chiefs + index, others)
