"""`benchmark report`: the column of each figure, and figures that are left out with a remark."""

import copy
import json
import os
import re
import xml.etree.ElementTree
from pathlib import Path

import pytest

from mobilebert_tf import cli
from mobilebert_tf.benchmarks.report import figures as report_figures
from mobilebert_tf.benchmarks.report import page, pictures, tables
from mobilebert_tf.errors import UsageError

from .test_schema import document


def result(tmp_path: Path, name: str, changed: dict) -> Path:
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps(changed))
    return path


def host() -> dict:
    """A result of one file on a host at three lengths, the second of them invalid."""
    written = document()
    del written["device"]
    written |= {"kind": "host latency", "where": "host"}
    written["made_by"]["machine"] = {"model": "A Processor", "cores": 2}
    (one,) = written["subjects"]
    one["configuration"] = {"threads": 1, "accelerator": "cpu"}
    one["validity"] = {"verdict": "ok", "reasons": []}
    one["summary"] = {"median": 40.0, "p90": 41.5, "p99": 43.25, "runs": 3}
    long = copy.deepcopy(one) | {"sequence_length": 64}
    long["summary"]["median"] = 777.0
    long["validity"] = {"verdict": "invalid", "reasons": ["the machine was busy"]}
    longest = copy.deepcopy(one) | {"sequence_length": 128}
    longest["summary"]["median"] = 90.0
    written["subjects"] = [one, long, longest]
    return written


def report(tmp_path: Path, *words: str) -> str:
    output = tmp_path / "page.md"
    assert cli.run(["benchmark", "report", f"--output={output}", *words]) == 0
    return output.read_text()


def rows(page: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]


def test_host_and_device_have_columns_of_their_own(tmp_path: Path):
    paths = [result(tmp_path, "host", host()), result(tmp_path, "device", document())]
    page = report(tmp_path, f"--results={paths[0]},{paths[1]}")
    head, _, *body = rows(page)
    assert head[4:] == ["host: A Processor, ms", "device: NO DEVICE, a test: none (app), ms"]
    assert body[0][4:] == ["40.00 (41.50, 43.25)", ""] and body[2][4:] == ["", "2.00 (3.00)\\*"]
    assert body[2][0] == "`a.tflite, GPU, big cores`"
    assert "it is a test" in page, "what speaks against a figure is said"


def test_files_of_one_name_are_told_apart(tmp_path: Path):
    """Two versions of a file in two results have separate rows and separate lines in pictures."""
    old, new = host(), host()
    for one in new["subjects"]:
        one["sha256"] = "b" * 64
    for one in old["subjects"]:
        one["sha256"] = "a" * 64
    figures_of, _ = report_figures.read([result(tmp_path, "old", old), result(tmp_path, "new", new)])
    lines = pictures._by_length([figure for figure in figures_of if figure.valid])
    assert lines == {f"a.tflite ({letter * 8})": {32: 40.0, 128: 90.0} for letter in "ab"}
    alone, _ = report_figures.read([tmp_path / "old.json"])
    assert {figure.label for figure in alone} == {"a.tflite"}


def test_an_invalid_baseline_hides_its_own_ratios_alone(tmp_path: Path):
    """Ratios of another machine or another length are still shown."""
    results = []
    for machine, verdict in (("A", "ok"), ("B", "invalid")):
        written = host()
        written["made_by"]["machine"]["model"] = machine
        base = written["subjects"][0] | {"validity": {"verdict": verdict, "reasons": ["busy"] * (machine == "B")}}
        new = copy.deepcopy(written["subjects"][0]) | {"name": "new.tflite"}
        new["ratio"] = {"baseline": "a.tflite", "median": 0.5, "low": 0.4, "high": 0.6, "difference": "faster"}
        longer = copy.deepcopy(new) | {"sequence_length": 128}
        written["subjects"] = [base, written["subjects"][2], new, longer]
        results.append(result(tmp_path, machine, written))
    shown = tables.ratios(report_figures.read(results)[0])
    assert [(row[1], row[2]) for row in rows(shown)[2:]] == [
        ("32", "host: A, ms"), ("128", "host: A, ms"), ("128", "host: B, ms"),
    ]  # fmt: skip


def device(*configurations: dict, **more: object) -> dict:
    """A result of one file on a device in several configurations, each 10 ms slower than the one before."""
    written = document()
    (one,) = written["subjects"]
    written["subjects"] = []
    for number, configuration in enumerate(configurations, 1):
        subject = copy.deepcopy(one) | {"samples_are": "medians of processes", **more}
        subject["configuration"] = {"threads": 4, "accelerator": "cpu", **configuration}
        subject["summary"] = {"median": 10.0 * number, "p90": 999.0, "p99": 999.0, "runs": 9}
        subject["validity"] = {"verdict": "ok", "reasons": []}
        written["subjects"].append(subject)
    return written


