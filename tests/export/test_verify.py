"""The checks themselves: do they see what they are there for?"""

import collections
import dataclasses

import numpy as np
import pytest

from mobilebert_tf.export.operators import Operators, read_operators
from mobilebert_tf.export.recipes import RECIPES, Gate
from mobilebert_tf.export.runtime import TfliteClassifier
from mobilebert_tf.export.verify import fault, measure_parity, padding_changes

PLAIN = Operators({"FULLY_CONNECTED": 1}, ())


def test_parity_by_hand():
    reference = np.array([[4.0, 0.0], [1.0, 2.0]])
    candidate = np.array([[4.0, 1.0], [3.0, 2.0]])
    parity = measure_parity(reference, candidate)
    # Errors 0, 1, 2, 0 on a scale of 4; the second row changes its class.
    assert parity.max_relative_error == pytest.approx(0.5)
    assert parity.mean_relative_error == pytest.approx(3 / 16)
    assert parity.decision_agreement == 0.5
    assert parity.cosine == pytest.approx((16 + 3 + 4) / np.sqrt((16 + 1 + 4) * (16 + 1 + 9 + 4)))
    assert parity.examples == 2


def test_reasons_to_reject():
    exact = measure_parity(np.eye(2), np.eye(2))
    assert fault(Gate(max_relative_error=0.0, min_decision_agreement=1.0), exact, 0, PLAIN) is None
    assert "padding changes the logits of 3" in str(fault(Gate(), exact, 3, PLAIN))
    assert "FlexErf" in str(fault(Gate(), exact, 0, Operators({}, ("FlexErf",))))
    off = dataclasses.replace(exact, max_relative_error=2e-4, decision_agreement=0.9)
    assert "0.0002 is above 0.0001" in str(fault(RECIPES["float32"].gate, off, 0, PLAIN))
    assert "90.0%" in str(fault(RECIPES["dynamic_int8"].gate, off, 0, PLAIN))
    # argmax of NaN is class 0, so agreement alone would let such a file through.
    broken = measure_parity(np.eye(2)[:1], np.full((1, 2), np.nan))
    assert broken.decision_agreement == 1.0
    assert "not finite" in str(fault(Gate(min_decision_agreement=0.9), broken, 0, PLAIN))


@pytest.mark.parametrize("name", ["float32", "dynamic_int8"])
def test_padding_does_not_matter_and_the_check_would_see_it(export_directory, name):
    classifier = TfliteClassifier(export_directory / f"{name}.tflite")
    features = _random_features(48)
    assert padding_changes(classifier, features, vocab_size=2000, trigram=True) == 0
    # The first padding token does reach the last real one; scrambled too, it must show.
    assert padding_changes(classifier, features, vocab_size=2000, trigram=False) > 0


def test_a_mask_that_leaks_is_seen(classifier_directory, tmp_path):
    from mobilebert_tf.export.convert import convert
    from mobilebert_tf.export.signatures import write_saved_model
    from mobilebert_tf.model_directory import load_model_directory
    from mobilebert_tf.models import ClassificationModel

    loaded = load_model_directory(classifier_directory)
    # A mask of -6, which one public implementation uses, leaves padding exp(-6) of a share.
    leaking = ClassificationModel(dataclasses.replace(loaded.config, mask_constant=-6.0), 2)
    leaking.set_weights(loaded.model.get_weights())
    write_saved_model(leaking, [16], tmp_path / "saved")
    path = tmp_path / "leaking.tflite"
    path.write_bytes(convert(tmp_path / "saved", [16], RECIPES["float32"]))
    assert padding_changes(TfliteClassifier(path), _random_features(16), vocab_size=2000, trigram=True) > 0


def test_operators_are_those_that_the_interpreter_lists(export_directory):
    from ai_edge_litert.interpreter import Interpreter

    path = export_directory / "dynamic_int8.tflite"
    # Before tensors are allocated the interpreter shows the first graph as it is in the file.
    listed = Interpreter(str(path))._get_ops_details()
    operators = read_operators(path)
    assert operators.counts == collections.Counter(op["op_name"] for op in listed)
    assert operators.foreign == ()


def test_flex_operators_are_found(tmp_path):
    import tensorflow as tf

    function = tf.function(lambda x: tf.linalg.inv(x)).get_concrete_function(tf.TensorSpec((2, 2), tf.float32))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    path = tmp_path / "flex.tflite"
    path.write_bytes(converter.convert())
    assert read_operators(path).foreign == ("FlexMatrixInverse",)


def _random_features(length: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    ids = random.integers(5, 2000, (6, length), dtype=np.int32)
    mask = (np.arange(length) < random.integers(3, length, (6, 1))).astype(np.int32)
    return {"input_ids": ids * mask, "input_mask": mask, "segment_ids": np.zeros_like(mask)}
