"""Modules of sentence-transformers, which turn outputs into vectors: `modules.json` and the settings of a pooling.

These files are copied with a model into every format, so that nobody takes means for vectors of a model with another
pooling.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mobilebert_tf import atomic
from mobilebert_tf.fields import read as read_fields
from mobilebert_tf.fields import read_object
from mobilebert_tf.names import plain_name

MODULES = "modules.json"
POOLING = "1_Pooling"
"""Default directory of the pooling."""

_FAMILY = "sentence_transformers."
_KNOWN = ("Transformer", "Pooling", "Normalize")
"""Modules that this project's embeddings consist of."""


@dataclasses.dataclass(frozen=True)
class Module:
    """One of the modules that process a text in order."""

    type: str
    """Full name of its class, such as sentence_transformers.models.Pooling."""
    path: str = ""
    """Its directory, below that of `modules.json`; empty for the transformer beside `modules.json`."""
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Fields of a pooling's config.json."""

    @property
    def kind(self) -> str:
        """Name of its class, without the package for classes of sentence-transformers."""
        return self.type.rpartition(".")[2] if self.type.startswith(_FAMILY) else self.type


@dataclasses.dataclass(frozen=True)
class _Listed:
    type: str
    path: str = ""


def read_modules(directory: Path) -> tuple[Module, ...]:
    """The modules of the model in a directory, or in a part of one such as `0_Transformer`; () if no file lists any.

    Raises:
      UsageError: a file is broken, or a pooling's directory is outside of the model's.
    """
    home = directory.absolute()
    if re.match(r"\d+_", home.name) and any(one.path == home.name for one in _listed(home.parent)):
        home = home.parent
    listed = _listed(home)
    if not listed and (home / POOLING / "config.json").exists():
        listed = (_Listed(f"{_FAMILY}models.Transformer"), _Listed(f"{_FAMILY}models.Pooling", POOLING))
    modules = []
    for module in (Module(one.type, one.path) for one in listed):
        if module.kind == "Transformer":
            module = dataclasses.replace(module, path="")
        elif module.kind == "Pooling":
            settings = home / plain_name(module.path, f"{home / MODULES}: path") / "config.json"
            module = dataclasses.replace(module, settings=read_object(settings) if settings.exists() else {})
        modules.append(module)
    return tuple(modules)


def write_modules(directory: Path, modules: tuple[Module, ...]) -> None:
    """Write `modules.json` and the settings of the pooling, if there are modules."""
    if not modules:
        return
    listed = [{"idx": i, "name": str(i), "path": one.path, "type": one.type} for i, one in enumerate(modules)]
    atomic.write_json(directory / MODULES, listed)
    for module in modules:
        if module.kind == "Pooling":
            (directory / module.path).mkdir(exist_ok=True)
            atomic.write_json(directory / module.path / "config.json", dict(module.settings))


def are_means(modules: tuple[Module, ...]) -> bool:
    """Whether the pooling takes the mean of the tokens."""
    return [_modes(module.settings) for module in modules if module.kind == "Pooling"] == [{"mean"}]


def difference(modules: tuple[Module, ...]) -> str | None:
    """The reason why a model's vectors differ from this project's embeddings, which are means; None: they do not."""
    beyond = next((module.kind for module in modules if module.kind not in _KNOWN), None)
    if beyond:
        return f"{MODULES} sends its sentence vectors through {beyond}, which this project does not compute"
    if not modules or are_means(modules):
        return None
    pooling = next((module for module in modules if module.kind == "Pooling"), None)
    if pooling is None:
        return f"{MODULES} has no Pooling, so it makes no sentence vectors"
    modes = " and ".join(sorted(_modes(pooling.settings))) or "nothing"
    return f"{pooling.path}/config.json makes its sentence vectors of {modes}, and here they are the mean of the tokens"


def _modes(settings: Mapping[str, Any]) -> set[str]:
    """Modes of a pooling: mean, cls, max, ... Newer files have one field for them, older ones a flag for each mode."""
    modes = settings.get("pooling_mode")
    if modes is not None:
        return {str(mode) for mode in (modes if isinstance(modes, list) else [modes])}
    flags = {"pooling_mode_mean_tokens": True, **settings}
    enabled = [
        name.removeprefix("pooling_mode_") for name, on in flags.items() if name.startswith("pooling_mode_") and on
    ]
    return {name.removesuffix("_tokens").removesuffix("_token") for name in enabled}


def _listed(home: Path) -> tuple[_Listed, ...]:
    path = home / MODULES
    return read_fields(path, tuple[_Listed, ...]) if path.exists() else ()
