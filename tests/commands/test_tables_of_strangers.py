"""Tables as annotation tools, data frames and test sets write them, and mistakes in reading them."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.data import bad_rows
from mobilebert_tf.data.squad import read_questions
from mobilebert_tf.errors import UsageError
from mobilebert_tf.model_directory import load_model_directory, save_model_directory
from mobilebert_tf.tasks import glue_submission
from mobilebert_tf.tasks.cell_values import list_in
from mobilebert_tf.tasks.entities import EntitiesTask
from mobilebert_tf.tasks.multilabel import MultilabelTask
from mobilebert_tf.tasks.task import NONE

COLUMNS = {"question": "question", "context": "context", "answers": "answers"}


@pytest.mark.parametrize(
    "values", [np.array([2, 10]), np.array([27]), np.array(["joy", "anger"]), np.array(["a, b", "it's"]), [1.5, 2]]
)
def test_lists_are_read_as_numpy_and_python_write_them(values) -> None:
    expected = [str(value) for value in values]
    assert list_in(str(values)) == expected
    assert list_in(repr(values)) == expected


def test_a_list_of_choices_is_that_list_and_a_label_in_brackets_a_label(tmp_path: Path) -> None:
    path = tmp_path / "choices.jsonl"
    path.write_text(
        '{"text": "a", "label": {"choices": ["sport", "news"]}}\n{"text": "b", "label": "sport"}\n'
        '{"text": "c", "label": "[OTHER]"}\n'
    )
    task = MultilabelTask.discover(path)
    assert task.labels == ("[OTHER]", "news", "sport")
    assert [example.label for example in task.read(path)] == [(1, 2), (2,), (0,)]


@pytest.mark.parametrize("cell", ['[{"start": 0, "labels": ["PER"]}]', '{"a": 1}', "[sport, news]", "['sport', news]"])
def test_what_is_no_list_of_labels_makes_no_labels(cell: str, tmp_path: Path) -> None:
    path = tmp_path / "spans.jsonl"
    path.write_text(f'{{"text": "a", "label": "sport"}}\n{json.dumps({"text": "b", "label": cell})}\n')
    with pytest.raises(UsageError, match="line 2: column 'label' holds .* which is not a list of labels"):
        MultilabelTask.discover(path)
    with bad_rows.counting(True) as left_out:
        task = MultilabelTask.discover(path)
        assert task.labels == ("sport",) and len(task.read(path)) == 1
    assert len(left_out.bad) == 1


def test_a_row_without_a_label_s_column_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "columns.jsonl"
    rows = [{"text": "a", "x": 1, "y": 0}, {"text": "b", "x": 0, "y": 1}, {"text": "c", "x": 1}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with bad_rows.counting(True) as left_out:
        task = MultilabelTask.discover(path, label_columns=("x", "y"))
        assert [example.label for example in task.read(path)] == [(0,), (1,)]
    assert list(left_out.bad) == [(str(path), 3)]


def test_questions_of_a_table_keep_their_ids(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    rows = [{"id": id, "question": "q", "context": "about it", "answers": "it"} for id in ("q-abc", 7, None)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [question.id for question in read_questions(path, COLUMNS, labelled=True)] == ["q-abc", "7", "3"]


def test_answers_that_nobody_needs_stop_nothing_and_bad_questions_are_skipped(tmp_path: Path) -> None:
    def squad(*answers: object) -> Path:
        fields = [{} if own is None else {"answers": own} for own in answers]
        qas = [{"id": f"{number}", "question": "q?", **own} for number, own in enumerate(fields)]
        paragraphs = [{"context": "about it", "qas": qas}]
        (tmp_path / "s.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
        return tmp_path / "s.json"

    path = squad([{"text": "", "answer_start": 0}], [{"text": "it", "answer_start": 6}])
    assert len(read_questions(path, COLUMNS, labelled=False)) == 2
    path = squad(None, [{"text": "it", "answer_start": 6}])
    with pytest.raises(UsageError, match="question 0: has no answers"):
        read_questions(path, COLUMNS, labelled=True)
    with bad_rows.counting(True) as left_out:
        assert [question.id for question in read_questions(path, COLUMNS, labelled=True)] == ["1"]
    assert len(left_out.bad) == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [("one.csv", 'text\nabc\n""\ndef\n'), ("rows.jsonl", '{"text": "abc"}\n{"text": null}\n{"text": "def"}\n')],
)
def test_every_row_has_an_answer(name: str, content: str, classifier_directory: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / name).write_text(content)
    assert cli.run(["predict", f"--model={classifier_directory}", f"--input={tmp_path / name}", "--json"]) == 0
    assert [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()] == ["abc", "", "def"]


def test_entities_are_found_in_the_texts_of_a_table(tmp_path: Path) -> None:
    task = EntitiesTask(labels=("O", "B-PER"))
    (tmp_path / "people.csv").write_text("text,source\nJohn lives in Paris,web\nMary met Ann,news\n")
    read = task.read(tmp_path / "people.csv", labelled=False, every_row=True)
    assert [example.text for example in read] == ["John lives in Paris", "Mary met Ann"]
    (tmp_path / "words.tsv").write_text("John\tB-PER\nlives\tO\n\nMary\tB-PER\n")
    read = task.read(tmp_path / "words.tsv", labelled=False, every_row=True)
    assert [example.text for example in read] == ["John lives", "Mary"]
    (tmp_path / "rows.jsonl").write_text('{"text": "John lives"}\n')
    assert [row.text for row in task.read(tmp_path / "rows.jsonl", labelled=False)] == ["John lives"]
    (tmp_path / "tokens.jsonl").write_text('{"text": "x", "tokens": ["John", "lives"]}\n')
    assert [row.text for row in task.read(tmp_path / "tokens.jsonl", labelled=False)] == ["John lives"]


def test_answers_do_not_take_the_place_of_the_test_set(tmp_path: Path) -> None:
    table = tmp_path / "RTE.tsv"
    table.write_text("index\tsentence1\tsentence2\n0\ta\tb\n")
    with pytest.raises(UsageError, match=r"RTE.tsv exists but holds no predictions; give another directory"):
        glue_submission.write(tmp_path, "glue/rte", [{"label": "entailment"}])
    assert table.read_text().startswith("index\tsentence1")
    place = tmp_path / "answers"
    for _ in range(2):  # predictions may be overwritten
        written = glue_submission.write(place, "glue/rte", [{"label": "entailment"}])
    assert written.read_text() == "index\tprediction\n0\tentailment\n"


def test_what_belongs_to_no_class_is_no_class(classifier_directory: Path, tmp_path: Path, complain) -> None:
    (tmp_path / "intents.tsv").write_text(f"text\tlabel\na b\talarm\nc d\tmusic\ne f\t{NONE}\n")
    line = complain(
        "prototypes", f"--model={classifier_directory}", f"--examples={tmp_path / 'intents.tsv'}",
        f"--output={tmp_path / 'x'}",
    )  # fmt: skip
    assert "leave these rows out here" in line


def test_a_finished_evaluation_is_shown_again(
    classifier_directory: Path, labelled_table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "evaluate",
        f"--model={classifier_directory}",
        f"--input={labelled_table}",
        f"--output={tmp_path / 'score'}",
    ]
    assert cli.run([*words, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    before = (tmp_path / "score" / "metrics.json").read_bytes()
    assert cli.run([*words, "--json"]) == 0
    again = capsys.readouterr()
    assert json.loads(again.out) == first and "is finished already" in again.err
    assert cli.run([*words, "--json", f"--predictions={tmp_path / 'answers.jsonl'}", "--show_mistakes"]) == 0
    assert json.loads(capsys.readouterr().out) == first
    assert len((tmp_path / "answers.jsonl").read_text().splitlines()) == first["examples"]
    assert (tmp_path / "score" / "metrics.json").read_bytes() == before


def test_a_submission_has_no_none_of_these(classifier_directory: Path, tmp_path: Path) -> None:
    """The server knows only the classes, so every row gets one."""
    loaded = load_model_directory(classifier_directory)
    task = dataclasses.replace(loaded.task, labels=("negative", "positive"), threshold=0.9999999)
    save_model_directory(tmp_path / "sure", loaded.model, loaded.tokenizer, task)
    (tmp_path / "test.tsv").write_text("index\tsentence\n0\ta b c\n1\tx y\n")
    words = ["predict", f"--model={tmp_path / 'sure'}", "--task=glue/sst2", f"--input={tmp_path / 'test.tsv'}"]
    assert cli.run([*words, f"--submission={tmp_path / 'answers'}"]) == 0
    rows = (tmp_path / "answers" / "SST-2.tsv").read_text().splitlines()[1:]
    assert [row.split("\t")[1] in "01" for row in rows] == [True, True]
