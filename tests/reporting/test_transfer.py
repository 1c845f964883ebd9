"""Held-out measurements during training: read, put on one axis, drawn and described."""

import io
import itertools
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from mobilebert_tf.errors import UsageError
from mobilebert_tf.reporting import curves, page, read, transfer
from mobilebert_tf.reporting.course import Course, Span, course, name_stages, spans
from mobilebert_tf.reporting.drawing import NARROW, WIDE, figure, style
from mobilebert_tf.reporting.results import Stage

PICTURES = ("How near each layer comes", "Held-out text, over all stages", "The final feature maps")


@pytest.fixture
def student(tmp_path: Path, write_run: Callable[..., None]) -> Callable[[Sequence[dict[str, Any]]], Path]:
    """A function that makes a student's directory with this log, and returns the directory."""

    def make(rows: Sequence[dict[str, Any]]) -> Path:
        write_run(tmp_path / "s", "distill", None)
        (tmp_path / "s" / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return tmp_path / "s"

    return make


def render(directory: Path) -> str:
    return page.render(read.read([directory]))


def stage(name: str, steps: Sequence[int], **metrics: Sequence[float]) -> Stage:
    named = {key.replace("__", "/"): np.array(values, float) for key, values in metrics.items()}
    return Stage(name=name, steps=np.array(steps), metrics=named)


def of_layers(
    steps: Sequence[int], values: Sequence[Sequence[float]], *stages: Span, metric: str = "feature_map"
) -> Course:
    return Course(
        spans=stages or (Span(name="auxiliary", begin=0, end=steps[-1]),),
        steps=np.array(steps),
        metrics={f"layer_{n}/{metric}": np.array(row, float) for n, row in enumerate(values, 1)},
    )


def test_stages_follow_each_other_on_one_axis() -> None:
    nan = float("nan")
    joined = course(
        [
            stage("transfer_1", [0, 10, 20], held_out__a=[1, nan, 3], held_out__layer_1__attention=[7, nan, 8]),
            # Step 0 of a later stage is the end of the one before, and a stage may lack measurements of others.
            stage("distillation", [0, 5, 30], held_out__a=[4, 5, 6], loss=[nan, 1, 1]),
        ]
    )
    assert joined is not None
    assert joined.spans == (
        Span(name="transfer_1", begin=0, end=20),
        Span(name="distillation", begin=20, end=50),
    )
    assert joined.steps.tolist() == [0, 20, 25, 50]
    assert joined.metrics["a"].tolist() == [1, 4, 5, 6]
    layers, values = joined.layers("attention")
    assert layers.tolist() == [1]
    np.testing.assert_array_equal(values, [[7, 8, nan, nan]])
    assert course([stage("transfer_1", [10], loss=[1.0])]) is None and course([]) is None


def test_layers_are_ordered_by_number() -> None:
    names = [f"layer_{n}/feature_map" for n in (10, 2, 1)] + ["layer_x/feature_map", "layer_0/feature_map"]
    joined = Course(spans=(), steps=np.array([1]), metrics={name: np.array([float(i)]) for i, name in enumerate(names)})
    layers, values = joined.layers("feature_map")
    assert layers.tolist() == [1, 2, 10] and values.ravel().tolist() == [2, 1, 0]


def test_trained_layers_by_name() -> None:
    names = {"transfer_3": [3], "transfer_4_to_6": [4, 5, 6], "transfer": [], "joint": [], "distillation": []}
    for name, expected in names.items():
        assert list(Span(name=name, begin=0, end=1).trained) == expected


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_map_has_each_value_in_its_place(width: int) -> None:
    """Each pixel has the colour map's colour at the logarithm of its value."""
    steps = [0, 10, 20, 60]
    values = [[1.0, 0.1, 0.1, 0.01], [1.0, float("nan"), 0.1, 1.0], [1.0, 1.0, 0.0, 0.01]]
    places = {0: -0.5, 10: 5, 20: 15, 60: 40}
    with style():
        drawn = transfer.heat_maps(of_layers(steps, values), width)
        axes = drawn.axes[0]
        pixels = _pixels(drawn)
        # The column before the first step has no width in steps; it begins at the left edge.
        places[0] = axes.get_xlim()[0] / 2
        for (row, layer), (column, step) in itertools.product(enumerate(values), enumerate(steps)):
            x, y = axes.transData.transform((places[step], row + 0.2))
            pixel = pixels[-1 - int(y), int(x)]
            value = layer[column]
            if np.isnan(value):
                # Nothing is drawn; the background is transparent.
                assert pixel[3] == 0
                continue
            # The scale is 0.01 to 1; an exact copy (0) has the colour of its lower end.
            expected = transfer._NEAR_TO_FAR((np.log10(max(value, 0.01)) + 2) / 2)
            # A PNG has 8 bits a channel, and the map's 256 colours are up to 0.02 apart.
            np.testing.assert_allclose(pixel, expected, atol=0.03)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["1", "2", "3"]
    assert _brightness(0.01) < _brightness(0.1) < _brightness(1.0), "dark is near"


def test_colour_bar_has_numbers_within_the_scale() -> None:
    for low, high in ((0.03, 2.7), (0.11, 0.38), (0.21, 0.23), (1e-9, 5.0), (3.0, 3.0)):
        with style():
            drawn = transfer.heat_maps(of_layers([10, 20], [[low, high], [high, high]]), WIDE)
        labels = [float(text.get_text()) for text in drawn.axes[1].get_yticklabels()]
        ticks = drawn.axes[1].get_yticks()
        assert len(labels) >= 2 and np.all(np.diff(labels) > 0) and np.all((0 <= ticks) & (ticks <= 1))
        # The scale spans at most four powers of ten and at least a factor of two.
        first, last = max(low, high / 1e4), high
        if last < 2 * first:
            first, last = np.sqrt(first * last / 2), np.sqrt(first * last * 2)
        # Labels have two digits.
        expected = np.log(np.array(labels) / first) / np.log(last / first)
        np.testing.assert_allclose(ticks, expected, atol=0.05)


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("last", [100, 2_000])
def test_names_of_stages_keep_apart(width: int, last: int) -> None:
    """Draw the names of 24 layer-wise stages and one more, short or long."""
    stages = [Span(name=f"transfer_{n}", begin=100 * n - 100, end=100 * n) for n in range(1, 25)]
    stages.append(Span(name="distillation", begin=2400, end=2400 + last))
    with style():
        drawn = figure(width, 100)
        drawn.set_layout_engine("none")
        axes = drawn.add_axes((0, 0, 1, 0.5))
        axes.set_xlim(0, stages[-1].end)
        name_stages(axes, stages, width)
        _pixels(drawn)
        boxes = {text.get_text(): text.get_window_extent() for text in axes.texts}
    assert "distillation" in boxes and "1" in boxes and len(boxes) >= 7
    # In pixels at 72 an inch.
    ordered = sorted(boxes.values(), key=lambda box: box.x0)
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(ordered))
    assert ordered[0].x0 > -8 and ordered[-1].x1 < width + 8


