"""Metadata packed into a file for MediaPipe, against that of MediaPipe's own writer, and refusals."""

import dataclasses
import json
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.errors import UsageError
from mobilebert_tf.export.mediapipe.metadata import add_metadata, check_packed, describe, read_packed
from mobilebert_tf.litert import flatbuffer
from mobilebert_tf.litert.runtime import TfliteModel
from mobilebert_tf.reporting import export_report
from mobilebert_tf.tasks.classification import ClassificationTask, softmax
from mobilebert_tf.tokenization import Rules, Tokenizer


def read(content: bytes):
    """Read a flatbuffer of MediaPipe's schema into nested dictionaries, from the bytes, using only `struct`.

    Knows only the tables and fields that occur. A field is (name, kind); a kind is a number type, "string", a table's
    name, or a list with one kind. Descriptions for people are skipped.
    """
    tables = {
        "ModelMetadata": {0: ("name", "skip"), 1: ("description", "skip"), 3: ("graphs", ["SubGraph"]),
                          7: ("min_parser_version", "string")},
        "SubGraph": {2: ("inputs", ["Tensor"]), 3: ("outputs", ["Tensor"]), 5: ("input_units", ["Unit"])},
        "Tensor": {0: ("name", "string"), 1: ("description", "skip"), 3: ("content", "Content"), 5: ("stats", "skip"),
                   6: ("files", ["File"])},
        "Content": {0: ("type", "B"), 1: ("properties", "Feature")},
        "Feature": {},
        "Unit": {0: ("type", "B"), 1: ("options", "BertTokenizer")},
        "BertTokenizer": {0: ("vocabulary", ["File"])},
        "File": {0: ("name", "string"), 1: ("description", "skip"), 2: ("type", "B")},
    }  # fmt: skip

    def number(kind, at):
        return struct.unpack_from("<" + kind, content, at)[0]

    def value(kind, at):
        if kind in ("B", "skip"):
            return number("B", at)
        at += number("I", at)
        if kind == "string":
            return content[at + 4 : at + 4 + number("I", at)].decode()
        if isinstance(kind, list):
            return [value(kind[0], at + 4 + 4 * i) for i in range(number("I", at))]
        fields, values = at - number("i", at), {}
        for place in range((number("H", fields) - 4) // 2):
            if offset := number("H", fields + 4 + 2 * place):
                name, inner = tables[kind][place]
                if inner != "skip":
                    values[name] = value(inner, at + offset)
        return values

    assert content[4:8] == b"M001"
    return value("ModelMetadata", 0)


def test_description_is_that_of_mediapipes_writer(root: Path):
    golden = read((root / "tests/golden/mediapipe_text_classifier_metadata.bin").read_bytes())
    # The golden model has its inputs in this order. The name of the scores may differ.
    own = read(describe(["segment_ids", "input_mask", "input_ids"], ClassificationTask(("x", "y"))))
    for description in (golden, own):
        assert description["graphs"][0]["outputs"][0].pop("name")
    assert own == golden
    assert [description["name"] for description in own["graphs"][0]["inputs"]] == ["segment_ids", "mask", "ids"]


def test_file_holds_vocabulary_and_labels_and_is_still_the_network(material, tmp_path: Path):
    content = add_metadata(material.plain, material.tokenizer, material.task)
    assert content == add_metadata(material.plain, material.tokenizer, material.task)
    path = tmp_path / "mediapipe.tflite"
    path.write_bytes(content)
    with zipfile.ZipFile(path) as archive:
        assert [entry.compress_type for entry in archive.infolist()] == [zipfile.ZIP_STORED] * 2
        assert archive.read("vocab.txt").decode().split("\n")[:-1] == list(material.tokenizer.vocab)
        assert archive.read("labels.txt") == b"bad\ngood\n"
    model = flatbuffer.read(content)
    packed = {entry.name.decode(): bytes(model.buffers[entry.buffer].data) for entry in model.metadata}
    assert packed["min_runtime_version"] == b"2.3.0".ljust(16, b"\0")
    names = {"input_ids": "ids", "input_mask": "mask", "segment_ids": "segment_ids"}
    (signature,) = model.signatureDefs
    order = {entry.tensorIndex: names[entry.name.decode()] for entry in signature.inputs}
    described = read(packed["TFLITE_METADATA"])["graphs"][0]["inputs"]
    assert [order[index] for index in model.subgraphs[0].inputs] == [entry["name"] for entry in described]

    classifier = TfliteModel(path)
    ids = np.arange(5, 37, dtype=np.int32).reshape(2, 16)
    features = {"input_ids": ids, "input_mask": np.ones_like(ids), "segment_ids": np.zeros_like(ids)}
    expected = np.asarray(material.model(features))
    # Sums in another order, far below the project's bound of 1e-4 for float32.
    np.testing.assert_allclose(classifier.run(features)["probabilities"], softmax(expected), rtol=0, atol=1e-5)
    np.testing.assert_allclose(softmax(classifier.answer(features)["logits"]), softmax(expected), rtol=0, atol=1e-5)
    check_packed(path, material.tokenizer, material.task)


def test_what_does_not_belong_together_is_refused(material, tmp_path: Path):
    tokenizer, task = material.tokenizer, material.task
    other = Tokenizer((*tokenizer.vocab[:-1], "another"))

    def error(content=material.plain, tokenizer=tokenizer, task=task) -> str:
        with pytest.raises(UsageError) as caught:
            add_metadata(content, tokenizer, task)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "takes files of one signature, this one has 2" in error(content=material.several)
    assert "3 labels, and the network has 2 classes" in error(task=dataclasses.replace(task, labels=("a", "b", "c")))
    assert "has 1,999 pieces, the network's table 2,000" in error(tokenizer=Tokenizer(tokenizer.vocab[:-1]))
    assert "judges one text at a time" in error(task=dataclasses.replace(task, text_pair_column="other"))
    assert "is case-sensitive" in error(tokenizer=Tokenizer(tokenizer.vocab, Rules(lower_case=False)))
    assert "line 6 of the vocabulary is empty" in error(tokenizer=Tokenizer((*tokenizer.vocab[:5], "", "x")))
    path = tmp_path / "file.tflite"
    path.write_bytes(add_metadata(material.plain, tokenizer, task))
    with pytest.raises(UsageError, match="the vocab.txt packed into it differs"):
        check_packed(path, other, task)
    with pytest.raises(UsageError, match="the labels.txt packed into it differs"):
        check_packed(path, tokenizer, dataclasses.replace(task, labels=("good", "bad")))


def test_logits_in_place_of_probabilities_are_refused(export_directory: Path, material):
    # MediaPipe's names are known only for the usual inputs and the output "probabilities".
    content = (export_directory / "float32.tflite").read_bytes()
    model = flatbuffer.read(content)
    model.subgraphs, model.signatureDefs = model.subgraphs[:1], model.signatureDefs[:1]
    with pytest.raises(UsageError, match="needs .* the output probabilities; the file has .* and logits"):
        add_metadata(flatbuffer.write(model), material.tokenizer, material.task)


@pytest.fixture(scope="module")
def exported(classifier_directory: Path, labelled_table: Path, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("mediapipe")
    own = {"name": "own", "target": "mediapipe", "rules": [{"activations": "int8"}]}
    (place / "own.json").write_text(json.dumps(own))
    words = ["export", f"--model={classifier_directory}", f"--evaluation={labelled_table}", "--rounds=1", "--runs=1"]
    words += [f"--recipes=dynamic_int8,mediapipe,{place}/own.json", "--sequence_lengths=16,48"]
    assert cli.run([*words, "--min_agreement=0.8", "--max_score_drop=1", f"--output={place}/out"]) == 0
    return place / "out"


def test_export_verifies_the_file_like_the_others(exported: Path, tmp_path: Path):
    report = json.loads((exported / "report.json").read_text())
    plain, *mediapipe_rows = report["variants"]
    for row in mediapipe_rows:
        # Only the longest length, compared with Keras's probabilities on all texts.
        assert row["passed"] and list(row["latency_ms"]) == list(row["parity_of_lengths"]) == ["48"]
        assert row["parity"]["examples"] == 60 and row["ops"]["SOFTMAX"] == plain["ops"]["SOFTMAX"] + 1
        assert row["changes"] == {"padding": 0, "order": 0, "threads": 0}
        assert set(read_packed(exported / row["file"])) == {"vocab.txt", "labels.txt"}
        # int8 moves probabilities by some hundredths; logits in their place would be off by one or more.
        assert row["parity"]["max_relative_error"] < 0.2
    # The same arithmetic except for the softmax.
    assert mediapipe_rows[0]["metrics"]["confusion"] == plain["metrics"]["confusion"]
    assert mediapipe_rows[0]["metrics"]["loss"] == pytest.approx(plain["metrics"]["loss"], rel=1e-5)
    markdown = (exported / "report.md").read_text()
    assert "**For MediaPipe's TextClassifier or TextEmbedder: `mediapipe.tflite`.**" in markdown
    # The report does not recommend MediaPipe's file to anyone else, however fast it is.
    assert "For every purpose: `dynamic_int8.tflite`" in markdown
    report["variants"][1]["latency_ms"] = {"48": {"median": 1e-9, "p90": 1e-9, "min": 1e-9}}
    (tmp_path / "report.json").write_text(json.dumps(report))
    assert export_report.recommended(tmp_path) == "dynamic_int8.tflite"


def test_other_commands_take_the_file(exported: Path, labelled_table: Path, capsys):
    answers = []
    for name in ("mediapipe", "dynamic_int8"):
        words = ["predict", f"--model={exported}/{name}.tflite", "--text=a b c", "--json"]
        assert cli.run(words) == 0
        answers.append(json.loads(capsys.readouterr().out)["probabilities"])
    # One signature has 48 tokens, the other 16, so float sums are in another order.
    assert answers[0] == pytest.approx(answers[1], abs=1e-4)


def test_another_vocabulary_than_the_packed_one_is_one_line(exported: Path, tmp_path: Path, capsys):
    place = tmp_path / "moved"
    shutil.copytree(exported, place)
    (place / "tokenizer.json").unlink()
    lines = (place / "vocab.txt").read_text().split("\n")
    lines[10], lines[11] = lines[11], lines[10]
    (place / "vocab.txt").write_text("\n".join(lines))
    assert cli.run(["predict", f"--model={place}/mediapipe.tflite", "--text=a"]) == 2
    assert "the vocab.txt packed into it differs" in capsys.readouterr().err


def test_a_vocabulary_of_another_model_is_one_line(classifier_directory: Path, tmp_path: Path, capsys):
    """A vocabulary of the same size, one of another size, and labels of another head."""
    for name, change, message in (
        ("vocab.txt", lambda lines: [*lines[:10], lines[11], lines[10], *lines[12:]], "is not the vocabulary that"),
        ("vocab.txt", lambda lines: lines[:-1], "vocab"),
        ("labels.txt", lambda lines: [*lines, "more"], "names 3 labels, its head has 2"),
    ):
        model = tmp_path / f"model{len(list(tmp_path.iterdir()))}"
        shutil.copytree(classifier_directory, model)
        lines = (model / name).read_text().splitlines()
        (model / name).write_text("".join(line + "\n" for line in change(lines)))
        words = ["export", f"--model={model}", "--recipes=mediapipe", f"--output={tmp_path / 'out'}"]
        capsys.readouterr()
        assert cli.run(words) == 2
        error = capsys.readouterr().err.strip()
        assert message in error and len(error.splitlines()) == 1, error
        assert not (tmp_path / "out").exists()
