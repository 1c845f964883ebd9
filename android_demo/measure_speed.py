"""The tokenizer of Kotlin on one core, beside the `tokenizers` library on one thread.

    python android_demo/measure_speed.py TEXT VOCABULARY RESULT.json

after `make android`. TEXT has a paragraph a line. Each round of Kotlin is a JVM of its own, which runs through the text
three times before it is timed; nothing else is counted but the pieces.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from mobilebert_tf.benchmarks import results
from mobilebert_tf.tokenization import Tokenizer

DEMO = Path(__file__).parent
WARM_UP, PASSES, ROUNDS = 3, 3, 3


def kotlin_round(vocabulary: str, text: str) -> dict[str, Any]:
    """Seconds of each pass in a new JVM, and what it saw."""
    target = DEMO / "core" / "target"
    places = [target / "classes", target / "test-classes", *sorted((target / "lib").glob("*.jar"))]
    command = ["java", "-XX:+UseSerialGC", "-cp", ":".join(map(str, places)), "dev.mobilebert.core.Speed"]
    done = subprocess.run(
        [*command, vocabulary, text, str(WARM_UP), str(PASSES)], check=True, capture_output=True, encoding="utf-8"
    )
    seen = json.loads(done.stdout)
    return {"samples": seen.pop("seconds"), **seen}


def python_round(tokenizer: Tokenizer, lines: list[str]) -> dict[str, Any]:
    """Seconds of a pass over all lines."""
    begin = time.perf_counter()
    encodings = tokenizer.locate_batch(lines)
    seconds = time.perf_counter() - begin
    return {"samples": [seconds], "pieces": sum(len(one.ids) for one in encodings)}


def main() -> None:
    """Measure in turn, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("text", "vocabulary", "result"):
        parser.add_argument(name)
    asked = parser.parse_args()
    results.check_output(asked.result)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    tokenizer = Tokenizer.from_vocab(asked.vocabulary)
    lines = Path(asked.text).read_text(encoding="utf-8").splitlines()
    kotlin, python = [], []
    for _ in range(ROUNDS):
        kotlin.append(kotlin_round(asked.vocabulary, asked.text))
        python.append(python_round(tokenizer, lines))
    assert {seen["pieces"] for seen in (*kotlin, *python)} == {kotlin[0]["pieces"]}, "they make different pieces"
    size = Path(asked.text).stat().st_size
    java = subprocess.run(["java", "-version"], check=True, capture_output=True, encoding="utf-8").stderr
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    settings = {
        "bytes": size,
        "passes": PASSES,
        "warm_up_passes": WARM_UP,
        "rounds": ROUNDS,
        "java": (re.findall(r"build ([^,)]+)", java) or ["unknown"])[0],
        "kotlin": ET.parse(DEMO / "pom.xml").getroot().findtext("m:properties/m:kotlin.version", namespaces=space),
    }
    library = results.Subject(name="tokenizers, one thread", details={}, rounds=python)
    ours = results.Subject(name="Kotlin, one core", details={}, rounds=kotlin)
    document = results.document("kotlin tokenizer", "s", settings, [ours, library], library)
    results.write(asked.result, document)
    for row in document["subjects"]:
        print(f"{row['name']}: {size / 1e6 / row['summary']['median']:.1f} MB/s")


if __name__ == "__main__":
    main()
