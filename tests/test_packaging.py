"""A wheel built from the tree holds the right files and works outside the tree."""

import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.wheel, pytest.mark.slow]

SOURCES = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "mobilebert_tf", "export", "benchmarks", "tests")


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Build in a copy, because setuptools would use a stale build/ and leave one behind.
    copy = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        if (root / name).is_dir():
            shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        elif (root / name).exists():
            shutil.copy(root / name, copy / name)
    _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(copy / "dist"), cwd=copy)
    (built,) = (copy / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of an environment with the wheel, and with this environment's dependencies."""
    directory = tmp_path_factory.mktemp("environment")
    venv.create(directory, with_pip=False)
    python = directory / "bin" / "python"
    _run(sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", str(wheel), cwd=directory)
    # A path named in a .pth file comes after the environment's own packages, and .pth files
    # in that path are not read, so an editable installation there stays invisible.
    (site,) = (directory / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return directory / "bin"


def test_content(root: Path, wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for directory, package in (
        ("mobilebert_tf", "mobilebert_tf"),
        ("export", "mobilebert_tf/export"),
        ("benchmarks", "mobilebert_tf/benchmarks"),
    ):
        modules = [path.relative_to(root / directory) for path in (root / directory).rglob("*.py")]
        assert modules, f"{directory} has no modules"
        assert {f"{package}/{module}" for module in map(Path.as_posix, modules)} <= names
    for template in (root / "mobilebert_tf" / "reporting").glob("page.*[!y]"):
        assert f"mobilebert_tf/reporting/{template.name}" in names
    shipped = [path for path in (root / "mobilebert_tf" / "pretrained").rglob("*") if path.is_file()]
    assert {path.relative_to(root).as_posix() for path in shipped} <= names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"mobilebert_tf"}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_commands_run_outside_the_tree(installed: Path, tmp_path: Path) -> None:
    overview = _run(str(installed / "mobilebert-tf"), "--help", cwd=tmp_path)
    assert "usage: mobilebert-tf COMMAND" in overview
    assert "--size" in _run(str(installed / "mobilebert-tf"), "vocab", "--help", cwd=tmp_path)


def test_mapped_packages_import_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    code = "import mobilebert_tf.export as e, mobilebert_tf.benchmarks as b; print(e.__file__, b.__file__)"
    for file in _run(str(installed / "python"), "-c", code, cwd=tmp_path).split():
        assert Path(file).is_relative_to(installed.parent)


def _run(*command: str, cwd: Path) -> str:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), "LANG": "C.UTF-8"}
    process = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert process.returncode == 0, f"{' '.join(command)}\n{process.stdout}\n{process.stderr}"
    return process.stdout
