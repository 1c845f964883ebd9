"""Recommended files follow from the figures, and an export's two pages agree with its report.json."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mobilebert_tf.errors import UsageError
from mobilebert_tf.reporting import export_report, read_export, shipping
from mobilebert_tf.reporting.results import Exported

Make = Callable[..., dict[str, Any]]


class Rows(HTMLParser):
    """The text of every table row; fails on elements that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += f" {data}"

    def of(self, name: str) -> list[list[str]]:
        words = [[" ".join(cell.split()) for cell in row] for row in self.rows]
        return [row for row in words if row[0].split()[:1] == [name]]


def exported(report: dict[str, Any]) -> Exported:
    return read_export.of_report(report, Path("report.json"))


def chosen(report: dict[str, Any]) -> dict[str, str]:
    return {choice.case: choice.variant.name for choice in shipping.choices(exported(report))}


def markdown_tables(text: str) -> list[list[list[str]]]:
    """The cells of each table, without its two header lines."""
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.M)
    split = re.compile(r"(?<!\\)\|")
    return [[split.split(line.strip().strip("|")) for line in block.splitlines()][2:] for block in blocks]


def test_speed_goes_to_the_fastest(variant: Make, export_of: Make) -> None:
    slow, fast = variant("slow", times={32: 2.0, 64: 4.0}, error=1e-6), variant("fast", times={32: 1.0, 64: 2.0})
    assert chosen(export_of([slow, fast]))["For speed"] == "fast"


def test_what_times_do_not_tell_apart_operations_and_bytes_do(variant: Make, export_of: Make) -> None:
    """Rounds that scatter by a third do not show a difference of 5 %; quiet rounds do."""
    noisy = (0.7, 1.4, 0.8, 1.3, 1.0, 0.9, 1.2, 0.6, 1.1)
    floats, quiet = variant("floats", times={64: 1.0}, rounds=noisy), variant("floats", times={64: 1.0})
    integers, large = variant("integers", times={64: 1.05}, integers=0.9), variant("large", 2_000_000, times={64: 1.0})
    assert chosen(export_of([floats, integers]))["For speed"] == "integers"
    assert chosen(export_of([quiet, integers]))["For speed"] == "floats"
    assert chosen(export_of([large, quiet]))["For speed"] == "floats"


def test_each_length_may_have_its_own(variant: Make, export_of: Make) -> None:
    report = export_of([variant("short", times={32: 1.0, 64: 9.0}), variant("long", times={32: 2.0, 64: 4.0})])
    names = chosen(report)
    assert names["For speed at 32 word pieces"] == "short" and names["For speed at 64 word pieces"] == "long"
    general = shipping.general(exported(report))
    assert general and general.name == "long"


def test_size_and_its_ties(variant: Make, export_of: Make) -> None:
    large, near = variant("large", 3_000_000), variant("near", agreement=0.999)
    for rows in ([large, near, variant("far", agreement=0.98)], [variant("far", agreement=0.98), near, large]):
        assert chosen(export_of(rows))["For a small app"] == "near"
    assert chosen(export_of([near, large, variant("tiny", 999_999, agreement=0.97)]))["For a small app"] == "tiny"


def test_closest_to_keras_is_not_the_luckiest(variant: Make, export_of: Make) -> None:
    lucky = variant("lucky", accuracy=0.9, agreement=0.97)
    half = variant("half", agreement=1.0, error=1e-7, half=True)
    exact = variant("exact", agreement=1.0, error=1e-6)
    report = export_of([lucky, half, variant("other", agreement=1.0, error=1e-3), exact])
    (choice,) = [option for option in shipping.choices(exported(report)) if "closest" in option.case]
    assert choice.variant.name == "exact", "of equals one that computes on a phone as it did here, then the least error"
    assert "So does half.tflite, but it is computed in float16" in choice.why
    assert "So does other.tflite, with logits that are not as close" in choice.why
    notes = " ".join(shipping.cautions(exported(report)))
    assert "lucky.tflite (+8.8 points) scores higher than Keras" in notes
    assert "half" in chosen(export_of([lucky, half]))["For answers closest to Keras"]


