"""Licences and notices of a model, which accompany everything that is made from its weights.

The Apache License 2.0 (§4) and the MIT License require it.
"""

from __future__ import annotations

import os
from pathlib import Path

from mobilebert_tf import atomic

_NAMES = ("license", "licence", "notice", "copying")
_ENDINGS = ("", ".txt", ".md")

MOST_BYTES = 1_000_000
"""Size of the longest file that is taken for a licence."""


def of(directory: str | os.PathLike[str]) -> list[Path]:
    """The licences and notices in a directory, recognised by their names, sorted."""
    place = Path(directory)
    if not place.is_dir():
        return []
    return sorted(
        path
        for path in place.iterdir()
        if path.stem.lower() in _NAMES
        and path.suffix.lower() in _ENDINGS
        and path.is_file()
        and path.stat().st_size <= MOST_BYTES
    )


def pass_on(directory: str | os.PathLike[str], *sources: str | os.PathLike[str]) -> list[str]:
    """Copy the licences and notices of the models in `sources` to `directory`, and return their names.

    `directory` holds a work made from the models. Different files of the same name are joined in one file.
    """
    texts: dict[str, list[bytes]] = {}
    for source in sources:
        if Path(source).resolve() != Path(directory).resolve():
            for path in of(source):
                content = path.read_bytes().strip()
                known = texts.setdefault(path.name, [])
                if content not in known:
                    known.append(content)
    for name, contents in texts.items():
        atomic.write_bytes(Path(directory) / name, b"\n\n\n".join(contents) + b"\n")
    return list(texts)
