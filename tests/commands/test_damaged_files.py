"""A `.tflite` file on which the runtime fails or crashes ends the command with one line that names the file."""

import json
from pathlib import Path

import pytest

STUB = """
import os, signal
import numpy as np

class Interpreter:
    def __init__(self, path, num_threads=1):
        {load}
    def allocate_tensors(self):
        pass
    def get_signature_list(self):
        return {{"tokens_16": {{"inputs": ["input_ids", "input_mask", "segment_ids"], "outputs": ["logits"]}}}}
    def get_signature_runner(self, name):
        return Runner()

class Runner:
    def get_input_details(self):
        names = ("input_ids", "input_mask", "segment_ids")
        shape = np.array([1, 16])
        ids = {{"shape": shape, "shape_signature": shape, "dtype": np.int32}}
        return {{name: {{"name": name, **ids}} for name in names}}
    def get_output_details(self):
        return {{"logits": {{"name": "logits", "shape": np.array([1, 2]), "dtype": np.float32}}}}
    def __call__(self, **inputs):
        {run}
"""
CRASH = "os.kill(os.getpid(), signal.SIGSEGV)"
COMMANDS = {
    "predict": ["predict", "--model=FILE", "--text=a b"],
    "evaluate": ["evaluate", "--model=FILE", "--input=TABLE"],
    "host": ["benchmark host", "--models=FILE", "--rounds=1", "--runs=1", "--output=OUTPUT"],
    "texts": ["benchmark host", "--models=FILE", "--texts=TABLE", "--rounds=1", "--runs=1", "--output=OUTPUT"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "load, run, status, said",
    [
        (CRASH, "pass", 1, "the runtime crashed on it (SIGSEGV); the file is damaged"),
        ("pass", CRASH, 1, "the runtime crashed on it (SIGSEGV); the file is damaged"),
        ("pass", "raise RuntimeError('Input tensor 7 lacks data')", None, "Input tensor 7 lacks data"),
    ],
    ids=["at load", "at the first run", "refused at the first run"],
)
def test_one_line(command, load, run, status, said, export_directory, labelled_table, tmp_path, monkeypatch, complain):
    """Replace LiteRT's interpreter by a stub that fails as LiteRT does on such files."""
    place = tmp_path / "modules" / "ai_edge_litert"
    place.mkdir(parents=True)
    # The package's other modules stay real, since commands read a file's tables before they run it.
    (place / "__init__.py").write_text("import pkgutil\n__path__ = pkgutil.extend_path(__path__, __name__)\n")
    (place / "interpreter.py").write_text(STUB.format(load=load, run=run))
    monkeypatch.setenv("PYTHONPATH", str(place.parent))
    file: Path = export_directory / "float32.tflite"
    values = {"FILE": file, "TABLE": labelled_table, "OUTPUT": tmp_path / "out.json"}
    first, *flags = COMMANDS[command]
    words = [*first.split(), *flags]
    for name, value in values.items():
        words = [word.replace(name, str(value)) for word in words]
    if status is None:
        status = 1 if command in ("host", "texts") else 2
    line = complain(*words, status=status)
    assert f"{file}: " in line and said in line
    if (tmp_path / "out.json").exists():
        # Earlier measurements are kept, but marked invalid.
        (subject,) = json.loads((tmp_path / "out.json").read_text())["subjects"]
        assert subject["validity"]["verdict"] == "invalid"
