"""`export` on wrong input: one line names the fault and says what to do; nothing is written."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli

from .conftest import Complain

pytestmark = pytest.mark.usefixtures("timed_here")

FLAGS = ["--rounds=1", "--runs=1", "--parity_examples=2", "--recipes=float32"]


@pytest.fixture
def refuse(complain: Complain, classifier_directory: Path, tmp_path: Path):
    """A function that runs `export` with these flags, which must fail, and returns its one line."""

    def run(*flags: str, model: Path = classifier_directory) -> str:
        output = tmp_path / "out"
        line = complain("export", f"--model={model}", f"--output={output}", *FLAGS, *flags)
        assert not output.exists()
        return line

    return run


@pytest.fixture
def model(classifier_directory: Path, tmp_path: Path) -> Path:
    """A copy of the classifier, to be damaged."""
    return Path(shutil.copytree(classifier_directory, tmp_path / "model"))


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_model_without_a_head(refuse, classifier_directory: Path, tmp_path: Path) -> None:
    from mobilebert_tf.model_directory import load_model_directory, save_model_directory
    from mobilebert_tf.models import PretrainingModel

    loaded = load_model_directory(classifier_directory)
    student = tmp_path / "student"
    save_model_directory(student, PretrainingModel(loaded.config), loaded.tokenizer)
    line = refuse(model=student)
    assert f"{student}: has no task; fine-tune it first: mobilebert-tf finetune --model={student}" in line


def test_model_of_one_label(
    refuse, complain: Complain, classifier_directory: Path, labelled_table: Path, tmp_path: Path, capsys
) -> None:
    """A head with one output cannot classify; without task.json it gives a value, as Hugging Face's regressions do."""
    from mobilebert_tf.model_directory import load_model_directory, save_model_directory
    from mobilebert_tf.models import ClassificationModel
    from mobilebert_tf.tasks.classification import ClassificationTask

    loaded = load_model_directory(classifier_directory)
    directory = tmp_path / "one"
    task = ClassificationTask(("stars",), max_seq_length=48)
    save_model_directory(directory, ClassificationModel(loaded.config, num_labels=1), loaded.tokenizer, task)
    assert f"{directory}: its head has one output" in refuse(model=directory)
    for words in (["predict", "--text=a"], ["evaluate", f"--input={labelled_table}"]):
        assert f"{directory}: its head has one output" in complain(*words, f"--model={directory}")
    (directory / "task.json").unlink()
    assert cli.run(["predict", f"--model={directory}", "--text=a", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"text", "value"}


def test_model_whose_logits_are_no_numbers(
    complain: Complain, classifier_directory: Path, labelled_table: Path, tmp_path: Path
) -> None:
    from mobilebert_tf.model_directory import load_model_directory, save_model_directory

    loaded = load_model_directory(classifier_directory)
    for weight in loaded.model.trainable_weights:
        if weight.path == "classifier/dense/kernel":
            # The weights are finite, but sums of several overflow.
            weight.assign(weight / np.abs(weight).max() * 3e38)
    broken, output = tmp_path / "broken", tmp_path / "out"
    save_model_directory(broken, loaded.model, loaded.tokenizer, loaded.task)
    words = ["export", f"--output={output}", f"--evaluation={labelled_table}", *FLAGS, "--sequence_lengths=16"]
    assert f"{broken}: its own logits are NaN or infinite in " in complain(*words, f"--model={broken}")
    # The directory is free for the next command.
    assert not output.exists()


def test_vocabulary_of_another_model(refuse, model: Path) -> None:
    vocab = model / "vocab.txt"
    vocab.write_text(vocab.read_text() + "another\n")
    assert f"{vocab}: has 2,001 pieces, tokenizer.json beside it says vocab_size=2,000" in refuse(model=model)
    (model / "tokenizer.json").unlink()
    assert f"{model}: its vocabulary has 2,001 pieces, config.json says vocab_size=2,000" in refuse(model=model)
    vocab.unlink()
    assert f"{model}: has no vocab.txt; put the vocabulary" in refuse(model=model)


def test_model_of_another_architecture(refuse, model: Path) -> None:
    edit(model / "config.json", num_hidden_layers=3)
    message = "config.json says 3 blocks (num_hidden_layers), the file has 2"
    assert f"{model / 'model.weights.h5'}: {message}" in refuse(model=model)


def test_no_model(refuse, export_directory: Path, labelled_table: Path, tmp_path: Path) -> None:
    assert "absent: no such model directory" in refuse(model=tmp_path / "absent")
    assert f"{labelled_table}: is not a model file" in refuse(model=labelled_table)
    for exported in (export_directory / "float32.tflite", export_directory):
        line = refuse(model=exported)
        assert f"{exported}: an exported file cannot be converted or trained; its contract and" in line


GOOD = b"text\tlabel\na b c\tgood\n"
TABLES = {
    "absent.tsv": (None, ": no such file"),
    "plain.txt": (GOOD, ": the ending is not that of a table; use one of .tsv"),
    "columns.tsv": (
        b"phrase\tclass\na\tgood\n",
        ", line 1: no column 'text'; it has phrase, class; choose others with --text_column",
    ),
    "empty.tsv": (b"", ": is empty"),
    "header.tsv": (b"text\tlabel\n", ": has a header and no rows"),
    "broken.tsv": (GOOD + b"a\tb\tgood\n", ", line 3: has 3 columns where the header has 2 (text, label)"),
    "latin.tsv": (GOOD + b"caf\xe9\tgood\n", ", line 3: is not UTF-8 text; convert it first"),
    "binary.tsv": (GOOD + b"\0\tgood\n", ", line 3: holds a NUL character"),
    "quote.csv": (
        b'text,label\n"a,good\n' + b"a,good\n" * 20_000,
        ", line 2: a quote that begins here or",
    ),
    "broken.jsonl": (b'{"text": "a", "label": "good"}\n{"text"\n', ", line 2: is not JSON"),
    "list.jsonl": (b'["a", "good"]\n', ", line 1: is not a JSON object"),
    "half.jsonl": (b'{"text": "\\ud83d", "label": "good"}\n', ", line 1: holds half of a character"),
    "cut.tsv.xz": (b"\xfd7zXZ\x00ab", "the compressed file is damaged or cut short"),
}


@pytest.mark.parametrize("flag", ["calibration", "evaluation"])
@pytest.mark.parametrize("name", TABLES)
def test_tables(name: str, flag: str, refuse, tmp_path: Path) -> None:
    content, message = TABLES[name]
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    line = refuse(f"--{flag}={path}")
    assert str(path) in line and message in line


def test_labels(refuse, labelled_table: Path, tmp_path: Path) -> None:
    unseen, none = tmp_path / "unseen.tsv", tmp_path / "none.tsv"
    unseen.write_text(labelled_table.read_text() + "a b c\tugly\n")
    none.write_text(labelled_table.read_text().replace("label", "class", 1))
    line = refuse(f"--evaluation={unseen}")
    assert f"{unseen}, line 62: label 'ugly' is not one that training saw (bad, good)" in line
    line = refuse(f"--evaluation={none}")
    missing = "no column 'label'; it has text, class; choose others with --text_column and --label_column"
    assert f"{none}, line 1: {missing}" in line
    # Labels as numbers are read only for models from elsewhere; here their order would be a guess.
    numbers = tmp_path / "numbers.tsv"
    numbers.write_text("text\tlabel\na\t0\n")
    assert "line 2: label '0' is not one" in refuse(f"--evaluation={numbers}")


@pytest.mark.parametrize(
    "lengths, message",
    [
        ("65", "65 word pieces do not fit this model, whose position table ends at 64"),
        ("0", "0 is too short"),
        ("2", "2 is too short; [CLS] text [SEP] needs 3"),
        ("-8", "-8 is too short"),
        ("16,x", "must be whole numbers, such as 32,64,128"),
        ("16.5", "must be whole numbers"),
        ("16,,32", "must be whole numbers"),
        ("16,32,16", "names a length twice"),
    ],
)
def test_lengths(lengths: str, message: str, refuse) -> None:
    assert message in refuse(f"--sequence_lengths={lengths}")


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--recipes=float32,int3", "there is no recipe 'int3'; choose from float32, float16"),
        ("--recipes=float32,float32", "name each wanted recipe once"),
        ("--recipes=", "is empty; give a value, or leave the flag out"),
        ("--recipes=static_int8", "static_int8 needs texts to calibrate on; give --calibration"),
        ("--recipes=none.json", "none.json: no such file"),
        ("--without_rewrites=fold", "there is no rewrite 'fold'; choose from fold_norms, fold_attention_scale"),
        ("--threads=0", "--threads=0: must be at least 1"),
        ("--min_agreement=97", "--min_agreement=97.0: must be at most 1"),
        ("--max_score_drop=nan", "--max_score_drop=nan: must be a finite number"),
        ("--max_error=-1", "--max_error=-1.0: must be at least 0"),
        ("--max_error=inf", "--max_error=inf: must be a finite number"),
        ("--max_drop=nan", "--max_drop=nan: must be a finite number"),
    ],
)
def test_flags(flag: str, message: str, refuse) -> None:
    assert message in refuse(flag)


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "is not readable as JSON"),
        ("{}", "has no 'name'"),
        ("[3]", "[0]: is 3; it must be an object"),
        ({"name": "float32"}, "'float32' is the name of a built-in recipe"),
        ({"name": "../mine"}, "'../mine' is not a plain name"),
        ({"name": 5}, "name: is 5; it must be text"),
        ({"half": 1}, "half: is 1; it must be true or false"),
        ({"rule": []}, "unknown field 'rule'; known fields: name, description"),
        ({"rules": 3}, "rules: is 3; it must be a list"),
        ({"rules": [{"weights": "int3"}]}, "rules: [0]: weights: is 'int3'; it must be one of float32"),
        ({"rules": [{"activations": 8}]}, "activations: is 8; it must be text"),
        ({"rules": [{"per_channel": "no"}]}, "per_channel: is 'no'; it must be true or false"),
        ({"rules": [{"layers": "("}]}, "is not a regular expression"),
        ({"rules": [{"operators": ["fully_conected"]}]}, "knows no 'fully_conected'; it knows FULLY_CONNECTED"),
        ({"rules": [{"operators": []}]}, "operators: is empty; leave it out for FULLY_CONNECTED"),
        ({"gate": {"min_decision_agreement": 1.5}}, "min_decision_agreement: is 1.5; it must be"),
        ({"rules": [{"layers": 5}]}, "layers: is 5; it must be text"),
        ({"rules": [{"weights": "float16", "activations": "int8"}]}, "has weights float16 and activations int8"),
        ({"rules": [{"operators": 5}]}, "operators: is 5; it must be a list"),
        ({"gate": 0.9}, "gate: is 0.9; it must be an object"),
        ({"gate": {"max_error": 1}}, "gate: unknown field 'max_error'"),
        ({"gate": {"max_relative_error": "1e-4"}}, "max_relative_error: is '1e-4'; it must be a number"),
        ('{"name": "mine", "gate": {"max_score_drop": NaN}}', "max_score_drop: is nan; it must be a finite number"),
    ],
)
def test_own_recipes(content, message: str, refuse, tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(content if isinstance(content, str) else json.dumps({"name": "mine", **content}))
    line = refuse(f"--recipes={path}")
    assert f"{path}: " in line and message in line


def test_search(refuse, labelled_table: Path, tmp_path: Path) -> None:
    """Wrong flags of the search, apart from numbers out of range."""
    one, own = tmp_path / "one.tsv", tmp_path / "own.json"
    one.write_bytes(GOOD)
    own.write_text(json.dumps({"name": "cheapest", "rules": [{}]}))
    line = refuse("--max_drop=0.01", f"--evaluation={one}", f"--calibration={labelled_table}")
    assert f"{one} has 1 row, too few to choose by; give at least 20: one half is for the search, the other" in line
    tables = [f"--evaluation={labelled_table}", f"--calibration={one}"]
    few = refuse("--max_drop=0.01", *tables, "--score_examples=10")
    assert "--score_examples=10: --max_drop needs at least 20" in few
    assert "'cheapest' is the name of --max_drop's own recipe" in refuse("--max_drop=0.01", *tables, f"--recipes={own}")


def test_places_that_are_taken_or_none(complain: Complain, classifier_directory: Path, tmp_path: Path) -> None:
    file, run = tmp_path / "file", tmp_path / "run"
    file.write_text("mine")
    run.mkdir()
    (run / "run.json").write_text(json.dumps({"identity": {"command": "finetune"}}))
    words = ["export", f"--model={classifier_directory}", *FLAGS]
    assert f"{file}: is a file; --output names" in complain(*words, f"--output={file}")
    line = complain(*words, f"--output={file / 'below'}")
    assert f"{file / 'below'}: cannot be created (Not a directory); give another --output" in line
    assert f"{run}: holds the results of `finetune`" in complain(*words, f"--output={run}")
    assert file.read_text() == "mine" and len(list(run.iterdir())) == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_place_that_may_not_be_written(complain: Complain, classifier_directory: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    words = ["export", f"--model={classifier_directory}", *FLAGS]
    assert "out: cannot be created as a directory (Permission denied)" in complain(
        *words, f"--output={tmp_path / 'out'}"
    )
    assert f"{tmp_path}: Permission denied" in complain(*words, f"--output={tmp_path}")
