"""Splits of TensorFlow Datasets sets as tables, with that library's own mock: nothing is downloaded."""

import json
import sys

import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.commands import pipeline
from mobilebert_tf.commands.corpus import Corpus
from mobilebert_tf.commands.data_options import DataOptions
from mobilebert_tf.commands.finetune import Finetune
from mobilebert_tf.commands.labelled_data import read
from mobilebert_tf.data import tfds_table
from mobilebert_tf.data.tables import read_table
from mobilebert_tf.errors import FailedError, UsageError

TEXTS = [" ".join("abcdefgh"[(i + j) % 8] for j in range(4)) for i in range(24)]


@pytest.fixture
def tfds():
    """The library with mocked sets of 24 examples: texts of letters, classes in turn, test sets without labels."""
    tfds = pytest.importorskip("tensorflow_datasets")
    import tensorflow as tf

    def as_dataset(self, split, *args, **kwargs):
        def examples():
            for number in range(24):
                yield {name: value(kind, number) for name, kind in self.info.features.items()}

        def value(kind, number):
            if isinstance(kind, tfds.features.ClassLabel):
                return -1 if split == "test" else number % kind.num_classes
            if isinstance(kind, tfds.features.Text):
                return TEXTS[number].encode()
            # The only floating-point values are grades of pairs, from 0 to 5.
            return np.asarray(number % 6 if np.issubdtype(kind.np_dtype, np.floating) else number, kind.np_dtype)

        return tf.data.Dataset.from_generator(
            examples, output_types={name: kind.dtype for name, kind in self.info.features.items()}
        )

    with tfds.testing.mock_data(num_examples=24, as_dataset_fn=as_dataset):
        yield tfds


@pytest.mark.parametrize(
    "name, parts",
    [
        ("tfds:glue/sst2", ("glue/sst2", None)),
        ("tfds:glue/sst2:train", ("glue/sst2", "train")),
        ("tfds:glue/sst2:2.0.0", ("glue/sst2:2.0.0", None)),
        ("tfds:glue/mnli:2.0.0:validation_matched", ("glue/mnli:2.0.0", "validation_matched")),
        ("tfds:imdb_reviews:train[:10%]", ("imdb_reviews", "train[:10%]")),
    ],
)
def test_names(name, parts):
    assert tfds_table._parts(name) == parts
    assert tfds_table.with_split(name, "train") == (name if parts[1] else f"{name}:train")
    assert tfds_table.with_split("train.tsv", "train") == "train.tsv"


def test_a_split_is_a_table(tfds):
    rows = list(read_table("tfds:glue/sst2:train", ["sentence", "label", "idx"]))
    assert len(rows) == 24 and rows[1] == (2, {"sentence": TEXTS[1], "label": "positive", "idx": "1"})
    assert {row["label"] for _, row in read_table("tfds:glue/sst2:test", ["label"])} == {"-1"}


@pytest.mark.parametrize("name, labels", [("sst2", 2), ("mrpc", 2), ("mnli", 3), ("stsb", 0), ("wnli", 2), ("cola", 2)])
def test_tasks_of_glue(tfds, name, labels):
    data = read(DataOptions(train=f"tfds:glue/{name}:train", task=f"glue/{name}", eval="none"))
    assert len(data.task.labels) == labels and len(data.training) == 24
    assert [row.label for row in data.training] == [i % (labels or 6) for i in range(24)]


def test_what_is_wrong_is_said(tfds):
    for name, words in (
        ("tfds:no_such_set:train", "no such data set in TensorFlow Datasets"),
        ("tfds:glue/sst2", "add the split after a colon, as in tfds:glue/sst2:train"),
    ):
        with pytest.raises(UsageError, match=words):
            list(read_table(name, ["sentence"]))
    with pytest.raises(UsageError, match=r"tfds:glue/sst2:train, line 1: no column 'text'; it has "):
        list(read_table("tfds:glue/sst2:train", ["text"]))


def test_several_workers_read_files_alone(classifier_directory, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(
        "TF_CONFIG", json.dumps({"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}})
    )
    words = ["finetune", "--task=glue/sst2", f"--model={classifier_directory}", "--train=tfds:glue/sst2"]
    assert cli.run([*words, "--distribution=multi_worker", f"--output={tmp_path / 'out'}"]) == 2
    assert "--distribution=multi_worker: reads only files" in capsys.readouterr().err


def test_a_model_learns_from_a_set(tfds, classifier_directory, tmp_path, capsys):
    words = ["finetune", "--task=glue/sst2", f"--model={classifier_directory}", "--train=tfds:glue/sst2"]
    words += ["--max_seq_length=16", "--epochs=1", f"--output={tmp_path / 'out'}"]
    assert cli.run(words) == 0
    assert "--calibration=tfds:glue/sst2:train" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "run.json").read_text())["options"]["train"] == "tfds:glue/sst2:train"
    words = ["evaluate", f"--model={tmp_path / 'out'}", "--input=tfds:glue/sst2:validation", "--json"]
    assert cli.run(words) == 0
    assert json.loads(capsys.readouterr().out)["examples"] == 24
    assert "tensorflow_datasets" in sys.modules


def test_the_pipeline_takes_sets_and_lists_below_its_data_directory(tfds, tmp_path, monkeypatch, capsys):
    """Stop at the first stage, and check the inputs that it and later stages were given."""
    (tmp_path / "data").mkdir()
    for name in ("one.txt", "two.txt"):
        (tmp_path / "data" / name).write_text("some text\n")
    stages = []

    def stop(command):
        raise FailedError("stopped")

    monkeypatch.setattr(Corpus, "run", stop)
    monkeypatch.setattr(pipeline, "check", stages.append)
    words = ["pipeline", f"--data_dir={tmp_path / 'data'}", "--input=one.txt,two.txt", f"--output={tmp_path / 'out'}"]
    words += ["--train=tfds:glue/sst2", "--eval=tfds:glue/sst2:validation", "--text_column=sentence"]
    assert cli.run(words) == 1
    assert "stopped" in capsys.readouterr().err
    assert stages[0].input == f"{tmp_path / 'data' / 'one.txt'},{tmp_path / 'data' / 'two.txt'}"
    tables = [(stage.train, stage.eval) for stage in stages if isinstance(stage, Finetune)]
    assert tables == 2 * [("tfds:glue/sst2:train", "tfds:glue/sst2:validation")]
