"""The directory in which the files of an export are built until all are complete, and their move to their places."""

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
    """Yield a new directory inside `directory` for files that will be moved to `directory` itself.

    It is deleted at the end, even after an error: the same command makes all files again, and on a full disk it needs
    the space. An OSError names the place that the file was meant for.
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

    An earlier attempt may have been killed in this function, at any file, so files of `recipes` that it left behind
    are deleted. A report must only ever lie beside the files that it describes, so old reports are deleted first and
    the new one is moved last; a `.tflite` file is moved after its vocabulary, labels and contract.
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
