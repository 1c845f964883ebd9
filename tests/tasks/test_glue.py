"""GLUE's tasks: all layouts of their tables, scores against scikit-learn's, and submissions."""

import collections
import json
import zipfile

import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.commands.data_options import DataOptions
from mobilebert_tf.commands.labelled_data import read
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks import glue, glue_submission
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.files import read_task, write_task
from mobilebert_tf.tasks.glue_names import GLUE_NAMES

OFFICIAL = {
    "cola": ("gj04\t1\t\tOur friends won't buy this, \"let alone\" that, one, two, three, four.\n"
             "gj04\t0\t*\tThey drank the pub.\n", [1, 0]),
    "sst2": ("sentence\tlabel\nhide new secretions\t0\na gorgeous , witty film\t1\n", [0, 1]),
    "mrpc": ("\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\tHe said \" the witness .\tHe said so .\n"
             "0\t7\t8\tone\t\" two .\n", [1, 0]),
    "qqp": ("id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\tHow so?\tWhy \"so?\t0\n4\t5\t6\ta?\tb?\t1\n",
            [0, 1]),
    "stsb": ("index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n"
             "0\tmain\tMSRvid\t2012\t1\tnone\tnone\tA \"plane.\tAn air plane.\t5.000\n"
             "1\tmain\tMSRvid\t2012\t4\tnone\tnone\tA man.\tA dog.\t1.250\n", [5.0, 1.25]),
    "mnli": ("index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\t"
             "sentence2_parse\tsentence1\tsentence2\tlabel1\tgold_label\n"
             "0\t1\t1n\tx\t(\t)\t(\t)\tOne \"thing.\tAnother.\tentailment\tneutral\n"
             "1\t1\t1n\tx\t(\t)\t(\t)\tOne.\tOne.\tneutral\tentailment\n", [1, 0]),
    "qnli": ("index\tquestion\tsentence\tlabel\n0\tWhat?\tThat.\tentailment\n1\tWho?\tYes.\tnot_entailment\n", [0, 1]),
    "rte": ("index\tsentence1\tsentence2\tlabel\n0\tA.\tB.\tnot_entailment\n1\tA.\tA.\tentailment\n", [1, 0]),
    "wnli": ("index\tsentence1\tsentence2\tlabel\n0\tIt has.\tThe pin.\t0\n1\tIt has.\tThe carrot.\t1\n", [0, 1]),
}  # fmt: skip
"""Two rows of each task as in GLUE's download, and their labels as numbers."""


def examples(tmp_path, name, content, kind="tsv"):
    path = tmp_path / f"t.{kind}"
    path.write_text(content)
    data = read(DataOptions(train=str(path), task=f"glue/{name}", eval="none"))
    return data.task, data.training


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_tables(tmp_path, name, capsys):
    content, numbers = OFFICIAL[name]
    task, rows = examples(tmp_path, name, content)
    assert [row.label for row in rows] == numbers
    assert task.judges_pairs == (name not in ("cola", "sst2"))
    assert all(row.text and (row.text_pair is not None) == task.judges_pairs for row in rows)
    write_task(tmp_path, task)
    assert read_task(tmp_path) == task
    assert not capsys.readouterr().err  # no remarks on the usual layout
    if name == "cola":
        assert rows[0].text.endswith('"let alone" that, one, two, three, four.')
    if name == "stsb":
        assert rows[0].text == 'A "plane.' and task.score_name == "spearman"


def test_tables_as_their_authors_published_them(tmp_path, capsys):
    """STS-B has tabs and no header in files called .csv; rows of training have two more columns."""
    row = 'main-captions\tMSRvid\t2012test\t0000\t{}\tA "plane, or so.\tAn air plane.{}\r\n'
    content = row.format("5.000", "") + row.format("1.250", "\tnone\tnone")
    task, rows = examples(tmp_path, "stsb", content, "csv")
    assert [(example.text, example.text_pair, example.label) for example in rows] == [
        ('A "plane, or so.', "An air plane.", 5.0), ('A "plane, or so.', "An air plane.", 1.25)
    ]  # fmt: skip
    assert "columns separated by tabs" in capsys.readouterr().err
    assert examples(tmp_path, "stsb", content, "tsv") == (task, rows)


