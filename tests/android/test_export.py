"""Exports of every kind, used by Kotlin as their contracts say."""

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.android, pytest.mark.slow]


def test_classes(kotlin: Any, export_directory: Path) -> None:
    contracts = sorted(path.name for path in export_directory.glob("*.contract.json"))
    lines = kotlin("CheckExport", str(export_directory)).splitlines()
    assert [line.split(":")[0] for line in lines] == contracts
    assert all("Classes" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "answer"), [("classification_one_graph", "Classes"), ("entities_one_graph", "Entities")]
)
def test_one_graph(name: str, answer: str, kotlin: Any, exports_of_one_graph: Path) -> None:
    output = exports_of_one_graph / name
    contracts = {path.name: json.loads(path.read_text()) for path in sorted(output.glob("*.contract.json"))}
    assert len(contracts) == 2
    assert all(contract["runtime"]["one_graph"] for contract in contracts.values())
    lines = [f"{path}: {answer}, {len(contract['examples'])} examples\n" for path, contract in contracts.items()]
    assert kotlin("CheckExport", str(output)) == "".join(lines)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("qa", "Span"),
        ("entities", "Entities"),
        ("multilabel", "Labels"),
        ("prototypes", "Prototypes"),
        ("regression", "Value"),
        ("embedding", "Vector"),
    ],
)
def test_other_kinds(kind: str, answer: str, kotlin: Any, exports_of_kinds: Path) -> None:
    output = exports_of_kinds / kind
    contract = json.loads((output / "float32.contract.json").read_text())
    printed = kotlin("CheckExport", str(output))
    assert printed == f"float32.contract.json: {answer}, {len(contract['examples'])} examples\n"
