"""Instructions: the emulator's output, the sum of an estimate, and its distance from counts."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.benchmarks.arm import count, environment, fit
from mobilebert_tf.benchmarks.files import instructions
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.litert import flatbuffer
from mobilebert_tf.litert.instructions import estimate, known, work

PEERS = Path(__file__).parents[3] / "shared" / "peers" / "models"


def emulator() -> str | None:
    """The emulator's directory, or None if it is not installed."""
    directory = os.environ.get("MOBILEBERT_TF_ARM64") or os.path.expanduser(environment.DEFAULT)
    installed = environment.Environment(Path(directory))
    return None if installed.missing() else directory


def test_numbers_between_two_questions_are_an_inference():
    printed = (
        "INFO: something\ninstructions 1000\ninstructions 1600\nsignature a\ninstructions 5000\ninstructions 9000\n"
        "signature b\ninstructions 20000\ninstructions 20700\n"
    )
    assert count.read(printed) == (600, {"a": (5000, 9000), "b": (20000, 20700)})
    assert count.read("instructions 1\ninstructions 2\nsignature \ninstructions 3\ninstructions 9\n")[1] == {"": (3, 9)}


def test_a_change_of_half_a_per_cent_is_seen():
    def document(million: float) -> dict:
        return {
            "settings": {},
            "subjects": [{"name": "a.tflite", "sequence_length": 32, "summary": {"median": million}}],
        }

    assert instructions.changes(document(100.4), document(100.0)) == ([("a.tflite at 32", 0.0)], [])
    assert instructions.changes(document(99.5), document(100.0)) == ([("a.tflite at 32", pytest.approx(-0.005))], [])
    assert instructions.changes(document(1.0), {"subjects": [], "settings": {}}) == ([], ["a.tflite at 32"])
    texts = document(1.0), document(2.0)
    for name, one in zip("ab", texts, strict=True):
        one["settings"]["texts"] = name
        one["subjects"][0]["sequence_length"] = None
    assert instructions.changes(*texts) == ([], ["a.tflite at texts of a"]), "other texts, other lengths"


def test_what_the_set_up_lacks_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    words = ["benchmark", "instructions", "--setup", f"--environment={tmp_path / 'none'}"]
    assert cli.run(words) == 2
    error = capsys.readouterr().err
    assert "apt-get install gcc ninja-build meson" in error and len(error.splitlines()) == 1
    assert not (tmp_path / "none").exists()


def test_an_incomplete_emulator_is_said(export_directory: Path, tmp_path: Path, capsys):
    (tmp_path / "bin").mkdir()
    words = ["benchmark", "instructions", f"--models={export_directory / 'float32.tflite'}"]
    assert cli.run([*words, f"--environment={tmp_path}", f"--output={tmp_path / 'a.json'}"]) == 2
    error = capsys.readouterr().err
    assert "lacks qemu, the counter, LiteRT for arm64" in error and "--setup" in error


