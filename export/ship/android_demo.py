"""Copy of a finished export among the assets of the app in `android_demo/`."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from mobilebert_tf import licences, provenance
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.export.ship.verify_directory import CONTRACT, SUMS, read_sums

MANIFEST = Path("app/src/main/AndroidManifest.xml")
ASSETS = Path("app/src/main/assets/exports")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""Valid names of assets: Android's packer leaves out names that begin with a dot or an underscore."""


def check(demo: Path, export: Path) -> None:
    """Raise UsageError unless `demo` is the app's directory and can hold `export` under its name."""
    flag = f"--android_demo={demo}"
    if not (demo / MANIFEST).is_file():
        raise UsageError(f"{flag}: is not the app's directory, it has no {MANIFEST}; give the path of android_demo")
    name = _name(export)
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{flag}: the app cannot hold an export called {name!r}; begin the name of --output with a letter or "
            "digit, and use only letters, digits, dots, hyphens and underscores"
        )
    place = demo / ASSETS / name
    if place.exists() and not (place / SUMS).is_file():
        raise UsageError(f"{flag}: {place} exists and is not an export, it has no {SUMS}; move it away")


def put(demo: Path, export: Path) -> tuple[Path, list[str]]:
    """Copy the files that the app reads from a finished export: models with a contract, contracts, vocabulary, licences
    and sums.

    An earlier copy of the same name is replaced once the new one is complete.

    Returns:
      The directory of the copy, and the names of the recipes.

    Raises:
      UsageError: as `check`, or no file of the export has a contract.
      FailedError: a copy differs from what the export wrote.
    """
    check(demo, export)
    recipes = sorted(path.name.removesuffix(CONTRACT) for path in export.glob(f"*{CONTRACT}"))
    if not recipes:
        raise UsageError(
            f"--android_demo={demo}: no file of {export} passed its gate, so there is nothing to put there"
        )
    sums = read_sums(export)
    names = [name for recipe in recipes for name in (f"{recipe}.tflite", f"{recipe}{CONTRACT}")]
    place = demo / ASSETS / _name(export)
    # The names begin with a dot, so that a build in the meantime leaves these directories out.
    aside, old = (place.with_name(f".{place.name}.{word}") for word in ("new", "old"))
    for left in (aside, old):
        shutil.rmtree(left, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        for name in [*names, "vocab.txt", *(path.name for path in licences.of(export)), SUMS]:
            shutil.copyfile(export / name, aside / name)
            if name != SUMS and provenance.sha256(aside / name) != sums.get(name):
                raise FailedError(f"{export / name}: is not what the export wrote; export again to another directory")
        if place.exists():
            place.rename(old)
        aside.rename(place)
    finally:
        for left in (aside, old):
            shutil.rmtree(left, ignore_errors=True)
    return place, recipes


def _name(export: Path) -> str:
    return export.resolve().name