def test_old_runtimes_down_to_the_oldest(variant: Make, export_of: Make) -> None:
    """Version 2.9 is older than 2.17, although it sorts later as a string."""
    rows = [
        variant("new", times={64: 1.0}, runtime="2.18"),
        variant("mid", times={64: 2.0}, runtime="2.17"),
        variant("mid_slow", times={64: 3.0}, runtime="2.17"),
        variant("old", times={64: 4.0}, runtime="2.9"),
        variant("older_rejected", times={64: 0.5}, runtime="2.3", reason="wrong"),
        variant("foreign", times={64: 5.0}, runtime=None),
    ]
    names = chosen(export_of(rows))
    before = {case: name for case, name in names.items() if "before" in case}
    assert before == {"For TensorFlow Lite before 2.18": "mid", "For TensorFlow Lite before 2.17": "old"}
    same = [variant("a", times={64: 1.0}), variant("b", times={64: 2.0})]
    assert not any("before" in case for case in chosen(export_of(same)))


def test_nothing_timed_nothing_scored(variant: Make, export_of: Make) -> None:
    rows = [
        variant("float32", 4_000_000, accuracy=None, agreement=1.0, runtime="2.3"),
        variant("int8", accuracy=None, agreement=0.98),
        variant("int8_old", 1_500_000, accuracy=None, agreement=0.98, runtime="2.3"),
    ]
    report = export_of(rows, scored=False)
    assert chosen(report) == {
        "For a small app": "int8",
        "For answers closest to Keras": "float32",
        "For TensorFlow Lite before 2.18": "int8_old",
    }
    html, markdown = export_report.render(report)
    for text in (html, markdown):
        assert "no file has a score" in text and "Latency was not measured" in text
        assert "accuracy" not in text and "None" not in text and "nan" not in text
    assert "<svg" not in html
    assert "A verified 1.00 MB file is there." in markdown


def test_without_scores_the_picture_shows_decisions(variant: Make, export_of: Make) -> None:
    rows = [variant("a", accuracy=None, times={64: 1.0}), variant("b", accuracy=None, times={64: 2.0})]
    html, _ = export_report.render(export_of(rows, scored=False))
    assert html.count("same decision as Keras against latency of the exported files: a 99.7") == 2
    scored, _ = export_report.render(export_of([variant("a", times={64: 1.0}), variant("b", times={64: 2.0})]))
    assert "accuracy against latency of the exported files: a 81.2" in scored


def test_all_rejected(variant: Make, not_converted: Make, export_of: Make) -> None:
    rows = [variant("a", times={64: 1.0}, reason="decides wrongly"), not_converted("b", "cannot be made")]
    report = export_of(rows)
    assert chosen(report) == {} and shipping.general(exported(report)) is None
    for text in export_report.render(report):
        assert "No exported file passed its checks." in text and "None: no file passed" in text
        assert "decides wrongly." in text and "cannot be made." in text


def test_the_only_one(variant: Make, export_of: Make) -> None:
    report = export_of([variant("a", times={64: 1.0}), variant("b", times={64: 0.5}, reason="decides wrongly")])
    (choice,) = shipping.choices(exported(report))
    assert (choice.case, choice.variant.name) == ("For every purpose", "a") and "only one of 2 files" in choice.why


def test_rejections_say_what_is_lost(variant: Make, export_of: Make) -> None:
    rows = [
        variant("a", times={64: 1.0}),
        variant("both", 500_000, times={64: 0.5}, reason="decides wrongly"),
        variant("neither", 2_000_000, times={64: 2.0}, reason="decides wrongly"),
    ]
    reasons = {variant.name: why for variant, why in shipping.rejections(exported(export_of(rows)))}
    assert reasons["both"].replace("\u00a0", " ") == (
        "decides wrongly; it would be faster (0.50 ms for 64 word pieces) and smaller (0.50 MB) than any file that "
        "passed"
    )
    assert reasons["neither"] == "decides wrongly"


def test_faster_is_faster_than_each(variant: Make, export_of: Make) -> None:
    """A rejected file must beat the fastest file that passed, not the one with the fewest instructions."""
    passed = [
        variant("fast", times={64: 1.0}) | {"instructions": {64: 100.0}},
        variant("lean", times={64: 2.0}) | {"instructions": {64: 50.0}},
    ]
    for own, is_said in ((1.5, False), (0.5, True)):
        rejected = variant("mine", 3_000_000, times={64: own}, reason="r") | {"instructions": {64: 70.0}}
        export = exported(export_of([*passed, rejected]))
        (reason,) = (why for _, why in shipping.rejections(export))
        assert ("it would be faster" in reason) == is_said
        pick = shipping.general(export)
        assert pick is not None and pick.name == "lean"


