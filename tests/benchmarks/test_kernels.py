"""What `perf` prints, and what becomes of it."""

import json
import shutil

import pytest

from mobilebert_tf import cli
from mobilebert_tf.benchmarks import kernels

REPORT = """
# Samples: 6K of event 'cpu-clock'
#
    21.72%  [.] xnn_f32_vadd_ukernel__avx512f_u32      -      -
    61.50%  [.] tflite::ops::builtin::f<float, int>::Eval(int, long)
     0.99%  [.] small
     0.31%  [k] clear_page
"""


def test_shares_of_a_report():
    found = kernels.shares(REPORT)
    assert found == {
        "tflite::ops::builtin::f<float, int>::Eval(int, long)": 0.615,
        "xnn_f32_vadd_ukernel__avx512f_u32": 0.2172,
        "others": pytest.approx(0.1678),
    }
    assert list(found)[0].startswith("tflite"), "largest first"


def test_a_file_is_sampled(export_directory, tmp_path, capsys):
    if not shutil.which("perf"):
        pytest.skip("`perf` is not there (Debian: linux-perf)")
    words = ["benchmark", "kernels", f"--models={export_directory / 'float32.tflite'}", "--runs=3000"]
    status = cli.run([*words, f"--output={tmp_path / 'kernels.json'}"])
    printed = capsys.readouterr()
    if status == 1 and "perf record" in printed.err:
        pytest.skip(f"`perf` may not sample here: {printed.err.strip()}")
    assert status == 0
    (subject,) = json.loads((tmp_path / "kernels.json").read_text())["subjects"]
    assert subject["sequence_length"] == 48 and len(subject["rounds"][0]["samples"]) == 3000
    assert sum(subject["shares"].values()) == pytest.approx(1)
    assert any("gemm" in name for name in subject["shares"]), "products in float are XNNPACK's"
    assert "function of the runtime" in printed.out


def test_without_perf(export_directory, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    words = ["benchmark", "kernels", f"--models={export_directory / 'float32.tflite'}", f"--output={tmp_path}/k.json"]
    assert cli.run(words) == 2
    assert "`perf` is not on the PATH" in capsys.readouterr().err
