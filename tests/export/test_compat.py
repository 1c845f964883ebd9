"""Exported files on tflite-runtime 2.14 (2023): each is right or refused, as its contract says, and never wrong."""

import json
from pathlib import Path

import pytest

from mobilebert_tf import cli
from mobilebert_tf.litert import flatbuffer

pytestmark = pytest.mark.compat


@pytest.fixture(scope="module")
def python(root: Path) -> Path:
    """A Python interpreter that has tflite-runtime 2.14."""
    path = root / ".venv-compat" / "bin" / "python"
    if not path.exists():
        pytest.skip(f"no tflite-runtime 2.14 at {path}; `make compat` gets it")
    return path


@pytest.fixture(scope="module")
def exported(classifier_directory: Path, labelled_table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("compat") / "out"
    words = ["export", f"--model={classifier_directory}", f"--output={output}", f"--evaluation={labelled_table}"]
    recipes = "float32,float16,dynamic_int8_per_tensor,static_int8_per_tensor,dynamic_int8"
    assert cli.run([*words, "--sequence_lengths=16,48", "--rounds=1", "--runs=1", f"--recipes={recipes}"]) == 0
    return output


def test_what_the_contracts_promise(exported: Path, python: Path, capsys):
    old = "float32,float16,dynamic_int8_per_tensor,static_int8_per_tensor"
    assert cli.run(["export", "verify", str(exported), f"--python={python}", f"--must_run={old}"]) == 0
    printed = capsys.readouterr().out
    for line in printed.splitlines():
        if ".tflite" in line:
            assert ("refused" if line.startswith("dynamic_int8.tflite") else "right") in line
    assert "4 with the same answers, 1 refused, as their contracts say (tflite-runtime 2.14" in printed
    # A refusal that is not allowed makes the command fail, but is not reported as a wrong answer.
    for flags in ([], ["--must_run=dynamic_int8"]):
        assert cli.run(["export", "verify", str(exported), f"--python={python}", *flags]) == 1
        printed = capsys.readouterr()
        assert "refused  needs TensorFlow Lite 2.18, here is tflite-runtime 2.14" in printed.out
        assert printed.err.strip().endswith("1 of 19 files: dynamic_int8.tflite")


def test_a_file_that_it_loads_and_gets_wrong_is_found(exported: Path, python: Path, resigned, capsys):
    """With operator versions as the quantiser leaves them, the runtime computes wrong logits."""

    def lower(directory: Path) -> None:
        path = directory / "dynamic_int8.tflite"
        model = flatbuffer.read(path.read_bytes())
        for code in model.operatorCodes:
            code.version = {12: 3, 4: 3}.get(code.version, code.version)
        path.write_bytes(flatbuffer.write(model))

    directory = resigned(exported, lower)
    contract = directory / "dynamic_int8.contract.json"
    values = json.loads(contract.read_text())
    values["runtime"]["oldest"] = "2.3"
    directory = resigned(directory, lambda place: (place / contract.name).write_text(json.dumps(values)))
    assert cli.run(["export", "verify", str(directory), f"--python={python}", "--must_run=float32"]) == 1
    printed = capsys.readouterr()
    assert "dynamic_int8.tflite                    wrong    logits of" in printed.out
    assert cli.run(["export", "verify", str(directory)]) == 0


def test_a_contract_that_asks_for_too_much_is_found(exported: Path, python: Path, resigned, capsys):
    values = json.loads((exported / "float32.contract.json").read_text())
    values["runtime"]["oldest"] = "2.15"
    directory = resigned(exported, lambda place: (place / "float32.contract.json").write_text(json.dumps(values)))
    assert cli.run(["export", "verify", str(directory), f"--python={python}", "--must_run="]) == 1
    assert "runs it, although its contract says that it needs TensorFlow Lite 2.15" in capsys.readouterr().out
