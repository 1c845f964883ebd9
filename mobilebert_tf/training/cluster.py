"""The processes that train one model together, as TF_CONFIG describes them."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from typing import Annotated

import msgspec

from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import build


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a cluster, and the one that this process is."""

    places: tuple[tuple[str, str], ...]
    """Names and addresses of the workers, in the order of TensorFlow's replicas."""
    index: int

    @property
    def workers(self) -> int:
        """Number of workers."""
        return len(self.places)

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
    """The content of TF_CONFIG."""

    cluster: _Jobs
    task: _Task


_ADDRESS = re.compile(r"(?:[^][\s/:]+|\[[^][\s/]+\]):([0-9]{1,5})")
"""Host and port; brackets around an IPv6 address."""

_FORM = '{"cluster": {"worker": ["host0:port", "host1:port"]}, "task": {"type": "worker", "index": 0}}'


def from_environment() -> Cluster:
    """Read TF_CONFIG: {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}.

    Raises:
      UsageError: it is not set, does not have this form, or gives two processes one address.
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
    places: dict[str, str] = {}
    for job in ("chief", "worker"):
        for number, address in enumerate(getattr(config.cluster, job)):
            shown = f"TF_CONFIG: cluster.{job}[{number}] is {address!r}"
            port = _ADDRESS.fullmatch(address)
            if not port or not 1 <= int(port[1]) <= 65535:
                raise UsageError(f"{shown}; it must be host:port")
            if address in places.values():
                raise UsageError(f"{shown}, which another process has too; each needs its own address")
            places[f"{job} {number}"] = address
    if kind not in ("chief", "worker") or chiefs > 1 or not 0 <= index < {"chief": chiefs, "worker": workers}[kind]:
        raise UsageError(f"TF_CONFIG: task {kind} {index} is not one of {chiefs} chief and {workers} workers")
    return Cluster(tuple(places.items()), index if kind == "chief" else chiefs + index)
