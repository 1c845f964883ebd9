"""`finetune --teacher`: learning from a teacher, its losses by hand, and teachers that do not fit."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.entities import EntitiesTask
from mobilebert_tf.tasks.multilabel import MultilabelTask
from mobilebert_tf.tasks.questions import QuestionsTask
from mobilebert_tf.tasks.regression import RegressionTask

from .conftest import Complain

SHORT = ["--max_seq_length=16", "--batch_size=8", "--steps_per_call=2"]


def finetune(made: Path, output: Path, *words: str) -> list[str]:
    return ["finetune", f"--model={made / 'student'}", f"--output={output}", *SHORT, *words]


@pytest.fixture(scope="session")
def teacher(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has memorised the training table."""
    output = tmp_path_factory.mktemp("teacher") / "teacher"
    words = [f"--train={made / 'train.tsv'}", f"--eval={made / 'train.tsv'}", "--learning_rate=5e-3", "--epochs=20"]
    assert cli.run(finetune(made, output, *words)) == 0
    assert json.loads((output / "metrics.json").read_text())["evaluation"]["accuracy"] == 1.0
    return output


def test_student_learns_what_the_labels_do_not_say(
    made: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All labels are swapped and the teacher has the true ones: with a weight of one only the teacher counts."""
    rows = (made / "train.tsv").read_text().splitlines()
    turned = "\n".join(rows[:1] + [row[:-1] + {"a": "b", "b": "a"}[row[-1]] for row in rows[1:]])
    (tmp_path / "turned.tsv").write_text(turned + "\n")
    words = [f"--train={tmp_path / 'turned.tsv'}", f"--eval={made / 'train.tsv'}", "--learning_rate=5e-3"]
    output = tmp_path / "student"
    words += ["--epochs=20", f"--teacher={teacher}", "--teacher_weight=1", "--keep=last"]
    assert cli.run(finetune(made, output, *words)) == 0
    printed = capsys.readouterr().out
    assert "teaches; it answers 24 examples once" in printed
    assert "teacher itself has accuracy 100.0% on the rows that are scored" in printed
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["evaluation"]["accuracy"] > 0.9 and metrics["teacher"]["evaluation"]["accuracy"] == 1.0
    last = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()][-1]
    # The loss is only the distance to the teacher; the loss on the swapped labels is high.
    assert last["loss"] == pytest.approx(last["teacher_distance"]) and last["label_loss"] > 1.0


def test_order_of_its_labels_does_not_matter(made: Path, teacher: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(teacher, tmp_path / "copy"))
    (copy / "labels.txt").write_text("b\na\n")
    from mobilebert_tf.model_directory import load_model_directory, save_model_directory

    loaded = load_model_directory(copy)
    for weight in loaded.model.trainable_weights:
        if weight.path.startswith("classifier/"):
            weight.assign(np.asarray(weight)[..., ::-1])
    save_model_directory(copy, loaded.model, loaded.tokenizer, loaded.task)
    for directory, name in ((teacher, "one"), (copy, "other")):
        words = [f"--train={made / 'train.tsv'}", "--learning_rate=1e-3", "--epochs=2", f"--teacher={directory}"]
        assert cli.run(finetune(made, tmp_path / name, *words)) == 0
    # The same answers under the same names, so the same training.
    one, other = ((tmp_path / name / "model.weights.h5").read_bytes() for name in ("one", "other"))
    assert one == other


def test_losses_by_hand() -> None:
    random = np.random.default_rng(0)
    student, teacher = random.normal(size=(2, 5, 3)).astype(np.float32)
    temperature = 3.0

    def softmax(row):
        powers = [math.exp(value / temperature) for value in row]
        return [power / sum(powers) for power in powers]

    expected = 0.0
    for ours, theirs in zip(student, teacher, strict=True):
        p, q = softmax(theirs), softmax(ours)
        expected += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)) / 5
    task = ClassificationTask(labels=("a", "b", "c"))
    # float32 sums of fifteen terms.
    distance = task.distance_from_teacher(student, {"logits": teacher}, temperature, {})
    assert float(distance) == pytest.approx(9 * expected, rel=1e-5)

    expected = 0.0
    for ours, theirs in zip(student.flat, teacher.flat, strict=True):
        p, q = (1 / (1 + math.exp(-value / temperature)) for value in (theirs, ours))
        expected += (p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))) / 15
    several = MultilabelTask(labels=("a", "b", "c"))
    distance = several.distance_from_teacher(student, {"logits": teacher}, temperature, {})
    assert float(distance) == pytest.approx(9 * expected, rel=1e-4)
    aligned = several.as_taught(MultilabelTask(labels=("c", "a", "b")), {"logits": teacher})["logits"]
    assert aligned.tolist() == teacher[:, [1, 2, 0]].tolist()

    ours, theirs = RegressionTask(offset=2.0, scale=4.0), RegressionTask(offset=1.0, scale=3.0)
    taught = ours.as_taught(theirs, {"score": np.float32([[0.0], [2.0]])})
    # The teacher's values 1 and 7, in units of four around two.
    assert taught["score"].tolist() == [[-0.25], [1.25]]
    distance = ours.distance_from_teacher(np.float32([[0.0], [0.0]]), taught, 1.0, {})
    assert float(distance) == pytest.approx((0.25**2 + 1.25**2) / 2)


def test_losses_of_word_pieces_by_hand() -> None:
    random = np.random.default_rng(1)
    student, teacher = random.normal(size=(2, 2, 4, 3)).astype(np.float32)

    def divergence(theirs, ours):
        p, q = (np.exp(row / 2.0) / np.exp(row / 2.0).sum() for row in (theirs, ours))
        return float((p * np.log(p / q)).sum())

    label = np.array([[-1, 0, 2, -1], [-1, 1, -1, -1]])
    known = list(zip(*np.nonzero(label >= 0), strict=True))
    expected = np.mean([divergence(teacher[place], student[place]) for place in known])
    task = EntitiesTask(labels=("O", "B-x", "I-x"))
    distance = task.distance_from_teacher(student, {"token_logits": teacher}, 2.0, {"token_label": label})
    assert float(distance) == pytest.approx(4 * expected, rel=1e-5)
    # The mean is over real tokens only, whatever the logits at padding.
    mask, names = np.array([[1, 1, 1, 0], [1, 1, 0, 0]]), ("start_logits", "end_logits")
    real = [(row, slice(0, mask[row].sum()), end) for row in range(2) for end in range(2)]
    expected = np.mean([divergence(teacher[place], student[place]) for place in real])
    ours, theirs = ({name: side[:, :, end] for end, name in enumerate(names)} for side in (student, teacher))
    distance = QuestionsTask().distance_from_teacher(ours, theirs, 2.0, {"input_mask": mask})
    assert float(distance) == pytest.approx(4 * expected, rel=1e-5)


def test_entities_and_answers_are_taught(made: Path, tmp_path: Path, complain: Complain) -> None:
    texts = [line.split("\t")[0].rstrip(".").split() for line in (made / "train.tsv").read_text().splitlines()[1:]]
    conll = "\n\n".join("\n".join(f"{word} {'O' if i % 3 else 'B-x'}" for i, word in enumerate(one)) for one in texts)
    (tmp_path / "train.conll").write_text(conll + "\n")
    rows = []
    for one in texts:
        answer = {"text": [one[2]], "answer_start": [len(" ".join(one[:2])) + 1]}
        rows.append({"question": one[0], "context": " ".join(one), "answers": answer})
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for kind, table in (("entities", tmp_path / "train.conll"), ("qa", tmp_path / "train.jsonl")):
        words = [f"--task={kind}", f"--train={table}", f"--eval={table}", "--epochs=2", "--learning_rate=5e-3"]
        assert cli.run(finetune(made, tmp_path / kind, *words)) == 0
        taught = [*finetune(made, tmp_path / f"{kind}-taught", *words), f"--teacher={tmp_path / kind}"]
        assert cli.run(taught) == 0
        metrics = json.loads((tmp_path / f"{kind}-taught" / "metrics.json").read_text())
        own = json.loads((tmp_path / kind / "metrics.json").read_text())["evaluation"]
        assert metrics["teacher"]["evaluation"]["f1"] == pytest.approx(own["f1"])
        last = json.loads((tmp_path / f"{kind}-taught" / "log.jsonl").read_text().splitlines()[-1])
        # The log has six digits.
        assert last["loss"] == pytest.approx((last["label_loss"] + last["teacher_distance"]) / 2, rel=1e-4)
    other = Path(shutil.copytree(tmp_path / "entities", tmp_path / "other"))
    lines = (other / "vocab.txt").read_text().splitlines()
    (other / "vocab.txt").write_text("\n".join([*lines[:-1], "changed"]) + "\n")
    rules = json.loads((other / "tokenizer.json").read_text())
    (other / "tokenizer.json").write_text(json.dumps({k: v for k, v in rules.items() if k != "vocab_sha256"}))
    words = ["--task=entities", f"--train={tmp_path / 'train.conll'}", f"--eval={tmp_path / 'train.conll'}"]
    line = complain(*finetune(made, tmp_path / "out", *words), f"--teacher={other}")
    assert "its vocabulary differs from that of --model, but --task=entities is taught word piece by word piece" in line


def test_regression_and_several_labels_are_taught(made: Path, tmp_path: Path) -> None:
    lines = (made / "train.tsv").read_text().splitlines()[1:]
    texts = [line.split("\t")[0] for line in lines]
    tables = {
        "regression": [f"{text}\t{i % 5}" for i, text in enumerate(texts)],
        "multilabel": [f"{text}\t{('', 'a', 'b', 'a,b')[i % 4]}" for i, text in enumerate(texts)],
    }
    for kind, rows in tables.items():
        table = tmp_path / f"{kind}.tsv"
        table.write_text("text\tlabel\n" + "\n".join(rows) + "\n")
        words = [f"--task={kind}", f"--train={table}", f"--eval={table}", "--epochs=1"]
        assert cli.run(finetune(made, tmp_path / kind, *words)) == 0
        taught = [f"--teacher={tmp_path / kind}", f"--output={tmp_path / f'{kind}-taught'}"]
        assert cli.run([*finetune(made, tmp_path / f"{kind}-taught", *words), *taught]) == 0
        metrics = json.loads((tmp_path / f"{kind}-taught" / "metrics.json").read_text())
        own = json.loads((tmp_path / kind / "metrics.json").read_text())["evaluation"]
        names = {"regression": ["root_mean_square_error"], "multilabel": ["loss", "micro_f1"]}[kind]
        for name in names:  # The teacher's figures on the same rows; one of the two sums rows in another order.
            assert metrics["teacher"]["evaluation"][name] == pytest.approx(own[name], rel=1e-4)


def test_teachers_that_do_not_fit(made: Path, teacher: Path, complain: Complain, tmp_path: Path) -> None:
    output = tmp_path / "out"

    def said(*words: str) -> str:
        line = complain(*finetune(made, output), *words)
        assert not output.exists()
        return line

    train = f"--train={made / 'train.tsv'}"
    assert "--teacher_weight: has no meaning without --teacher" in said(train, "--teacher_weight=0.2")
    assert "no such model directory" in said(train, f"--teacher={tmp_path / 'nowhere'}")
    assert "has no task; fine-tune it first" in said(train, f"--teacher={made / 'student'}")
    line = said(f"--train={made / 'other.tsv'}", f"--teacher={teacher}")
    assert f"--teacher={teacher}: its labels differ from those of --train: it lacks 'c'" in line
    copy = Path(shutil.copytree(teacher, tmp_path / "copy"))
    (copy / "labels.txt").write_text("a\nz\n")
    assert "it lacks 'b' and also has 'z'" in said(train, f"--teacher={copy}")
    numbers = tmp_path / "numbers.tsv"
    numbers.write_text("text\tlabel\none\t1\ntwo\t2\n")
    line = said(f"--train={numbers}", "--task=regression", f"--teacher={teacher}")
    assert "is for --task=classification, not for regression" in line
    line = said(f"--train={numbers}", "--task=regression", f"--teacher={teacher}", "--teacher_temperature=3")
    assert "--teacher_temperature: divides logits, and --task=regression has none" in line
