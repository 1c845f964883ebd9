"""Reading both tools' output: transcripts in the wording of several years, the result message, and flags."""

import struct
from pathlib import Path

import pytest

from mobilebert_tf.benchmarks.android import device, printed, result_proto, tools
from mobilebert_tf.benchmarks.files import outputs
from mobilebert_tf.benchmarks.files.feeds import Beside
from mobilebert_tf.benchmarks.files.inputs import signatures
from mobilebert_tf.errors import UsageError

from ..shared_graph import shared_graph
from .played_tool import HELP, TRANSCRIPTS
from .result_message import BenchmarkResult


@pytest.mark.parametrize("wording", ["new", "old"])
def test_figures_of_tensorflow_lite_s_tool(wording: str):
    figures = printed.parse(TRANSCRIPTS["tflite", wording].format(us=2000, m=2.0)).figures
    same = {
        "runs": 50,
        "mean": 2.2005,
        "min": 1.0,
        "max": 6.0,
        "std": 0.1,
        "init": 30.5,
        "first": 9.25,
        "warm_up": 5.75,
    }
    assert {key: figures[key] for key in same} == pytest.approx(same)
    assert ("median" in figures) == (wording == "new"), "older builds print none"
    if wording == "new":
        assert (figures["median"], figures["p95"], figures["overall_kb"]) == (2.0, 4.0, 4096)


@pytest.mark.parametrize("wording", ["new", "old"])
def test_figures_of_litert_s_tool(wording: str):
    figures = printed.parse(TRANSCRIPTS["litert", wording]).figures
    assert figures == pytest.approx({
        "init": 30.5, "first": 9.25, "warm_up": 5.75, "mean": 2.2, "min": 1.0, "max": 6.0, "std": 0.1, "runs": 50,
        "init_kb": 2048, "overall_kb": 4096,
    })  # fmt: skip


def test_equal_samples_have_a_line_of_their_own():
    figures = printed.parse("INFO: count=1 curr=4711\n").figures
    assert figures == {"runs": 1, "std": 0, **dict.fromkeys(("mean", "min", "max", "median", "p5", "p95"), 4.711)}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("INFO: Replacing 849 out of 854 node(s) with delegate (LITERT_CL) node, yielding 2 partitions for subgraph 0",
         ("LITERT_CL", 849, 854, 2)),
        ("Replacing 31 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions.",
         ("TfLiteGpuDelegateV2", 31, None, 1)),
        ("VERBOSE: Replacing 518 out of 518 node(s) with delegate (TfLiteQnnDelegate) node",
         ("TfLiteQnnDelegate", 518, 518, None)),
    ],
)  # fmt: skip
def test_lines_about_delegates(line: str, expected: tuple):
    (delegated,) = printed.parse(line).delegated
    assert (delegated.name, delegated.nodes, delegated.of, delegated.partitions) == expected


def test_the_processor_s_delegate_is_none_of_an_accelerator():
    """In one transcript NNAPI takes 5 nodes and the processor the rest; in another only the processor is named."""
    both = printed.parse(
        "Replacing 5 out of 64 node(s) with delegate (TfLiteNnapiDelegate) node, yielding 5 partitions\n"
        "Replacing 59 out of 62 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 5 partitions\n"
    )
    assert printed.delegation(both, "npu") == {
        "delegate": "TfLiteNnapiDelegate", "delegated": 5, "nodes": 64, "partitions": 5,
    }  # fmt: skip
    alone = printed.parse("Replacing 59 out of 62 node(s) with delegate (TfLiteXNNPackDelegate) node")
    assert printed.delegation(alone, "gpu") == {"delegate": None, "delegated": 0, "nodes": 62}
    assert printed.delegation(printed.parse("nothing"), "gpu") is None


@pytest.mark.parametrize("text", ["", "\x00\xff garbage", "count=oops Inference (avg): none", "count=3 avg=\n" * 50])
def test_garbage_gives_no_figures(text: str):
    assert printed.parse(text).figures == {}


def test_which_tool_it_is():
    assert printed.kind_of(HELP["tflite"]) == tools.TFLITE and printed.kind_of(HELP["litert"]) == tools.LITERT
    assert printed.kind_of("usage: ls [OPTION]...") is None


def test_the_result_message_as_the_library_writes_it():
    message = BenchmarkResult(name="a run")
    message.latency_metrics.median_ms, message.latency_metrics.p95_ms = 1.5, 2.25
    message.memory_metrics.init_footprint_kb = -3
    message.misc_metrics.num_runs, message.misc_metrics.throughput_fps = 70000, 0.5
    assert result_proto.parse(message.SerializeToString()) == {
        "median": 1.5, "p95": 2.25, "init_kb": -3.0, "runs": 70000.0, "inferences_per_second": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xff\xff", b"\x12\x10\x0d", b"garbage that is no message", b"\x0a\x03abc"]
)
def test_a_damaged_message_is_refused(content: bytes):
    with pytest.raises(ValueError):
        result_proto.parse(content)


def call(**changes) -> tools.Call:
    fields = {
        "graph": "/m.tflite", "signature": "tokens_16", "threads": 2, "accelerator": "cpu", "runs": 5, "seconds": 0.5,
        "warm_up": 1, "most_seconds": 60.0, "result": "/r.pb", "names": ["input_ids"],
        "inputs": [("tokens_16_input_ids:0", "1,16", "/a.bin")], "ranges": {"input_ids": (0, 30521)},
    }  # fmt: skip
    return tools.Call(**{**fields, **changes})


