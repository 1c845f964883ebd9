"""A full-size classifier of `transformers`, exported from its directory, gives the same answers as there.

Needs the extra `huggingface` (torch and transformers); skipped without it.
"""

import csv
import importlib.util
import json
import lzma
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli

pytestmark = [pytest.mark.transformers, pytest.mark.slow]

SIDE = Path(__file__).with_name("huggingface_classifier.py")
LABELS = ["entailment", "neutral", "contradiction"]
LENGTHS = (32, 128)
PAIRS = 24


@pytest.fixture(scope="module")
def place(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of huggingface_classifier.py, and a table with numbers for labels, as Hugging Face's data sets have."""
    if not all(importlib.util.find_spec(name) for name in ("torch", "transformers")):
        pytest.skip("needs the extra: pip install 'mobilebert_tf[huggingface]'")
    place = tmp_path_factory.mktemp("full_size")
    with lzma.open(shared_data / "glue" / "MNLI" / "dev_matched.jsonl.xz", "rt", encoding="utf-8") as file:
        rows = [json.loads(next(file)) for _ in range(PAIRS)]
    pairs = [[row["premise"], row["hypothesis"]] for row in rows]
    vocab = str(shared_data / "vocab" / "vocab.txt")
    settings = {"vocab": vocab, "labels": LABELS, "pairs": pairs, "lengths": LENGTHS}
    (place / "order.json").write_text(json.dumps(settings))
    with open(place / "dev.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["premise", "hypothesis", "label"])
        table.writerows([*pair, LABELS.index(row["label"])] for pair, row in zip(pairs, rows, strict=True))
    process = subprocess.run([sys.executable, str(SIDE), str(place)], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr[-2000:]
    return place


@pytest.fixture(scope="module")
def exported(place: Path) -> Path:
    words = ["export", f"--model={place / 'model'}", f"--output={place / 'app'}", f"--evaluation={place / 'dev.csv'}"]
    words += ["--text_column=premise", "--text_pair_column=hypothesis", "--recipes=float32,dynamic_int8"]
    words += [f"--sequence_lengths={','.join(map(str, LENGTHS))}", "--parity_examples=6", "--calibration_examples=2"]
    # With untrained weights every text is near the border of two classes, so the gates are loose.
    assert cli.run([*words, "--rounds=1", "--runs=1", "--min_agreement=0.7", "--max_score_drop=0.3"]) == 0
    return place / "app"


def run(file: Path, answers, length: int) -> np.ndarray:
    """Logits [n, C] of the named signature by LiteRT alone, with random ids and segments in the padding.

    The first padding token stays, since the last real token sees it through the trigram.
    """
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(file)).get_signature_runner(f"tokens_{length}")
    random = np.random.default_rng(0)
    rows = []
    for ids, mask, segments in zip(
        answers[f"input_ids_{length}"],
        answers[f"attention_mask_{length}"],
        answers[f"token_type_ids_{length}"],
        strict=True,
    ):
        free = np.arange(length) > mask.sum()
        ids = np.where(free, random.integers(0, 30522, length), ids).astype(np.int32)
        segments = np.where(free, random.integers(0, 2, length), segments).astype(np.int32)
        rows.append(runner(input_ids=ids[None], input_mask=mask[None], segment_ids=segments[None])["logits"][0])
    return np.stack(rows)


@pytest.mark.parametrize("length", LENGTHS)
def test_logits_are_those_of_transformers(length: int, place: Path, exported: Path):
    answers = np.load(place / "answers.npz")
    expected, rounded = answers[f"logits_{length}"], answers[f"rounded_{length}"]
    scale = np.abs(expected).max()
    # The test would prove nothing if texts did not move the logits, or if there were no padding to scramble.
    assert expected.std(axis=0).min() > 0.1 * scale
    assert (answers[f"attention_mask_{length}"].sum(axis=1) < length - 2).sum() > 5
    exact = np.abs(run(exported / "float32.tflite", answers, length) - expected).max() / scale
    # PyTorch's own float32 is off float64 by 3e-6 here; sums of 24 layers in another order add as much again.
    assert exact < 2e-5
    error = np.sqrt(np.square(run(exported / "dynamic_int8.tflite", answers, length) - expected).mean())
    # The bound is three times the error that PyTorch measures for 8-bit weights, since activations get 8 bits as well
    # (a scale a token), which costs about as much again. Faults common to both files show in the float32 one.
    allowed, texts = 3 * np.sqrt(np.square(rounded - expected).mean()), expected.std(axis=0).mean()
    print(f"{length}: float32 {exact:.1e}; int8 {error:.3f} of {allowed:.3f}, deviation over the texts {texts:.2f}")
    assert error < allowed < 0.3 * texts


def test_labels_columns_and_scores_are_those_of_the_directory(place: Path, exported: Path, capsys):
    answers = np.load(place / "answers.npz")
    assert (exported / "labels.txt").read_text().split() == LABELS
    task = json.loads((exported / "task.json").read_text())
    assert (task["text_column"], task["text_pair_column"]) == ("premise", "hypothesis")
    with open(place / "dev.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    decided = answers["logits_128"].argmax(axis=1)
    report = json.loads((exported / "report.json").read_text())
    right = np.mean(decided == [int(row["label"]) for row in rows])
    assert report["keras"]["accuracy"] == pytest.approx(right) and report["keras"]["examples"] == PAIRS
    # From text to label, including the tokenizer of the exported directory.
    for row, expected in list(zip(rows, decided, strict=True))[:4]:
        words = ["predict", f"--model={exported / 'float32.tflite'}", "--json"]
        assert cli.run([*words, f"--text={row['premise']}", f"--context={row['hypothesis']}"]) == 0
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["label"] == LABELS[expected]
