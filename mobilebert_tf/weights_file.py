"""`model.weights.h5`: an HDF5 file with one dataset per weight, named by the variable's path.

It is read and written without TensorFlow, so that commands that inspect or convert a model
do not wait seconds for it to start.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable

import h5py
import numpy as np

from mobilebert_tf import atomic
from mobilebert_tf.errors import UsageError, first_line

WEIGHTS = "model.weights.h5"


class WeightsFile:
    """The arrays of one file, by name; each is read when it is asked for."""

    def __init__(self, path: str | os.PathLike[str]):
        """Raises UsageError: the file is missing, damaged, or not a weights file."""
        self.path = path
        if not os.path.exists(path):
            raise UsageError(f"{path}: missing; the run that writes it has not finished")
        try:
            self._file = h5py.File(path, "r")
            self.shapes: dict[str, tuple[int, ...]] = {}
            self._file.visititems(self._note)
        except (OSError, RuntimeError, KeyError) as error:
            raise UsageError(f"{path}: is damaged or not an HDF5 file ({first_line(error)})") from None

    def _note(self, name: str, item: h5py.Group | h5py.Dataset) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        if item.external or item.is_virtual:
            raise OSError(f"{name} is stored in another file")
        if item.dtype.kind != "f" or item.shape is None:
            raise OSError(f"{name} is {item.dtype}, not an array of numbers")
        self.shapes[name] = tuple(item.shape)

    def read(self, name: str) -> np.ndarray:
        try:
            return self._file[name][()]
        except (OSError, RuntimeError, KeyError) as error:
            raise UsageError(f"{self.path}: {name} cannot be read ({first_line(error)})") from None


def write_weights(path: str | os.PathLike[str], arrays: Iterable[tuple[str, np.ndarray]]) -> None:
    """Write the arrays in order, one in memory at a time."""
    with atomic.write_aside(path) as aside, open(aside, "w+b", buffering=0) as opened:
        sink = _Sink(opened)
        try:
            with h5py.File(sink, "w") as file:
                for name, array in arrays:
                    file.create_dataset(name, data=array)
                    sink.check()
        finally:
            sink.check()


class _Sink:
    """A file that records the first error of a write instead of raising it.

    HDF5 writes again while it closes and while its objects are freed, where an exception is only
    printed or crashes the process. Write errors are therefore recorded here and raised by `check()`.
    """

    def __init__(self, file: io.FileIO):
        self._file = file
        self._failure: OSError | None = None
        self.read, self.readinto = file.read, file.readinto
        self.seek, self.tell, self.flush = file.seek, file.tell, file.flush

    def check(self) -> None:
        """Raise the recorded error, if there is one."""
        if self._failure:
            raise self._failure

    def write(self, data: bytes) -> int:
        left = memoryview(data).cast("B")
        try:
            while len(left):
                left = left[self._file.write(left) :]
        except OSError as error:
            self._failure = self._failure or error
        return len(data)

    def truncate(self, size: int) -> int:
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._failure = self._failure or error
            return size