def test_all_nine_are_there():
    assert len(OFFICIAL) == 9 and {f"glue/{name}" for name in OFFICIAL} <= set(GLUE_NAMES)
    assert {name.removeprefix("glue/") for name in GLUE_NAMES} == set(glue.TASKS)
    scores = {name: task.score for name, task in glue.TASKS.items()}
    assert (scores["cola"], scores["mrpc"], scores["qqp"], scores["rte"]) == ("matthews", "f1", "f1", "accuracy")


def test_numbers_mean_what_the_task_says(tmp_path):
    """Hugging Face's copies have numbers only: 0 is entailment in RTE, but not in WNLI."""
    table = '{"sentence1": "a", "sentence2": "b", "label": 0}\n{"sentence1": "c", "sentence2": "d", "label": 1}\n'
    for name, first in (("rte", "entailment"), ("wnli", "not_entailment")):
        task, rows = examples(tmp_path, name, table, "jsonl")
        assert task.labels[rows[0].label] == first
    # A model from elsewhere has its own order of labels.
    other = ClassificationTask(labels=("contradiction", "entailment", "neutral"))
    mnli = glue.of_model("glue/mnli", other)
    (tmp_path / "m.jsonl").write_text('{"premise": "a", "hypothesis": "b", "label": 0}\n')
    assert [row.label for row in mnli.read(tmp_path / "m.jsonl")] == [1]
    with pytest.raises(Exception, match="has the label 'not_entailment', the model has contradiction"):
        glue.of_model("glue/rte", other)


@pytest.mark.parametrize(
    "name, content, said",
    [
        (
            "rte",
            "sentence1\tsentence2\tlabel\na\tb\tEntailment\n",
            "line 2: label 'Entailment' is not one of this task's",
        ),
        ("rte", "sentence1\tsentence2\tlabel\na\tb\t-1\n", "line 2: .* test sets have -1"),
        ("rte", "sentence1\tsentence2\tlabel\na\tb\t2\n", "line 2: label '2' is not one"),
        ("mnli", "sentence1\tsentence2\tgold_label\na\tb\t-\n", "annotators disagreed; .* with --skip_bad_rows"),
        ("stsb", "sentence1\tsentence2\tscore\na\tb\t1.5\nc\td\t9.5\n", "line 3: 9.5 is outside .* 0 to 5"),
        ("cola", "gj04\t1\t\tA ship.\ngj04\t0\tship\n", "line 2: has 3 columns where 4 are needed"),
    ],
)
def test_what_is_none_of_a_task_s_is_named(tmp_path, name, content, said):
    with pytest.raises(UsageError, match=said):
        examples(tmp_path, name, content, "tsv")


REAL = {
    "stsb": ("glue/STS-B/sts-train.tsv.xz", 5_749),
    "qnli": ("glue/QNLI/dev.tsv.xz", {"entailment": 2_702, "not_entailment": 2_761}),
    "mnli": ("glue/MNLI/dev_matched.jsonl.xz", {"entailment": 3_479, "neutral": 3_123, "contradiction": 3_213}),
    "wnli": ("glue/WNLI/dev_71.tsv", {"entailment": 31, "not_entailment": 40}),
    "sst2": ("glue_research_only/SST-2/train.tsv.xz", {"positive": 37_569, "negative": 29_780}),
    "cola": ("glue_research_only/CoLA/in_domain_train.tsv.xz", {"acceptable": 6_023, "unacceptable": 8_551 - 6_023}),
    "mrpc": ("glue_research_only/MRPC/glue_train.tsv.xz", {"equivalent": 2_474, "not_equivalent": 3_668 - 2_474}),
    "rte": ("glue_research_only/RTE/train.tsv.xz", {"entailment": 1_249, "not_entailment": 1_241}),
}
"""Files, and the published numbers of rows."""