TFLITE, LITERT = "benchmark_model (TFLite)", "benchmark_model (LiteRT)"


@pytest.mark.parametrize(
    ("configurations", "labels"),
    [
        ([{"affinity": "little"}, {"affinity": "big"}], ["`a.tflite, little cores`", "`a.tflite, big cores`"]),
        ([{"tool": TFLITE}, {"tool": LITERT}], [f"`a.tflite, {TFLITE}`", f"`a.tflite, {LITERT}`"]),
        ([{"api": "Interpreter"}, {"api": "CompiledModel"}], ["`a.tflite, Interpreter`", "`a.tflite, CompiledModel`"]),
    ],
)
def test_each_configuration_has_a_row_of_its_own(tmp_path: Path, configurations: list, labels: list):
    path = result(tmp_path, "device", device(*configurations))
    body = rows(report(tmp_path, f"--results={path}", "--nopictures"))[2:]
    assert [(row[0], row[4]) for row in body] == [(labels[0], "10.00"), (labels[1], "20.00")]
    printed = tables.terminal(report_figures.of(device(*configurations)))
    assert all(label.strip("`") in printed for label in labels)


def test_two_signatures_of_one_length_are_two_rows(tmp_path: Path):
    written = device({}, {})
    written["subjects"][1]["signature"] = "other_32"
    body = rows(report(tmp_path, f"--results={result(tmp_path, 'device', written)}", "--nopictures"))[2:]
    assert [row[0] for row in body] == ["`a.tflite, tokens_32`", "`a.tflite, other_32`"]


def test_a_file_on_a_host_and_with_one_tool_on_a_device_is_one_row(tmp_path: Path):
    """A host has no tool, and the phone's tool is in the head of its column."""
    here, phone = host(), device({"threads": 1, "tool": TFLITE})
    paths = [result(tmp_path, "here", here), result(tmp_path, "there", phone)]
    body = rows(report(tmp_path, f"--results={paths[0]},{paths[1]}", "--nopictures"))[2:]
    assert body[0][0] == "`a.tflite`" and body[0][4:] == ["40.00 (41.50, 43.25)", "10.00"]


@pytest.mark.parametrize(
    "more", [{"samples_are": "means of processes"}, {"samples_are": "inferences", "shares_of_lengths": {"32": 1.0}}]
)
def test_percentiles_are_of_inferences_alone(tmp_path: Path, more: dict):
    """Medians of processes and means over texts have no percentiles, whatever older results call their samples."""
    written = device({}, **more)
    page = report(tmp_path, f"--results={result(tmp_path, 'device', written)}")
    assert "999" not in page and "percentile)" not in page and "![" not in page
    assert "A time without percentiles is the median over processes" in page
    assert "999" not in tables.terminal(report_figures.of(written))


def test_a_mean_is_called_so_beside_what_others_published():
    published = tables.published(report_figures.of(device({}, samples_are="means of processes")))
    assert "CPU, 4 threads, app, mean |" in published


def test_the_terminal_hides_what_is_compared_with_an_invalid_baseline():
    """The terminal follows the report's rule; a baseline in other settings is a different baseline."""
    written = device({"affinity": "little"}, {"affinity": "big"}, {"affinity": "little"}, {"affinity": "big"})
    ratio = {"baseline": "a.tflite", "median": 0.5, "low": 0.4, "high": 0.6, "difference": "faster"}
    for subject in written["subjects"][2:]:
        subject |= {"name": "new.tflite", "ratio": ratio}
    written["subjects"][0]["validity"] = {"verdict": "invalid", "reasons": ["throttled"]}
    lines = [line for line in tables.terminal(report_figures.of(written)).splitlines() if line.startswith("new.tflite")]
    assert ["faster" in line for line in lines] == [False, True]


def test_all_results_that_are_there_can_be_reported_together(tmp_path: Path):
    """This includes results of the pipeline, which have no kind."""
    results = Path(__file__).parents[2] / "benchmarks" / "results"
    page = report(tmp_path, f"--results={results}/*.json", "--published")
    assert "| source | device |" in page and "-few-2026-11-29.svg" in page


def test_what_is_invalid_is_named_without_its_figure(tmp_path: Path):
    page = report(tmp_path, f"--results={result(tmp_path, 'host', host())}")
    assert "777" not in page and "Not shown, since invalid: `a.tflite` at 64" in page and "the machine was busy" in page


