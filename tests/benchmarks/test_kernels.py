"""`benchmark kernels`: `perf`'s output, and the shares computed from it."""

import json
import shutil

import pytest

from mobilebert_tf import cli
from mobilebert_tf.benchmarks.files import kernels

REPORT = """
# Samples: 6K of event 'cpu-clock'
#
    21.72%  [.] xnn_f32_vadd_ukernel__avx512f_u32      -      -
    61.50%  [.] tflite::ops::builtin::f<float, int>::Eval(int, long)
     0.99%  [.] small
     0.31%  [k] clear_page
"""


def test_shares_of_a_report():
    shares = kernels.shares(REPORT)
    assert shares == {
        "tflite::ops::builtin::f<float, int>::Eval(int, long)": 0.615,
        "xnn_f32_vadd_ukernel__avx512f_u32": 0.2172,
        "others": pytest.approx(0.1678),
    }
    assert list(shares)[0].startswith("tflite"), "largest first"


def test_shares_that_are_rounded_up_leave_nothing():
    assert kernels.shares("  66.67%  [.] f\n  33.34%  [.] g\n")["others"] == 0.0


def test_families():
    shares = kernels.families({
        "xnn_qd8_f32_qc8w_gemm_minmax_ukernel_5x64c4": 0.5, "xnn_qs8_qc8w_gemm_minmax_fp32_ukernel": 0.1,
        "xnn_f32_gemm_minmax_ukernel_7x32": 0.2, "xnn_f32_vadd_ukernel": 0.05, "xnn_f32_vmulc_ukernel": 0.05,
        "xnn_qs8_f32_vcvt_ukernel": 0.04, "others": 0.06,
    })  # fmt: skip
    assert shares["products in int8"] == pytest.approx(0.6) and shares["products in float"] == 0.2
    assert shares["sums and scales"] == shares["softmax"] == 0.05
    assert shares["to int8 and back"] == 0.04 and shares["the rest"] == 0.06
    assert sum(shares.values()) == pytest.approx(1)


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
