"""Time of a `.tflite` file's inferences by function of the runtime, sampled by Linux's `perf`.

LiteRT's library keeps its symbol names, so a sample tells which of XNNPACK's kernels ran: a product in
int8, one in float, a sum, a conversion between int8 and float.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf import child_process, provenance
from mobilebert_tf.benchmarks.files import host
from mobilebert_tf.benchmarks.files.configuration import Configuration
from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.litert.runtime import check_is_tflite
from mobilebert_tf.text_table import aligned

RUNTIME = "libpywrap_litert_common.so,libc.so.6"
"""Libraries that count as the runtime; the rest of the process is Python."""

FAMILIES = {
    "products in int8": r"q[sdu]8\w*gemm|qp8gemm",
    "products in float": r"f32_gemm",
    "to int8 and back": r"vcvt|pack_lh|rminmax|qduint8",
    "softmax": r"expminusmax|rmax|softmax|reciprocal|vmulc",
    "sums and scales": r"_v(add|mul|sub)\w*_ukernel",
    "copies": r"memmove|memcpy|memset|transpose|slice|copy",
    "tables": r"embedding_lookup|gather",
}
"""Purposes of functions, each with a pattern of function names; the first that matches counts."""

SHOWN = 0.01
"""Smallest share that is listed; functions below it are added up as `others`."""


def measure(files: Sequence[Path], settings: host.Settings, sequence_length: int | None = None) -> list[Subject]:
    """Milliseconds of an inference of each file at one T (None: its longest), and shares of the runtime's functions.

    Raises:
      UsageError: `perf` is not installed, or a file cannot be run.
      FailedError: `perf` failed; it may lack permission to sample.
    """
    if not shutil.which("perf"):
        raise UsageError("`perf` is not on the PATH; on Debian it is in the package linux-perf")
    for file in files:
        check_is_tflite(file)
    subjects = []
    for file in track(files, "sampling", "files", len(files)):
        configuration = Configuration(threads=settings.threads)
        order = host.order(host.Job(path=file, configuration=configuration, lengths=(sequence_length,)), settings)
        with tempfile.TemporaryDirectory() as directory:
            data = f"{directory}/perf.data"
            sampled = [sys.executable, "-m", "mobilebert_tf.benchmarks.files.one_file", json.dumps(order)]
            printed = _output("perf", "record", "-q", "-e", "cpu-clock", "-F", "2000", "-o", data, "--", *sampled)
            report = _output(
                "perf", "report", "-i", data, "--stdio", "--percentage", "relative", "--dsos", RUNTIME,
                "--sort", "symbol", "-F", "overhead,symbol",
            )  # fmt: skip
        (seen,) = json.loads(next(line for line in printed.splitlines() if line.startswith("[{")))
        details = {
            "sha256": provenance.sha256(file),
            "bytes": file.stat().st_size,
            "sequence_length": seen["sequence_length"],
            "shares": shares(report),
        }
        subjects.append(Subject(name=file.name, details=details, rounds=[seen]))
    return subjects


def shares(report: str) -> dict[str, float]:
    """Share of each function in the output of `perf report`, largest first, small ones as `others`."""
    every = {}
    for line in report.splitlines():
        # Some versions add other columns, far to the right; they are ignored.
        if match := re.match(r"\s*([\d.]+)%\s+\[.\]\s+(\S.*?)(\s{2,}.*)?$", line):
            every[match[2]] = round(float(match[1]) / 100, 4)
    large = {name: share for name, share in sorted(every.items(), key=lambda one: -one[1]) if share >= SHOWN}
    return {**large, "others": max(0.0, round(1 - sum(large.values()), 4))}  # the shares are rounded


def families(shares: Mapping[str, float]) -> dict[str, float]:
    """Shares added up by purpose of the functions (FAMILIES); others as `the rest`."""
    added = dict.fromkeys([*FAMILIES, "the rest"], 0.0)
    for name, share in shares.items():
        added[next((one for one, pattern in FAMILIES.items() if re.search(pattern, name)), "the rest")] += share
    return added


def _output(*words: str) -> str:
    done = child_process.run(words)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or done.stdout.strip().splitlines() or ["no message"])[-1]
        raise FailedError(f"{words[0]} {words[1]}: status {done.returncode}: {last}")
    return done.stdout


def table(written: Mapping[str, Any]) -> str:
    """A text table with a row for each function of each file: its share, and that share of the median in ms."""
    rows = [["file", "function of the runtime", "share", "ms"]]
    for one in written["subjects"]:
        median = one["summary"]["median"]
        rows.append([one["name"], f"all, {one['sequence_length']} word pieces", "", f"{median:.2f}"])
        rows += [["", name, f"{share:.1%}", f"{share * median:.2f}"] for name, share in one["shares"].items()]
    return aligned(rows)
