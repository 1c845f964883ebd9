"""The real `adb` against a device side played by the tests: connecting, copying, measuring and failures.

The played tool's times are invented, and results of such a device are always invalid.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mobilebert_tf import cli
from mobilebert_tf.benchmarks import schema
from mobilebert_tf.benchmarks.android import adb as product_adb
from mobilebert_tf.errors import UsageError

from ..shared_graph import shared_graph
from .phone import Phone

pytestmark = [
    pytest.mark.adb,
    pytest.mark.skipif(shutil.which("adb") is None, reason="`adb` is not there (Debian: adb)"),
]

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A separate adb server, so that no real devices are touched."""
    home = tmp_path_factory.mktemp("home")
    changed = {"ANDROID_ADB_SERVER_PORT": str(20000 + os.getpid() % 20000), "HOME": str(home)}
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    subprocess.run(["adb", "start-server"], capture_output=True, check=True)
    yield
    subprocess.run(["adb", "kill-server"], capture_output=True, check=False)
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.fixture
def phones(server: None, tmp_path: Path) -> Iterator[Callable[[], Phone]]:
    """A function that makes a connected device."""
    connected: list[Phone] = []

    def make() -> Phone:
        phone = Phone(tmp_path / f"phone-{len(connected)}")
        connected.append(phone)
        connect(phone)
        return phone

    yield make
    for phone in connected:
        subprocess.run(["adb", "disconnect", phone.serial], capture_output=True, check=False)
        phone.close()


def connect(phone: Phone) -> None:
    process = subprocess.run(["adb", "connect", phone.serial], capture_output=True, text=True, check=True)
    assert "connected" in process.stdout
    subprocess.run(["adb", "-s", phone.serial, "wait-for-device"], capture_output=True, check=True, timeout=20)


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """The `benchmark_model` of the played device."""
    path = tmp_path / "benchmark_model"
    path.write_text(f'#!/bin/sh\nPYTHONPATH={HERE} exec "$PHONE_PYTHON" {HERE / "played_tool.py"} "$@"\n')
    path.chmod(0o755)
    return path


def measure(files: list[Path], tool: Path, output: Path, *words: str) -> int:
    few = ["--rounds=2", "--runs=5", "--seconds=0", "--cool_down=0"]
    models = f"--models={','.join(map(str, files))}"
    return cli.run(["benchmark", "android", models, f"--tool={tool}", f"--output={output}", *few, *words])


def reasons(output: Path) -> list[list[str]]:
    document = json.loads(output.read_text())
    assert schema.fault(document) is None
    return [subject["validity"]["reasons"] for subject in document["subjects"]]


def test_shell_push_and_pull(phones, tmp_path: Path):
    phone = phones()
    device = product_adb.find(None)
    assert device.serial == phone.serial
    assert device.shell("exit 7").status == 7 and device.shell("echo a b; exit 0").stdout == "a b\n"
    content = os.urandom(700_000)
    (tmp_path / "file").write_bytes(content)
    assert device.push(tmp_path / "file", "/data/local/tmp/copy") is True
    assert (phone.root / "data/local/tmp/copy").read_bytes() == content
    assert device.push(tmp_path / "file", "/data/local/tmp/copy") is False, "the same content is not copied again"
    (tmp_path / "file").write_bytes(content[::-1])
    assert device.push(tmp_path / "file", "/data/local/tmp/copy") is True
    assert device.pull("/data/local/tmp/copy", tmp_path / "back") and (tmp_path / "back").read_bytes() == content[::-1]
    assert device.pull("/data/local/tmp/none", tmp_path / "none") is False


def test_two_devices_need_a_serial(phones):
    first, second = phones(), phones()
    with pytest.raises(UsageError, match="2 devices are connected; choose one with --serial: "):
        product_adb.find(None)
    assert product_adb.find(second.serial).serial == second.serial
    with pytest.raises(UsageError, match="is not connected; connected devices: "):
        product_adb.find("emulator-5554")
    assert first.serial != second.serial