def test_products_are_counted_by_hand(export_directory: Path):
    """Steps of float32 products are tiles of 6 rows and 8 columns times the depth, from the file's shapes."""
    content = (export_directory / "float32.tflite").read_bytes()
    model = flatbuffer.read(content)
    graph = model.subgraphs[-1]
    expected = 0.0
    for operator, kind in zip(graph.operators, flatbuffer.kinds(model, graph), strict=True):
        if kind == "FULLY_CONNECTED":
            columns, depth = map(int, graph.tensors[int(operator.inputs[1])].shape)
            rows = int(np.prod(graph.tensors[int(operator.outputs[0])].shape)) // columns
            expected += 0 if rows == 1 else -(-rows // 6) * -(-columns // 8) * depth
    assert work(content, "tokens_48")["product f32: steps"] == expected > 0


def test_an_estimate_grows_with_the_length(export_directory: Path):
    content = (export_directory / "float32.tflite").read_bytes()
    short, long = (estimate(content, name) for name in ("tokens_16", "tokens_48"))
    assert short is not None and long is not None and 2 < long / short < 4, "16 and 48 word pieces"


def test_an_unknown_operator_has_no_estimate(export_directory: Path, monkeypatch: pytest.MonkeyPatch):
    costs = dict(known()["million_per_unit"])
    del costs["node"]
    monkeypatch.setitem(known(), "million_per_unit", costs)
    assert estimate((export_directory / "float32.tflite").read_bytes()) is None


def test_what_was_fitted_in_float32_alone_costs_as_much_in_float16(monkeypatch: pytest.MonkeyPatch):
    """Otherwise files with a head that reads the mean would have no estimate, for a sum and quotient of few values."""
    monkeypatch.setitem(known(), "million_per_unit", {"SUM f32": 2.0, "node": 3.0})
    monkeypatch.setattr(
        "mobilebert_tf.litert.instructions.work", lambda content, graph: {"SUM half": 10.0, "node": 1.0}
    )
    assert estimate(b"") == 23.0
    monkeypatch.setattr(
        "mobilebert_tf.litert.instructions.work", lambda content, graph: {"COS half": 10.0, "node": 1.0}
    )
    assert estimate(b"") is None


@pytest.mark.parametrize(
    ("name", "million"), [("tfm_mobilebert_cls_s128_dyn8", 407.5), ("hf_mobilebert_cls_s128_dyn8", 410.6)]
)
def test_rivals_files_are_estimated_within_3_percent(name: str, million: float):
    """The counts are in instructions-2026-11-22.json; tf-models' file was not used for the fit."""
    path = PEERS / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    assert estimate(path.read_bytes()) == pytest.approx(million, rel=0.03)


def test_most_files_that_were_left_out_are_within_3_percent():
    """The shipped fit states how well graphs of networks were estimated by fits without these networks."""
    fitted = known()["fitted"]
    assert fitted["left_out_within_3_percent"] >= 0.7 and fitted["left_out_median_error"] <= 0.02


def test_a_fit_finds_the_costs_again():
    """Counts are made from known costs, one of them zero; rows are in groups that are left out in turn."""
    generator = np.random.default_rng(0)
    true = {"a": 2.0, "b": 0.5, "free": 0.0}
    rows = []
    for number in range(30):
        units = {name: float(generator.integers(1, 100)) for name in true}
        million = sum(true[name] * amount for name, amount in units.items())
        group = fit.OPERATOR if number < 10 else f"group {number % 3}"
        rows.append({"name": str(number), "units": units, "million": million, "group": group})
    assert fit.fit(rows) == pytest.approx(true, abs=1e-9)
    errors = [error for own in fit.held_out(rows).values() for _, error in own]
    assert len(errors) == 20 and max(map(abs, errors)) < 1e-9


def test_an_estimate_is_a_result_of_its_own_kind(export_directory: Path, tmp_path: Path, capsys):
    from mobilebert_tf.benchmarks import schema

    files = [export_directory / f"{name}.tflite" for name in ("float32", "dynamic_int8")]
    output = tmp_path / "estimate.json"
    words = ["benchmark", "instructions", f"--models={files[0]},{files[1]}", f"--baseline={files[0]}", "--estimate"]
    assert cli.run([*words, "--sequence_lengths=all", f"--output={output}"]) == 0
    document = json.loads(output.read_text())
    assert schema.fault(document) is None and document["where"] == "estimated"
    assert document["emulator"]["core"] == "cortex-a76" and len(document["subjects"]) == 4
    assert "estimate of million instructions" in capsys.readouterr().out
    again = tmp_path / "again.json"
    assert cli.run([*words, f"--earlier={output}", f"--output={again}"]) == 0
    assert f"as in {output}" in capsys.readouterr().out


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_baseline_is_a_file_not_a_name(export_directory: Path, tmp_path: Path, order: tuple[int, int]):
    """Two files have one name; both are compared with the one whose path is given."""
    import shutil

    files = []
    for version, name in (("v1", "float32"), ("v2", "dynamic_int8")):
        files.append(tmp_path / version / "tflite" / "m.tflite")
        files[-1].parent.mkdir(parents=True)
        shutil.copy(export_directory / f"{name}.tflite", files[-1])
    models = ",".join(str(files[i]) for i in order)
    output = tmp_path / "now.json"
    words = ["benchmark", "instructions", f"--models={models}", f"--baseline={files[1]}", "--estimate"]
    assert cli.run([*words, f"--output={output}"]) == 0
    by_name = {subject["name"]: subject for subject in json.loads(output.read_text())["subjects"]}
    assert set(by_name) == {"v1/tflite/m.tflite", "v2/tflite/m.tflite"}
    assert by_name["v2/tflite/m.tflite"]["ratio"]["median"] == 1
    own = [by_name[f"{version}/tflite/m.tflite"]["summary"]["median"] for version in ("v1", "v2")]
    assert by_name["v1/tflite/m.tflite"]["ratio"]["median"] == pytest.approx(own[0] / own[1], rel=1e-3)


@pytest.mark.parametrize(
    ("share", "most", "status"), [(0.98, 0.01, 1), (0.98, 0.03, 0), (0.997, 0.0, 0), (1.02, 0.0, 0)]
)
def test_a_count_that_rose_too_far_fails_and_is_kept(
    export_directory: Path, tmp_path: Path, capsys, share: float, most: float, status: int
):
    """The earlier counts are this share of the new ones; a difference below half a per cent is no change."""
    words = ["benchmark", "instructions", f"--models={export_directory / 'float32.tflite'}", "--estimate"]
    earlier, output = tmp_path / "earlier.json", tmp_path / "now.json"
    assert cli.run([*words, f"--output={earlier}"]) == 0
    document = json.loads(earlier.read_text())
    document["subjects"][0]["summary"]["median"] *= share
    earlier.write_text(json.dumps(document))
    capsys.readouterr()
    assert cli.run([*words, f"--earlier={earlier}", f"--most_increase={most}", f"--output={output}"]) == status
    error = capsys.readouterr().err
    assert (f"float32.tflite at 48: more than {most:.1%} above {earlier}" in error) == bool(status)
    assert output.is_file(), "what was counted is kept"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), FailedError("b.tflite: qemu died")])
