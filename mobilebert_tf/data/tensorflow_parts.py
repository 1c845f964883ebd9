"""TensorFlow's reader and writer of checkpoints, without the seconds that importing all of TensorFlow takes.

`import tensorflow` runs a module that imports everything, Keras included: 5 of the 6 seconds that a
conversion would take. `tf.train.load_checkpoint` and the op SaveV2 are implemented in modules of
the package `tensorflow.python`, which take a tenth of that. They are imported here below an empty
package named `tensorflow`; a full import later in the same process finds
these modules and imports the rest.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import importlib
import importlib.util
import os
import sys
import tempfile
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from mobilebert_tf import quiet
from mobilebert_tf.errors import first_line

_LOCK = threading.RLock()
"""Standard error and `sys.modules` are shared by all threads, and Apache Beam's workers are threads."""


class Reader:
    """The reader that `tf.train.load_checkpoint` returns, for a checkpoint at any path."""

    def __init__(self, prefix: str) -> None:
        # Files are opened when they are needed, so the links must live as long as this object.
        self._links = contextlib.ExitStack()
        plain = self._links.enter_context(prefix_without_pattern(prefix))

        def opened() -> Any:
            return importlib.import_module("tensorflow.python.training.py_checkpoint_reader").NewCheckpointReader(plain)

        self._reader = _with_parts(opened)

    def get_variable_to_shape_map(self) -> dict[str, list[int]]:
        return self._reader.get_variable_to_shape_map()

    def get_tensor(self, name: str) -> np.ndarray:
        return self._reader.get_tensor(name)


@contextlib.contextmanager
def prefix_without_pattern(prefix: str) -> Iterator[str]:
    """The prefix of a checkpoint, or of links to its files where TensorFlow would take it for a pattern.

    TensorFlow looks for the files by `GetMatchingPaths`, which finds nothing below a directory `runs [2]`.
    """
    if not glob.has_magic(prefix):
        yield prefix
        return
    with tempfile.TemporaryDirectory() as directory:
        for file in glob.glob(f"{glob.escape(prefix)}.*"):
            os.symlink(os.path.abspath(file), os.path.join(directory, "checkpoint" + file.removeprefix(prefix)))
        yield os.path.join(directory, "checkpoint")


def save(prefix: str, arrays: Iterable[tuple[str, np.ndarray]]) -> None:
    """Write a checkpoint that holds these arrays under these names. Raises OSError: it cannot be written."""

    def saved() -> None:
        ops = importlib.import_module("tensorflow.python.ops.gen_io_ops")
        context = importlib.import_module("tensorflow.python.eager.context")
        constant = importlib.import_module("tensorflow.python.framework.constant_op").constant
        names, tensors = [], []
        with context.eager_mode():
            for name, array in arrays:
                names.append(name)
                tensors.append(constant(array))
            ops.save_v2(prefix, names, [""] * len(names), tensors)

    try:
        _with_parts(saved)
    except Exception as error:
        if type(error).__module__ != "tensorflow.python.framework.errors_impl":
            raise
        code = errno.ENOSPC if "No space left" in str(error) else errno.EIO
        reason = first_line(error).rsplit("; ", 1)[-1].split(" [Op:")[0]
        raise OSError(code, reason, f"{prefix}.data-00000-of-00001") from None


def import_part(name: str) -> types.ModuleType:
    """The module `tensorflow.….NAME`, imported with only those parts of TensorFlow that it needs."""
    return _with_parts(lambda: importlib.import_module(name))


def _with_parts(function: Callable[[], Any]) -> Any:
    """The result of `function`, which may import modules of TensorFlow; its exceptions are raised."""
    failed: Exception | None = None
    result = None
    with _LOCK, _parts():
        try:
            result = function()
        except Exception as error:
            # An exception raised inside `_parts` would make the hidden start messages of TensorFlow show.
            failed = error
    if failed:
        raise failed
    return result


@contextlib.contextmanager
def _parts() -> Iterator[None]:
    """Context in which modules of TensorFlow can be imported one by one, silently."""
    if "tensorflow" in sys.modules:
        yield
        return
    spec = importlib.util.find_spec("tensorflow")
    assert spec and spec.submodule_search_locations
    bare = types.ModuleType("tensorflow")
    bare.__path__ = list(spec.submodule_search_locations)
    bare.__spec__ = spec
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.modules["tensorflow"] = bare
    try:
        with quiet.native_stderr_hidden():
            yield
    finally:
        sys.modules.pop("tensorflow", None)
