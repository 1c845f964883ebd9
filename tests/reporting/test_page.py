"""The page agrees with the files, loads nothing, and copes with any content of the files."""

import dataclasses
import json
import os
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf.checkpoints import shipped
from mobilebert_tf.commands.report import Report
from mobilebert_tf.errors import UsageError
from mobilebert_tf.reporting import attention, page, read, scores, words
from mobilebert_tf.reporting.results import AttentionLayer

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Elements and text of a page; fails on tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def headings(self) -> list[str]:
        return [attributes["id"] or "" for tag, attributes in self.elements if tag == "h2"]


@pytest.fixture(scope="module")
def html(finished: Path) -> str:
    """The page of the whole pipeline, drawn once."""
    return render(finished)


def render(*directories: Path) -> str:
    return page.render(read.read(directories))


def test_page_loads_nothing_and_is_sound(html: str) -> None:
    parsed = Page(html)
    assert "http" not in html
    assert not re.search(r"@import|url\((?!#)", html)
    for tag, attributes in parsed.elements:
        assert tag not in ("script", "iframe", "object", "base")
        for name in ("src", "href", "xlink:href", "srcset"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:")), f"<{tag} {name}={value}>"
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    referred = re.findall(r"""(?:url\(#|href="#)([^)"]+)""", html)
    assert set(referred) <= set(ids)
    assert ("html", {"lang": "en"}) in parsed.elements
    pictures = [attributes for tag, attributes in parsed.elements if tag == "svg"]
    assert all(a["role"] == "img" and a["aria-label"] for a in pictures)
    for subject in (
        "Pre-training over 600 steps", "Distance of each student layer", "Held-out text", "Distillation over 300 steps",
        "final feature maps", "Attention maps of layer 1", "Attention maps of layer 2", "fine-tuning",
        "Accuracy on the held-out set", "accuracy against latency",
    ):  # fmt: skip
        assert any(subject in str(a["aria-label"]) for a in pictures), subject
    assert all("scope" in attributes for tag, attributes in parsed.elements if tag == "th")
    assert html.count("<h1") == 1


def test_page_shows_the_numbers_of_the_files(html: str, finished: Path) -> None:
    pipeline, text = finished, Page(html).text
    report = json.loads((pipeline / "export" / "report.json").read_text())
    for variant in report["variants"]:
        for shown in (
            f"{variant['bytes'] / 1e6:.2f} MB",
            f"{100 * variant['metrics']['accuracy']:.1f} %",
            f"{100 * variant['metrics']['macro_f1']:.1f} %",
            f"{variant['latency_ms']['64']['median']:.2f} ms at 64",
            f"p90 {variant['latency_ms']['32']['p90']:.2f} ms",
            f"p90 {variant['latency_ms']['64']['p90']:.2f} ms",
            f"{100 * variant['parity']['decision_agreement']:.1f} %",
            variant["file"],
        ):
            assert shown in text.replace("\u00a0", " "), shown
    assert "1.3 × 10⁻⁶ 40 dB 2.18 57 passed" in text.replace("\u00a0", " ")
    assert "rejected accuracy fell by 40.1 points" in text
    teacher = json.loads((pipeline / "teacher" / "metrics.json").read_text())
    student = json.loads((pipeline / "student" / "metrics.json").read_text())
    for shown in ("28.7 % 25.4 %", "4.32", "4.65", "68.7 % 65.4 %", "45.7 %", "2,345,678 765,432"):
        assert shown in text.replace("\u00a0", " "), shown
    assert (teacher["parameters"], student["parameters"]) == (2_345_678, 765_432)
    confusion = json.loads((pipeline / "classifier" / "metrics.json").read_text())["evaluation"]["confusion"]
    assert " ".join(str(n) for n in confusion[0]) in text
    assert "25.3 %" in text.replace("\u00a0", " "), "majority class"
    assert "teacher pretrain 2 min 31 s" in text.replace("\u00a0", " ")
    # 4.2 + 3.1 + 12.8 + 1.9 + 151.4 + 128.2 + 41.3 + 39.9 + 33.7 = 416.5 s
    assert "6 min 56 s in all" in text.replace("\u00a0", " ")
    assert "0123456789ab" in text and "Some Processor" in text
    assert "mobilebert-tf pretrain --output=teacher --seed=1" in text


def test_what_is_said_of_tables_is_there_once(pipeline: Path) -> None:
    """The remarks appear as text, whatever a cell contains, and once, as both runs had the same tables."""
    report = {"warnings": ["3 texts stand there with different labels, as '<b>'"], "summary": ["90 rows to train on"]}
    assert "The tables" not in render(pipeline)
    for name in ("classifier", "classifier_from_scratch"):
        (pipeline / name / "data.json").write_text(json.dumps(report | {"rows": {"training": 90}}))
    html = render(pipeline)
    assert "different labels, as &#39;&lt;b&gt;&#39;</li>" in html and html.count("90 rows to train on") == 1
    other = report | {"warnings": []}
    (pipeline / "classifier" / "data.json").write_text(json.dumps(other))
    assert Page(render(pipeline)).text.count("The tables: ") == 2


def test_headline_and_verdict(pipeline: Path) -> None:
    results = read.read([pipeline])
    assert words.headline(results).replace("\u00a0", " ") == (
        "A verified 0.81 MB file is right on 80.9 % of the held-out examples and answers 64 word pieces in 0.57 ms on "
        "this machine."
    )
    assert words.transfer_verdict(results).replace("\u00a0", " ") == (
        "Transfer gained 10.8 percentage points: 81.2 % against 70.4 % for the same student fine-tuned from random "
        "weights. The 95 % intervals lie apart."
    )
    path = pipeline / "classifier_from_scratch" / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["evaluation"]["accuracy"] = 0.83
    path.write_text(json.dumps(metrics))
    verdict = words.transfer_verdict(read.read([pipeline]))
    assert verdict.startswith("Transfer lost 1.8 percentage points") and "overlap" in verdict
    assert "most frequent class" not in verdict
    path = pipeline / "classifier" / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["evaluation"]["majority_accuracy"] = 0.9
    path.write_text(json.dumps(metrics))
    verdict = words.transfer_verdict(read.read([pipeline])).replace("\u00a0", " ")
    assert "Always naming the most frequent class would be right on 90.0 %." in verdict


def test_wilson_interval() -> None:
    score = scores.Score(
        examples=10, accuracy=0.8, macro_f1=None, loss=None, majority_accuracy=None, confusion=None
    )  # fmt: skip
    # Newcombe (1998), by hand: (2np + z² ± z sqrt(z² + 4np(1-p))) / (2(n + z²)) with z = 1.959964.
    z, n, p = 1.959964, 10, 0.8
    middle, spread = 2 * n * p + z * z, z * np.sqrt(z * z + 4 * n * p * (1 - p))
    expected = ((middle - spread) / (2 * (n + z * z)), (middle + spread) / (2 * (n + z * z)))
    # z has seven digits.
    assert scores.wilson(score) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("kept", "headings"),
    [
        (("corpus", "vocab"), ["time", "made"]),
        (("teacher",), ["teacher-1", "time", "made"]),
        (("student",), ["student-1", "time", "made"]),
        (("classifier",), ["pays", "wrong-1", "time", "made"]),
        (("export",), ["files-1", "pays", "time", "made"]),
    ],
)
def test_sections_appear_with_their_data(pipeline: Path, kept: tuple[str, ...], headings: list[str]) -> None:
    assert Page(render(*(pipeline / name for name in kept))).headings() == headings