def test_what_was_counted_before_a_stop_is_kept(
    export_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, error: BaseException
):
    count = instructions.Estimated.__call__

    def stopped(self, file: Path, signatures: list) -> tuple:
        if file.name == "b.tflite":
            raise error
        return count(self, file, signatures)

    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.tflite").write_bytes((export_directory / "float32.tflite").read_bytes())
    monkeypatch.setattr(instructions.Estimated, "__call__", stopped)
    output, baseline = tmp_path / "so_far.json", tmp_path / "c.tflite"
    words = ["benchmark", "instructions", f"--models={tmp_path / '*.tflite'}", f"--baseline={baseline}", "--estimate"]
    assert cli.run([*words, f"--output={output}"]) == 1
    captured = capsys.readouterr()
    assert [one["name"] for one in json.loads(output.read_text())["subjects"]] == ["a.tflite"]
    assert f"{output} has 1 of 3 files; the rest were not counted" in captured.out
    assert captured.err.strip().splitlines()[-1].endswith("interrupted" if str(error) == "" else "b.tflite: qemu died")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda one: one.update(kind="host latency", where="host", unit="ms"),
            "is a result of the kind 'host latency'",
        ),
        (lambda one: one.update(where="emulated"), "has counts of cortex-a76, which cannot be compared with estimates"),
        (
            lambda one: one["emulator"].update(core="cortex-a72"),
            "has estimates of cortex-a72, which cannot be compared",
        ),
    ],
)
def test_only_what_was_counted_alike_is_compared(
    export_directory: Path, tmp_path: Path, capsys, change: Callable[[dict], object], message: str
):
    """The refusal comes before anything is counted."""
    words = ["benchmark", "instructions", f"--models={export_directory / 'float32.tflite'}", "--estimate"]
    earlier, output = tmp_path / "earlier.json", tmp_path / "now.json"
    assert cli.run([*words, f"--output={earlier}"]) == 0
    document = json.loads(earlier.read_text())
    change(document)
    earlier.write_text(json.dumps(document))
    capsys.readouterr()
    assert cli.run([*words, f"--earlier={earlier}", f"--output={output}"]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and len(error.splitlines()) == 1 and not output.exists()


def test_a_pipeline_s_result_is_no_count(export_directory: Path, tmp_path: Path, capsys):
    earlier = Path(__file__).parents[2] / "benchmarks/results/demo-2026-12-01.json"
    words = ["benchmark", "instructions", f"--models={export_directory / 'float32.tflite'}", "--estimate"]
    assert cli.run([*words, f"--earlier={earlier}", f"--output={tmp_path / 'now.json'}"]) == 2
    assert "is a result of the kind 'pipeline'; give one of the kind 'instructions'" in capsys.readouterr().err


def test_a_file_that_the_earlier_result_lacks_may_have_increased(export_directory: Path, tmp_path: Path, capsys):
    words = ["benchmark", "instructions", "--estimate", f"--models={export_directory}/float32.tflite"]
    earlier = tmp_path / "earlier.json"
    assert cli.run([*words, f"--output={earlier}"]) == 0
    words[-1] += f",{export_directory}/dynamic_int8.tflite"
    assert cli.run([*words, f"--earlier={earlier}", f"--output={tmp_path / 'a.json'}"]) == 0
    assert f"{earlier}: has no dynamic_int8.tflite at 48" in capsys.readouterr().out
    words += [f"--earlier={earlier}", "--most_increase=0.01"]
    assert cli.run([*words, f"--output={tmp_path / 'b.json'}"]) == 1
    assert f"dynamic_int8.tflite at 48: not in {earlier}, so their increase is unknown" in capsys.readouterr().err


@pytest.mark.parametrize("counter", ["", "nope -x", "'"])
def test_a_counter_that_is_not_there_is_refused_at_once(export_directory: Path, tmp_path: Path, capsys, counter: str):
    words = ["benchmark", "instructions", f"--models={export_directory}/float32.tflite", f"--counter={counter}"]
    assert cli.run([*words, f"--output={tmp_path / 'a.json'}"]) == 2
    assert f"--counter={counter}: " in capsys.readouterr().err


def test_an_increase_needs_something_that_it_is_above(tmp_path: Path, export_directory: Path, capsys):
    words = ["benchmark", "instructions", f"--models={export_directory / 'float32.tflite'}", "--most_increase=0.01"]
    assert cli.run([*words, "--estimate", f"--output={tmp_path / 'a.json'}"]) == 2
    assert "give it as --earlier" in capsys.readouterr().err and not (tmp_path / "a.json").exists()


def test_a_core_that_is_not_known_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="choose from cortex-a76, cortex-a72"):
        environment.Environment(tmp_path).use("cortex-x4")


@pytest.mark.slow
@pytest.mark.skipif(emulator() is None, reason="no emulator; `mobilebert-tf benchmark instructions --setup` makes it")
def test_a_count_repeats_and_outputs_are_those_of_this_machine(export_directory: Path, tmp_path: Path):
    counts = []
    for name in ("a", "b"):
        output = tmp_path / f"{name}.json"
        file = export_directory / "dynamic_int8.tflite"
        words = ["benchmark", "instructions", f"--models={file}", f"--environment={emulator()}", f"--output={output}"]
        assert cli.run(words) == 0
        (subject,) = json.loads(output.read_text())["subjects"]
        counts.append(subject["summary"]["median"])
        assert subject["outputs"]["checked"] and set(subject["outputs"]["of_cores"]) == set(environment.CORES)
        assert subject["validity"]["verdict"] == "ok"
    # Repeated counts differ by a few thousand instructions, some 0.01 %.
    assert counts[0] == pytest.approx(counts[1], rel=1e-3)
