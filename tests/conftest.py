"""Fixtures for all tests."""

import contextlib
import fcntl
import functools
import hashlib
import io
import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mobilebert_tf import freed_memory, quiet

# Set before any test imports TensorFlow.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

freed_memory.keep()
# Test files import TensorFlow during collection, which is sped up here as in commands.
_importing = contextlib.ExitStack()
_importing.enter_context(quiet.nothing_collected())
_importing.enter_context(quiet.unused_hidden())


def pytest_collection_finish() -> None:
    """Turn garbage collection on again, for objects that the tests make."""
    _importing.close()


def pytest_unconfigure() -> None:
    """Turn it on also in the process that hands tests to workers, since that process collects no tests."""
    _importing.close()


ROOT = Path(__file__).resolve().parent.parent

Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(autouse=True)
def same_randomness() -> None:
    """Every test begins with the same seeds, whichever ran before it."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the source tree."""
    return ROOT


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that all workers of pytest-xdist share in this session."""
    base = tmp_path_factory.getbasetemp()
    directory = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "common"
    directory.mkdir(exist_ok=True)
    return directory


KEPT = {
    "mobilebert_tf.export.quantize.build": ("convert_length", "quantize"),
    "mobilebert_tf.export.make.sources": ("measure_peaks", "measure_ranges"),
    "mobilebert_tf.export.make.variants": ("build",),
    "mobilebert_tf.export.choose.explain": ("quantize",),
    "mobilebert_tf.export.choose.search": ("build",),
}
"""Functions of an export that take a tenth of a second to a second, by the module that calls them. Their results
depend only on their arguments; tests of these functions call them where they are defined."""


@pytest.fixture(autouse=True)
def exports_kept(common: Path) -> None:
    """Convert, measure and quantise the same network in the same way only once a session."""
    for module, names in KEPT.items():
        for name in names if module in sys.modules else ():
            function = getattr(sys.modules[module], name)
            if not hasattr(function, "__wrapped__"):
                setattr(sys.modules[module], name, kept(function, common))


def kept(function: Callable[..., Any], common: Path) -> Callable[..., Any]:
    """`function` with its results kept in files, by its name and the content of its arguments."""

    @functools.wraps(function)
    def found(*given: Any) -> Any:
        content = io.BytesIO()
        _Content(content).dump(given)
        path = common / f"{function.__name__}-{hashlib.sha256(content.getvalue()).hexdigest()}"
        if not path.exists():
            written = path.with_suffix(f".{os.getpid()}")
            written.write_bytes(pickle.dumps(function(*given)))
            written.replace(path)
        return pickle.loads(path.read_bytes())

    return found


class _Content(pickle.Pickler):
    """A pickler that writes a model as its configuration and weights."""

    def persistent_id(self, value: Any) -> Any:
        keras = sys.modules.get("keras")
        if keras and isinstance(value, keras.Model):
            return value.config, [(weight.path, weight.numpy()) for weight in value.weights]
        return None


@pytest.fixture
def timed_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time exported files in this process, for tests that are not about times."""
    from mobilebert_tf.benchmarks.files import host, one_file

    def ask(path: Path, order: dict[str, Any]) -> Any:
        measured = one_file.measure(**order) if "runs" in order else one_file.describe(order["path"])
        return json.loads(json.dumps(measured))

    monkeypatch.setattr(host, "_ask", ask)


FEW_STEPS = 8
"""The most steps that run faster one by one than the graph of a step is traced."""


