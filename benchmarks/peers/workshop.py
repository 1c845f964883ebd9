"""Preparation of a comparison: environments, and in each its peers' files. Existing ones are kept."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf import atomic, child_process
from mobilebert_tf.benchmarks.library import networks
from mobilebert_tf.benchmarks.peers import catalogue
from mobilebert_tf.benchmarks.peers.catalogue import Peer, Variant
from mobilebert_tf.benchmarks.peers.environments import Environment, prepare
from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import FailedError, UsageError

SIDE = Path(__file__).with_name("side.py")

OWN = "mobilebert_tf.benchmarks.peers.own"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workshop:
    """A directory with environments, and with the files of one shape of network below `files`."""

    directory: Path
    preset: str
    length: int
    """T of rivals' files, and the longest T of this project's files."""
    lengths: tuple[int, ...]
    """T of the signatures of this project's files."""
    texts: tuple[str, ...]
    """Calibration texts for static files."""
    say: Callable[[str], None]
    """Function that shows a message to the user."""

    @property
    def config(self) -> dict[str, Any]:
        """Shape of the network, under the keys of published configurations."""
        return dataclasses.asdict(MobileBertConfig.preset(self.preset))

    def place(self, peer: Peer) -> Path:
        """Directory of a peer's files; it exists only once all of them are complete."""
        own = peer.name in (catalogue.STUDENT, catalogue.MINI, catalogue.MINILM)
        parts = [peer.name, *([] if peer.embeds else [self.preset])]
        parts += map(str, self.lengths if own else (self.length,))
        if own:
            parts.append(hashlib.sha256("\n".join(self.texts).encode()).hexdigest()[:8])
        return self.directory / "files" / "_".join(parts)

    def make(self, wanted: Sequence[Peer]) -> tuple[list[Variant], dict[str, str]]:
        """Make the files of all peers; return those that could be made, and the failures' reasons by peer."""
        environments = {one.name: one for one in catalogue.environments(wanted, self.directory)}
        failures: dict[str, str] = {}
        for environment in environments.values():
            try:
                prepare(environment, self.say)
            except (FailedError, UsageError) as error:
                self.say(str(error))
                failures |= {one.name: str(error) for one in wanted if one.environment == environment.name}
        variants = []
        for peer in wanted:
            if peer.name in failures:
                continue
            try:
                variants += self._files(peer, environments)
            except (FailedError, UsageError) as error:
                self.say(str(error))
                failures[peer.name] = str(error)
        return variants, failures

    def _files(self, peer: Peer, environments: Mapping[str, Environment]) -> list[Variant]:
        place = self.place(peer)
        if not place.is_dir():
            self.say(f"{peer.name}: making {', '.join(peer.files)} in {place}")
            with atomic.directory_aside(place) as aside:
                self._make(peer, environments, aside)
                if lacking := [name for name in peer.files if not (aside / name).is_file()]:
                    raise FailedError(f"{peer.name}: did not write {', '.join(lacking)}")
        return [Variant(peer=peer, path=place / name, precision=one) for name, one in peer.files.items()]

    def _make(self, peer: Peer, environments: Mapping[str, Environment], directory: Path) -> None:
        if peer.name in catalogue.RIVALS:
            order = {"do": "make", "directory": str(directory), "config": self.config, "length": self.length}
            ask(peer, environments[str(peer.environment)], order)
        elif peer.name == catalogue.STUDENT:
            networks.write(peer.name, self.config, self.lengths, _recipes(peer), self.texts, directory)
        elif peer.name == catalogue.VECTORS:
            teacher = str(catalogue.minilm(environments[catalogue.MINILM]))
            ask_own(
                peer.name, {"do": "vectors", "directory": str(directory), "teacher": teacher, "length": self.length}
            )
        else:
            model = peer.name
            if peer.name == catalogue.MINILM:
                model = str(catalogue.minilm(environments[catalogue.MINILM]))
            self._export(peer, model, directory)

    def _export(self, peer: Peer, model: str, directory: Path) -> None:
        """Export a model for sentence embeddings. `export` times it only once, as this comparison does the timing."""
        with tempfile.TemporaryDirectory() as temporary:
            table, output = Path(temporary) / "texts.tsv", Path(temporary) / peer.name
            rows = (" ".join(text.replace('"', "'").split()) for text in self.texts)
            table.write_text("text\n" + "\n".join(rows) + "\n", encoding="utf-8")
            flags = {
                "model": model, "task": "embedding", "recipes": ",".join(_recipes(peer)), "output": str(output),
                "sequence_lengths": ",".join(map(str, self.lengths)), "calibration": str(table),
                "text_column": "text", "parity_examples": "32", "rounds": "1", "runs": "1",
            }  # fmt: skip
            words = [sys.executable, "-m", "mobilebert_tf", "export", *(f"--{key}={one}" for key, one in flags.items())]
            child_process.check(peer.name, child_process.run(words))
            for path in output.iterdir():
                if path.is_file():
                    (directory / path.name).write_bytes(path.read_bytes())


def ask(peer: Peer, environment: Environment, order: Mapping[str, Any]) -> dict[str, Any]:
    """Run `side.py` for a peer in its environment; return its answer. Raises FailedError: the process died."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "order.json"
        path.write_text(json.dumps({"peer": peer.name, **order}), encoding="utf-8")
        done = environment.run([str(SIDE), str(path)], dict(peer.variables))
    answer: dict[str, Any] = child_process.answer(peer.name, done)
    return answer


def ask_own(name: str, order: Mapping[str, Any]) -> dict[str, Any]:
    """Run `own.py` on an order; return its answer. Raises FailedError: the process died."""
    return networks.ask(OWN, name, order)


def _recipes(peer: Peer) -> list[str]:
    return [name.removesuffix(".tflite") for name in peer.files]
