"""TensorFlow's native code talks to the terminal before anyone can ask it not to.

Importing it on a machine without an accelerator prints a dozen lines about CUDA,
oneDNN and CPU flags; converting a model prints dozens more. They are written by C++
straight to file descriptor 2, so that is where they are held back.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator

import absl.logging

DEBUG_VARIABLE = "MOBILEBERT_TF_DEBUG"
"""Set by `--debug`: nothing is held back then."""


@contextlib.contextmanager
def native_stderr_hidden() -> Iterator[None]:
    """Hold back what native code writes to standard error; show it after all on an exception."""
    if os.environ.get(DEBUG_VARIABLE):
        yield
        return
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            held.seek(0)
            os.write(terminal, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)


@contextlib.contextmanager
def python_warnings_unlogged() -> Iterator[None]:
    """Hold back what Python code logs below an error, such as a library about itself while it is imported."""
    if os.environ.get(DEBUG_VARIABLE):
        yield
        return
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def start_tensorflow() -> None:
    """Import TensorFlow and let it find its devices, silently."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    with native_stderr_hidden():
        import tensorflow as tf

        tf.config.list_physical_devices()
    if not os.environ.get(DEBUG_VARIABLE):
        tf.get_logger().setLevel("ERROR")
        absl.logging.set_verbosity(absl.logging.ERROR)