def test_a_result_that_is_named_twice_is_one(tmp_path: Path):
    measured = Path(page.__file__).parents[1] / "results" / "host-2026-11-22.json"
    twice = f"{measured},{measured.parent}/../results/host-2026-11-2*.json"
    assert rows(report(tmp_path, f"--results={twice}")) == rows(report(tmp_path, f"--results={measured}"))


def test_a_pipe_is_no_page(tmp_path: Path):
    """To read it, as an old page is read, would never end."""
    os.mkfifo(tmp_path / "p.md")
    with pytest.raises(UsageError, match=r"p\.md: is no regular file; name the Markdown file"):
        page.check(tmp_path / "p.md")


def test_figures_of_two_places_are_refused_in_one_column():
    both = report_figures.of(host())[:1] + report_figures.of(document())
    with pytest.raises(UsageError, match="do not belong in one column"):
        report_figures.column(both)
    assert report_figures.column(both[:1]).where == "host"


def test_published_figures_are_beside_devices_and_never_beside_a_host(tmp_path: Path):
    page = report(tmp_path, f"--results={result(tmp_path, 'host', host())}", "--published", "--nopictures")
    part = page[page.index("| source") :]
    assert "343.8" in part and "40.00" not in part and "has measured on no device" in part
    (tmp_path / "page.md").unlink()
    page = report(tmp_path, f"--results={result(tmp_path, 'device', document())}", "--published", "--nopictures")
    assert "this project" in page and "has measured on no device" not in page


def test_pictures_are_drawings_of_one_place_each(tmp_path: Path):
    written = document()
    written["subjects"][0]["sustained"] = [[60.0, 2.0], [120.0, 3.0]]
    paths = [result(tmp_path, "host", host()), result(tmp_path, "device", written)]
    page = report(tmp_path, f"--results={paths[0]},{paths[1]}")
    names = re.findall(r"!\[.*?\]\((.*?)\)", page)
    assert names == [f"page-{name}.svg" for name in ("distribution-1", "length-1", "distribution-2", "sustained-2")]
    for name in names:
        text = (tmp_path / name).read_text()
        xml.etree.ElementTree.fromstring(text)
        place = "A Processor" if name.endswith("1.svg") else "NO DEVICE"
        assert place in text and {"A Processor": "NO DEVICE", "NO DEVICE": "A Processor"}[place] not in text


def test_a_page_keeps_what_stands_around_the_markers(tmp_path: Path, capsys):
    page = tmp_path / "page.md"
    page.write_text("# Ours\n\n<!-- benchmark report -->\nold\n<!-- /benchmark report -->\n\nThe end.\n")
    text = report(tmp_path, f"--results={result(tmp_path, 'host', host())}")
    assert text.startswith("# Ours\n\n<!-- benchmark report -->\n|") and "old" not in text
    assert text.endswith("<!-- /benchmark report -->\n\nThe end.\n")
    page.write_text("# Ours\n")
    assert cli.run(["benchmark", "report", f"--results={tmp_path / 'host.json'}", f"--output={page}"]) == 2
    assert "lacks the lines <!-- benchmark report -->" in capsys.readouterr().err
    assert page.read_text() == "# Ours\n"


def test_older_results_are_read(tmp_path: Path):
    """A result of version 1, which had no verdicts, is shown beside results of other benchmarks."""
    results = Path(__file__).parents[2] / "benchmarks" / "results"
    page = report(
        tmp_path, f"--results={results}/host-2026-11-22.json,{results}/instructions-2026-11-22.json,"
        f"{results}/conversion-2026-11-21.json",
    )  # fmt: skip
    by_name = {row[0]: row for row in rows(page)[2:9]}
    own = by_name["`mobilebert_dynamic_int8.tflite`"]
    stored = json.loads((results / "host-2026-11-22.json").read_text())["subjects"]
    median = next(one["summary"]["median"] for one in stored if one["name"] == "mobilebert_dynamic_int8.tflite")
    assert own[4].startswith(f"{median:.2f}") and own[5] == "368.1"
    assert "huggingface to keras" in page


def test_names_with_bars_and_commas_are_names(tmp_path: Path):
    """A bar is no border of a cell, and a comma in the name of a file no border of two files."""
    odd = host()
    for one in odd["subjects"]:
        one["name"] = "a|b, c.tflite"
    path = result(tmp_path, "odd, name", odd)
    page = report(tmp_path, f"--results={path}")
    assert r"`a\|b, c.tflite`" in page
    lines = [line for line in page.splitlines() if line.startswith("|")]
    assert len({line.replace(r"\|", "").count("|") for line in lines}) == 1, "every row has as many cells as the head"
