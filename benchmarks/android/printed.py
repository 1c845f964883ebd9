"""Parser for the output of both tools named `benchmark_model`, in the wording of several years' versions."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

_US, _MS = 1e-3, 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Delegated:
    """One line about nodes that a delegate took."""

    name: str
    nodes: int
    of: int | None
    """Number of all nodes; None: older wording, which lacks it."""
    partitions: int | None

    @property
    def is_processor(self) -> bool:
        """True for the delegate with the processor's own kernels."""
        return "xnnpack" in self.name.lower()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Printed:
    """The content of one transcript."""

    figures: dict[str, float]
    """Figures under the names of `result_proto.parse`; times in milliseconds."""
    delegated: tuple[Delegated, ...]
    unknown_flags: tuple[str, ...]
    """Flags that the tool is too old to know."""
    wrong: str | None
    """The first line that reports a failure; None: there is none."""


def parse(text: str) -> Printed:
    """Parse a transcript; figures may be missing from it."""
    figures: dict[str, float] = {}
    figures |= _litert(text) if "BENCHMARK RESULTS" in text else _tflite(text)
    return Printed(
        figures=figures,
        delegated=tuple(
            Delegated(name=name, nodes=int(nodes), of=int(of) if of else None, partitions=int(k) if k else None)
            for nodes, of, name, k in re.findall(
                r"Replacing (\d+)(?: out of (\d+))? node\(s\) with delegate \(([^)]*)\) node"
                r"(?:, yielding (\d+) partitions?)?",
                text,
            )
        ),
        unknown_flags=tuple(re.findall(r"--([\w]+)", _after(text, r"Unconsumed cmdline flags:|Unrecognized flags?:"))),
        wrong=_wrong(text),
    )


def _tflite(text: str) -> dict[str, float]:
    figures: dict[str, float] = {}
    # Each phase has a line; that of the timed inferences is the last.
    lines = re.findall(r"\bcount=(\d+)((?: \w+=[-+.\deinfa]+)+)", text)
    if lines:
        count, rest = lines[-1]
        values = {name: float(value) for name, value in re.findall(r"(\w+)=(\S+)", rest)}
        figures["runs"] = float(count)
        # The line of a single run has only `curr`.
        only = values.get("curr") if set(values) == {"curr"} else None
        for name, key in (("avg", "mean"), ("min", "min"), ("max", "max"), ("std", "std"), ("median", "median"),
                          ("p5", "p5"), ("p95", "p95")):  # fmt: skip
            value = values.get(name, 0.0 if key == "std" and only is not None else only)
            if value is not None:
                figures[key] = value * _US
    if match := re.search(
        r"Inference timings in us: Init: ([\d.e+]+), First inference: ([\d.e+]+), Warmup \(avg\): ([\d.e+]+), "
        r"Inference \(avg\): ([\d.e+]+)",
        text,
    ):
        for key, word in zip(("init", "first", "warm_up", "mean"), match.groups(), strict=True):
            figures.setdefault(key, float(word) * _US)
    if match := re.search(r"Initialized session in ([\d.]+)ms", text):
        figures.setdefault("init", float(match[1]))
    if match := re.search(r"Memory footprint delta[^:]*: init=([\d.]+) overall=([\d.]+)", text):
        figures["init_kb"], figures["overall_kb"] = float(match[1]) * 1024, float(match[2]) * 1024
    if match := re.search(r"Overall peak memory footprint \(MB\)[^:]*: ([\d.]+)", text):
        figures["peak_mb"] = float(match[1])
    return figures


def _litert(text: str) -> dict[str, float]:
    block = text.partition("BENCHMARK RESULTS")[2]
    figures: dict[str, float] = {}
    # The tool's README calls the first warm-up inference "First inference".
    for key, pattern in (
        ("init", r"Model initialization"),
        ("first", r"(?:Warmup \(first\)|First inference)"),
        ("warm_up", r"Warmup \(avg\)"),
        ("mean", r"Inference \(avg\)"),
        ("min", r"Inference \(min\)"),
        ("max", r"Inference \(max\)"),
        ("std", r"Inference \(std\)"),
    ):
        if match := re.search(pattern + r":\s+([\d.]+)", block):
            figures[key] = float(match[1]) * _MS
    if match := re.search(r"Inference \(avg\):\s+[\d.]+ ms \((\d+) runs?\)", block):
        figures["runs"] = float(match[1])
    for key, pattern, factor in (
        ("init_kb", r"Init footprint", 1024.0),
        ("overall_kb", r"Overall footprint", 1024.0),
        ("peak_mb", r"Peak memory", 1.0),
    ):
        if match := re.search(pattern + r":\s+([\d.]+) MB", block):
            figures[key] = float(match[1]) * factor
    return figures


def kind_of(help_text: str) -> str | None:
    """The kind of tool that prints this help: TensorFlow Lite's or LiteRT 2's; None: neither."""
    if re.search(r"--use_npu\b|--dispatch_library_path\b", help_text):
        return "benchmark_model (LiteRT)"
    return "benchmark_model (TFLite)" if re.search(r"--num_threads\b.*|--use_xnnpack\b", help_text) else None


def delegation(printed: Printed, accelerator: str) -> dict[str, Any] | None:
    """Numbers of nodes taken by an accelerator (for the processor, by XNNPACK), for results; None: not printed."""
    own = [one for one in printed.delegated if one.is_processor == (accelerator == "cpu")]
    if not own:
        return None if not printed.delegated else {"delegate": None, "delegated": 0, "nodes": printed.delegated[0].of}
    # Lines repeat for several signatures; each delegate takes nodes that earlier ones left.
    return {
        "delegate": own[-1].name,
        "delegated": own[-1].nodes,
        "nodes": own[-1].of,
        "partitions": own[-1].partitions,
    }


def _after(text: str, pattern: str) -> str:
    match = re.search(rf"(?:{pattern})(.*)", text)
    return match[1] if match else ""


def _wrong(text: str) -> str | None:
    for line in text.splitlines():
        if re.search(r"^\s*(?:ERROR|FATAL)\b|\bnot executable\b|Exec format error|Segmentation fault|Aborted|"
                     r"Benchmarking failed|CANNOT LINK EXECUTABLE", line):  # fmt: skip
            return line.strip()[:200]
    return None
