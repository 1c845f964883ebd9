"""Directories as commands write them, with figures against which a page can be checked."""

import hashlib
import json
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

LABELS = ("tensorflow", "scipy", "python", "numpy", "keras")
TOKENS = "[CLS] return the pseudo ##inv ##erse of a matrix using its singular value decomposition . [SEP]".split()


@pytest.fixture(scope="session", autouse=True)
def pictures_kept(common: Path) -> Iterator[None]:
    """Draw a picture of the same numbers only once: most pages here differ in one of ten, and each takes 0.2 s."""
    from mobilebert_tf.reporting import drawing, page  # noqa: F401  (the page imports the modules that draw)

    real = drawing.draw

    def draw(name: str, label: str, picture: Callable[[int], Any]) -> str:
        cells = [cell.cell_contents for cell in picture.__closure__ or ()]
        try:
            key = pickle.dumps((name, label, picture.__module__, picture.__qualname__, cells, picture.__defaults__))
        except (pickle.PicklingError, AttributeError, TypeError):
            return real(name, label, picture)
        path = common / f"{hashlib.sha256(key).hexdigest()}.svg"
        if not path.exists():
            written = path.with_suffix(f".{os.getpid()}")
            written.write_text(real(name, label, picture), encoding="utf-8")
            written.replace(path)
        return path.read_text(encoding="utf-8")

    with pytest.MonkeyPatch.context() as patch:
        _draw_with(patch, draw)
        yield


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave pictures empty except for their labels, for tests that are not about pictures."""
    from mobilebert_tf.reporting.drawing import _attribute

    _draw_with(monkeypatch, lambda name, label, picture: f'<svg role="img" aria-label="{_attribute(label)}"></svg>')


def _draw_with(patch: pytest.MonkeyPatch, draw: Callable[..., str]) -> None:
    from mobilebert_tf.reporting import drawing

    for name, module in list(sys.modules.items()):
        if name.startswith("mobilebert_tf.reporting.") and hasattr(module, "draw") and module is not drawing:
            patch.setattr(module, "draw", draw)


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A finished pipeline's directory, which a test may change."""
    return write_pipeline(tmp_path / "demo")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished pipeline's directory for tests that only read it."""
    return write_pipeline(tmp_path_factory.mktemp("finished") / "demo")


@pytest.fixture(name="write_run")
def write_run_fixture() -> Callable[..., None]:
    return write_run


@pytest.fixture(name="variant")
def variant_fixture() -> Callable[..., dict[str, Any]]:
    return variant


@pytest.fixture(name="not_converted")
def not_converted_fixture() -> Callable[..., dict[str, Any]]:
    return not_converted


@pytest.fixture(name="export_of")
def export_of_fixture() -> Callable[..., dict[str, Any]]:
    return export_of


def write_pipeline(top: Path) -> Path:
    random = np.random.default_rng(7)
    for name, command, seconds in (
        ("corpus", "corpus", 4.2),
        ("vocab", "vocab", 3.1),
        ("records/train", "records", 12.8),
        ("records/heldout", "records", 1.9),
        ("teacher", "pretrain", 151.4),
        ("student", "distill", 128.2),
        ("classifier", "finetune", 41.3),
        ("classifier_from_scratch", "finetune", 39.9),
        ("export", "export", 33.7),
    ):
        write_run(top / name, command, seconds)
    steps = np.arange(1, 601)
    log(top / "teacher", [_pretraining("pretrain", int(step), 6.8, random) for step in steps])
    write_json(top / "teacher" / "metrics.json", {"held_out": held_out(4.321, 0.2871), "parameters": 2_345_678})
    student = []
    for layer in range(1, 5):
        for step in range(1, 81):
            value = (0.9 + 0.2 * layer) * np.exp(-step / 25) + 0.08 * layer + 0.02 * random.random()
            student.append(
                {
                    "stage": f"transfer_{layer}", "stage_index": layer - 1, "step": step, "loss": 2 * value,
                    "learning_rate": 1e-3, "steps_per_second": 14.0, "feature_map": value, "attention": value / 3,
                }
            )  # fmt: skip
    student += [
        _pretraining("distillation", step, 6.0, random) | {"distillation": 2 + 3 / step**0.5} for step in range(1, 301)
    ]
    student = [{"stage": "transfer_1", "stage_index": 0, "step": 0} | measured(0, 0), *map(_with_held_out, student)]
    log(top / "student", student)
    metrics = {"held_out": held_out(4.654, 0.2543), "parameters": 765_432, "teacher_agreement": 0.4567}
    metrics |= {"teacher_held_out": held_out(4.321, 0.2871)}
    write_json(top / "student" / "metrics.json", metrics)
    write_json(top / "student" / "layers.json", layers())
    write_json(top / "student" / "attention.json", attention(random))
    for name, accuracy, f1 in (("classifier", 0.8125, 0.7931), ("classifier_from_scratch", 0.7042, 0.6688)):
        log(top / name, [_finetuning(step, accuracy, random) for step in range(1, 201)])
        write_json(top / name / "metrics.json", {"evaluation": evaluation(accuracy, f1), "parameters": 765_111})
        (top / name / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS))
    write_json(top / "export" / "report.json", export_report())
    return top