def test_what_the_last_stage_did_is_told() -> None:
    stages = (Span(name="transfer_1_to_2", begin=0, end=20), Span(name="distillation", begin=20, end=40))
    worse = of_layers([0, 20, 40], [[2, 0.1, 0.4], [2, 0.3, 0.2]], *stages)
    assert transfer.undone(worse) == (
        "The stage “distillation” raised the feature maps’ mean over the layers from 0.2 to 0.3: "
        "1 of 2 layers ended further from the teacher’s than they began it."
    )
    better = of_layers([0, 20, 40], [[2, 0.3, 0.2], [2, 0.3, 0.2]], *stages)
    assert "took the feature maps’ mean over the layers from 0.3 to 0.2: 0 of 2 layers" in transfer.undone(better)
    same = of_layers([0, 20, 40], [[2, 0.3, 0.3], [2, 0.3, 0.3]], *stages)
    assert transfer.undone(same) == "The stage “distillation” left the feature maps’ mean over the layers at 0.3."
    for untold in (
        of_layers([0, 20], [[2, 0.1]], *stages),
        of_layers([0, 20, 40], [[2, 0.1, 0.4]]),
        of_layers([0, 20, 40], [[2, 0.1, 0.4]], *stages, metric="attention"),
    ):
        assert transfer.undone(untold) == ""


