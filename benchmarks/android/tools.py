"""The two programs named `benchmark_model`: their paths on the device, their kinds, and their flags."""

from __future__ import annotations

import dataclasses
import shlex
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from mobilebert_tf import provenance
from mobilebert_tf.benchmarks.android import printed
from mobilebert_tf.benchmarks.android.adb import Adb
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.litert.one_graph import any_shapes

HOME = "/data/local/tmp/mobilebert_tf"
"""Directory of all files that this project puts on a device."""

WELL_KNOWN = ("/data/local/tmp/benchmark_model", "/data/local/tmp/benchmark_litert_model")
"""Paths on the device that are searched for tools if none are given."""

TFLITE, LITERT = "benchmark_model (TFLite)", "benchmark_model (LiteRT)"

_MACHINES = {"arm64-v8a": (183, "64-bit ARM"), "armeabi-v7a": (40, "32-bit ARM"), "x86_64": (62, "64-bit x86"),
             "x86": (3, "32-bit x86")}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Tool:
    """A program on the device."""

    kind: str
    path: str
    sha256: str | None
    name: str

    def describe(self) -> dict[str, str | None]:
        """The tool as results record it."""
        fields: dict[str, str | None] = {"kind": self.kind, "name": self.name, "version": None}
        return fields | ({"sha256": self.sha256} if self.sha256 else {})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """One process of a tool."""

    graph: str
    signature: str | None
    threads: int
    accelerator: str
    runs: int
    seconds: float
    warm_up: int
    most_seconds: float
    result: str
    inputs: Sequence[tuple[str, str, str]]
    """Name, shape, and value file on the device of each input tensor, in the graph's order."""
    names: Sequence[str]
    """The inputs' names in the signature, in the same order."""
    ranges: Mapping[str, tuple[int, int]]
    """Least and largest value of each input, inclusive, by its name in the signature; for tools without value files."""
    outputs: str | None = None
    """File on the device for the outputs of the last inference."""
    full: bool = True
    """Whether an accelerator must take all nodes."""
    mask: str | None = None
    """Mask of the processors to run on, in hexadecimal; None: any."""
    more: str = ""
    """Further flags, passed on unchanged."""


def find(adb: Adb, given: Sequence[Path], abi: str) -> list[Tool]:
    """The tools to use: the given ones, copied to the device, or else those already there.

    Raises:
      UsageError: there is none, or one is for another processor, or is another program.
      FailedError: a tool cannot be copied.
    """
    tools = []
    if given:
        for path in given:
            if not path.is_file():
                raise UsageError(f"--tool={path}: no such file")
            _check_machine(path, abi)
            digest = provenance.sha256(path)
            remote = f"{HOME}/tools/{digest[:12]}-{path.name}"
            adb.push(path, remote)
            adb.shell(f"chmod 755 {shlex.quote(remote)}")
            tools.append(_tool(adb, remote, digest, path.name))
        return tools
    for remote in WELL_KNOWN:
        digest = adb.text(f"sha256sum {remote} 2>/dev/null").partition(" ")[0]
        if digest:
            tools.append(_tool(adb, remote, digest, Path(remote).name))
    if not tools:
        raise UsageError(
            f"no benchmark_model on {adb.serial} ({' or '.join(WELL_KNOWN)}); give the program on this computer "
            "as --tool: TensorFlow Lite's, LiteRT's, or both, comma-separated"
        )
    return tools


def _tool(adb: Adb, remote: str, digest: str, name: str) -> Tool:
    helped = adb.shell(f"{shlex.quote(remote)} --help 2>&1")
    kind = printed.kind_of(helped.text)
    if kind is None:
        # The shell's message about a program that cannot be run at all.
        if wrong := printed.parse(helped.text).wrong:
            raise UsageError(
                f"{name}: does not run on {adb.serial} ({wrong}); it is built for another processor or Android version"
            )
        raise UsageError(f"{name}: is not a benchmark_model; its --help printed {helped.last[:100]!r}")
    return Tool(kind, remote, digest or None, name)


def _check_machine(path: Path, abi: str) -> None:
    """Raise UsageError if a program is for another processor than the device's; only ELF files can be checked here."""
    head = path.read_bytes()[:20]
    if head[:4] != b"\x7fELF" or abi not in _MACHINES:
        return
    (machine,) = struct.unpack_from("<H", head, 18)
    number, name = _MACHINES[abi]
    allowed = {number} | ({40} if abi == "arm64-v8a" else set()) | ({3} if abi == "x86_64" else set())
    if machine not in allowed:
        other = next((words for known, words in _MACHINES.values() if known == machine), f"machine {machine}")
        raise UsageError(f"--tool={path}: is for {other}, the device has {name} ({abi})")