def write_run(directory: Path, command: str, seconds: float | None) -> None:
    """Write `run.json`; without `seconds` the run is unfinished."""
    directory.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {
        "identity": {"command": command},
        "options": {"output": str(directory)},
        "made_by": {
            "command": f"mobilebert-tf {command} --output={directory.name} --seed=1",
            "date": "2026-11-21T10:00:00+00:00",
            "commit": "0123456789abcdef0123456789abcdef01234567",
            "dirty": False,
            "python": "3.11.7",
            "versions": {"tensorflow": "2.21.0", "keras": "3.15.1"},
            "machine": {"model": "Some Processor", "cores": 2, "memory_gib": 23.5, "features": ["avx2"]},
        },
    }
    if seconds is not None:
        record |= {"finished": "2026-11-21T10:05:00+00:00", "seconds": seconds, "outputs": {}, "summary": {}}
    write_json(directory / "run.json", record)


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def log(directory: Path, entries: list[dict[str, Any]]) -> None:
    (directory / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def held_out(loss: float, accuracy: float) -> dict[str, float]:
    return {
        "masked_word_loss": loss,
        "masked_word_accuracy": accuracy,
        "next_sentence_accuracy": accuracy + 0.4,
        "examples": 512,
    }


def measured(stage: int, share: float) -> dict[str, float]:
    """Held-out measurements of a four-layer student after this share of a stage; the fifth stage distils.

    A layer's loss falls from 2 to 0.1 in its stage, and distillation doubles it.
    """
    figures = {}
    for layer in range(1, 5):
        progress = 0.0 if stage < layer - 1 else share if stage == layer - 1 else 1.0
        value = 2 * 0.05**progress * (1 + share if stage == 4 else 1)
        figures |= {f"held_out/layer_{layer}/feature_map": value, f"held_out/layer_{layer}/attention": value / 4}
    learned = share if stage == 4 else 0.0
    return figures | {
        "held_out/masked_word_loss": 8.0 - 3.346 * learned,
        "held_out/masked_word_accuracy": 0.2543 * learned,
        "held_out/next_sentence_loss": 0.6,
        "held_out/next_sentence_accuracy": 0.6543,
        "held_out/distillation": 4 * 0.02**learned,
        "held_out/teacher_agreement": 0.4567 * learned,
    }


def layers() -> dict[str, Any]:
    rows: list[dict[str, Any]] = [
        {
            "layer": layer,
            "teacher": {"mean": 0.0123 - 0.01 * layer, "deviation": 1.234 + layer},
            "student": {"mean": 0.0134 - 0.01 * layer, "deviation": 1.346 + layer},
            "feature_map": 0.2,
        }
        for layer in range(5)
    ]
    for row in rows[1:]:
        row["attention"] = 0.0567
    return {"layers": rows}


def _with_held_out(row: dict[str, Any]) -> dict[str, Any]:
    """The row, with measurements at every 20th step of a layer-wise stage or every 50th of distillation."""
    distils = row["stage"] == "distillation"
    steps, every = (300, 50) if distils else (80, 20)
    return row if row["step"] % every else row | measured(row["stage_index"], row["step"] / steps)


def evaluation(accuracy: float, f1: float) -> dict[str, Any]:
    confusion = np.full((5, 5), 11) + np.diag([180, 170, 160, 150, 148])
    return {
        "examples": 1200,
        "accuracy": accuracy,
        "macro_f1": f1,
        "loss": 0.61,
        "majority_accuracy": 0.2531,
        "confusion": confusion.tolist(),
    }


def export_report() -> dict[str, Any]:
    rows = []
    for name, size, accuracy, error, median, reason in (
        ("float32", 3_061_728, 0.8125, 1.3e-6, 1.234, None),
        ("dynamic_int8", 812_345, 0.8092, 0.0214, 0.567, None),
        ("static_int8", 790_111, 0.4111, 0.733, 0.912, "accuracy fell by 40.1 points"),
    ):
        row = variant(name, size, accuracy=accuracy, error=error, times={32: 0.4 * median, 64: median}, reason=reason)
        rows.append(row)
    return export_of(rows)


def export_of(rows: list[dict[str, Any]], scored: bool = True) -> dict[str, Any]:
    """The `report.json` of an export with these rows, as read from JSON."""
    report = {
        "made_by": {
            "command": "mobilebert-tf export --model=classifier --output=export",
            "date": "2026-11-21T10:00:00+00:00",
            "commit": "0123456789abcdef0123456789abcdef01234567",
            "dirty": False,
            "python": "3.11.7",
            "versions": {"tensorflow": "2.21.0", "ai-edge-litert": "2.3.0"},
            "machine": {"model": "Some Processor", "processor": "x86_64", "cores": 2},
        },
        "model": {"name": "classifier", "weights_sha256": "ab" * 32},
        "sequence_lengths": [32, 64],
        "rewrites": ["fold_norms", "share_mask"],
        "calibration_examples": "256 rows of train.tsv",
        "largest_activation": 1234.5,
        "parity_examples": "128 rows of dev.tsv",
        "keras": evaluation(0.8125, 0.7931) if scored else None,
        "variants": rows,
    }
    # JSON turns lengths into strings, as in the command's report.
    return json.loads(json.dumps(report))


def variant(
    name: str,
    size: int = 1_000_000,
    *,
    accuracy: float | None = 0.8125,
    error: float = 0.01,
    agreement: float | None = None,
    times: dict[int, float] | None = None,
    runtime: str | None = "2.18",
    half: bool = False,
    in_half: float | None = None,
    integers: float = 0.0,
    rounds: Sequence[float] = (1.0,) * 9,
    reason: str | None = None,
) -> dict[str, Any]:
    """One row of `report.json`; it was not timed if `times` is None, and not scored if `accuracy` is None.

    Args:
      in_half: largest error in float16, if it was tried.
      integers: share of the products.
      rounds: each round's time as a multiple of `times`.
    """
    parity = {
        "max_relative_error": error,
        "mean_relative_error": error / 5,
        "cosine": 1 - error / 100,
        "signal_to_noise_db": 40.0,
        "decision_agreement": 1 - error / 3 if agreement is None else agreement,
        "examples": 256,
    }
    timed = {
        length: {
            "median": time, "p90": 1.1 * time, "min": 0.9 * time, "runs": 90, "threads": 1, "foreign_cores": 0.0,
            "rounds": [time * share for share in rounds],
        }
        for length, time in (times or {}).items()
    }  # fmt: skip
    scored = accuracy is not None
    return {
        "name": name,
        "description": f"what {name} is",
        "file": f"rejected/{name}.tflite" if reason else f"{name}.tflite",
        "bytes": size,
        "bytes_of_lengths": {32: size - 54_040, 64: 54_040},
        "weight_bytes": size - 60_000,
        "sha256": "0" * 64,
        "half": half,
        "half_parity": None if in_half is None else {**parity, "max_relative_error": in_half},
        "metrics": evaluation(accuracy, accuracy - 0.02) if scored else None,
        "difference": {"score": accuracy - 0.8125, "low": accuracy - 0.8225, "high": accuracy - 0.8025}
        if scored
        else None,
        "parity": parity,
        "parity_of_lengths": {32: parity, 64: parity},
        "changes": {"padding": 0, "order": 0, "threads": 0},
        "ops": {"FULLY_CONNECTED": 50, "ADD": 7},
        "op_versions": {"FULLY_CONNECTED": 12, "ADD": 1},
        "oldest_runtime": runtime,
        "multiply_adds": {"float": round(2e7 * (1 - integers)), "integer": round(2e7 * integers)},
        "latency_ms": timed or None,
        "passed": reason is None,
        "reason": reason,
    }


def not_converted(name: str, reason: str) -> dict[str, Any]:
    """The row of a recipe that could not be built."""
    row = dict.fromkeys(variant(name))
    return {**row, "name": name, "description": f"what {name} is", "reason": reason, "passed": False}


def attention(random: np.random.Generator) -> dict[str, Any]:
    """Attention maps of two layers of four heads; some heads look at neighbours, some at the last token."""
    length, layers = len(TOKENS), []
    place = np.arange(length)
    for layer in (1, 2):
        heads = []
        for head in range(4):
            scores = -np.abs(place[:, None] + head - 1 - place[None, :]) * (0.3 * layer)
            scores[:, -1] += head
            heads.append(scores + random.normal(0, 0.4, (length, length)))
        teacher = np.array(heads)
        student = teacher + random.normal(0, 0.1 + 0.2 * layer, teacher.shape)
        layers.append({"layer": layer, "teacher": _softmax(teacher).tolist(), "student": _softmax(student).tolist()})
    return {"tokens": TOKENS, "layers": layers}


def _softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _pretraining(stage: str, step: int, start: float, random: np.random.Generator) -> dict[str, Any]:
    loss = 4.2 + (start - 4.2) * np.exp(-step / 150) + 0.15 * random.normal()
    return {
        "stage": stage, "stage_index": 4 if stage == "distillation" else 0, "step": step, "loss": loss + 0.6,
        "learning_rate": 1e-3, "steps_per_second": 4.0, "masked_word_loss": loss,
        "masked_word_accuracy": float(np.clip(0.3 * (1 - np.exp(-step / 200)) + 0.03 * random.normal(), 0, 1)),
        "next_sentence_loss": 0.6,
    }  # fmt: skip


def _finetuning(step: int, accuracy: float, random: np.random.Generator) -> dict[str, Any]:
    loss = (1.6 - accuracy) * np.exp(-step / 60) + 1.2 - accuracy + 0.1 * random.random()
    return {"stage": "finetune", "stage_index": 0, "step": step, "loss": loss, "learning_rate": 1e-4}
