"""Kotlin's test data are what Python computes now; this test needs no Java."""

import importlib.util
import random
import unicodedata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def module(root: Path, name: str) -> ModuleType:
    """A Python program of android_demo/, loaded as a module."""
    spec = importlib.util.spec_from_file_location(name, root / "android_demo" / f"{name}.py")
    assert spec and spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_vectors_are_what_python_gives_now(root: Path) -> None:
    vectors = module(root, "make_vectors")
    stored = vectors.VECTORS.read_text(encoding="ascii")
    assert stored.splitlines() == vectors.as_json().splitlines(), "make them again: python android_demo/make_vectors.py"
    assert len(stored) < 320_000, "they lie in the repository"


@pytest.fixture(scope="module")
def table(root: Path) -> dict[str, list[list[str]]]:
    """Lines of characters.txt by their first word."""
    lines: dict[str, list[list[str]]] = {}
    for line in module(root, "make_characters").TABLE.read_text(encoding="ascii").splitlines():
        if not line.startswith("#"):
            name, *rest = line.split()
            lines.setdefault(name, []).append(rest)
    return lines


def covered(lines: list[list[str]]) -> set[int]:
    return {code for first, last, *_ in lines for code in range(int(first, 16), int(last, 16) + 1)}


def some_characters() -> list[str]:
    """Random characters: half of most categories, fewer letters without case, private and unassigned ones."""
    drawn = random.Random(1)
    shares: dict[str, float] = {"Cn": 0.005, "Co": 0.005, "Lo": 0.05}
    every = (chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    return [one for one in every if drawn.random() < shares.get(unicodedata.category(one), 0.5)]


def test_the_table_of_characters_is_what_the_library_does(root: Path, table: dict[str, Any]) -> None:
    characters = module(root, "make_characters")
    some = some_characters()
    assert len(some) > 10_000
    for name, members in characters.classes_of(some).items():
        expected = covered(table[name])
        if name in ("mark", "sign"):
            # These classes come from Python, whose Unicode version may differ: unknown characters are left out.
            known = [one for one in some if unicodedata.category(one) != "Cn"]
            later = {one for one in members if ord(one) not in expected}
            assert not later or unicodedata.unidata_version != "14.0.0", name
            assert {one for one in known if ord(one) in expected} == set(members) - later, name
        else:
            assert {one for one in some if ord(one) in expected} == set(members), name


def test_decompositions_and_small_letters_are_the_library_s(root: Path, table: dict[str, Any]) -> None:
    characters = module(root, "make_characters")
    decomposed = {int(code, 16): [int(part, 16) for part in parts] for code, *parts in table["decompose"]}
    small: dict[int, list[int]] = {}
    for row in table["lower"]:
        if row[1] == "=":
            small[int(row[0], 16)] = [int(part, 16) for part in row[2:]]
        else:
            first, last = int(row[0], 16), int(row[1], 16)
            small |= {code: [code + int(row[3])] for code in range(first, last + 1, int(row[2]))}
    for one in some_characters():
        if ord(one) not in characters.HANGUL:
            parts = decomposed.get(ord(one), [ord(one)])
            assert list(map(ord, characters.decomposition_of(one))) == parts, hex(ord(one))
        assert list(map(ord, characters.lower_of(one))) == small.get(ord(one), [ord(one)]), hex(ord(one))