def test_an_interval_is_of_the_score_that_it_stands_beside(variant: Make, export_of: Make) -> None:
    """A share has an interval by Wilson's rule; Matthews' correlation is not a share."""
    report = export_of([variant("a", times={64: 1.0})])
    for score, has_interval in (("accuracy", True), ("matthews", False)):
        report["task"] = {"score": score, "title": score}
        report["keras"] |= {"accuracy": 37 / 60, "matthews": 0.25, "examples": 60}
        report["keras"] |= {} if has_interval else {"compared_by": score}
        (keras, *_), *_ = markdown_tables(export_report.render(report)[1])
        assert ("49.0 to 72.9" in keras[2]) == has_interval


@pytest.mark.parametrize(("processor", "said"), [("x86_64", "in float32."), ("aarch64", "(this one is aarch64).")])
def test_float16_on_phones_is_not_what_the_host_shows(
    variant: Make, export_of: Make, processor: str, said: str
) -> None:
    report = export_of([variant("whole"), variant("half", half=True)])
    report["made_by"]["machine"]["processor"] = processor
    (line,) = [caution for caution in shipping.cautions(exported(report)) if "float16" in caution]
    assert "ARM processors" in line and "half.tflite" in line and "whole" not in line and line.endswith(said)
    assert not any("float16" in caution for caution in shipping.cautions(exported(export_of([variant("whole")]))))


def test_what_trying_float16_gave(variant: Make, export_of: Make) -> None:
    rows = [variant("half", half=True, in_half=0.0123), variant("exact", in_half=0.6)]
    lines = " ".join(shipping.cautions(exported(export_of(rows))))
    assert "Tried here in float16, against Keras at 64 word pieces: half.tflite same decision 99.7" in lines
    assert "largest error 0.0123." in lines
    assert "exact.tflite would be too far from Keras (same decision 99.7" in lines and "largest error 0.6)" in lines


def test_every_row_with_its_figures(variant: Make, not_converted: Make, export_of: Make) -> None:
    rows = [
        variant("float32", 3_770_684, error=3.4e-7, agreement=1.0, times={32: 1.2891, 64: 2.5175}, runtime="2.3"),
        variant("int8", 1_144_592, accuracy=0.8021, error=0.00868, agreement=0.9961, times={32: 0.889, 64: 1.762}),
        variant("static", 990_000, accuracy=0.4, agreement=0.5, times={32: 11.25, 64: 33.4}, reason="decides wrongly"),
        not_converted("own", "no such layer"),
    ]
    rows[2]["changes"] = {"padding": 0, "order": 3, "threads": 0}
    report = export_of(rows)
    html, markdown = (text.replace("\u00a0", " ") for text in export_report.render(report))
    assert "http" not in html and "<script" not in html
    parsed, tables = Rows(html), markdown_tables(markdown)
    files, lengths, operators = tables
    assert [row[0].split(";")[0].strip(" `") for row in files] == ["Keras", *(row["name"] for row in rows)]
    assert [len(row) for row in files] == [9] * 5 and [len(row) for row in lengths] == [3] * 3
    assert len(operators) == 3
    for row, line in zip(rows[:3], files[1:4], strict=True):
        of_files, of_lengths, of_operators = parsed.of(row["name"])
        latency, difference = row["latency_ms"], row["difference"]
        for cells in (of_files, line):
            text = " ".join(cells)
            for shown in (
                f"{row['bytes'] / 1e6:.2f} MB",
                f"{100 * row['metrics']['accuracy']:.1f} %",
                f"F1 {100 * row['metrics']['macro_f1']:.1f} %",
                f"({_points(difference['low'])} to {_points(difference['high'])})",
                f"{_points(difference['score'])} points",
                f"{100 * row['parity']['decision_agreement']:.1f} %",
                "40 dB",
                row["oldest_runtime"],
                "57",
                row["description"],
                "passed" if row["passed"] else "rejected",
            ):
                assert shown in text, shown
            for length in (32, 64):
                assert f"{_ms(latency[length]['median'])} at {length}" in text
        first = (
            f"{(row['bytes'] - 54_040) / 1e6:.2f} MB {(row['bytes'] - 60_000) / 1e6:.2f} MB of it weights "
            f"{_ms(latency[32]['median'])}, p90"
        )
        assert of_lengths[1].startswith(first)
        assert of_lengths[2].startswith(f"+54.0 kB {_ms(latency[64]['median'])}, p90 {_ms(latency[64]['p90'])}")
        assert of_operators[1] == "50 FULLY_CONNECTED v12, 7 ADD"
    (own,) = parsed.of("own")
    assert own[1:8] == ["–"] * 7 and own[8] == "rejected no such layer"
    assert "order changes 3" not in parsed.of("static")[0][8], "the reason says enough"
    assert parsed.of("float32")[0][8] == "passed padding, order, threads: no change"
    for text in (html, markdown):
        for shown in (
            "mobilebert-tf export --model=classifier --output=export", "0123456789ab", "Some Processor",
            "ai-edge-litert 2.3.0", "fold norms, share mask", "256 rows of train.tsv", "128 rows of dev.tsv",
            "1,234", "65,504", "90th percentile",
        ):  # fmt: skip
            assert shown in text, shown


