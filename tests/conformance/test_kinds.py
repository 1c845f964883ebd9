"""Every kind of task from end to end: training if it has any, evaluation, answers, and verified files."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.errors import UsageError
from mobilebert_tf.model_directory import load_model_directory

pytestmark = pytest.mark.usefixtures("timed_here")

QUICK = ["--sequence_lengths=16,32", "--recipes=float32,dynamic_int8,static_int8", "--rounds=1", "--runs=1"]
PAIRS = ["--text_column=one", "--text_pair_column=two", "--label_column=score"]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Path:
    """48 pairs of texts of letters; the score, with decimals, is the share of first letters found in the second."""
    random = np.random.default_rng(4)
    lines = ["one\ttwo\tscore"]
    for _ in range(48):
        one, two = (" ".join(random.choice(list("abcdefgh"), size=random.integers(2, 9))) for _ in range(2))
        share = np.mean([letter in two.split() for letter in one.split()])
        lines.append(f"{one}\t{two}\t{5 * share:.2f}")
    path = tmp_path_factory.mktemp("pairs") / "pairs.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def regression(classifier_directory: Path, pairs: Path, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("regression") / "out"
    words = ["finetune", "--task=regression", f"--model={classifier_directory}", f"--train={pairs}", f"--eval={pairs}"]
    # This covers the head that reads the mean; all other tests have the head that reads the first token.
    words += ["--pooling=mean", "--max_seq_length=32", "--epochs=2"]
    assert cli.run([*words, *PAIRS, f"--output={output}"]) == 0
    return output


@pytest.mark.parametrize("kind", ["regression", "embedding"])
def test_the_whole_way(kind, classifier_directory, pairs, tmp_path, capsys, request):
    model = request.getfixturevalue("regression") if kind == "regression" else classifier_directory
    columns = PAIRS if kind == "embedding" else []
    task = ["--task=embedding"] if kind == "embedding" else []
    capsys.readouterr()
    assert cli.run(["evaluate", f"--model={model}", f"--input={pairs}", *task, *columns, "--json"]) == 0
    in_keras = json.loads(capsys.readouterr().out)
    assert in_keras["examples"] == 48 and -1 <= in_keras["spearman"] <= 1

    output = tmp_path / "exported"
    words = ["export", f"--model={model}", f"--evaluation={pairs}", f"--output={output}", *task, *columns, *QUICK]
    # Gates are loose, since static int8 may miss the usual ones with random weights.
    assert cli.run([*words, "--min_agreement=0.5", "--max_score_drop=1", "--max_error=10"]) == 0
    report = json.loads((output / "report.json").read_text())
    assert report["task"]["name"] == kind and report["keras"]["spearman"] == pytest.approx(in_keras["spearman"])
    names = [row["name"] for row in report["variants"] if row["passed"]]
    assert names == ["float32", "dynamic_int8", "static_int8"]
    exact = report["variants"][0]
    assert exact["parity"]["max_relative_error"] < 1e-4
    assert exact["difference"]["low"] <= exact["difference"]["score"] <= exact["difference"]["high"]
    for page in ("report.html", "report.md"):
        assert "Spearman" in (output / page).read_text()
    assert not (output / "labels.txt").exists()
    assert cli.run(["export", "verify", str(output)]) == 0

    capsys.readouterr()
    file = output / "float32.tflite"
    assert cli.run(["evaluate", f"--model={file}", f"--input={pairs}", *columns, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["spearman"] == pytest.approx(in_keras["spearman"], abs=1e-3)

    contract = json.loads((output / "float32.contract.json").read_text())
    assert contract["answer"]["kind"] == {"regression": "value", "embedding": "vector"}[kind]
    texts = ["--text=a b c", "--context=c d"]
    answers = []
    for where in ([f"--model={model}", *task], [f"--model={file}"]):
        assert cli.run(["predict", *where, *texts, "--json"]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    key = {"regression": "value", "embedding": "cosine"}[kind]
    assert answers[0][key] == pytest.approx(answers[1][key], abs=1e-3)


@pytest.fixture(scope="module")
def tagged(tmp_path_factory) -> Path:
    """48 texts of letters; each of the letters a, b and c that a text contains gives it a label."""
    random = np.random.default_rng(6)
    lines = ["text\ttags"]
    for _ in range(48):
        letters = random.choice(list("abcdefgh"), size=random.integers(2, 9))
        lines.append(f"{' '.join(letters)}\t{', '.join(f'has {letter}' for letter in 'abc' if letter in letters)}")
    path = tmp_path_factory.mktemp("tagged") / "tagged.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_several_labels_the_whole_way(classifier_directory, tagged, tmp_path, capsys):
    model, output = tmp_path / "tagger", tmp_path / "exported"
    words = [
        "finetune",
        "--task=multilabel",
        f"--model={classifier_directory}",
        f"--train={tagged}",
        f"--eval={tagged}",
    ]
    assert cli.run([*words, "--label_column=tags", "--max_seq_length=32", "--epochs=2", f"--output={model}"]) == 0
    task = json.loads((model / "task.json").read_text())
    assert len(task["thresholds"]) == 3 and (model / "labels.txt").read_text() == "has a\nhas b\nhas c\n"
    capsys.readouterr()
    assert cli.run(["evaluate", f"--model={model}", f"--input={tagged}", "--json"]) == 0
    in_keras = json.loads(capsys.readouterr().out)
    assert in_keras["micro_f1"] == json.loads((model / "metrics.json").read_text())["evaluation"]["micro_f1"]
    words = ["export", f"--model={model}", f"--evaluation={tagged}", f"--output={output}", "--sequence_lengths=16,32"]
    assert cli.run([*words, "--recipes=float32", "--rounds=1", "--runs=1"]) == 0
    assert "Micro F1" in (output / "report.md").read_text()
    assert cli.run(["export", "verify", str(output)]) == 0
    contract = json.loads((output / "float32.contract.json").read_text())
    answer = contract["answer"]
    assert (answer["kind"], answer["decision"], answer["softmax"]) == ("labels", "thresholds", False)
    for example in contract["examples"]:
        likely = 1 / (1 + np.exp(-np.array(example["output"])))
        # A contract's outputs and probabilities have nine digits.
        np.testing.assert_allclose(example["probabilities"], likely, rtol=1e-6)
        chosen = [label for label, p in zip(answer["labels"], likely, strict=True) if p >= answer["thresholds"][label]]
        assert example["answer"] == chosen
    capsys.readouterr()
    answers = []
    for where in (model, output / "float32.tflite"):
        assert cli.run(["predict", f"--model={where}", "--text=a b h", "--json"]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0]["labels"] == answers[1]["labels"]
    assert cli.run([*words[:3], f"--output={tmp_path / 'out'}", "--recipes=mediapipe"]) == 2
    assert "mediapipe: it has no task for --task=multilabel" in capsys.readouterr().err


INTENTS = [("a b a", "x"), ("b a", "x"), ("a a b c", "x"), ("x y z", "y"), ("z y", "y"), ("y z z", "y")]


@pytest.fixture(scope="module")
def intents(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("intents") / "intents.tsv"
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in INTENTS))
    return path


def test_prototypes_the_whole_way(classifier_directory, intents, tmp_path, capsys):
    model, output = tmp_path / "intents", tmp_path / "exported"
    words = ["prototypes", f"--model={classifier_directory}", f"--examples={intents}", "--max_seq_length=32"]
    assert cli.run([*words, f"--output={model}", "--threshold=-1", "--margin=0"]) == 0
    capsys.readouterr()
    assert cli.run(["evaluate", f"--model={model}", f"--input={intents}", "--json"]) == 0
    in_keras = json.loads(capsys.readouterr().out)
    assert in_keras["examples"] == 6 and in_keras["answered"] == 1.0
    words = ["export", f"--model={model}", f"--evaluation={intents}", f"--output={output}", "--sequence_lengths=16,32"]
    assert cli.run([*words, "--recipes=float32", "--rounds=1", "--runs=1"]) == 0
    assert cli.run(["export", "verify", str(output)]) == 0
    contract = json.loads((output / "float32.contract.json").read_text())
    answer = contract["answer"]
    assert (answer["kind"], answer["labels"], answer["decision"]) == ("prototypes", ["x", "y"], "nearest")
    # Decide as an app would, from each example's vector.
    for example in contract["examples"]:
        cosines = np.array(answer["centroids"]) @ np.array(example["output"])
        assert example["answer"] == answer["labels"][cosines.argmax()]
    capsys.readouterr()
    printed = []
    for where in (model, output / "float32.tflite"):
        assert cli.run(["predict", f"--model={where}", "--text=a b"]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] and "(cosine " in printed[0]
    with pytest.raises(UsageError, match="judges one text at a time; give single texts, not pairs"):
        load_model_directory(model).predict([("a b", "b a")])
    # The centroids are exchanged, as if they came from another export.
    file = output / "prototypes.json"
    values = json.loads(file.read_text())
    file.write_text(json.dumps({**values, "centroids": values["centroids"][::-1]}))
    assert cli.run(["predict", f"--model={output / 'float32.tflite'}", "--text=a b"]) == 2
    assert f"{file}: does not match float32.contract.json" in capsys.readouterr().err
    # No text can reach a margin of 2.
    words = ["prototypes", f"--model={classifier_directory}", f"--examples={intents}", f"--output={tmp_path / 'shy'}"]
    assert cli.run([*words, "--max_seq_length=32", "--margin=2"]) == 0
    capsys.readouterr()
    assert cli.run(["predict", f"--model={tmp_path / 'shy'}", "--text=a b"]) == 0
    assert capsys.readouterr().out.startswith("none of these")


@pytest.mark.parametrize("rows, said", [
    (["a\tx", "b\tx"], "has 1 distinct label(s)"),
    (["a\tx", "\ty"], "class 'y' has no row with text"),
    (["a\tx", "b\t"], "line 3: the label, column 'label', is empty"),
])  # fmt: skip
def test_intents_of_one_class_or_an_empty_one(rows, said, classifier_directory, tmp_path, capsys):
    table = tmp_path / "intents.tsv"
    table.write_text("text\tlabel\n" + "".join(f"{row}\n" for row in rows))
    words = ["prototypes", f"--model={classifier_directory}", f"--examples={table}", f"--output={tmp_path / 'out'}"]
    assert cli.run(words) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_the_vector_of_one_text_has_unit_length(classifier_directory, capsys):
    words = ["predict", f"--model={classifier_directory}", "--task=embedding", "--text=a b"]
    capsys.readouterr()
    assert cli.run([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["text"] == "a b" and np.linalg.norm(answer["embedding"]) == pytest.approx(1.0, abs=1e-5)
    assert cli.run(words) == 0
    assert "--json prints all" in capsys.readouterr().out


def test_python_gives_what_the_command_gives(classifier_directory, regression, capsys):
    from mobilebert_tf import load_model_directory
    from mobilebert_tf.errors import UsageError

    for model, text, words in (
        (classifier_directory, "a b", ["--text=a b"]),
        (regression, ("a b", "b c"), ["--text=a b", "--context=b c"]),
    ):
        capsys.readouterr()
        assert cli.run(["predict", f"--model={model}", *words, "--json"]) == 0
        printed = json.loads(capsys.readouterr().out)
        (answer,) = load_model_directory(model).predict([text])
        assert answer == {name: value for name, value in printed.items() if name not in ("text", "context")}
    loaded = load_model_directory(classifier_directory)
    assert loaded.predict([]) == []
    with pytest.raises(UsageError, match="judges one text at a time; give single texts"):
        loaded.predict([("a", "b")])
    with pytest.raises(UsageError, match="put it into a list"):
        loaded.predict("a b")


def test_without_task_json_one_text_or_two_are_judged_as_it_is_asked(classifier_directory, tmp_path, capsys):
    from mobilebert_tf import load_model_directory

    copy = tmp_path / "copy"
    shutil.copytree(classifier_directory, copy)
    (copy / "task.json").unlink()
    answers = load_model_directory(copy).predict([("a b", "b c"), "a b"])
    for answer, words in zip(answers, (["--context=b c"], []), strict=True):
        assert cli.run(["predict", f"--model={copy}", "--text=a b", *words, "--json"]) == 0
        assert answer["probability"] == pytest.approx(json.loads(capsys.readouterr().out)["probability"], abs=1e-5)


@pytest.mark.parametrize("change, said", [
    (lambda vector: [0.0] * len(vector), "a vector whose length is 0, not one"),
    (lambda vector: [1.0] + [0.0] * (len(vector) - 1), "the same vector for"),
])  # fmt: skip
def test_a_contract_of_vectors_that_are_none_is_not_verified(change, said, tmp_path):
    from mobilebert_tf.export.ship import check_contract

    with pytest.raises(Exception, match=said):
        check_contract._check_vectors([change([0.6, 0.8]), change([0.8, 0.6])])


def test_a_model_whose_vectors_do_not_depend_on_the_text_is_refused(classifier_directory, tmp_path, capsys):
    import shutil

    import h5py

    copy = shutil.copytree(classifier_directory, tmp_path / "copy")
    with h5py.File(copy / "model.weights.h5", "r+") as file:
        last = max(name for name in file if name.startswith("block_"))
        norm = file[last]["output_bottleneck"]["norm"]
        norm["gamma"][...], norm["beta"][...] = 0.0, 1.0
    table = tmp_path / "texts.tsv"
    table.write_text("text\na b\nc d e\na b\n")
    capsys.readouterr()
    assert cli.run(["predict", f"--model={copy}", "--task=embedding", f"--input={table}"]) == 1
    assert "gives the same vector for 2 texts" in capsys.readouterr().err
    words = ["export", f"--model={copy}", "--task=embedding", f"--evaluation={table}", *QUICK]
    assert cli.run([*words, f"--output={tmp_path / 'out'}"]) == 2
    assert "gives the same vector for 2 texts, so it is not a model of sentence embeddings" in capsys.readouterr().err


@pytest.mark.parametrize("words, said", [
    (["finetune", "--task=embedding"], "--task"),
    (["finetune", "--task=regression", "--merge_labels"], "--merge_labels: is for classes"),
    (["evaluate", "--task=regression"], "is for --task=classification, not for regression"),
])  # fmt: skip
def test_a_task_that_the_model_or_the_command_has_not(
    words, said, classifier_directory, labelled_table, tmp_path, capsys
):
    table = f"--{'train' if words[0] == 'finetune' else 'input'}={labelled_table}"
    output = [f"--output={tmp_path / 'out'}"]
    assert cli.run([*words, f"--model={classifier_directory}", table, *output]) == 2
    printed = capsys.readouterr().err
    assert said in printed and printed.count("\n") == 1
