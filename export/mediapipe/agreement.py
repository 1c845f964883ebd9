"""Comparison of MediaPipe's TextClassifier or TextEmbedder, in its own environment, with our answers by LiteRT.

    python -m mobilebert_tf.export.mediapipe.agreement FILE TABLE ENVIRONMENTS

FILE is of the recipe `mediapipe`, with its vocabulary and labels beside it; TABLE has held-out texts; ENVIRONMENTS is
the directory where releases of mediapipe are installed and agreement.json is written. `make mediapipe` runs this.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf import atomic, child_process, provenance
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.export.mediapipe import texts
from mobilebert_tf.export.mediapipe.environments import RELEASES, make
from mobilebert_tf.export.mediapipe.metadata import check_packed, read_packed
from mobilebert_tf.export.mediapipe.tokenizer import MediaPipeTokenizer, differing_rules
from mobilebert_tf.litert.runtime import TfliteModel
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.files import load_task_files
from mobilebert_tf.tasks.task import Task
from mobilebert_tf.text_table import aligned, cut
from mobilebert_tf.tokenization import Tokenizer

TOLERANCE = 5e-3
"""Largest difference of a score, as a probability, for the same ids in the same file. mediapipe 1.2.2 gave exactly the
bits of LiteRT 2.3; 0.10.21 has older kernels, in which dynamic int8 now and then rounds a value to the neighbouring
step: at most 1.5e-3 in 200 texts, nothing in most of them (float32: 3e-7). A single other word piece changes a score of
a trained classifier by 3e-2 or more."""

ALIKE = 1e-3
"""Largest distance, one less the cosine, at which two vectors of a text count as the same."""

MEDIAN = 1e-5
"""Largest median difference over all texts. Many texts have no rounding difference, but an error in the file affects
all."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """Comparison on one text."""

    text: str
    rules: tuple[str, ...]
    """Rules by which its word pieces differ within the T that the network sees; empty: they are the same."""
    cut: bool
    """Whether the text has more than T of our word pieces."""
    difference: float
    """Largest difference of a score between MediaPipe and us; for vectors one less their cosine."""
    unexplained: float
    """The same difference if LiteRT is given MediaPipe's word pieces: the part that the tokenizer does not cause."""
    same_decision: bool


def expected(file: Path, wanted: Sequence[str], tokenizer: Tokenizer, task: Task) -> dict[str, Any]:
    """Our probabilities [n, C] or vectors [n, H] of all texts, and the same from MediaPipe's word pieces.

    Raises:
      UsageError: the file is not for MediaPipe, or its packed vocabulary or labels differ from those beside it.
    """
    if not read_packed(file):
        raise UsageError(f"{file}: is not for MediaPipe, nothing is packed into it; export with --recipes=mediapipe")
    check_packed(file, tokenizer, task)
    model = TfliteModel(file)
    (length,), (output,) = model.lengths, model.outputs
    task = dataclasses.replace(task, max_seq_length=length)
    our_features = task.features([Example(text) for text in wanted], tokenizer)
    their_features = {name: np.zeros_like(our_features[name]) for name in ("input_ids", "input_mask", "segment_ids")}
    mediapipe = MediaPipeTokenizer(tokenizer)
    for row, text in enumerate(wanted):
        pieces = [tokenizer.id("[CLS]"), *mediapipe.ids(text)[: length - 2], tokenizer.id("[SEP]")]
        their_features["input_ids"][row, : len(pieces)] = pieces
        their_features["input_mask"][row, : len(pieces)] = 1
    return {
        "same": [
            bool(np.array_equal(a, b))
            for a, b in zip(our_features["input_ids"], their_features["input_ids"], strict=True)
        ],
        "cut": [len(ids) > length - 2 for ids in tokenizer.encode_batch(wanted)],
        "scores": model.run(our_features)[output],
        "scores_of_their_pieces": model.run(their_features)[output],
    }


def ask(environment: Path, file: Path, wanted: Sequence[str], kind: str = "classifier") -> dict[str, Any]:
    """MediaPipe's version, labels and scores [n, C], or vectors [n, H] if `kind` is "embedder".

    Raises:
      FailedError: the environment has no Python, or MediaPipe failed; the message has its last line.
    """
    python = environment / "bin" / "python"
    if not python.exists():
        raise FailedError(f"{environment}: has no Python with mediapipe; `make mediapipe` installs it")
    side = Path(__file__).with_name("side.py")
    with tempfile.TemporaryDirectory() as place:
        input_file, output_file = Path(place) / "texts.json", Path(place) / "scores.json"
        input_file.write_text(json.dumps(list(wanted)), encoding="utf-8")
        # Isolated mode, because PYTHONPATH is not meant for that environment.
        done = child_process.run([python, "-I", side, kind, file, input_file, output_file])
        if done.returncode:
            lines = [line for line in done.stderr.strip().splitlines() if line.strip()] or ["it printed nothing"]
            fix = ""
            if "cannot open shared object file" in lines[-1]:
                fix = "; on Debian: apt-get install libgl1 libegl1 libgles2"
            raise FailedError(f"{environment}: mediapipe does not run: {lines[-1]}{fix}")
        return json.loads(output_file.read_text(encoding="utf-8"))