@pytest.fixture
def few_steps_untraced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run trainings of a few steps without a graph, for tests that are not about the steps themselves.

    `tests/training` is about the steps, and traces them as commands do; so do longer trainings everywhere.
    """
    import tensorflow as tf

    from mobilebert_tf.training import loop

    real = loop.compile_stage

    def compile_stage(stage: Any, *rest: Any) -> Callable[..., Any]:
        traced = real(stage, *rest)

        def untraced(*given: Any) -> Any:
            tf.config.run_functions_eagerly(True)
            try:
                return traced(*given)
            finally:
                tf.config.run_functions_eagerly(False)

        return untraced if stage.steps <= FEW_STEPS else traced

    monkeypatch.setattr(loop, "compile_stage", compile_stage)


@pytest.fixture(scope="session")
def once(common: Path) -> Once:
    """A function that fills a directory once a session, in whichever worker needs it first.

    Tests only read these directories; a test that changes one copies it first.
    """

    def filled(name: str, fill: Callable[[Path], object]) -> Path:
        place, finished = common / name, common / f"{name}.finished"
        with open(common / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not finished.exists():
                shutil.rmtree(place, ignore_errors=True)
                place.mkdir()
                fill(place)
                finished.touch()
        return place

    return filled


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets; tests that need it are skipped if it is missing."""
    folder = Path(os.environ.get("MOBILEBERT_TF_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data at {folder}; MOBILEBERT_TF_DATA can name another place")
    return folder


@pytest.fixture(scope="session")
def classifier_directory(once: Once) -> Path:
    """A classifier with random weights and two labels, in the form that `finetune` writes."""

    return once("classifier", write_classifier)


@pytest.fixture(scope="session")
def small_classifier(once: Once) -> Path:
    """`classifier_directory` with a single block of a single feed-forward network."""
    return once("small", lambda place: write_classifier(place, num_hidden_layers=1, num_feedforward_networks=1))


def write_classifier(directory: Path, **changes: Any) -> None:
    """Write a classifier with random weights; `changes` are of its configuration."""
    import keras
    import numpy as np

    from mobilebert_tf.config import MobileBertConfig
    from mobilebert_tf.model_directory import save_model_directory
    from mobilebert_tf.models import ClassificationModel
    from mobilebert_tf.tasks.classification import ClassificationTask
    from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer

    letters = "abcdefghijklmnopqrstuvwxyz"
    vocab = [*SPECIAL_TOKENS, *letters, *("##" + letter for letter in letters)]
    vocab += [f"word{i}" for i in range(2000 - len(vocab))]
    keras.utils.set_random_seed(1)
    config = MobileBertConfig.preset("debug_student", vocab_size=len(vocab), **changes)
    model = ClassificationModel(config, num_labels=2)
    random = np.random.default_rng(1)
    for weight in model.trainable_weights:
        # With weights of initial size a text hardly changes the logits, and a norm with initial
        # values vanishes from the converted graph.
        noise = random.normal(0.0, 0.15, weight.shape)
        weight.assign(weight + noise if weight.path.endswith(("gamma", "beta", "bias")) else noise)
    task = ClassificationTask(("bad", "good"), max_seq_length=48)
    save_model_directory(directory, model, Tokenizer(tuple(vocab)), task)


@pytest.fixture(scope="session")
def labelled_table(once: Once) -> Path:
    """60 rows of letters, 1 to 45 word pieces long, with random labels."""

    def fill(directory: Path) -> None:
        import random

        draw = random.Random(0)
        rows = [" ".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(1, 45))) for _ in range(60)]
        lines = "".join(f"{row}\t{draw.choice(['bad', 'good'])}\n" for row in rows)
        (directory / "dev.tsv").write_text("text\tlabel\n" + lines)

    return once("table", fill) / "dev.tsv"


@pytest.fixture(scope="session")
def export_directory(classifier_directory: Path, labelled_table: Path, once: Once) -> Path:
    """An export of `classifier_directory` by the default recipes, with signatures for 16 and 48 tokens."""

    def fill(directory: Path) -> None:
        from mobilebert_tf.commands.export import Export

        Export(
            model=str(classifier_directory),
            output=str(directory / "out"),
            evaluation=str(labelled_table),
            sequence_lengths="48,16",
            rounds=1,
            runs=3,
        ).run()

    return once("export", fill) / "out"


@pytest.fixture
def resigned(tmp_path: Path) -> Callable[[Path, Callable[[Path], object]], Path]:
    """A function that copies an export directory, changes it, and makes all sums as if it had been exported so."""
    import hashlib
    import json
    import shutil

    from mobilebert_tf.export.ship import verify_directory

    def sums(directory: Path) -> dict[str, str]:
        files = [path for path in directory.rglob("*") if path.is_file() and path.name != verify_directory.SUMS]
        return {path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def change(directory: Path, how: Callable[[Path], object]) -> Path:
        copy = shutil.copytree(directory, tmp_path / f"resigned_{len(list(tmp_path.glob('resigned_*')))}")
        before = sums(copy)
        how(copy)
        for path in copy.glob(f"*{verify_directory.CONTRACT}"):
            contract = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(contract, dict):
                continue
            places = contract.get("file"), contract["text"]["vocabulary"], contract.get("answer", {}).get("labels_file")
            for file in filter(None, places):
                content = (copy / file["name"]).read_bytes()
                # Only entries that were right before, so that a contract that names another file stays wrong.
                if before.get(file["name"]) == file["sha256"]:
                    file.update(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
            path.write_text(json.dumps(contract), encoding="utf-8")
        (copy / verify_directory.SUMS).write_text(verify_directory.sums_text(sums(copy)))
        return copy

    return change