def test_flags_of_tensorflow_lite_s_tool():
    words = tools.command(
        tools.Tool(tools.TFLITE, "/b m", None, "b"), call(mask="f0", accelerator="gpu", outputs="/o.bin")
    )
    assert "exec taskset f0 '/b m'" in words
    for flag in ("--signature_to_run_for=tokens_16", "--input_layer=tokens_16_input_ids:0", "--input_layer_shape=1,16",
                 "--input_layer_value_files=tokens_16_input_ids::0:/a.bin", "--use_gpu=true", "--num_threads=2",
                 "--require_full_delegation=true", "--output_filepath=/o.bin", "--result_file_path=/r.pb"):  # fmt: skip
        assert flag in words
    assert "--use_npu" not in words


def test_flags_of_litert_s_tool():
    tool = tools.Tool(tools.LITERT, "/b", None, "b")
    npu = tools.command(tool, call(accelerator="npu"))
    for flag in ("--use_npu=true", "--use_cpu=false", "--require_full_delegation=true",
                 "--input_layer_value_range=input_ids,0,30521"):  # fmt: skip
        assert flag in npu
    # The tool aborts if full delegation is asked for on the processor.
    assert "--require_full_delegation" not in tools.command(tool, call())
    partly = tools.command(tool, call(accelerator="npu", full=False))
    assert "--use_cpu=true" in partly and "--require_full_delegation=false" in partly


def test_who_can_resize_a_graph_of_all_lengths(tmp_path: Path):
    path = shared_graph(tmp_path)
    own, other = tools.Tool(tools.TFLITE, "/a", None, "a"), tools.Tool(tools.LITERT, "/b", None, "b")
    tools.check_resizing(path, [own])
    tools.check_accelerators(path, ["cpu"])
    with pytest.raises(UsageError, match=r"shared\.tflite: .* which benchmark_model \(LiteRT\) cannot resize; export"):
        tools.check_resizing(path, [own, other])
    with pytest.raises(UsageError, match=r"--accelerator=npu: .*shared\.tflite .* export it without --one_graph"):
        tools.check_accelerators(path, ["cpu", "npu"])
    tools.check_resizing(tmp_path / "apart.tflite", [own, other])
    tools.check_accelerators(tmp_path / "apart.tflite", ["cpu", "gpu"])


@pytest.mark.parametrize("length", [9, 5])
def test_outputs_of_a_graph_of_all_lengths_have_the_signature_s_length(tmp_path: Path, length: int):
    path = shared_graph(tmp_path, per_token=True)
    signature = signatures(str(path)).named(f"tokens_{length}")
    assert [list(about["shape"]) for about in signature.inputs.values()] == [[1, length]] * 3
    rows, _ = Beside().rows(signature)
    expected = outputs.expected(path, signature, {name: values[:1] for name, values in rows.items()})
    (values,) = expected.values
    assert values.shape == (length, 12) and values.std() > 0
    content = values.tobytes()
    assert outputs.compare(expected, content, outputs.Tolerance(0.1, None))["max_relative_error"] == 0
    with pytest.raises(ValueError, match=f"bytes of outputs in place of {48 * length}"):
        outputs.compare(expected, content + values[0].tobytes(), outputs.Tolerance(0.1, None))


@pytest.mark.parametrize(
    ("machine", "abi", "words"),
    [(62, "arm64-v8a", "is for 64-bit x86, the device has 64-bit ARM"), (183, "x86_64", "is for 64-bit ARM")],
)
def test_a_tool_for_another_processor_is_refused_before_it_is_copied(
    tmp_path: Path, machine: int, abi: str, words: str
):
    tool = tmp_path / "benchmark_model"
    tool.write_bytes(b"\x7fELF" + bytes(14) + struct.pack("<H", machine))
    with pytest.raises(UsageError, match=words):
        tools.find(None, [tool], abi)  # type: ignore[arg-type]


def test_clusters_are_named_by_their_clocks():
    three = device.clusters("0 1 2 3:1800000\n4 5 6:2400000\n7:2850000\n")
    assert [(one.name, one.mask) for one in three] == [("little", "f"), ("middle", "70"), ("big", "80")]
    assert [one.name for one in device.clusters("4 5:2000000\n0 1 2 3:1500000\n")] == ["little", "big"]
    assert [(one.name, one.cpus) for one in device.clusters("0 1:2000000\n2 3:2000000\n")] == [("all", (0, 1, 2, 3))]
    four = device.clusters("0:1\n1:2\n2:3\n3:4\n")
    assert [(one.name, one.cpus) for one in four] == [("little", (0,)), ("middle", (1, 2)), ("big", (3,))]
    assert device.clusters("*:\n: \n") == (), "cpufreq that may not be read"


def test_states_of_what_a_device_tells():
    text = (
        "== thermal\nIsStatusOverride: false\nThermal Status: 2\n== battery\n  AC powered: false\n  USB powered: true\n"
        "  level: 82\n  temperature: 345\n== screen\n  mWakefulness=Dozing\n== load\n0.50 0.40 0.30 1/7 4\n"
        "== clocks\n0 1800000\n1 \n7 2850000\n"
    )
    state = device.state(text, 1.25)
    assert state == {
        "at_s": 1.2, "thermal_status": 2, "battery_percent": 82, "battery_celsius": 34.5, "charging": True,
        "screen_on": False, "clocks_khz": {"0": 1800000, "7": 2850000}, "load": 0.5,
    }  # fmt: skip
    assert not device.is_cool(state, 40.0) and device.is_cool(state | {"thermal_status": 0}, 40.0)
    nothing = device.state("== thermal\nCan't find service: thermalservice\n== battery\n", 0.0)
    assert nothing["thermal_status"] is None and nothing["charging"] is None and device.is_cool(nothing, 35.0)
