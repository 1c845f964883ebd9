"""The docstrings of installed libraries, read from their source files.

Nothing is imported and nothing is run: the files are parsed with `ast`.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import os
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from mobilebert_tf.data.prose import paragraphs
from mobilebert_tf.errors import UsageError

STANDARD_LIBRARY = "python"

OWN_PACKAGE = "mobilebert_tf"

_SKIPPED_DIRECTORIES = frozenset(
    # Tests, vendored packages, and generated re-exports.
    "__pycache__ test tests testing _testing testdata test_data idle_test lib2to3 site-packages dist-packages include "
    "_vendor vendor _vendored vendored _vendored_packages extern _extern externals third_party _distutils "
    "_api _tf_keras array_api_compat array_api_extra".split()
)
_SKIPPED_PATHS = ("tensorflow/python/keras", "tensorflow/tools/compatibility", "scipy/_external")


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """One Python file of a library."""

    library: str
    relative: str
    """Path below the library's directory, with forward slashes: the same on every machine."""
    path: Path

    @property
    def name(self) -> str:
        return f"{self.library}/{self.relative}"

    def is_held_out(self, fraction: float, seed: int) -> bool:
        """Whether the file is held out, as decided by a hash of its name and the seed."""
        digest = hashlib.sha256(f"{seed}:{self.name}".encode()).digest()
        return int.from_bytes(digest[:8], "big") < fraction * 2**64


def installed_libraries() -> dict[str, Path]:
    """Name and directory of the standard library and of each installed package, sorted by name.

    Packages whose name begins with an underscore are left out: they belong to other packages.
    """
    libraries = {STANDARD_LIBRARY: Path(sysconfig.get_path("stdlib"))}
    for kind in ("purelib", "platlib"):
        for path in sorted(Path(sysconfig.get_path(kind)).iterdir()):
            name = path.name
            if name.isidentifier() and not name.startswith("_") and name != OWN_PACKAGE and path.is_dir():
                libraries.setdefault(name, path)
    return dict(sorted(libraries.items()))


def find_libraries(names: Sequence[str]) -> dict[str, Path]:
    """The libraries of these names; a name can also be the path of a package's directory.

    Raises:
      UsageError: one of them is not installed.
    """
    installed = installed_libraries()
    libraries = {}
    for name in names:
        if os.sep in name and Path(name).is_dir():
            libraries[Path(name).name] = Path(name)
        elif name in installed:
            libraries[name] = installed[name]
        else:
            if Path(name).exists():
                raise UsageError(f"--input={name}: holds no text files (.txt) and is not a library's name")
            raise UsageError(f"--input: no library {name!r} is installed here; name one that is, or its directory")
    return dict(sorted(libraries.items()))


def source_files(library: str, root: Path) -> list[SourceFile]:
    """The library's Python files, sorted by path, without tests, vendored and generated code."""
    files = []
    for directory, below, names in os.walk(root):
        relative = Path(directory).relative_to(root)
        below[:] = [
            name
            for name in below
            if name not in _SKIPPED_DIRECTORIES and (Path(library) / relative / name).as_posix() not in _SKIPPED_PATHS
        ]
        for name in names:
            if name.endswith(".py") and not name.startswith(("test_", "conftest")) and not name.endswith("_test.py"):
                files.append(SourceFile(library, (relative / name).as_posix(), Path(directory) / name))
    return sorted(files, key=lambda file: file.relative)


def read_paragraphs(file: SourceFile) -> list[str]:
    """The paragraphs of prose in a file's docstrings, in order; none if the file cannot be read or parsed."""
    try:
        source = file.path.read_bytes()
    except OSError:
        return []
    if b'"""' not in source and b"'''" not in source:
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in other people's strings
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return []
    return [paragraph for docstring in docstrings(tree) for paragraph in paragraphs(docstring)]


def docstrings(tree: ast.Module) -> Iterator[str]:
    """Docstrings of the module, its classes and functions, in the order of the file.

    Strings passed to `add_newdoc`, with which NumPy and SciPy document their C code,
    count as docstrings too.
    """
    yield from _docstring(tree)
    stack: list[ast.stmt] = tree.body[::-1]
    while stack:
        statement = stack.pop()
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield from _docstring(statement)
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            yield from _added_docstrings(statement.value)
        for block in ("finalbody", "orelse", "handlers", "body"):
            stack += reversed(getattr(statement, block, []))


def _docstring(node: ast.AST) -> Iterator[str]:
    body = getattr(node, "body", [])
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        if isinstance(body[0].value.value, str):
            yield body[0].value.value


def _added_docstrings(call: ast.Call) -> Iterator[str]:
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    if name != "add_newdoc":
        return
    for argument in call.args:
        for part in argument.elts if isinstance(argument, ast.Tuple) else [argument]:
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value