def test_a_measurement(export_directory: Path, phones, tool: Path, tmp_path: Path, capsys):
    """Figures are from the result file, outputs are compared with this machine's, and invalid times are not shown."""
    phone = phones()
    files = [export_directory / f"{name}.tflite" for name in ("float32", "dynamic_int8")]
    output = tmp_path / "phone.json"
    words = [f"--baseline={files[1]}", "--threads=2", "--affinity=any,big"]
    assert measure(files, tool, output, *words) == 0
    document = json.loads(output.read_text())
    assert schema.fault(document) is None and not output.with_suffix(".part").exists()
    assert document["device"]["kind"] == "test" and document["where"] == "device"
    assert [entry["name"] for entry in document["device"]["clusters"]] == ["little", "middle", "big"]
    (used,) = document["runtime"]["tools"]
    assert used["kind"] == "benchmark_model (TFLite)" and len(used["sha256"]) == 64
    assert len(document["subjects"]) == 4, "two files on all and on the big processors"
    assert (phone.root / "masks").read_text().split() == ["80"] * 6, "a check and two rounds of two files"
    for subject in document["subjects"]:
        assert subject["sequence_length"] == 48 and subject["signature"] == "tokens_48"
        assert [entry["samples"] for entry in subject["rounds"]] == [[2.0], [2.0]]
        assert subject["rounds"][0]["figures"]["p95"] == 4.0 and subject["rounds"][0]["load_ms"] == 30.5
        assert subject["rounds"][0]["before"]["battery_percent"] == 82
        assert subject["outputs"]["checked"] and subject["outputs"]["max_relative_error"] < 1e-4
        assert subject["delegation"]["delegated"] == 110 and subject["delegation"]["nodes"] == 120
        assert subject["validity"]["verdict"] == "invalid" and "no device" in subject["validity"]["reasons"]
    printed = capsys.readouterr().out
    assert printed.count("copied") == 2 and "2.00" not in printed
    # The device keeps the files and the tool, but nothing of the runs.
    left = sorted(path.name for path in (phone.root / "data/local/tmp/mobilebert_tf").iterdir())
    assert left == ["files", "tools"]
    assert measure(files, tool, tmp_path / "again.json", "--rounds=1") == 0
    assert "copied" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("gpu", "words", "said"),
    [
        ("runs", [], None),
        ("silent", [], "outputs are bit-identical to those of the processor, so the GPU did not run"),
        ("partial", ["--partial"], "the GPU took 100 of 120 nodes"),
    ],
)
def test_an_accelerator(export_directory: Path, phones, tool: Path, tmp_path: Path, gpu: str, words: list, said: str):
    phones().behave(gpu=gpu)
    output = tmp_path / "phone.json"
    assert measure([export_directory / "float32.tflite"], tool, output, "--accelerator=cpu,gpu", *words) == 0
    cpu, own = reasons(output)
    assert not any("GPU" in reason for reason in cpu)
    assert [reason for reason in own if "GPU" in reason][:1] == ([said] if said else [])
    subject = json.loads(output.read_text())["subjects"][1]
    assert subject["outputs"]["same_as_cpu"] is (gpu == "silent")


def test_an_accelerator_that_refuses_leaves_the_others(
    export_directory: Path, phones, tool: Path, tmp_path: Path, capsys
):
    phones().behave(gpu="refuses")
    output = tmp_path / "phone.json"
    assert measure([export_directory / "float32.tflite"], tool, output, "--accelerator=cpu,gpu") == 1
    error = capsys.readouterr().err.strip()
    assert "1 of the variants failed" in error and "Restored original execution plan" in error
    cpu, gpu = json.loads(output.read_text())["subjects"]
    assert len(cpu["rounds"]) == 2 and gpu["rounds"] == [] and gpu["validity"]["verdict"] == "invalid"


def test_outputs_that_are_wrong_make_times_invalid(export_directory: Path, phones, tool: Path, tmp_path: Path):
    phones().behave(wrong_outputs=True)
    output = tmp_path / "phone.json"
    assert measure([export_directory / "float32.tflite"], tool, output) == 0
    assert any("outputs on the device are off by" in reason for reason in reasons(output)[0])


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ({"thermal_status": 3}, "throttled: thermal status 3"),
        ({"no_thermal": True}, "the device does not tell its thermal status"),
        ({"usb": True}, "charging"),
        ({"celsius": 410}, "the device did not cool down before each process"),
    ],
)
def test_the_state_of_the_device(
    export_directory: Path, phones, tool: Path, tmp_path: Path, behaviour: dict, said: str
):
    phones().behave(**behaviour)
    output = tmp_path / "phone.json"
    assert measure([export_directory / "float32.tflite"], tool, output, "--rounds=1") == 0
    assert said in reasons(output)[0]


