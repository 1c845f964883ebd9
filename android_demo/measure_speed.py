"""How fast the app's Kotlin is on this machine's JVM.

    python android_demo/measure_speed.py tokenizer --text=TEXT --vocabulary=vocab.txt --output=RESULT.json
    python android_demo/measure_speed.py answers --text=TEXT --exports=DIRECTORY --output=RESULT.json

The first holds the tokenizer on one core, by JMH, beside the `tokenizers` library on one thread; what it allocates is
JMH's to say, too. The second takes whole answers of every export in DIRECTORY, from text to label, and says how much of
each is not the interpreter's. TEXT has a paragraph a line. Both build `bench/` first, with Maven.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf.benchmarks import results
from mobilebert_tf.tokenization import Tokenizer

DEMO = Path(__file__).parent
LIBRARY = "tokenizers, one thread"
SPACE = {"m": "http://maven.apache.org/POM/4.0.0"}
ROUNDS = 3


def build() -> None:
    """Compile core and bench."""
    command = ["mvn", "-B", "-ntp", "-q", "-Pbench", "-pl", "bench", "-am", "package", "-Dmaven.test.skip=true"]
    subprocess.run(command, cwd=DEMO, check=True)


def java(main: str, *arguments: str) -> str:
    """Run a class of bench; returns what it prints."""
    target = DEMO / "bench" / "target"
    places = f"{target / 'classes'}:{target / 'lib'}/*"
    # -Xbatch: what is compiled is compiled at once, so that a warm-up is a number of calls and not of seconds.
    options = [f"-Dorg.bytedeco.javacpp.cachedir={target / 'javacpp'}", "-XX:+UseSerialGC", "-Xbatch"]
    command = ["java", *options, "-cp", places, main, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


def jmh(benchmark: str, *options: str, **parameters: str) -> Mapping[str, Any]:
    """Run one benchmark; returns JMH's result."""
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "result.json"
        given = [f"-p{name}={value}" for name, value in parameters.items()]
        java("org.openjdk.jmh.Main", benchmark, "-rf", "json", "-rff", str(output), *options, *given)
        (result,) = json.loads(output.read_text())
    return dict(result)


def versions() -> dict[str, str | None]:
    """Versions of the JVM and of what is compiled for it."""
    told = subprocess.run(["java", "-version"], check=True, capture_output=True, encoding="utf-8").stderr
    poms = {name: ET.parse(DEMO / name / "pom.xml").getroot() for name in (".", "bench")}
    return {
        "java": (re.findall(r"build ([^,)]+)", told) or ["unknown"])[0],
        "kotlin": poms["."].findtext("m:properties/m:kotlin.version", namespaces=SPACE),
        "jmh": poms["bench"].findtext("m:properties/m:jmh.version", namespaces=SPACE),
        "tflite": poms["."].findtext("m:properties/m:bytedeco.tflite.version", namespaces=SPACE),
    }


PART = 32_000
"""Bytes that an operation of JMH's takes, or a little more."""


def parts_of(lines: Sequence[str]) -> list[list[str]]:
    """Successive lines, as TokenizerBenchmark.kt takes them."""
    parts: list[list[str]] = []
    part: list[str] = []
    size = 0
    for line in lines:
        part.append(line)
        size += len(line.encode()) + 1
        if size >= PART:
            parts.append(part)
            part, size = [], 0
    return parts