@pytest.mark.usefixtures("undrawn")
def test_unfinished_runs_are_marked(pipeline: Path, write_run: Callable[..., None]) -> None:
    """Each unfinished run has only its log; the classifier is finished and not marked."""
    commands = {"teacher": "pretrain", "student": "distill", "classifier_from_scratch": "finetune", "export": "export"}
    for name, command in commands.items():
        for file in (pipeline / name).iterdir():
            if file.name != "log.jsonl":
                file.unlink()
        write_run(pipeline / name, command, None)
    text = Page(render(pipeline)).text
    for name in commands:
        assert f"Unfinished. {name} was still at work" in text
    assert "Unfinished. classifier was" not in text
    assert text.count(" unfinished") == len(commands), "in the table of times"
    assert "Does transfer pay?" not in text


def test_nothing_begun_but_the_record(tmp_path: Path, write_run: Callable[..., None]) -> None:
    for name, command in (("t", "pretrain"), ("s", "distill"), ("c", "finetune"), ("e", "export")):
        write_run(tmp_path / name, command, None)
    text = Page(render(tmp_path)).text
    assert "0 of 4 runs are finished; there are no scores yet." in text
    assert text.count("Unfinished.") >= 3


def test_hostile_strings_are_text(pipeline: Path) -> None:
    evil = "<script>alert('\"&$x^2$')</script>"
    maps = json.loads((pipeline / "student" / "attention.json").read_text())
    maps["tokens"][3] = evil[:9]
    maps["tokens"][4] = "$x_{$"
    (pipeline / "student" / "attention.json").write_text(json.dumps(maps))
    (pipeline / "classifier" / "labels.txt").write_text("".join(f"{evil}{n}\n" for n in range(5)))
    report = json.loads((pipeline / "export" / "report.json").read_text())
    for key in ("name", "file", "reason"):
        report["variants"][0][key] = evil
    (pipeline / "export" / "report.json").write_text(json.dumps(report))
    record = json.loads((pipeline / "teacher" / "run.json").read_text())
    record["made_by"] |= {"command": evil, "commit": evil, "machine": {"model": evil}, "date": evil}
    (pipeline / "teacher" / "run.json").write_text(json.dumps(record))
    shutil.move(pipeline / "student", pipeline / "<b>student")
    parsed = Page(render(pipeline))
    assert not {"script", "b"} & {tag for tag, _ in parsed.elements}
    assert evil in parsed.text and "$x_{$" in parsed.text and "<b>student" in parsed.text