def test_tools_of_other_years(export_directory: Path, phones, tool: Path, tmp_path: Path):
    """An old build has no median, result or outputs; LiteRT's tool has the median only in its result."""
    phone = phones()
    phone.behave(wording="old")
    old = tmp_path / "old.json"
    assert measure([export_directory / "float32.tflite"], tool, old, "--rounds=1") == 0
    (subject,) = json.loads(old.read_text())["subjects"]
    assert subject["samples_are"] == "means of processes" and subject["rounds"][0]["samples"] == [2.2005]
    assert "result_file_path" in subject["rounds"][0]["unknown_flags"]
    phone.behave(wording="new", kind="litert")
    new = tmp_path / "new.json"
    assert measure([export_directory / "float32.tflite"], tool, new, "--rounds=1") == 0
    (subject,) = json.loads(new.read_text())["subjects"]
    assert subject["configuration"]["tool"] == "benchmark_model (LiteRT)" and subject["rounds"][0]["samples"] == [2.0]
    assert not subject["outputs"]["checked"] and any("not checked" in one for one in reasons(new)[0])


def test_a_graph_of_all_lengths_is_resized(phones, tool: Path, tmp_path: Path):
    """The tool is given the shapes of each signature, and its outputs, one for each token, are those of this length."""
    phone, output = phones(), tmp_path / "phone.json"
    path = shared_graph(tmp_path, per_token=True)
    assert measure([path], tool, output, "--sequence_lengths=5,9", "--rounds=1") == 0
    for subject, length in zip(json.loads(output.read_text())["subjects"], (5, 9), strict=True):
        assert (subject["sequence_length"], subject["signature"]) == (length, f"tokens_{length}")
        assert subject["outputs"]["checked"] and subject["outputs"]["max_relative_error"] < 1e-4
        commands = [command for command in phone.commands if f"--signature_to_run_for=tokens_{length}" in command]
        assert len(commands) == 2, "a check and a round"
        assert all(f"--input_layer_shape={':'.join([f'1,{length}'] * 3)} " in command for command in commands)


@pytest.mark.parametrize(
    ("kind", "words", "said"),
    [
        ("litert", [], "share one graph, which benchmark_model (LiteRT) cannot resize; export it"),
        ("tflite", ["--accelerator=cpu,gpu"], "--accelerator=gpu: needs graphs of a fixed length, but all lengths of"),
        ("tflite", ["--accelerator=npu", "--tool_flags=--x"], "--accelerator=npu: needs graphs of a fixed length"),
    ],
)
def test_what_cannot_resize_a_graph_is_refused(
    phones, tool: Path, tmp_path: Path, capsys, kind: str, words: list, said: str
):
    """Otherwise it would run the stored length, the longest, in place of the one that was asked for."""
    phone, path, output = phones(), shared_graph(tmp_path), tmp_path / "phone.json"
    phone.behave(kind=kind)
    assert measure([path], tool, output, "--sequence_lengths=5", *words) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and str(path) in error and "without --one_graph" in error and len(error.splitlines()) == 1
    files = phone.root / "data/local/tmp/mobilebert_tf/files"
    assert not files.exists() or not list(files.iterdir()), "nothing was copied"
    assert not output.exists() and not output.with_suffix(".part").exists()


def test_garbage_is_no_figure(export_directory: Path, phones, tool: Path, tmp_path: Path, capsys):
    phones().behave(garbage=True)
    output = tmp_path / "phone.json"
    assert measure([export_directory / "float32.tflite"], tool, output) == 1
    assert "printed no figures" in capsys.readouterr().err
    assert json.loads(output.read_text())["subjects"][0]["rounds"] == []