def python_round(tokenizer: Tokenizer, parts: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Seconds of processor time of a part: the median of each of three passes.

    A part takes the library fifteen times as long as Kotlin: too long for medians by the clock on a machine with other
    work, which would be measured too.
    """
    samples = []
    for _ in range(3):
        seconds = []
        for part in parts:
            begin = time.thread_time()
            tokenizer.locate_batch(part)
            seconds.append(time.thread_time() - begin)
        samples.append(float(np.median(seconds)))
    return {"samples": samples}


def median_of(histogram: Sequence[tuple[float, int]]) -> float:
    """Median of one JMH iteration, given as values and how many there were of each."""
    values, counts = zip(*sorted(histogram), strict=True)
    return float(values[int(np.searchsorted(np.cumsum(counts), sum(counts) / 2))])


def tokenizer_speed(text: Path, vocabulary: Path) -> dict[str, Any]:
    """Seconds of a part of TEXT, medians: of JMH's iterations, and of the library."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    tokenizer = Tokenizer.from_vocab(str(vocabulary))
    parts = parts_of(text.read_text(encoding="utf-8").splitlines())
    measured = jmh("TokenizerBenchmark", "-prof", "gc", text=str(text.resolve()), vocabulary=str(vocabulary.resolve()))
    # A tenth of the text is enough for the library, which has nothing to warm up.
    python = [python_round(tokenizer, parts[number::30]) for number in range(ROUNDS)]
    further = measured["secondaryMetrics"]
    allocated = next(value for name, value in further.items() if name.endswith("gc.alloc.rate.norm"))["rawData"]
    kotlin = [
        {"samples": [median_of(iteration) for iteration in fork], "allocated_bytes": bytes_}
        for fork, bytes_ in zip(measured["primaryMetric"]["rawDataHistogram"], allocated, strict=True)
    ]
    characters = sum(len(line) for part in parts for line in part)
    pieces = sum(len(one.ids) for part in parts for one in tokenizer.locate_batch(part))
    settings = {
        "parts": len(parts),
        "bytes_of_a_part": sum(len(line.encode()) + 1 for part in parts for line in part) / len(parts),
        "characters_of_a_part": characters / len(parts),
        "pieces_of_a_part": pieces / len(parts),
        "warm_up": f"{measured['warmupIterations']} of {measured['warmupTime']}",
        "iterations": f"{measured['measurementIterations']} of {measured['measurementTime']}",
        "rounds": measured["forks"],
        **versions(),
    }
    library = results.Subject(name=LIBRARY, details={}, rounds=python)
    ours = results.Subject(name="Kotlin, one core", details={}, rounds=kotlin)
    return results.document("kotlin tokenizer", "s", settings, [ours, library], library)


def answer_subjects(export: Path, variant: str, text: Path, warm_up: int, calls: int) -> list[results.Subject]:
    """A subject for each signature; a round is a JVM of its own."""
    rounds = []
    for _ in range(ROUNDS):
        arguments = (str(export.resolve()), variant, str(text.resolve()), str(warm_up), str(calls))
        rounds.append(json.loads(java("dev.mobilebert.bench.AnswerCost", *arguments)))
    subjects = []
    for number, first in enumerate(rounds[0]["signatures"]):
        seen = [one["signatures"][number] for one in rounds]
        whole, network = (np.concatenate([one[name] for one in seen]) for name in ("samples", "network"))
        beyond = float(np.median(whole - network))
        details = {
            "sha256": rounds[0]["sha256"],
            "bytes": rounds[0]["bytes"],
            "recipe": variant,
            "sequence_length": first["length"],
            "pieces": first["pieces"],
            "network_ms": float(np.median(network)),
            "beyond_ms": beyond,
            "beyond_share": beyond / float(np.median(network)),
        }
        kept = [{name: [round(value, 5) for value in one[name]] for name in ("samples", "network")} for one in seen]
        subjects.append(results.Subject(name=f"{export.name}, {first['length']}", details=details, rounds=kept))
    return subjects


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("tokenizer", "answers"))
    parser.add_argument("--text", type=Path, required=True, help="a paragraph a line")
    parser.add_argument("--output", required=True, help="the result, a new .json")
    parser.add_argument("--vocabulary", type=Path, help="vocab.txt, for the tokenizer")
    parser.add_argument("--exports", type=Path, help="directory of exports, for answers")
    parser.add_argument(
        "--variants",
        default="static_int8,dynamic_int8",
        help="the first of these that an export has (default: static_int8,dynamic_int8)",
    )
    parser.add_argument("--warm_up", type=int, default=1000, help="answers before the timed ones (default: 1000)")
    parser.add_argument("--calls", type=int, default=80, help="timed answers of a signature and round (default: 80)")
    asked = parser.parse_args()
    needed = "vocabulary" if asked.what == "tokenizer" else "exports"
    if getattr(asked, needed) is None:
        parser.error(f"{asked.what} needs --{needed}")
    results.check_output(asked.output)
    build()
    if asked.what == "tokenizer":
        document = tokenizer_speed(asked.text, asked.vocabulary)
    else:
        subjects = []
        for path in sorted(asked.exports.iterdir()):
            has = [one for one in asked.variants.split(",") if (path / f"{one}.contract.json").exists()]
            if has:
                subjects += answer_subjects(path, has[0], asked.text, asked.warm_up, asked.calls)
        if not subjects:
            parser.error(f"--exports={asked.exports}: no export in it has one of {asked.variants}")
        settings = {"warm_up": asked.warm_up, "calls": asked.calls, "rounds": ROUNDS, "threads": 1, **versions()}
        document = results.document("kotlin answers", "ms", settings, subjects)
    results.write(asked.output, document)
    for row in document["subjects"]:
        said = (
            f"{document['settings']['bytes_of_a_part'] / 1e6 / row['summary']['median']:.1f} MB/s"
            if asked.what == "tokenizer"
            else f"network {row['network_ms']:.3f} ms, beyond it {row['beyond_ms']:.4f} ms: {row['beyond_share']:.1%}"
        )
        print(f"{row['name']}: {said}")


if __name__ == "__main__":
    main()
