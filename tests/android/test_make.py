"""`make android` says in one line what is missing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

NEEDED = ("sh", "make", "sed", "env")


def programs(directory: Path, **scripts: str) -> str:
    """A PATH with the programs that a Makefile needs, and with these shell scripts."""
    for name in NEEDED:
        (directory / name).symlink_to(str(shutil.which(name)))
    for name, script in scripts.items():
        (directory / name).write_text(f"#!{shutil.which('sh')}\n{script}\n")
        (directory / name).chmod(0o755)
    return str(directory)


def maven(version: str, java: str) -> str:
    output = f"\\033[1mApache Maven {version} (x)\\033[m\\nJava version: {java}, vendor: V\\n"
    return f"[ $1 = --version ] || exit 9\nprintf '{output}'"


@pytest.mark.parametrize(
    ("scripts", "message"),
    [
        ({}, "make: java is not on the PATH; on Debian: apt-get install openjdk-17-jdk-headless maven"),
        ({"java": ""}, "make: mvn is not on the PATH; on Debian: apt-get install openjdk-17-jdk-headless maven"),
        ({"java": "", "mvn": "exit 1"}, "make: mvn does not start; set JAVA_HOME to a JDK 17 or later"),
        (
            {"java": "", "mvn": maven("3.8.7", "11.0.2")},
            "make: Maven runs on Java 11, 17 or later is needed; set JAVA_HOME, or install openjdk-17-jdk-headless",
        ),
        (
            {"java": "", "mvn": maven("3.8.7", "1.8.0_292")},
            "make: Maven runs on Java 8, 17 or later is needed; set JAVA_HOME, or install openjdk-17-jdk-headless",
        ),
        ({"java": "", "mvn": maven("3.6.3", "17.0.15")}, "make: Maven 3.6 is too old; 3.8 or later is needed"),
    ],
)
def test_what_is_missing_is_said_in_one_line(scripts: dict[str, str], message: str, root: Path, tmp_path: Path) -> None:
    # These tests may themselves be run by make, which passes its flags on.
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environment = {**outer, "PATH": programs(tmp_path, **scripts)}
    process = subprocess.run(
        [str(shutil.which("make")), "-s", "android"], cwd=root, env=environment, capture_output=True, encoding="utf-8"
    )
    assert process.returncode != 0
    lines = [line for line in process.stderr.splitlines() if not line.startswith("make: ***")]
    assert lines == [message]
    assert process.stdout == ""


@pytest.mark.parametrize("target", ["android", "apk"])
def test_exports_that_are_none_stop_it(target: str, root: Path, tmp_path: Path) -> None:
    """Else the app would be tested without a model, or built without one."""
    (tmp_path / "films.contract.json").write_text("{}")  # The export itself, not the directory above it.
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "-s", target, f"EXPORTS={tmp_path}"]
    process = subprocess.run(command, cwd=root, env=outer, capture_output=True, encoding="utf-8")
    assert process.returncode != 0
    assert process.stderr.splitlines()[0] == (
        f"make: EXPORTS={tmp_path} holds no export; name the directory above the one that mobilebert-tf export wrote"
    )
