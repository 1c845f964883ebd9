"""Questions and entities from end to end: training, evaluation, answers, and verified files."""

import json
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli

pytestmark = pytest.mark.usefixtures("timed_here")

QUICK = ["--sequence_lengths=16,32", "--recipes=float32,dynamic_int8,static_int8", "--rounds=1", "--runs=1"]
# Models with nearly random weights miss the usual gates.
LENIENT = ["--min_agreement=0.1", "--max_score_drop=1", "--max_error=10"]


@pytest.fixture(scope="module")
def squad(tmp_path_factory) -> Path:
    """24 questions on passages of letters, some longer than the model's length; a quarter have no answer."""
    random = np.random.default_rng(8)
    paragraphs = []
    for number in range(24):
        letters = random.choice(list("abcdefgh"), size=random.integers(8, 60))
        context = " ".join(letters)
        place = int(random.integers(0, len(letters) - 2))
        answer = {"text": context[2 * place : 2 * place + 3], "answer_start": 2 * place}
        nothing = number % 4 == 0
        question = {"id": f"q{number}", "question": f"{letters[place]} a", "answers": [] if nothing else [answer]}
        paragraphs.append({"context": context, "qas": [question | {"is_impossible": nothing}]})
    path = tmp_path_factory.mktemp("squad") / "squad.json"
    path.write_text(json.dumps({"version": "v2.0", "data": [{"title": "letters", "paragraphs": paragraphs}]}))
    return path