@pytest.mark.parametrize("name", REAL)
def test_published_tables(shared_data, name):
    file, published = REAL[name]
    data = read(DataOptions(train=str(shared_data / file), task=f"glue/{name}", eval="none"))
    if isinstance(published, int):
        values = [row.label for row in data.training]
        assert len(values) == published and (min(values), max(values)) == (0.0, 5.0)
    else:
        counts = collections.Counter(data.task.labels[row.label] for row in data.training)
        assert counts == published
    assert all(row.text.strip() for row in data.training)


def test_both_forms_of_mrpc_hold_the_same_labels(shared_data):
    """The authors' table, whose quotes are plain characters, has the rows of both of GLUE's tables."""
    place = shared_data / "glue_research_only" / "MRPC"
    task = glue.discover("glue/mrpc", "")
    counts = [
        collections.Counter(row.label for row in task.read(place / file))
        for file in ("msr_paraphrase_train.txt.xz", "glue_train.tsv.xz", "glue_dev.tsv")
    ]
    assert counts[0] == counts[1] + counts[2] and counts[0].total() == 4_076


def test_the_zip_of_cola_has_the_tables(shared_data, tmp_path):
    with zipfile.ZipFile(shared_data / "glue_research_only" / "CoLA" / "cola_public.zip") as archive:
        name = next(name for name in archive.namelist() if name.endswith("raw/out_of_domain_dev.tsv"))
        (tmp_path / "dev.tsv").write_bytes(archive.read(name))
    assert len(glue.discover("glue/cola", "").read(tmp_path / "dev.tsv")) == 516


def test_scores_are_those_of_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    random = np.random.default_rng(0)
    for name in ("cola", "mrpc", "mnli"):
        task = glue.discover(f"glue/{name}", "")
        classes = len(task.labels)
        labels = random.integers(0, classes, 300)
        answers = np.where(random.random(300) < 0.5, labels, random.integers(0, classes, 300))
        scores = task.score({"logits": np.eye(classes)[answers]}, {"label": labels})
        assert scores.name == task.score_name == glue.TASKS[name].score
        assert scores.all["matthews"] == pytest.approx(sklearn.matthews_corrcoef(labels, answers))
        assert scores.all["accuracy"] == pytest.approx(sklearn.accuracy_score(labels, answers))
        assert scores.all["macro_f1"] == pytest.approx(sklearn.f1_score(labels, answers, average="macro"))
        if classes == 2:
            assert scores.all["f1"] == pytest.approx(sklearn.f1_score(labels, answers))
        # The score of a bootstrap sample is the score of the drawn rows.
        if scores.whole:
            drawn = random.integers(0, 300, 300)
            of_drawn = task.score({"logits": np.eye(classes)[answers[drawn]]}, {"label": labels[drawn]})
            assert scores.whole(scores.per_example[drawn]) == pytest.approx(of_drawn.primary)


def test_answers_that_are_no_numbers_are_wrong():
    task = glue.discover("glue/cola", "")
    logits = np.array([[0.0, 1.0], [1.0, 0.0], [np.nan, np.nan], [0.0, 1.0]])
    scores = task.score({"logits": logits}, {"label": np.array([1, 0, 0, 1])})
    # The third counts as an answer 1: two of three answers 1 are right, and one of one answers 0.
    assert scores.primary == pytest.approx((2 * 1 - 0 * 1) / np.sqrt(3 * 2 * 1 * 2))


