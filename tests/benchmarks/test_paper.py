"""`benchmark paper`: costs of networks beside published figures, with the origin of each."""

import json
from pathlib import Path

import pytest

from mobilebert_tf import cli
from mobilebert_tf.benchmarks.library import paper
from mobilebert_tf.config import MobileBertConfig

SMALL = {
    "about": "two small networks",
    "sequence_length": 16,
    "tables": {
        "first": [
            {"name": "one, of 2 layers", "preset": "debug_student", "pixel_4_ms": 62, "published_parameters": "1M"},
            {"name": "wide", "preset": "debug_student", "changes": {"intermediate_size": 64}, "remembered": True,
             "pixel_4_ms": 7},
        ],
        "second": [{"name": "one", "preset": "debug_student"}],
    },
}  # fmt: skip


def test_the_paper_s_tables_are_of_networks_that_there_are():
    """In every row widths and heads fit together, and the ablation changes only norm and activation."""
    networks = paper.load(paper.TABLES)
    assert [len(rows) for rows in networks.tables.values()] == [6, 4, 6, 4]
    for row in networks.tables["operational optimisation"]:
        config = MobileBertConfig.preset(row.preset, **row.changes)
        assert (config.normalization_type, config.hidden_act) == {
            "LayerNorm, gelu": ("layer_norm", "gelu_tanh"), "LayerNorm, relu": ("layer_norm", "relu"),
            "NoNorm, gelu": ("no_norm", "gelu_tanh"), "NoNorm, relu": ("no_norm", "relu"),
        }[row.name]  # fmt: skip


def test_files_are_made_once_and_figures_have_their_origin(tmp_path: Path, capsys):
    networks = tmp_path / "networks.json"
    networks.write_text(json.dumps(SMALL))
    words = ["benchmark", "paper", f"--networks={networks}", f"--files={tmp_path / 'files'}", "--tables=first"]
    assert cli.run([*words, f"--output={tmp_path / 'a.json'}"]) == 0
    printed = capsys.readouterr().out
    document = json.loads((tmp_path / "a.json").read_text())
    assert len(document["subjects"]) == 4 and document["where"] == "estimated"
    one, wide = document["subjects"][0], document["subjects"][2]
    assert wide["parameters"] > one["parameters"] and wide["multiply_adds"]["float"] > one["multiply_adds"]["float"]
    assert "62 ms |" in printed and "7 ms\\* |" in printed and "≈" in printed and "quoted from memory" in printed
    files = sorted((tmp_path / "files").glob("*.tflite"))
    assert [path.name for path in files][:2] == [
        "first-one-of-2-layers-dynamic_int8.tflite", "first-one-of-2-layers-float32.tflite",
    ]  # fmt: skip
    times = [path.stat().st_mtime_ns for path in files]
    assert cli.run([*words, f"--output={tmp_path / 'b.json'}"]) == 0
    assert [path.stat().st_mtime_ns for path in files] == times


def test_a_network_of_two_tables_has_one_file_and_measured_figures_stand_beside_it(tmp_path: Path, capsys):
    networks, host, arm = (tmp_path / f"{name}.json" for name in ("networks", "host", "arm"))
    networks.write_text(json.dumps(SMALL))
    words = ["benchmark", "paper", f"--networks={networks}", f"--files={tmp_path / 'files'}", "--recipes=float32"]
    assert cli.run([*words, f"--output={tmp_path / 'a.json'}"]) == 0
    first, wide, second = json.loads((tmp_path / "a.json").read_text())["subjects"]
    assert first["sha256"] == second["sha256"] and first["file"] == second["file"]
    assert len(list((tmp_path / "files").glob("*.tflite"))) == 2

    def measured(kind: str, sha256: str, median: float, verdict: str, threads: int, **about: object) -> dict:
        reasons = [] if verdict == "ok" else ["busy"]
        subject = {
            "name": "a", "sha256": sha256, "bytes": 1, "configuration": {"threads": threads, "accelerator": "cpu"},
            "validity": {"verdict": verdict, "reasons": reasons}, "rounds": [{"samples": [median]}],
            "summary": {"median": median, "runs": 1},
        }  # fmt: skip
        made_by = {"command": "a", "date": "2026-11-29T06:00:00+00:00", "machine": {"model": "Host M"}}
        return {"schema_version": 2, "kind": kind, "unit": "ms", "where": "host", "made_by": made_by, "settings": {},
                "runtime": {"name": "LiteRT"}, "subjects": [subject], **about}  # fmt: skip

    timed = measured("host latency", first["sha256"], 12.345, "ok", 1)
    timed["subjects"] += measured("host latency", wide["sha256"], 99.0, "invalid", 1)["subjects"]
    timed["subjects"] += measured("host latency", wide["sha256"], 77.0, "ok", 2)["subjects"]
    host.write_text(json.dumps(timed))
    emulator = {"where": "emulated", "emulator": {"core": "cortex-a76"}}
    arm.write_text(json.dumps(measured("instructions", wide["sha256"], 4321.0, "ok", 1, **emulator)))
    capsys.readouterr()
    assert cli.run([*words, f"--measured={host},{arm}", f"--output={tmp_path / 'b.json'}"]) == 0
    printed = capsys.readouterr().out
    rows = {line.split(" | ")[0].strip("| "): line for line in printed.splitlines() if line.startswith("| ")}
    assert "| 12.3 ms | 62 ms |" in rows["one, of 2 layers"] and "≈" in rows["one, of 2 layers"]
    assert "| 4,321 million |  | 7 ms\\* |" in rows["wide"], "invalid, and of two threads, is no figure"
    assert "Host: Host M, one thread, not a phone" in printed and "counted on an emulated core" in printed

    other = tmp_path / "other.json"
    for changed, message in (
        (measured("instructions", wide["sha256"], 1.0, "ok", 1, where="emulated", emulator={"core": "cortex-a72"}),
         f"{other}: its core is 'cortex-a72', but the tables are for 'cortex-a76'; leave it out"),
        (timed | {"made_by": timed["made_by"] | {"machine": {"model": "Host N"}}},
         f"{host} of Host M and {other} of Host N do not belong in one column"),
        (json.loads((Path(paper.__file__).parents[1] / "results/demo-2026-12-01.json").read_text()),
         f"{other}: is a result of the kind 'pipeline'; give one of the kind 'host latency' or 'instructions'"),
    ):  # fmt: skip
        other.write_text(json.dumps(changed))
        assert cli.run([*words, f"--measured={host},{other}", f"--output={tmp_path / 'c.json'}"]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tables=third"], "choose from models, operational optimisation"),
        (["--recipes=int3"], "choose from float32, float16, dynamic_int8"),
        (["--networks=none.json"], "none.json: no such file"),
    ],
)
def test_wrong_use_is_a_line(tmp_path: Path, capsys, words: list, message: str):
    flags = [f"--files={tmp_path / 'files'}", f"--output={tmp_path / 'a.json'}"]
    assert cli.run(["benchmark", "paper", *flags, *words]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