@pytest.fixture(scope="module")
def conll(tmp_path_factory) -> Path:
    """30 sentences of letters, some longer than the model's length: a and the next letter are a place, b a person."""
    random = np.random.default_rng(9)
    lines = []
    for _ in range(30):
        before = ""
        for letter in random.choice(list("abcdefgh"), size=random.integers(3, 50)):
            tag = {"a": "B-place", "b": "B-person"}.get(letter, "I-place" if before == "a" else "O")
            lines.append(f"{letter}\t{tag}")
            before = letter
        lines.append("")
    path = tmp_path_factory.mktemp("conll") / "letters.conll"
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("kind", ["qa", "entities"])
def test_the_whole_way(kind, classifier_directory, squad, conll, tmp_path, capsys):
    table, output = squad if kind == "qa" else conll, tmp_path / "exported"
    model = tmp_path / "model"
    words = ["finetune", f"--task={kind}", f"--model={classifier_directory}", f"--train={table}", f"--eval={table}"]
    flags = ["--doc_stride=8", "--max_question_length=4"] if kind == "qa" else []
    assert cli.run([*words, *flags, "--max_seq_length=32", "--epochs=2", f"--output={model}"]) == 0
    trained = json.loads((model / "metrics.json").read_text())["evaluation"]

    capsys.readouterr()
    predictions = tmp_path / "predictions"
    words = ["evaluate", f"--model={model}", f"--input={table}", f"--predictions={predictions}", "--json"]
    assert cli.run(words) == 0
    in_keras = json.loads(capsys.readouterr().out)
    assert in_keras == pytest.approx(trained) if kind == "qa" else in_keras["f1"] == pytest.approx(trained["f1"])
    if kind == "qa":
        answers_by_id = json.loads(predictions.read_text())
        assert sorted(answers_by_id) == sorted(f"q{number}" for number in range(24)) and in_keras["unanswered"] == 6
    else:
        columns = [line.split("\t") for line in predictions.read_text().splitlines() if line]
        assert [row[:2] for row in columns] == [line.split("\t") for line in table.read_text().splitlines() if line]

    words = ["export", f"--model={model}", f"--evaluation={table}", f"--output={output}", *QUICK, *LENIENT]
    assert cli.run(words) == 0
    report = json.loads((output / "report.json").read_text())
    assert report["keras"]["f1"] == pytest.approx(in_keras["f1"])
    assert [row["name"] for row in report["variants"] if row["passed"]] == ["float32", "dynamic_int8", "static_int8"]
    assert report["variants"][0]["parity"]["max_relative_error"] < 1e-4
    # F1 depends on decisions alone, which float32 does not change here.
    assert report["variants"][0]["metrics"]["f1"] == pytest.approx(in_keras["f1"], abs=1e-6)
    assert "F1" in (output / "report.md").read_text()
    assert cli.run(["export", "verify", str(output)]) == 0

    contract = json.loads((output / "float32.contract.json").read_text())
    assert contract["answer"]["kind"] == {"qa": "span", "entities": "entities"}[kind]
    several = [example for example in contract["examples"] if len(example["windows"]) > 1]
    assert several, "one of the examples is longer than the network"
    capsys.readouterr()
    file = output / "float32.tflite"
    answers = []
    for where in (model, file):
        texts = ["--text=a b", f"--context={'c d e f g ' * 10}"] if kind == "qa" else [f"--text={'a b (c) d. ' * 9}"]
        assert cli.run(["predict", f"--model={where}", *texts, "--json"]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    key = "answer" if kind == "qa" else "entities"
    for first, second in zip(*(one[key] if kind == "entities" else [one] for one in answers), strict=True):
        # Logits agree to 1e-4 of the largest, and probabilities accordingly.
        assert first == pytest.approx(second, abs=1e-3) if kind == "entities" else first[key] == second[key]


@pytest.fixture(scope="module")
def answering(classifier_directory, squad, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("answering") / "model"
    words = ["finetune", "--task=qa", f"--model={classifier_directory}", f"--train={squad}", f"--eval={squad}"]
    assert cli.run([*words, "--max_seq_length=32", "--doc_stride=8", "--epochs=1", f"--output={output}"]) == 0
    return output


@pytest.mark.slow
def test_precisions_are_searched_by_the_score_of_questions(answering, squad, tmp_path):
    output, other = tmp_path / "searched", tmp_path / "other.json"
    other.write_text(squad.read_text().replace("q1", "r1"))
    words = [
        "export",
        f"--model={answering}",
        f"--evaluation={squad}",
        f"--output={output}",
        "--max_drop=0.2",
        f"--calibration={other}",
        *LENIENT,
    ]
    assert cli.run([*words, "--sequence_lengths=32", "--recipes=float32", "--rounds=1", "--runs=1"]) == 0
    report = json.loads((output / "report.json").read_text())
    assert [row["name"] for row in report["variants"]] == ["float32", "cheapest"]
    assert report["searched"]["score_name"] == "F1" and report["searched"]["scored_examples"] == 12


@pytest.mark.slow
def test_quantization_aware_training_of_questions(answering, squad, tmp_path):
    aware, output = tmp_path / "aware", tmp_path / "exported"
    words = ["finetune", "--quantization_aware", f"--model={answering}", f"--train={squad}", f"--eval={squad}"]
    assert cli.run([*words, f"--output={aware}"]) == 0
    words = ["export", f"--model={aware}", f"--evaluation={squad}", f"--output={output}", "--sequence_lengths=32"]
    assert cli.run([*words, "--recipes=static_int8", "--rounds=1", "--runs=1", *LENIENT]) == 0
    (row,) = json.loads((output / "report.json").read_text())["variants"]
    trained = json.loads((aware / "metrics.json").read_text())["quantized_evaluation"]
    # A value between two steps of the grid may round the other way and change a decision.
    assert row["metrics"]["f1"] == pytest.approx(trained["f1"], abs=0.05)
    assert row["trained"]["decision_agreement"] > 0.9


def test_a_loaded_model_answers_in_python(answering):
    from mobilebert_tf.model_directory import load_model_directory

    (answer,) = load_model_directory(answering).predict([("a b", "c d e f g")])
    assert answer["answer"] == "c d e f g"[answer["start"] or 0 : answer["end"] or 0]


def test_mediapipe_has_no_task_for_it(answering, tmp_path, capsys):
    assert cli.run(["export", f"--model={answering}", "--recipes=mediapipe", f"--output={tmp_path / 'out'}"]) == 2
    assert "mediapipe: it has no task for --task=qa" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["qa", "entities"])
def test_a_model_from_elsewhere_says_by_its_head_what_it_is_for(kind, answering, conll, tmp_path, capsys):
    model = answering
    if kind == "entities":
        model = tmp_path / "tagger"
        words = ["finetune", "--task=entities", f"--model={answering}", f"--train={conll}", "--eval=none"]
        assert (
            cli.run([*words, "--max_seq_length=32", "--epochs=100", "--learning_rate=0.02", f"--output={model}"]) == 0
        )
    elsewhere = tmp_path / "elsewhere"
    assert cli.run(["convert", f"--input={model}", f"--output={elsewhere}", "--to=huggingface"]) == 0
    for name in ("task.json", "labels.txt"):
        (elsewhere / name).unlink(missing_ok=True)
    answers = []
    for directory in (model, elsewhere):
        capsys.readouterr()
        texts = ["--text=a b", "--context=c d e f g"] if kind == "qa" else ["--text=a b c. b"]
        assert cli.run(["predict", f"--model={directory}", *texts, "--json"]) == 0
        answers.append(json.loads(capsys.readouterr().out))
        other = ["--text=a"] if kind == "qa" else ["--text=a", "--context=b"]
        assert cli.run(["predict", f"--model={directory}", *other]) == 2
        assert "at a time" in capsys.readouterr().err
    if kind == "entities":
        assert answers[0] == answers[1] and answers[0]["entities"]
    else:
        # Hugging Face's files do not say whether the model was trained to decline, so the best answers may differ.
        spans = [{candidate["answer"] for candidate in (answer, *answer["others"])} for answer in answers]
        assert answers[1]["answer"] and answers[1]["answer"] in spans[0]
