"""The processes that train one model together, as TF_CONFIG describes them."""

from __future__ import annotations

import dataclasses
import json
import os

from mobilebert_tf.errors import UsageError


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


def from_environment() -> Cluster:
    """Read TF_CONFIG: {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}.

    Raises:
      UsageError: it is not set, or does not have this form.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        raise UsageError(
            "--distribution=multi_worker needs TF_CONFIG in the environment of each process: "
            '{"cluster": {"worker": ["host0:port", "host1:port"]}, "task": {"type": "worker", "index": 0}}'
        )
    try:
        config = json.loads(text)
        chiefs, workers = (len(config["cluster"].get(kind, [])) for kind in ("chief", "worker"))
        kind, index = config["task"]["type"], int(config["task"]["index"])
        places = {
            (job, number): str(address)
            for job in ("chief", "worker")
            for number, address in enumerate(config["cluster"].get(job, []))
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"TF_CONFIG: is not a cluster and a task in JSON ({error!r})") from None
    if kind not in ("chief", "worker") or chiefs > 1 or not 0 <= index < {"chief": chiefs, "worker": workers}[kind]:
        raise UsageError(f"TF_CONFIG: task {kind} {index} is not one of {chiefs} chief and {workers} workers")
    others = tuple((f"{job} {i}", address) for (job, i), address in places.items() if (job, i) != (kind, index))
    return Cluster(chiefs + workers, index if kind == "chief" else chiefs + index, others)