def check_accelerators(path: Path, accelerators: Sequence[str]) -> None:
    """Raise UsageError if all lengths of a file share one graph and something else than the processor is to run it."""
    others = [name for name in accelerators if name != "cpu"]
    if others and any_shapes(path.read_bytes()):
        raise UsageError(
            f"--accelerator={others[0]}: needs graphs of a fixed length, but all lengths of {path} share one graph; "
            "export it without --one_graph, or measure it with --accelerator=cpu"
        )


def check_resizing(path: Path, tools: Sequence[Tool]) -> None:
    """Raise UsageError if all lengths of a file share one graph and a tool cannot resize it.

    TensorFlow Lite's tool resizes the inputs to --input_layer_shape. LiteRT's has no such flag: it runs any signature
    of such a file in the stored size, that of the longest.
    """
    unable = [tool for tool in tools if tool.kind != TFLITE]
    if unable and any_shapes(path.read_bytes()):
        raise UsageError(
            f"{path}: all its lengths share one graph, which {unable[0].kind} cannot resize; export it "
            "without --one_graph, or give TensorFlow Lite's benchmark_model as the only --tool"
        )


def command(tool: Tool, call: Call) -> str:
    """The command line of one process for the device's shell."""
    flags = [
        f"--graph={call.graph}",
        f"--num_threads={call.threads}",
        f"--warmup_runs={call.warm_up}",
        "--warmup_min_secs=0",
        f"--num_runs={call.runs}",
        f"--min_secs={call.seconds:g}",
        f"--max_secs={call.most_seconds:g}",
        f"--result_file_path={call.result}",
    ]
    if call.signature:
        flags.append(f"--signature_to_run_for={call.signature}")
    flags += _tflite_flags(call) if tool.kind == TFLITE else _litert_flags(call)
    words = " ".join(shlex.quote(flag) for flag in flags)
    held = f"taskset {call.mask} " if call.mask else ""
    # `exec` keeps the shell's process number, so that `end` can stop the tool by it if this computer gives up.
    fresh = f"rm -f {call.result} {call.outputs or ''}".rstrip()
    return f"{fresh}; echo $$ > {HOME}/run/pid; exec {held}{shlex.quote(tool.path)} {words} {call.more} 2>&1"


def _tflite_flags(call: Call) -> list[str]:
    names = ",".join(name for name, _, _ in call.inputs)
    shapes = ":".join(shape for _, shape, _ in call.inputs)
    # A colon in a tensor's name is doubled, since a single one ends the name.
    values = ",".join(f"{name.replace(':', '::')}:{path}" for name, _, path in call.inputs)
    flags = [f"--input_layer={names}", f"--input_layer_shape={shapes}", f"--input_layer_value_files={values}"]
    if call.outputs:
        flags.append(f"--output_filepath={call.outputs}")
    if call.accelerator == "cpu":
        return [*flags, "--use_xnnpack=true"]
    if call.accelerator == "gpu":
        flags.append("--use_gpu=true")
    return [*flags, f"--require_full_delegation={'true' if call.full else 'false'}"]


def _litert_flags(call: Call) -> list[str]:
    ranges = ":".join(f"{name},{low},{high}" for name, (low, high) in call.ranges.items())
    flags = [f"--input_layer={','.join(call.names)}", f"--input_layer_value_range={ranges}"] if ranges else []
    # The tool fails if full delegation is requested while the processor is allowed too.
    own = {"cpu": "true", "gpu": "false", "npu": "false"}[call.accelerator]
    flags += [
        f"--use_cpu={own if call.full else 'true'}",
        f"--use_gpu={'true' if call.accelerator == 'gpu' else 'false'}",
    ]
    flags.append(f"--use_npu={'true' if call.accelerator == 'npu' else 'false'}")
    if call.accelerator != "cpu":
        flags.append(f"--require_full_delegation={'true' if call.full else 'false'}")
    return flags


def prepare(adb: Adb) -> None:
    """Make this project's directories on the device. Raises FailedError: they cannot be made."""
    done = adb.shell(f"mkdir -p {HOME}/tools {HOME}/files {HOME}/run")
    if done.status:
        raise FailedError(f"{adb.serial}: {HOME} cannot be made ({done.last})")


def end(adb: Adb) -> None:
    """Stop a tool that still runs, and remove files of single runs; models and tools stay for the next time."""
    adb.shell(f"if [ -f {HOME}/run/pid ]; then kill -9 $(cat {HOME}/run/pid) 2>/dev/null; fi; rm -rf {HOME}/run", 20)