def test_log_of_a_killed_run(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    entries = [{"stage": "a", "step": step, "loss": loss} for step, loss in ((1, 1.0), (2, 2.0), (3, 3.0), (2, 9.0))]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries) + '{"stage": "a", "st')
    (stage,) = read.read_log(path)
    assert stage.steps.tolist() == [1, 2, 3]
    assert stage.metrics["loss"].tolist() == [1.0, 9.0, 3.0], "the step written later counts"
    path.write_text('{"stage": "a"\n{"stage": "a", "step": 1}\n')
    with pytest.raises(UsageError, match=r"log\.jsonl:1: is not readable as JSON"):
        read.read_log(path)


def test_command_writes_where_it_should(pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Report(input=str(pipeline)).run()
    assert capsys.readouterr().out.startswith(f"report: {pipeline / 'report.html'} (9 runs)")
    Report(input=str(pipeline)).run()  # a report may overwrite a report
    foreign = pipeline / "mine.html"
    foreign.write_text("<p>precious")
    with pytest.raises(UsageError, match="exists and is no report"):
        Report(input=str(pipeline), output=str(foreign)).run()
    assert foreign.read_text() == "<p>precious"
    with pytest.raises(UsageError, match="is a directory"):
        Report(input=str(pipeline), output=str(pipeline)).run()
    os.mkfifo(pipeline / "pipe")  # To read it, as an old report is read, would never end.
    with pytest.raises(UsageError, match="is no regular file"):
        Report(input=str(pipeline), output=str(pipeline / "pipe")).run()


def test_bad_input_is_one_line(pipeline: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "run.json").write_text("{}")
    for name, message in (
        ("absent", "no such file or directory"),
        ("empty", "neither it nor any subdirectory has a run.json"),
        ("broken", "is not readable as JSON"),
        ("other", "run.json: has no 'identity'"),
    ):
        with pytest.raises(UsageError, match=message) as caught:
            Report(input=str(tmp_path / name)).run()
        assert "\n" not in str(caught.value) and name in str(caught.value)
    maps = json.loads((pipeline / "student" / "attention.json").read_text())
    maps["tokens"].append("one more")
    (pipeline / "student" / "attention.json").write_text(json.dumps(maps))
    with pytest.raises(UsageError, match=r"attention\.json: layers: the maps of layer 1 must be heads x 17 x 17"):
        read.read([pipeline])


def test_runs_are_found_once_and_in_order(pipeline: Path) -> None:
    results = read.read([pipeline, pipeline / "teacher"])
    assert [run.command for run in results.runs] == [
        "corpus", "vocab", "records", "records", "pretrain", "distill", "finetune", "finetune", "export",
    ]  # fmt: skip
    assert [c.from_scratch for c in results.classifiers] == [False, True]
    assert all(dataclasses.is_dataclass(run) for run in results.runs)


def test_a_shipped_model_stands_beside_the_chain(pipeline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "names", lambda: ["mobilebert_mini"])
    shutil.copytree(pipeline / "classifier", pipeline / "classifier_compared")
    path = pipeline / "classifier_compared" / "run.json"
    record = json.loads(path.read_text())
    record["options"] |= {"model": "mobilebert_mini"}
    path.write_text(json.dumps(record))
    path = pipeline / "classifier_compared" / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["evaluation"]["accuracy"] = 0.9
    path.write_text(json.dumps(metrics))
    results = read.read([pipeline])
    rows = [(row.name, row.accuracy) for row in scores.points(results)]
    assert rows[1:4] == [("from scratch", 0.7042), ("transferred", 0.8125), ("from mobilebert_mini", 0.9)]
    # The verdict on transfer is about the pipeline's own student.
    assert words.transfer_verdict(results).startswith("Transfer gained 10.8 percentage points")


def test_divergence_of_attention() -> None:
    teacher, student = np.array([[[0.75, 0.25], [0.5, 0.5]]]), np.array([[[0.5, 0.5], [0.5, 0.5]]])
    layer = AttentionLayer(layer=1, teacher=teacher, student=student)
    # By hand; the weights have a floor of 1e-9.
    expected = (0.75 * np.log(1.5) + 0.25 * np.log(0.5)) / 2
    assert attention.divergence(layer) == pytest.approx(expected, rel=1e-6)
    rounded = AttentionLayer(layer=1, teacher=student - 1e-4, student=student + 1e-4)
    assert attention.divergence(rounded) == 0.0, "equal but for rounding"
    # All positions look at the same token: no structure, however sharp the maps are.
    same = np.array([[[0.9, 0.1], [0.9, 0.1]]])
    assert attention.structure(AttentionLayer(layer=1, teacher=same, student=same)) == pytest.approx(0, abs=1e-12)


@pytest.mark.usefixtures("undrawn")
def test_directories_of_the_same_names_stand_apart(pipeline: Path, tmp_path: Path) -> None:
    """Two pipelines in one report: every figure is named by its directory."""
    other = tmp_path / "other"
    shutil.copytree(pipeline, other)
    for path, accuracy in ((other / "classifier", 0.9), (other / "classifier_from_scratch", 0.8)):
        metrics = json.loads((path / "metrics.json").read_text())
        metrics["evaluation"] |= {"accuracy": accuracy, "majority_accuracy": 0.5}
        (path / "metrics.json").write_text(json.dumps(metrics))
    report = json.loads((other / "export" / "report.json").read_text())
    report["variants"][1]["bytes"] = 555_000
    (other / "export" / "report.json").write_text(json.dumps(report))
    results = read.read([pipeline, other])
    names = [run.name for run in results.runs]
    assert len(set(names)) == len(names) == 18
    assert {"demo/export", "other/export", "demo/records/train", "other/records/train"} <= set(names)
    assert words.headline(results).replace("\u00a0", " ").startswith("demo/export: A verified 0.81 MB file is right")
    assert "other/export: A verified 0.56 MB file" in words.headline(results).replace("\u00a0", " ")
    verdict = words.transfer_verdict(results).replace("\u00a0", " ")
    assert "demo/classifier: Transfer gained 10.8 percentage points: 81.2 % against 70.4 %" in verdict
    assert "other/classifier: Transfer gained 10.0 percentage points: 90.0 % against 80.0 %" in verdict
    rows = {row.name: row.accuracy for row in scores.points(results)}
    assert rows["majority class, demo/classifier"] == 0.2531 and rows["majority class, other/classifier"] == 0.5
    assert rows["demo/classifier"] == 0.8125 and rows["other/classifier_from_scratch"] == 0.8
    assert rows["demo/export/float32.tflite"] == 0.8125 and "float32.tflite" not in rows
    text = Page(page.render(results)).text
    for name in ("demo", "other"):
        assert f"The files: {name}/export" in text and f"What it gets wrong: {name}/classifier" in text
        assert f"{name}/classifier: training loss while fine-tuning" in text
        assert f"From teacher to student: {name}/student" in text
    # Each of the two students is beside its own teacher.
    assert text.count("2,345,678 765,432") == 2


def test_runs_named_one_by_one(pipeline: Path) -> None:
    """Directories of one parent keep their short names."""
    results = read.read([pipeline / "classifier", pipeline / "classifier_from_scratch", pipeline / "records" / "train"])
    assert [run.name for run in results.runs] == ["train", "classifier", "classifier_from_scratch"]
    assert words.transfer_verdict(results).startswith("Transfer gained 10.8")


def test_scores_while_fine_tuning_are_drawn(pipeline: Path) -> None:
    path = pipeline / "classifier" / "log.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    start = {"stage": "finetune", "stage_index": 0, "step": 0, "held_out/accuracy": 0.2, "held_out/loss": 1.6}
    for row in rows[99::100]:
        row |= {"held_out/accuracy": 0.7 + row["step"] / 2000, "held_out/loss": 0.8}
    assert "Dots: accuracy on rows of the held-out set meanwhile" not in Page(render(pipeline)).text
    path.write_text("".join(json.dumps(row) + "\n" for row in [start, *rows]))
    text = Page(render(pipeline)).text
    assert "Dots: accuracy on rows of the held-out set meanwhile" in text and "held-out text: accuracy" in text
    assert "Ringed" not in text
    metrics = json.loads((pipeline / "classifier" / "metrics.json").read_text())
    kept = {"weights": "best", "step": 100, "trained_steps": 200, "score": 0.75}
    (pipeline / "classifier" / "metrics.json").write_text(json.dumps({**metrics, "kept": kept}))
    assert "Ringed: the best weights, which were kept (transferred, step 100)." in Page(render(pipeline)).text


def test_what_it_gets_wrong(pipeline: Path) -> None:
    """Figures of each class, examples as plain text whatever they contain, and all runs of the grid."""
    place = pipeline / "classifier"
    metrics = json.loads((place / "metrics.json").read_text())
    figures = {"f1": 0.625, "precision": 0.5, "recall": 0.8333, "support": 1357}
    metrics["evaluation"]["by_class"] = {"alpha": figures}
    rate = {"learning_rate": 1e-4, "runs": 5, "diverged": 1, "median": 0.811, "min": 0.79, "max": 0.83}
    metrics["rates"] = [{**rate, "mean_low": 0.801, "mean_high": 0.8223}]
    scores = [0.79, 0.811, 0.83, 0.82, None]
    metrics["runs"] = [{"seed": seed, "learning_rate": 1e-4, "score": score} for seed, score in enumerate(scores)]
    (place / "metrics.json").write_text(json.dumps(metrics))
    mistake = {"text": "<b>bold</b> & so on", "text_pair": "second", "wanted": "alpha", "given": "beta", "size": 0.9876}
    mistakes = {"measure": "probability", "examples": 1200, "wrong": 225, "mistakes": [mistake]}
    (place / "mistakes.json").write_text(json.dumps(mistakes))
    (place / "runs" / "rate_0.0001_seed_1").mkdir(parents=True)
    shutil.copy(place / "run.json", place / "runs" / "rate_0.0001_seed_1")
    html = render(pipeline)
    text = Page(html).text.replace("\u00a0", " ")
    assert "alpha 62.5 % 50.0 % 83.3 % 1357" in text
    assert "1 of 225 wrong answers in 1200 held-out examples" in text
    assert "<b>bold</b> & so on | second alpha beta 98.8 %" in text and "<b>bold" not in html
    assert "0.0001 5 (1 diverged) 81.1 % 79.0 % to 83.0 % 80.1 % to 82.2 %" in text
    assert "rate_0.0001_seed_1" not in text
    assert "Scores of all runs by learning rate: 0.0001 median 81.5" in html.replace("\u00a0", " ")


def test_scores_of_other_kinds_are_drawn_too(pipeline: Path) -> None:
    place = pipeline / "classifier"
    rows = [json.loads(line) for line in (place / "log.jsonl").read_text().splitlines()]
    start = {"stage": "finetune", "stage_index": 0, "step": 0, "held_out/spearman": -0.1}
    for row in rows[99::100]:
        row["held_out/spearman"] = 0.5
    (place / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [start, *rows]))
    metrics = {"evaluation": {"examples": 9, "spearman": 0.5, "pearson": 0.4}, "parameters": 7}
    metrics["kept"] = {"weights": "best", "step": 100}
    (place / "metrics.json").write_text(json.dumps(metrics))
    text = Page(render(place)).text
    assert "held-out text: Spearman" in text and "Dots: Spearman on rows" in text and "Fine-tuning" in text
    assert "Ringed: the best weights, which were kept (transferred, step 100)." in text


def test_layers_learned_before_the_labels_are_drawn(pipeline: Path) -> None:
    """A fine-tuned teacher's layers come first; without them there is no such picture."""
    said = "learned before the student saw a label"
    assert said not in render(pipeline)
    path = pipeline / "classifier" / "log.jsonl"
    layers = [
        {"stage": "teacher_layers", "stage_index": 0, "step": step, "loss": 30.0 / step, "feature_map": 1.5 / step}
        for step in range(1, 50)
    ]
    rows = [{**json.loads(line), "stage_index": 1} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*layers, *rows]))
    text = render(pipeline)
    pictures = [a["aria-label"] for tag, a in Page(text).elements if tag == "svg"]
    assert text.count(said) == 1 and sum("learns the layers" in str(label) for label in pictures) >= 1