def test_the_page_shows_them(finished: Path) -> None:
    html = render(finished)
    for heading in PICTURES:
        assert f"<h3>{heading}</h3>" in html
    text = html.replace("\u00a0", " ")
    # By hand from conftest's figures: layers are at 0.1 and double in distillation.
    assert "“distillation” raised the feature maps’ mean over the layers from 0.1 to 0.2: 4 of 4 layers" in text
    assert "at 23 evaluations over 620 steps" in text
    assert "layer 1 from 2 to 0.2, layer 2 from 2 to 0.2" in text and "layer 4 from 0.5 to 0.05." in text
    assert "masked words: accuracy from 0.0 % to 25.4 %, the teacher’s is 28.7 %" in text
    assert "same first guess as the teacher from 0.0 % to 45.7 %;" in text, "the teacher has no level there"
    assert "Dashed: the teacher, on the same text." in text
    cells = " ".join(re.sub(r"<[^>]*>", " ", text).split())
    # 0.0123 - 0.02, 0.0134 - 0.02, 1.234 + 2, 1.346 + 2.
    assert "layer 2 −0.0077 −0.0066 3.23 3.35 0.2 0.0567" in cells


def test_directories_from_before_have_none_of_it(pipeline: Path) -> None:
    """Older directories have only the level at the end of a stage."""
    (pipeline / "student" / "layers.json").unlink()
    log = pipeline / "student" / "log.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    plain = [{k: v for k, v in row.items() if not k.startswith("held_out/")} for row in rows if row["step"]]
    log.write_text("".join(json.dumps(row) + "\n" for row in plain))
    path = pipeline / "student" / "metrics.json"
    metrics = json.loads(path.read_text())
    del metrics["teacher_held_out"]
    path.write_text(json.dumps(metrics))
    html = render(pipeline)
    assert not any(heading in html for heading in PICTURES) and html.count("<svg") == 16
    assert "28.7\u00a0%</td><td>25.4\u00a0%" in html, "the one teacher of the directory is the student's"


def test_teacher_level_is_of_the_students_own_teacher(pipeline: Path) -> None:
    path = pipeline / "student" / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["teacher_held_out"]["masked_word_accuracy"] = 0.3123
    path.write_text(json.dumps(metrics))
    html = page.render(read.read([pipeline / "student", pipeline / "teacher"])).replace("\u00a0", " ")
    assert "the teacher’s is 31.2 %" in html and "31.2 %</td><td>25.4 %" in html
    # The same holds without a pre-training run in the report.
    assert "31.2 %</td><td>25.4 %" in render(pipeline / "student").replace("\u00a0", " ")


def test_training_rows_of_single_layers_change_nothing(student: Callable[..., Path]) -> None:
    def rows(more: dict[str, float]) -> list[dict[str, Any]]:
        each = {"stage": "auxiliary", "feature_map": 0.5, "attention": 0.2, "masked_word_loss": 5.0}
        return [each | {"step": step} | more for step in (10, 20)]

    plain = render(student(rows({})))
    assert render(student(rows({"layer_1/feature_map": 0.4, "layer_1/attention": 9.0}))) == plain


