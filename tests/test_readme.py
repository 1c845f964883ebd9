"""The README is correct: its commands parse, its Python runs, and its tables come from the results."""

import json
import re
import shlex
import subprocess
import sys

import pytest

from mobilebert_tf import cli, command_line
from mobilebert_tf.benchmarks import readme
from mobilebert_tf.options import define_flags


@pytest.fixture(scope="module")
def text(root):
    return (root / "README.md").read_text(encoding="utf-8")


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def test_it_is_short(text):
    assert len(text.splitlines()) <= 200


def test_the_first_two_commands_are_those_of_the_makefile(text, root):
    first, second = blocks(text, "sh")[0].splitlines()[:2]
    assert first.startswith("make demo") and second.startswith("make test")
    targets = re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.M)
    assert {"demo", "test", "clean-demo"} <= set(targets)


def test_every_command_line_parses(text):
    lines = [line for block in blocks(text, "sh") for line in block.splitlines() if line.startswith("mobilebert-tf")]
    lines += re.findall(r"`(mobilebert-tf [a-z]+ --[^`]*)`", text)
    assert len(lines) >= 7
    for line in lines:
        words = shlex.split(line)[1:]
        name, rest = command_line.command_name(words)
        module, _, attribute = cli.COMMANDS[name][0].partition(":")
        command = getattr(__import__(module, fromlist=[attribute]), attribute)
        rest = [word for word in rest if word != "--help"]
        define_flags(command)([name, *rest])


def test_every_command_is_named(text):
    assert all(f"`{name}`" in text for name in cli.COMMANDS)


def test_the_python_lines_run(text, tmp_path):
    for block in blocks(text, "python"):
        process = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, cwd=tmp_path)
        assert process.returncode == 0, process.stderr
        assert "(1, 6, 512) 25 24" in process.stdout


def test_the_tables_are_those_of_the_results(text, root):
    pages = [text, (root / "benchmarks" / "README.md").read_text(encoding="utf-8")]
    results = root / "benchmarks" / "results"
    for name in readme.TABLES:
        # Some tables begin with a line of text.
        filled = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", "".join(pages), re.S)
        assert filled, f"table {name} has no place"
        measured = readme.newest(results, name) is not None
        assert ("\n|" in f"\n{filled[1]}") == measured, f"table {name}: empty, or of no result"
    for page in pages:
        assert readme.fill(page, results) == page


def test_the_demo_table_takes_latencies_by_length(root):
    """`export` writes rows with a latency for each length, or with none if a recipe did not convert."""
    results = root / "benchmarks" / "results"
    result = json.loads(max(results.glob("demo-*.json")).read_text(encoding="utf-8"))
    variant = result["variants"][0] | {
        "latency_ms": {"64": {"median": 4.567}, "128": {"median": 8.912}, "32": {"median": 1.2}}
    }
    result["variants"] = [variant, {"name": "own", "file": None, "latency_ms": None}]
    table = readme.TABLES["demo"](result)
    assert "| 8.91 ms |" in table and "latency of 128 word pieces on the host" in table
    assert len(re.findall(r"^\| `", table, re.M)) == 1
