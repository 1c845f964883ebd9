"""The runtime against the Keras model, and its messages about files that are not models."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf.errors import UsageError
from mobilebert_tf.litert import runtime_process
from mobilebert_tf.litert.runtime import TfliteModel


@pytest.fixture(scope="module")
def features(classifier_directory, labelled_table):
    from mobilebert_tf.tasks.files import load_task_files

    tokenizer, task = load_task_files(classifier_directory)
    return task.features(task.read(labelled_table), tokenizer)


@pytest.fixture(scope="module")
def keras_model(classifier_directory):
    from mobilebert_tf.model_directory import load_model_directory

    return load_model_directory(classifier_directory).model


@pytest.fixture
def classifier(export_directory):
    return TfliteModel(export_directory / "float32.tflite")


@pytest.mark.parametrize("length", [16, 48])
def test_every_signature_agrees_with_keras(classifier, keras_model, features, length):
    inputs = {name: features[name][:, :length] for name in ("input_ids", "input_mask", "segment_ids")}
    expected = keras_model(inputs).numpy()
    # float32 on both sides, sums in another order: 1e-4 of the largest logit is the project's bound.
    logits = classifier.answer(inputs, length)["logits"]
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_short_texts_run_in_the_short_signature_with_the_same_answer(classifier, features):
    short = features["input_mask"].sum(axis=1) <= 15
    assert short.any() and not short.all()
    rows = {name: values[short] for name, values in features.items()}
    long = classifier.answer(rows, 48)["logits"]
    # Sums over 16 instead of 48 keys: padded keys add exact zeros, but the order of the sums differs.
    np.testing.assert_allclose(classifier.answer(rows)["logits"], long, rtol=0, atol=1e-5 * np.abs(long).max())


def test_chosen_signature_leaves_one_padding_token_for_the_trigram(classifier):
    assert classifier.lengths == [16, 48]
    assert classifier.choose_length(15, width=48) == 16
    assert classifier.choose_length(16, width=48) == 48
    assert classifier.choose_length(16, width=16) == 16
    assert classifier.choose_length(48, width=48) == 48
    with pytest.raises(UsageError, match="at most 48 word pieces, a text has 60"):
        classifier.choose_length(60, width=64)


def test_text_of_exactly_a_signatures_length_is_answered_as_keras_does(classifier, keras_model):
    # 16 real tokens in features of 48: in the 16-token graph nothing would follow the last token,
    # where Keras sees a [PAD].
    ids = np.zeros((1, 48), np.int32)
    ids[0, :16] = np.arange(5, 21)
    rows = {"input_ids": ids, "input_mask": (ids > 0).astype(np.int32), "segment_ids": np.zeros_like(ids)}
    expected = keras_model(rows).numpy()
    np.testing.assert_allclose(classifier.answer(rows)["logits"], expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    assert np.abs(classifier.answer(rows, 16)["logits"] - expected).max() > 2e-4 * np.abs(expected).max()


def test_runtime_needs_no_tensorflow():
    modules = "mobilebert_tf.litert.runtime, mobilebert_tf.answering.fine_tuned"
    code = f"import sys, json, {modules}; print(json.dumps(list(sys.modules)))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"tensorflow", "keras"} & set(json.loads(process.stdout))


def test_files_that_are_no_classifier(tmp_path: Path, export_directory: Path):
    text = tmp_path / "text.tflite"
    text.write_text("not a flatbuffer")
    cut = tmp_path / "cut.tflite"
    cut.write_bytes((export_directory / "float32.tflite").read_bytes()[:20_000])
    for path, reason in (
        (tmp_path / "absent.tflite", "no such file"),
        (tmp_path, "is a directory"),
        (text, "is not a .tflite file"),
        (cut, "cannot load it"),
    ):
        with pytest.raises(UsageError, match=reason) as caught:
            TfliteModel(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_file_with_other_names_is_refused(tmp_path: Path):
    import tensorflow as tf

    spec = tf.TensorSpec((1, 8), tf.int32)
    function = tf.function(lambda ids, mask: {"y": tf.cast(ids * mask, tf.float32)}).get_concrete_function(spec, spec)
    path = tmp_path / "other.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([function]).convert())
    with pytest.raises(UsageError, match="no signature has the inputs input_ids, input_mask, segment_ids"):
        TfliteModel(path)


def test_several_processes_answer_as_one(export_directory: Path, features, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(runtime_process, "LEAST_ROWS", 3)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    path = export_directory / "dynamic_int8.tflite"
    models = runtime_process.SeparateModels(path)
    answers = models.answer(features)
    assert len(models._models) == 3
    np.testing.assert_array_equal(answers["logits"], TfliteModel(path).answer(features)["logits"])
    few = {name: values[:2] for name, values in features.items()}
    np.testing.assert_array_equal(models.answer(few)["logits"], answers["logits"][:2])
