"""Models that are shipped with the package; their names are accepted wherever a model directory is.

Each is a Hugging Face directory below `mobilebert_tf/pretrained`, with a model card and the SHA256SUMS of its files.
"""

from __future__ import annotations

import functools
from pathlib import Path

from mobilebert_tf import provenance
from mobilebert_tf.errors import UsageError

PLACE = Path(__file__).parents[1] / "pretrained"
SUMS = "SHA256SUMS"


def names() -> list[str]:
    """Names of the models in this installation, sorted."""
    return sorted(file.parent.name for file in PLACE.glob(f"*/{SUMS}"))


def located(path: Path) -> Path:
    """The directory of the shipped model named `path`; `path` itself if it exists or no shipped model has that name.

    Raises:
      UsageError: a file of the model is missing or not the one that was shipped.
    """
    if path.exists() or str(path) != path.name or path.name not in names():
        return path
    _check(PLACE / path.name)
    return PLACE / path.name


@functools.cache
def _check(directory: Path) -> None:
    """Check a model's files against their sums, once per process; 14 MB take 10 ms."""
    for line in (directory / SUMS).read_text(encoding="utf-8").splitlines():
        expected, name = line.split(maxsplit=1)
        file = directory / name
        if not file.exists():
            raise UsageError(
                f"{directory.name}: its {name} is missing from this installation; install mobilebert_tf again"
            )
        if provenance.sha256(file) != expected:
            raise UsageError(f"{file}: is not the file that was shipped; install mobilebert_tf again")
