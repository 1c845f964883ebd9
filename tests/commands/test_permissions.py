"""Written files have the permissions of any new file, whichever library writes them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from mobilebert_tf import cli


def others(directory: Path, file_mode: int, directory_mode: int) -> dict[str, str]:
    """Permissions, by path, of files and directories with other modes than these."""
    paths = [directory, *directory.rglob("*")]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in paths}
    return {
        str(path): oct(mode) for path, mode in modes.items() if mode != (directory_mode if path.is_dir() else file_mode)
    }


def test_a_model_an_export_and_what_is_converted(
    classifier_directory: Path, export_directory: Path, tmp_path: Path
) -> None:
    usual = os.umask(0o027)
    try:
        for kind in ("huggingface", "tf1", "keras"):
            words = ["convert", f"--input={classifier_directory}", f"--to={kind}", f"--output={tmp_path / kind}"]
            assert cli.run(words) == 0
            assert (tmp_path / kind).is_dir()
            assert not others(tmp_path / kind, 0o640, 0o750)
    finally:
        os.umask(usual)
    for directory in (classifier_directory, export_directory):
        assert not others(directory, 0o666 & ~usual, 0o777 & ~usual)