def test_teacher_without_heads(student: Callable[..., Path]) -> None:
    """Only layers are measured, in a single stage that does not train one layer."""
    rows = [{"stage": "joint", "step": s, "held_out/layer_1/feature_map": 1 / s, "feature_map": 1.0} for s in (5, 10)]
    html = render(student(rows))
    assert PICTURES[0] in html and PICTURES[1] not in html
    assert "Every row should darken towards the right." in html and "(framed)" not in html
    assert "The column before step 0" not in html


@pytest.mark.parametrize("value", [1.0, 0.0])
def test_nothing_done_but_the_first_measurement(student: Callable[..., Path], value: float) -> None:
    row = {"stage": "transfer_1", "step": 0, "held_out/layer_1/feature_map": value, "held_out/masked_word_loss": 9.0}
    html = render(student([row]))
    assert (PICTURES[0] in html) == (value > 0) and PICTURES[1] in html


def test_a_teachers_own_curve(pipeline: Path) -> None:
    log = pipeline / "teacher" / "log.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    before = render(pipeline / "teacher")
    for row in rows[99::100]:
        row["held_out/masked_word_loss"] = 5.0
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    after = render(pipeline / "teacher")
    assert "dashed: on held-out text." in before and "dots: on held-out text meanwhile." in after
    logged = read.read_log(log)[0]
    assert curves.measured_meanwhile(logged, ["masked_word_loss"])
    assert not curves.measured_meanwhile(logged, ["masked_word_accuracy"])


def test_spans_of_no_stages() -> None:
    assert spans([]) == ()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("layers.json", '{"layers": [{"layer": 1}', "is not readable as JSON"),
        ("layers.json", '{"rows": []}', "has no 'layers'"),
        ("layers.json", '{"layers": [{"layer": "first"}]}', "layer: is 'first'; it must be a whole number"),
        ("layers.json", '{"layers": [{"layer": Infinity}]}', "layer: is inf; it must be a finite number"),
        ("layers.json", '{"layers": [3]}', "layers: .0.: is 3; it must be an object"),
        ("layers.json", '{"layers": [{"layer": 1, "teacher": {"mean": 1}}]}', "teacher: has no 'deviation'"),
        ("layers.json", '{"layers": [{"layer": 1, "teacher": [1]}]}', "teacher: is .1.; it must be an object or null"),
        ("layers.json", '{"layers": [{"layer": 1}, {"layer": 1}]}', "layers: two have the same number"),
        ("metrics.json", '{"teacher_held_out": [0.5]}', "teacher_held_out: is .0.5.; it must be an object"),
        ("metrics.json", '{"held_out": 0.5}', "held_out: is 0.5; it must be an object"),
    ],
)
def test_malformed_files_are_one_line(pipeline: Path, file: str, content: str, message: str) -> None:
    (pipeline / "student" / file).write_text(content)
    with pytest.raises(UsageError, match=message) as caught:
        read.read([pipeline])
    assert str(pipeline / "student" / file) in str(caught.value) and "\n" not in str(caught.value)


def test_parts_of_layers_may_be_absent(pipeline: Path) -> None:
    rows = [{"layer": 2, "student": {"mean": 0.5, "deviation": 1.5}}, {"layer": 1, "feature_map": None}]
    (pipeline / "student" / "layers.json").write_text(json.dumps({"layers": rows}))
    results = read.read([pipeline / "student"])
    assert [layer.layer for layer in results.students[0].layers] == [1, 2]
    assert PICTURES[2] in page.render(results)
    (pipeline / "student" / "layers.json").write_text(json.dumps({"layers": [{"layer": 1}]}))
    assert PICTURES[2] not in render(pipeline / "student")


def _pixels(drawn: Any) -> np.ndarray:
    """The picture [H, W, 4] at one pixel per CSS pixel, so that display coordinates are its indices."""
    drawn.set_dpi(72)
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=72)
    buffer.seek(0)
    return imread(buffer)


def _brightness(value: float) -> float:
    return float(sum(transfer._NEAR_TO_FAR((np.log10(value) + 2) / 2)[:3]))
