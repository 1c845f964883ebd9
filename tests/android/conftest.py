"""Kotlin of android_demo/ as a program that tests can ask."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Kotlin = Callable[..., str]


@pytest.fixture(scope="session")
def kotlin(root: Path, once: Callable[[str, Callable[[Path], object]], Path]) -> Kotlin:
    """Run a `main` of core's tests with arguments and standard input; returns what it prints."""
    if missing := [program for program in ("java", "mvn") if not shutil.which(program)]:
        pytest.skip(f"{' and '.join(missing)} not on the PATH; make android says what is needed")
    demo = root / "android_demo"

    def build(directory: Path) -> None:
        command = ["mvn", "-o", "-B", "-q", "test-compile"]
        done = subprocess.run(command, cwd=demo, capture_output=True, encoding="utf-8", timeout=540)
        if "offline mode" in done.stdout:
            pytest.skip("Kotlin was never downloaded here; make android does")
        assert done.returncode == 0, done.stdout

    once("kotlin", build)
    target = demo / "core" / "target"
    places = [target / "classes", target / "test-classes", *sorted((target / "lib").glob("*.jar"))]

    def run(main: str, *arguments: str, given: str = "", options: tuple[str, ...] = ()) -> str:
        command = ["java", "-cp", ":".join(map(str, places)), *options, f"dev.mobilebert.core.{main}", *arguments]
        done = subprocess.run(command, input=given, capture_output=True, encoding="utf-8", timeout=540)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
