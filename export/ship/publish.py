"""Where the files of an export stand until all of them are there, and how they get to their places."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from mobilebert_tf.export.recipes import REJECTED
from mobilebert_tf.export.ship import verify_directory

BUILDING = ".building"


@contextlib.contextmanager
def built_apart(directory: Path) -> Iterator[Path]:
    """Yield a new directory inside `directory` for files that are to stand in `directory` itself.

    It is deleted in the end: the same command makes all of them again, and on a full disk it needs the room.
    An OSError names the place that a file was meant for.
    """
    building = directory / BUILDING
    shutil.rmtree(building, ignore_errors=True)
    try:
        building.mkdir()
        yield building
    except OSError as error:
        if error.filename:
            error.filename = str(error.filename).replace(str(building), str(directory))
        raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


def publish(building: Path, directory: Path, recipes: Iterable[str]) -> None:
    """Move everything from `building` to its place in `directory`, whose run is not finished.

    An earlier attempt may have been killed in here, at any file: what it left of `recipes` and is not made
    again goes. A report stands only beside the files that it speaks of, so the old ones go first and the new
    one comes last; a `.tflite` file comes after its vocabulary, labels and contract.
    """
    old = [verify_directory.SUMS, "report.json", "report.html", "report.md", "explain.json"]
    for name in recipes:
        contract = f"{name}{verify_directory.CONTRACT}"
        old += [contract, f"{name}.tflite", f"{REJECTED}/{name}.tflite", f"{name}_mended.json"]
    for name in old:
        (directory / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        (directory / REJECTED).rmdir()
    for path in sorted((path for path in building.rglob("*") if path.is_file()), key=_order):
        place = directory / path.relative_to(building)
        place.parent.mkdir(exist_ok=True)
        path.replace(place)


def _order(path: Path) -> tuple[bool, bool, bool, str]:
    return path.name == "report.json", path.name.startswith("report."), path.suffix == ".tflite", path.name
