"""What every test may use."""

import contextlib
import fcntl
import functools
import hashlib
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mobilebert_tf import quiet

# Before any test imports TensorFlow.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Files of tests import TensorFlow while they are collected; what makes that faster in commands does so here.
_importing = contextlib.ExitStack()
_importing.enter_context(quiet.nothing_collected())
_importing.enter_context(quiet.unused_hidden())


def pytest_collection_finish() -> None:
    """From here on garbage is looked for, among what the tests make."""
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
    """A directory that all workers of pytest-xdist have in this session."""
    base = tmp_path_factory.getbasetemp()
    directory = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "common"
    directory.mkdir(exist_ok=True)
    return directory


@pytest.fixture(autouse=True)
def conversions_kept(common: Path) -> None:
    """A network is converted once a session for the same length in the same way; TensorFlow takes half a second."""
    build = sys.modules.get("mobilebert_tf.export.quantize.build")
    if build and not hasattr(build.convert_length, "__wrapped__"):
        build.convert_length = kept(build.convert_length, common)


def kept(convert_length: Callable[..., bytes], common: Path) -> Callable[..., bytes]:
    """`convert_length` that looks for a file by the content of all that it is given."""

    @functools.wraps(convert_length)
    def found(model: Any, *rest: Any) -> bytes:
        weights = [(weight.path, weight.numpy()) for weight in model.weights]
        given = pickle.dumps((model.config, weights, rest))
        path = common / f"{hashlib.sha256(given).hexdigest()}.converted"
        if not path.exists():
            content = convert_length(model, *rest)
            written = path.with_suffix(f".{os.getpid()}")
            written.write_bytes(content)
            written.replace(path)
        return path.read_bytes()

    return found


@pytest.fixture(scope="session")
def once(common: Path) -> Once:
    """A directory that is filled once a session, whichever of the workers needs it first.

    Tests read what lies there; whoever changes it copies it before.
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
    """The folder of real data sets; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("MOBILEBERT_TF_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data at {folder}; MOBILEBERT_TF_DATA can name another place")
    return folder


@pytest.fixture(scope="session")
def classifier_directory(once: Once) -> Path:
    """A classifier with random weights and two labels, in the form that `finetune` leaves."""

    def fill(directory: Path) -> None:
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
        model = ClassificationModel(MobileBertConfig.preset("debug_student", vocab_size=len(vocab)), num_labels=2)
        random = np.random.default_rng(1)
        for weight in model.trainable_weights:
            # At their initial size the weights hardly let a text through to the logits, and a
            # norm at its initial value vanishes from the converted graph.
            noise = random.normal(0.0, 0.15, weight.shape)
            weight.assign(weight + noise if weight.path.endswith(("gamma", "beta", "bias")) else noise)
        task = ClassificationTask(("bad", "good"), max_seq_length=48)
        save_model_directory(directory, model, Tokenizer(tuple(vocab)), task)

    return once("classifier", fill)


@pytest.fixture(scope="session")
def labelled_table(once: Once) -> Path:
    """60 rows of letters, from 1 to 45 word pieces long, with labels at random."""

    def fill(directory: Path) -> None:
        import random

        draw = random.Random(0)
        rows = [" ".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(1, 45))) for _ in range(60)]
        lines = "".join(f"{row}\t{draw.choice(['bad', 'good'])}\n" for row in rows)
        (directory / "dev.tsv").write_text("text\tlabel\n" + lines)

    return once("table", fill) / "dev.tsv"


@pytest.fixture(scope="session")
def export_directory(classifier_directory: Path, labelled_table: Path, once: Once) -> Path:
    """`classifier_directory` as float32.tflite and dynamic_int8.tflite with signatures for 16 and 48 tokens."""

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
    """A copy of an export directory after a change, with all sums as if it had been exported so."""
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
                # Only what the change has changed: a contract that names another file is to stay wrong.
                if before.get(file["name"]) == file["sha256"]:
                    file.update(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
            path.write_text(json.dumps(contract), encoding="utf-8")
        (copy / verify_directory.SUMS).write_text(verify_directory.sums_text(sums(copy)))
        return copy

    return change
