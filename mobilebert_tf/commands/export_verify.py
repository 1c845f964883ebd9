"""`export verify`: check that an export directory is as it was exported."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import ClassVar

from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.export.ship import verify_directory
from mobilebert_tf.options import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportVerify:
    """Check a finished export directory, or a copy of it, and run its files.

    Every file must match SHA256SUMS, and none may be missing or added. Every .tflite file must have the
    inputs, outputs, vocabulary and labels of its contract, and answer the contract's examples as it did when it
    was exported. Prints one line per file and a conclusion; ends with status 1 if something is wrong.

    Where there is no TensorFlow, `python export/ship/verify_directory.py DIR` does the same with NumPy and LiteRT
    alone.

    Examples:
      mobilebert-tf export verify runs/exported
      mobilebert-tf export verify runs/exported --python=old/bin/python --must_run=float32,dynamic_int8_per_tensor
    """

    POSITIONAL: ClassVar[str] = "directory"

    directory: str = option("directory that `export` wrote, or a copy")
    python: str | None = option(
        "Python interpreter whose LiteRT or tflite-runtime runs the files; default: this one", None
    )
    must_run: str | None = option(
        "recipes whose files must run, comma-separated; a runtime may refuse the others if their contracts say that it "
        "is too old; default: all",
        None,
    )

    def run(self) -> None:
        """Check, run, print. Raises FailedError: something is not as it was; UsageError: it is no export."""
        must_run = verify_directory.split(self.must_run)
        try:
            print(verify_directory.verify(Path(self.directory), self.python or sys.executable, must_run))
        except verify_directory.NotVerifiedError as error:
            raise (UsageError if error.status == 2 else FailedError)(str(error)) from None