SUBMITTED = {
    "cola": ("CoLA.tsv", "acceptable", "1"),
    "sst2": ("SST-2.tsv", "negative", "0"),
    "mrpc": ("MRPC.tsv", "equivalent", "1"),
    "qqp": ("QQP.tsv", "not_duplicate", "0"),
    "mnli": ("MNLI-m.tsv", "neutral", "neutral"),
    "mnli_matched": ("MNLI-m.tsv", "entailment", "entailment"),
    "mnli_mismatched": ("MNLI-mm.tsv", "contradiction", "contradiction"),
    "ax": ("AX.tsv", "contradiction", "contradiction"),
    "qnli": ("QNLI.tsv", "not_entailment", "not_entailment"),
    "rte": ("RTE.tsv", "entailment", "entailment"),
    "wnli": ("WNLI.tsv", "entailment", "1"),
}


@pytest.mark.parametrize("name", SUBMITTED)
def test_submissions(tmp_path, name):
    """File names and formats are those of https://gluebenchmark.com/faq and its sample submission."""
    file, label, prediction = SUBMITTED[name]
    path = glue_submission.write(tmp_path, f"glue/{name}", [{"label": label}] * 2)
    assert path.name == file and path.read_text() == f"index\tprediction\n0\t{prediction}\n1\t{prediction}\n"


def test_values_are_submitted_within_their_range(tmp_path):
    path = glue_submission.write(tmp_path, "glue/stsb", [{"value": value} for value in (-0.2, 3.14159, 5.3)])
    assert path.name == "STS-B.tsv"
    assert path.read_text() == "index\tprediction\n0\t0.000\n1\t3.142\n2\t5.000\n"


def test_the_whole_way(classifier_directory, tmp_path, capsys):
    """Fine-tune, score and export by Matthews' correlation, and answer the test set in the server's format."""
    random = np.random.default_rng(1)
    rows = [(i % 2, " ".join(random.choice(list("abcdefgh"), 6))) for i in range(60)]
    (tmp_path / "train.tsv").write_text("".join(f"gj04\t{label}\t\t{text}\n" for label, text in rows))
    (tmp_path / "test.tsv").write_text(
        "index\tsentence\n" + "".join(f"{i}\t{text}\n" for i, (_, text) in enumerate(rows[:9]))
    )
    output, exported = tmp_path / "out", tmp_path / "exported"
    words = ["finetune", "--task=glue/cola", f"--model={classifier_directory}", f"--data_dir={tmp_path}"]
    assert cli.run([*words, "--train=train.tsv", "--max_seq_length=16", "--epochs=3", f"--output={output}"]) == 0
    assert "evaluation Matthews' correlation" in capsys.readouterr().out
    score = json.loads((output / "metrics.json").read_text())["evaluation"]
    assert -1 <= score["matthews"] <= 1
    table = tmp_path / "train.tsv"
    assert cli.run(["evaluate", f"--model={output}", f"--input={table}", "--task=glue/cola", "--json"]) == 0
    in_keras = json.loads(capsys.readouterr().out)
    words = ["export", f"--model={output}", f"--evaluation={table}", "--sequence_lengths=16", f"--output={exported}"]
    assert cli.run([*words, "--recipes=float32", "--rounds=1", "--runs=1"]) == 0
    report = json.loads((exported / "report.json").read_text())
    assert report["task"]["score"] == "matthews" and report["keras"]["matthews"] == pytest.approx(in_keras["matthews"])
    assert report["variants"][0]["difference"]["score"] == pytest.approx(0, abs=1e-6)
    for page in ("report.md", "report.html"):
        text = (exported / page).read_text()
        assert "Matthews" in text and f"{100 * in_keras['matthews']:.1f}" in text
    capsys.readouterr()
    words = [
        "predict",
        f"--model={exported / 'float32.tflite'}",
        "--task=glue/cola",
        f"--input={tmp_path / 'test.tsv'}",
    ]
    assert cli.run([*words, f"--submission={tmp_path / 'glue'}"]) == 0
    lines = (tmp_path / "glue" / "CoLA.tsv").read_text().splitlines()
    assert lines[0] == "index\tprediction" and len(lines) == 10 and {line[-1] for line in lines[1:]} <= set("01")
    assert cli.run(["predict", f"--model={output}", "--text=a", f"--submission={tmp_path / 'glue'}"]) == 2