def test_what_a_recipe_says_stays_text(variant: Make, export_of: Make) -> None:
    row = variant("mine", times={64: 1.0}) | {"description": "a|b <b>bold</b> *c*\nd"}
    html, markdown = export_report.render(export_of([row]))
    assert "<b>" not in html and "a|b &lt;b&gt;bold" in html
    assert all(len(cells) == 9 for cells in markdown_tables(markdown)[0])
    assert "a\\|b \\<b>bold" in markdown


def test_pages_are_made_of_the_report_alone(tmp_path: Path, variant: Make, export_of: Make) -> None:
    report = export_of([variant("a", times={64: 1.0}), variant("b", times={64: 2.0})])
    (tmp_path / "report.json").write_text(json.dumps(report))
    export_report.write(tmp_path)
    first = [(tmp_path / name).read_bytes() for name in export_report.NAMES]
    export_report.write(tmp_path)
    assert [(tmp_path / name).read_bytes() for name in export_report.NAMES] == first
    assert first[1].startswith(b"# A verified 1.00 MB file is right on 81.2 % of the held-out examples")


@pytest.mark.parametrize(
    "change, said",
    [
        ({"variants": [{}]}, "variants: [0]: has no 'name'"),
        ({"variants": {}}, "variants: is {}; it must be a list"),
        ({"variants": [3]}, "variants: [0]: is 3; it must be an object"),
        (
            {"variants": [{"name": "a", "latency_ms": {"median": 1.0}}]},
            "latency_ms: has a name that is not a number: ['median']",
        ),
        ({"variants": [{"name": "a", "bytes": "7"}]}, "variants: [0]: bytes: is '7'; it must be a whole number"),
        ({"variants": [{"name": "a", "parity": {"cosine": "1"}}]}, "parity: cosine: is '1'; it must be a number"),
        ({"variants": [{"name": "a", "parity": {"cosine": float("nan")}}]}, "parity: cosine: is nan; it must be a"),
        ({"variants": [{"name": "a", "metrics": {"accuracy": 2}}]}, "accuracy: is 2; it must be a number of at most 1"),
        ({"variants": [{"name": "a", "gpu": {"taken": 1}}]}, "gpu: has no 'operators'"),
        ({"variants": [{"name": "a", "ops": [1]}]}, "ops: is [1]; it must be an object"),
        ({"keras": {"confusion": [[1], [2, 3]]}}, "keras: confusion: is not a square table"),
        ({"searched": {"max_drop": 0.1}}, "searched: has no 'unit'"),
        ({"brought": [{"rewrite": "a"}]}, "brought: [0]: has no 'operators'"),
        ({"sequence_lengths": ["a"]}, "sequence_lengths: [0]: is 'a'; it must be a whole number"),
        ({"made_by": {"machine": "PC"}}, "made_by: machine: is 'PC'; it must be an object or null"),
        ({"model": "x"}, "model: is 'x'; it must be an object"),
    ],
)
def test_another_report_is_one_line(tmp_path: Path, export_of: Make, change: dict[str, Any], said: str) -> None:
    (tmp_path / "report.json").write_text(json.dumps(export_of([]) | change))
    with pytest.raises(UsageError, match=rf"report\.json: .*{re.escape(said)}"):
        export_report.write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def _ms(time: float) -> str:
    return f"{time:.2f} ms" if time < 10 else f"{time:.1f} ms"


def _points(share: float) -> str:
    text = f"{100 * share:+.1f}"
    return "+0.0" if text == "-0.0" else text.replace("-", "−")