def compare(
    wanted: Sequence[str],
    ours: dict[str, Any],
    theirs: np.ndarray,
    rules: Sequence[Sequence[str]],
    is_vector: bool = False,
) -> list[Row]:
    """A row for each text, from the result of `expected` and MediaPipe's scores [n, C] or vectors [n, H]."""
    distance = _cosine_distance if is_vector else _largest_difference
    rows = []
    for i, text in enumerate(wanted):
        our_values = ours["scores"][i]
        rows.append(
            Row(
                text=text,
                rules=() if ours["same"][i] else tuple(rules[i]),
                cut=ours["cut"][i],
                difference=distance(theirs[i], our_values),
                unexplained=distance(theirs[i], ours["scores_of_their_pieces"][i]),
                same_decision=bool(
                    distance(theirs[i], our_values) < ALIKE if is_vector else theirs[i].argmax() == our_values.argmax()
                ),
            )
        )
    return rows


def _largest_difference(theirs: np.ndarray, mine: np.ndarray) -> float:
    return float(np.abs(theirs - mine).max())


def _cosine_distance(theirs: np.ndarray, mine: np.ndarray) -> float:
    return max(0.0, 1.0 - float(theirs.astype(np.float64) @ mine))


def faults(rows: Sequence[Row]) -> list[str]:
    """The differences that the tokenizer does not explain, a line for each text; empty: there are none."""
    lines = []
    for row in rows:
        if not row.rules and row.difference > TOLERANCE:
            lines.append(f"{_short(row.text)}: same word pieces, a score is off by {row.difference:.2g}")
        elif row.unexplained > TOLERANCE:
            lines.append(
                f"{_short(row.text)}: with MediaPipe's word pieces a score is still off by {row.unexplained:.2g}"
            )
        elif "other" in row.rules:
            lines.append(f"{_short(row.text)}: other word pieces, by no known rule")
    median = float(np.median([row.unexplained for row in rows]))
    if median > MEDIAN:
        lines.append(f"in half of the texts a score is off by {median:.2g} or more")
    return lines


def table(version: str, rows: Sequence[Row]) -> str:
    """Table of differences, for texts with the same and with other word pieces, then a list of the latter."""
    same, other = [row for row in rows if not row.rules], [row for row in rows if row.rules]
    lines = [["mediapipe " + version, "texts", "same decision", "largest difference", "with its pieces"]]
    for name, group in (
        ("same word pieces", same),
        ("of them cut at the end", [row for row in same if row.cut]),
        ("other word pieces", other),
    ):
        if group:
            lines.append([
                name,
                str(len(group)),
                f"{np.mean([row.same_decision for row in group]):.1%}",
                f"{max(row.difference for row in group):.1e}",
                f"{max(row.unexplained for row in group):.1e}",
            ])  # fmt: skip
    parts = [aligned(lines)]
    if other:
        counts = Counter(rule for row in other for rule in row.rules)
        parts.append("other word pieces by: " + ", ".join(f"{rule} {number}" for rule, number in counts.most_common()))
        parts += [f"  {row.difference:.1e}  {', '.join(row.rules)}: {_short(row.text)}" for row in other]
    return "\n".join(parts)


def _short(text: str) -> str:
    return ascii(cut(text, 48))


def main(file: str, labelled: str, environments: str) -> None:
    """Install MediaPipe's releases, compare their answers with ours, print tables and write agreement.json.

    Raises:
      UsageError: the file is not for MediaPipe, or the table cannot be read.
      FailedError: no release could be installed, or a score differs by more than the tokenizer explains.
    """
    path = Path(file)
    tokenizer, task = load_task_files(path.parent)
    if task is None:
        raise UsageError(f"{path.parent}: has no task.json; it belongs beside {path.name}")
    data = os.environ.get("MOBILEBERT_TF_DATA", "../shared/data")
    wanted = texts.choose(task, labelled, Path(data))
    ours = expected(path, wanted, tokenizer, task)
    is_vector = task.answer_kind != "classes"
    rules = [() if same else differing_rules(tokenizer, text) for same, text in zip(ours["same"], wanted, strict=True)]
    runs, all_faults, missing = [], [], ""
    for release in RELEASES:
        try:
            answer = ask(make(release, Path(environments)), path, wanted, "embedder" if is_vector else "classifier")
        except FailedError as error:
            missing = str(error)
            print(f"{missing}\n")
            continue
        if not is_vector and tuple(answer["labels"]) != task.labels:
            raise FailedError(f"mediapipe {answer['version']}: names the classes {answer['labels']}, not {task.labels}")
        rows = compare(wanted, ours, np.array(answer["scores"], np.float32), rules, is_vector)
        print(table(answer["version"], rows) + "\n")
        all_faults += [f"mediapipe {answer['version']}: {line}" for line in faults(rows)]
        runs.append({"mediapipe": answer["version"], "rows": [dataclasses.asdict(row) for row in rows]})
    if not runs:
        raise FailedError(missing)
    content = {
        "made_by": provenance.describe(),
        "file": {"name": path.name, "sha256": provenance.sha256(path)},
        "tolerance": TOLERANCE,
        "faults": all_faults,
        "runs": runs,
    }
    result = Path(environments) / "agreement.json"
    atomic.write_json(result, content)
    print(f"{len(wanted)} texts; {result} lists them all")
    if all_faults:
        more = f" (and {len(all_faults) - 1} more)" if len(all_faults) > 1 else ""
        raise FailedError(f"{all_faults[0]}{more}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (UsageError, FailedError) as error:
        sys.exit(f"mediapipe: {error}")