def test_a_full_device_is_said_in_a_line(export_directory: Path, phones, tool: Path, tmp_path: Path, capsys):
    phone = phones()
    phone.full = True
    assert measure([export_directory / "float32.tflite"], tool, tmp_path / "phone.json") == 1
    error = capsys.readouterr().err.strip()
    assert "cannot be copied" in error and "No space left on device" in error and len(error.splitlines()) == 1


def test_a_pulled_cable_loses_one_process(export_directory: Path, phones, tool: Path, tmp_path: Path, capsys):
    """The measurement resumes, and the result keeps the earlier rounds unchanged."""
    phone = phones()
    files = [export_directory / f"{name}.tflite" for name in ("float32", "dynamic_int8")]
    output = tmp_path / "phone.json"
    phone.vanish_at, phone.vanish_number = "num_runs=5", 3
    assert measure(files, tool, output) == 1
    error = capsys.readouterr().err.strip()
    assert "--resume goes on" in error and len(error.splitlines()) == 1 and not output.exists()
    kept = json.loads(output.with_suffix(".part").read_text())
    assert sorted(len(rounds) for rounds in kept["rounds"].values()) == [1, 1]
    phone.come_back()
    subprocess.run(["adb", "disconnect", phone.serial], capture_output=True, check=False)
    connect(phone)
    assert measure(files, tool, output) == 2
    assert "an interrupted measurement is there" in capsys.readouterr().err
    assert measure(files, tool, output, "--resume", "--rounds=3") == 2
    assert "was made with other settings" in capsys.readouterr().err
    phone.behave(median=3.0)
    assert measure(files, tool, output, "--resume") == 0
    assert "goes on after 2 processes" in capsys.readouterr().out
    for subject in json.loads(output.read_text())["subjects"]:
        assert [measured["samples"] for measured in subject["rounds"]] == [[2.0], [3.0]]


def test_ctrl_c_leaves_nothing_running(export_directory: Path, phones, tool: Path, tmp_path: Path, monkeypatch):
    """The tool on the device is ended, and the runs' files are removed."""
    phone = phones()
    phone.behave(seconds=0)
    measuring = product_adb.Adb.shell

    def interrupted(self, command, *words, **more):
        if "num_runs=5" in command:
            phone.behave(seconds=30)
            process = phone.run(command)
            pid = phone.root / "data/local/tmp/mobilebert_tf/run/pid"
            while not pid.exists() or not pid.read_text().strip():
                pass
            started.append(process)
            raise KeyboardInterrupt
        return measuring(self, command, *words, **more)

    started: list = []
    monkeypatch.setattr(product_adb.Adb, "shell", interrupted)
    output = tmp_path / "phone.json"
    assert measure([export_directory / "float32.tflite"], tool, output) != 0
    assert started[0].wait(timeout=20) == -9
    assert not (phone.root / "data/local/tmp/mobilebert_tf/run").exists() and output.with_suffix(".part").exists()


def test_a_sustained_run_is_a_curve(export_directory: Path, phones, tool: Path, tmp_path: Path):
    phones()
    output = tmp_path / "phone.json"
    assert measure([export_directory / "float32.tflite"], tool, output, "--sustained=0.05") == 0
    (subject,) = json.loads(output.read_text())["subjects"]
    times = [point[0] for point in subject["sustained"]]
    # Three seconds; the last look at the device may be slightly before the end.
    assert times == sorted(times) and len(times) == len(subject["rounds"]) >= 2 and times[-1] >= 2.5


