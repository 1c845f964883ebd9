"""Provenance of the results: commit, machine, packages and dates, with all values in which runs differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mobilebert_tf.reporting.results import Run


def rows(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Name and value of every line of the table, with several values where runs differ."""
    lines = [
        ("Commit", [_commit(run.made_by) for run in runs]),
        ("Machine", [_machine(run.made_by.get("machine") or {}) for run in runs]),
        ("Python", [str(run.made_by.get("python") or "") for run in runs]),
        ("Packages", [_packages(run.made_by.get("versions") or {}) for run in runs]),
        ("Made on", [str(run.made_by.get("date") or "")[:10] for run in runs]),
    ]
    return [
        (name, "; ".join(distinct)) for name, values in lines if (distinct := list(dict.fromkeys(filter(None, values))))
    ]


def _commit(made_by: Mapping[str, Any]) -> str:
    if "commit" in made_by:
        return str(made_by["commit"])[:12] + (" with uncommitted changes" if made_by.get("dirty") else "")
    release = made_by.get("mobilebert_tf")
    return f"release {release}" if release else ""


def _machine(machine: Mapping[str, Any]) -> str:
    parts = [str(machine[key]) for key in ("model", "processor", "system") if machine.get(key)]
    if machine.get("cores"):
        parts.append(f"{machine['cores']} cores")
    if machine.get("memory_gib"):
        parts.append(f"{machine['memory_gib']} GiB")
    if machine.get("features"):
        parts.append(" ".join(map(str, machine["features"])))
    return ", ".join(parts)


def _packages(versions: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
