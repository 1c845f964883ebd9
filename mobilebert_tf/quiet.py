"""Hold back the messages that TensorFlow's native code prints before it can be told not to.

Importing it on a machine without an accelerator prints a dozen lines about CUDA,
oneDNN and CPU flags; converting a model prints dozens more. They are written by C++
straight to file descriptor 2, so that is where they are held back.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import IO

import absl.logging

from mobilebert_tf import freed_memory

DEBUG_VARIABLE = "MOBILEBERT_TF_DEBUG"
"""Environment variable that `--debug` sets: nothing is then held back."""


@contextlib.contextmanager
def native_stderr_hidden(is_starting: bool = False) -> Iterator[None]:
    """Hold back what native code writes to standard error; show it after all on an exception.

    Args:
      is_starting: the block may end the process without an exception, as TensorFlow does on a processor without AVX;
        then a second process shows the text. Only while there is a single thread.
    """
    if os.environ.get(DEBUG_VARIABLE):
        yield
        return
    _flush()
    try:
        terminal = os.dup(2)
    except OSError:  # it is closed, so nothing shows
        yield
        return
    with _held_back() as held, _shown_on_death(held, terminal) if is_starting else contextlib.nullcontext():
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception as error:
            if not isinstance(error, OSError):  # whose message says what was wrong
                held.seek(0)
                os.write(terminal, held.read())
            raise
        finally:
            _flush()
            os.dup2(terminal, 2)
            os.close(terminal)


def _held_back() -> IO[bytes]:
    """A file for messages, in memory if possible, since a temporary directory may be missing."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("messages"), "w+b")
    return tempfile.TemporaryFile()


_DEATH = (
    b"mobilebert-tf: TensorFlow ended the process while it started: a processor without AVX, or wrong TF_... flags?\n"
)


@contextlib.contextmanager
def _shown_on_death(held: IO[bytes], terminal: int) -> Iterator[None]:
    """Let a forked process write the held text to `terminal` if this one ends within the block."""
    if not hasattr(os, "fork"):
        yield
        return
    reading, writing = os.pipe()
    watcher = os.fork()
    if not watcher:
        try:
            os.close(writing)
            if not os.read(reading, 1):  # closed without a sign of life
                os.write(terminal, os.pread(held.fileno(), 1 << 16, 0) + _DEATH)
        finally:
            os._exit(0)
    os.close(reading)
    try:
        yield
    finally:
        with contextlib.suppress(BrokenPipeError):
            os.write(writing, b".")
        os.close(writing)
        os.waitpid(watcher, 0)


def _flush() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()


@contextlib.contextmanager
def python_warnings_unlogged() -> Iterator[None]:
    """Hold back what Python code logs below the level of errors, such as a library's remarks while it is imported."""
    if os.environ.get(DEBUG_VARIABLE):
        yield
        return
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def nothing_collected() -> Iterator[None]:
    """Switch garbage collection off in the block, and leave the objects made there out of later collections.

    Meant for imports: that of TensorFlow leaves a million permanent objects, and scanning them again and
    again took 1.8 of its 4.8 s of CPU time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


_UNUSED = ("sklearn", "matplotlib.pyplot")
"""Modules that Keras imports, where they are installed, for wrappers and plots that no command uses."""


@contextlib.contextmanager
def unused_hidden() -> Iterator[None]:
    """Make Keras, imported in the block, do without modules that it does not need: saves 1.3 of 4.0 s of CPU time.

    They can be imported afterwards as usual; Keras's own wrappers and plots report that they are not installed.
    """
    hidden = [name for name in _UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: cannot be imported
    try:
        yield
    finally:
        for name in hidden:
            if sys.modules.get(name, ...) is None:
                del sys.modules[name]


def start_tensorflow() -> None:
    """Import TensorFlow and let it find its devices, silently; memory that it frees stays with the process."""
    freed_memory.keep()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    with native_stderr_hidden(is_starting=True), nothing_collected(), unused_hidden():
        import tensorflow as tf

        tf.config.list_physical_devices()
    if not os.environ.get(DEBUG_VARIABLE):
        tf.get_logger().setLevel("ERROR")
        absl.logging.set_verbosity(absl.logging.ERROR)