def app_result(path: Path) -> dict:
    """A result in the form that the app writes (`BenchResult.kt`)."""
    import hashlib

    state = {"battery_percent": 80, "battery_celsius": 30.0, "charging": False, "thermal_status": 1}
    rounds = [
        {"load_ms": 5.0, "first_ms": 3.0, "waited_s": 0.0, "samples": [2.0, 2.5], "before": state, "after": state}
    ]
    return {
        "schema_version": 2, "kind": "device latency", "unit": "ms", "where": "device",
        "made_by": {"command": "android_demo, page Benchmark", "date": "2026-11-29T06:00:00+00:00"},
        "settings": {"rounds": 1, "runs": 2, "warm_up": 3, "cool_down_seconds": 0},
        "runtime": {"name": "TensorFlow Lite", "version": "2.16.1", "tools": [{"kind": "app"}]},
        "device": {"kind": "test", "model": "Test"},
        "subjects": [{
            "name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size,
            "recipe": "float32", "sequence_length": 48, "signature": "tokens_48", "samples_are": "inferences",
            "configuration": {"threads": 2, "accelerator": "cpu", "tool": "app"},
            "outputs": {"checked": True, "max_error": 1e-6, "tolerance": 1e-3, "same_as_cpu": None},
            "validity": {"verdict": "warn", "reasons": ["warm: thermal status 1"]},
            "summary": {"median": 2.25, "p90": 2.45, "mean": 2.25, "min": 2.0, "max": 2.5, "runs": 2}, "rounds": rounds,
        }],
    }  # fmt: skip


def test_the_app_is_driven_by_an_intent(export_directory: Path, phones, tmp_path: Path, capsys):
    phone = phones()
    file = export_directory / "float32.tflite"
    words = ["benchmark", "android", "--app", f"--models={file}", "--threads=2", "--rounds=1", "--runs=2"]
    assert cli.run([*words, f"--output={tmp_path / 'none.json'}"]) == 2
    assert "is not installed" in capsys.readouterr().err
    phone.behave(app=True)
    (phone.root / "app.json").write_text(json.dumps(app_result(file)))
    output = tmp_path / "app.json"
    assert cli.run([*words, f"--output={output}"]) == 0
    intent = (phone.root / "intent").read_text()
    assert "-a dev.mobilebert.app.BENCHMARK" in intent and f"--es export {export_directory.name}" in intent
    assert "--ei threads 2" in intent and "--es variant float32" in intent
    document = json.loads(output.read_text())
    assert schema.fault(document) is None and document["device"]["model"] == "Test"
    assert document == app_result(file)
    assert "2.25" in capsys.readouterr().out


def test_bad_input_is_a_line(export_directory: Path, phones, tool: Path, tmp_path: Path, capsys):
    phones()
    files, output = [export_directory / "float32.tflite"], tmp_path / "phone.json"
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\necho usage: something else\n")
    for words, message in (
        ([f"--tool={tmp_path / 'none'}"], "none: no such file"),
        ([f"--tool={other}"], "is not a benchmark_model; its --help printed"),
        (["--affinity=huge"], "there are any, little, middle, big"),
        (["--accelerator=tpu"], "there are cpu, gpu, npu"),
        (["--accelerator=npu"], "needs LiteRT's benchmark_model"),
        (["--sequence_lengths=20"], "it has 16, 48"),
        (["--serial=nobody"], "--serial=nobody: is not connected"),
    ):
        assert measure(files, tool, output, *words) == 2, words
        error = capsys.readouterr().err.strip()
        assert message in error and len(error.splitlines()) == 1
    assert cli.run(["benchmark", "android", f"--models={files[0]}", f"--output={output}"]) == 2
    assert "no benchmark_model on" in capsys.readouterr().err


def test_words_for_devices_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The states are those that `adb devices` lists."""
    for state, words in (
        ("unauthorized", "allow USB debugging in the dialog"),
        ("offline", "is offline; unplug the cable"),
        ("no permissions (user in plugdev group; are your udev rules wrong?)", "udev rules"),
        ("recovery", "in state 'recovery'"),
    ):
        played = tmp_path / "adb"
        played.write_text(f'#!/bin/sh\nprintf "List of devices attached\\nR5CT\\t{state}\\n\\n"\n')
        played.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        with pytest.raises(UsageError, match=words):
            product_adb.find(None)
    serial = "adb-R5CT-x (2)._adb-tls-connect._tcp"  # wireless debugging's name for a second connection
    played.write_text(f'#!/bin/sh\nprintf "List of devices attached\\n{serial}\\tdevice\\n\\n"\n')
    assert product_adb.find(None).serial == product_adb.find(serial).serial == serial
    played.write_text('#!/bin/sh\nprintf "List of devices attached\\n\\n"\n')
    with pytest.raises(UsageError, match="no device is connected"):
        product_adb.find(None)
    played.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="`adb` is not on the PATH"):
        product_adb.find(None)
