"""The checks of exported files find the faults they exist for."""

import collections
import dataclasses

import numpy as np
import pytest

from mobilebert_tf.export.recipes import RECIPES, Gate
from mobilebert_tf.export.verify import compare
from mobilebert_tf.export.verify.compare import (
    Changes,
    Difference,
    fault,
    measure_parity,
    order_changes,
    padding_changes,
    paired_difference,
    thread_changes,
)
from mobilebert_tf.litert.operators import Operators, read_operators
from mobilebert_tf.litert.runtime import TfliteModel
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.regression import RegressionTask
from mobilebert_tf.tasks.task import Scores

TASK = ClassificationTask(("x", "y"))
PLAIN = Operators({"FULLY_CONNECTED": 1}, {"FULLY_CONNECTED": 1}, ())
NOTHING = Changes(padding=0, order=0, threads=0)


def difference(reference, candidate, labels):
    return paired_difference(TASK, {"logits": reference}, {"logits": candidate}, {"label": np.array(labels)})


def test_parity_by_hand():
    reference = np.array([[4.0, 0.0], [1.0, 2.0]])
    candidate = np.array([[4.0, 1.0], [3.0, 2.0]])
    parity = measure_parity(TASK, {"logits": reference}, {"logits": candidate}, {})
    # Errors 0, 1, 2, 0 on a scale of 4; the second row changes its class.
    assert parity.max_relative_error == pytest.approx(0.5)
    assert parity.mean_relative_error == pytest.approx(3 / 16)
    assert parity.decision_agreement == 0.5
    assert parity.cosine == pytest.approx((16 + 3 + 4) / np.sqrt((16 + 1 + 4) * (16 + 1 + 9 + 4)))
    assert parity.examples == 2
    assert parity.signal_to_noise_db == pytest.approx(10 * np.log10(21 / 5))
    assert measure_parity(TASK, {"logits": reference}, {"logits": reference}, {}).signal_to_noise_db is None


def test_reasons_to_reject():
    exact = measure_parity(TASK, {"logits": np.eye(2)}, {"logits": np.eye(2)}, {})
    assert fault(Gate(max_relative_error=0.0, min_decision_agreement=1.0), TASK, exact, NOTHING, PLAIN) is None
    assert "padding changes the answers of 3" in str(
        fault(Gate(), TASK, exact, Changes(padding=3, order=0, threads=0), PLAIN)
    )
    assert "FlexErf" in str(fault(Gate(), TASK, exact, NOTHING, Operators({}, {}, ("FlexErf",))))
    off = dataclasses.replace(exact, max_relative_error=2e-4, decision_agreement=0.9)
    assert "0.0002 is above 0.0001" in str(fault(RECIPES["float32"].gate, TASK, off, NOTHING, PLAIN))
    assert "90.0%" in str(fault(RECIPES["dynamic_int8"].gate, TASK, off, NOTHING, PLAIN))
    other = Changes(padding=0, order=0, threads=2)
    assert "a second thread changes the answers of 2" in str(fault(Gate(), TASK, exact, other, PLAIN))
    worse = Difference(score=-0.03, low=-0.05, high=-0.01)
    assert "accuracy falls by 3.0 points, 2 are allowed (max_score_drop=0.02)" in str(
        fault(Gate(), TASK, exact, NOTHING, PLAIN, worse)
    )
    assert "not finite in 2 of the labelled" in str(fault(Gate(), TASK, exact, NOTHING, PLAIN, unscored=2))


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_agrees_with_nothing(nothing):
    # argmax of NaN is class 0, which is also Keras's answer here.
    reference = np.array([[2.0, 1.0], [2.0, 1.0], [1.0, 2.0]])
    candidate = reference.copy()
    candidate[0] = nothing
    broken = measure_parity(TASK, {"logits": reference}, {"logits": candidate}, {})
    assert (broken.without_numbers, broken.decision_agreement) == (1, pytest.approx(2 / 3))
    assert not np.isfinite([broken.max_relative_error, broken.mean_relative_error, broken.signal_to_noise_db]).any()
    assert "not finite in 1 of 3 examples" in str(fault(Gate(), TASK, broken, NOTHING, PLAIN))
    # Nor does it count as right where the label is class 0.
    assert difference(reference, candidate, [0, 0, 1]).score == pytest.approx(-1 / 3)


def test_the_interval_of_a_difference_holds_as_often_as_it_says():
    random = np.random.default_rng(0)
    labels = np.zeros(400, int)
    held = 0
    for _ in range(400):
        # Of 100 texts the file loses 6 and wins 2 on average: a true difference of -0.04.
        votes = random.choice([-1, 0, 1], size=400, p=[0.06, 0.92, 0.02])
        reference = np.eye(2)[(votes > 0).astype(int)]
        candidate = np.eye(2)[(votes < 0).astype(int)]
        interval = difference(reference, candidate, labels)
        assert interval.score == pytest.approx(votes.mean())
        held += interval.low <= -0.04 <= interval.high
    # 95 % of 400 is 380, with a deviation of 4.4: three deviations. An interval of independent scores would hold 400.
    assert 367 <= held <= 393
    same = difference(np.eye(2)[:1], np.eye(2)[:1], [0])
    assert same.low < same.score == 0.0 < same.high


def test_the_interval_of_a_correlation_s_difference_holds_as_often_as_it_says(monkeypatch):
    class Correlated(RegressionTask):
        """Pearson's correlation by NumPy, which is fast enough for so many resamples."""

        def score(self, outputs, features):
            pairs = np.stack([outputs["score"][:, 0], features["label"]], axis=1)
            return Scores("pearson", {"pearson": pearson(pairs)}, pairs, pearson)

    def pearson(pairs):
        return np.corrcoef(pairs, rowvar=False)[0, 1]

    monkeypatch.setattr(compare, "RESAMPLES", 200)
    random, held, paired = np.random.default_rng(0), 0, []
    # Labels plus noise correlate with the labels by 1 / sqrt(1 + noise^2); noise is 0.5 and 0.7 here.
    true = 1 / np.sqrt(1 + 0.7**2) - 1 / np.sqrt(1 + 0.5**2)
    for _ in range(200):
        labels, shared, own = random.normal(size=(3, 100))
        reference = labels + 0.5 * shared
        candidate = labels + 0.7 * (0.8 * shared + 0.6 * own)
        features = {"input_ids": labels[:, None], "label": labels}
        interval = paired_difference(
            Correlated(), {"score": reference[:, None]}, {"score": candidate[:, None]}, features
        )
        held += interval.low <= true <= interval.high
        paired.append(interval.high - interval.low)
    # 95 % of 200 is 190, with a deviation of 3; at 100 examples the percentile bootstrap is slightly too narrow.
    assert 178 <= held <= 198
    # Both scores use the same draws; with separate draws the interval would be twice as wide.
    assert np.mean(paired) < 0.1


def test_oldest_runtime_is_that_of_the_youngest_operator():
    def needs(**versions):
        return Operators({}, versions, ()).oldest_runtime

    assert needs(BATCH_MATMUL=1, FULLY_CONNECTED=4) == "2.3"
    assert needs(FULLY_CONNECTED=11, TRANSPOSE=5) == "2.15"
    assert needs(FULLY_CONNECTED=12, EMBEDDING_LOOKUP=4) == "2.18"
    assert needs(GELU=1, FULLY_CONNECTED=3) == "2.9"
    assert Operators({}, {}, ("FlexErf",)).oldest_runtime is None


@pytest.mark.parametrize("name", ["float32", "float16", "dynamic_int8", "static_int8"])
def test_order_and_threads_do_not_matter(export_directory, name):
    path = export_directory / f"{name}.tflite"
    assert order_changes(TfliteModel(path), _random_features(48)) == 0
    assert thread_changes(path, _random_features(48)) == 0


@pytest.mark.parametrize("carried, changed", [(0, 0), (1, 6)])
def test_a_file_that_remembers_is_seen(carried, changed):
    class Remembering(TfliteModel):
        """Answers with the sum of a text's ids, and `carried` times the sum of the text before it."""

        def __init__(self):
            self._runners, self.before = {16: None}, 0

        def run(self, features, length=None, show_progress=False):
            rows = []
            for ids in features["input_ids"]:
                rows.append([ids.sum(), carried * self.before])
                self.before = ids.sum()
            return {"logits": np.array(rows, np.float32)}

    assert order_changes(Remembering(), _random_features(16)) == changed


@pytest.mark.parametrize("name", ["float32", "float16", "dynamic_int8", "static_int8"])
def test_padding_does_not_matter_and_the_check_would_see_it(export_directory, name):
    file = TfliteModel(export_directory / f"{name}.tflite")
    features = _random_features(48)
    assert padding_changes(file, features, vocab_size=2000, trigram=True) == 0
    # The trigram lets the first padding token reach the last real one, so scrambling that as well must be seen.
    assert padding_changes(file, features, vocab_size=2000, trigram=False) > 0


def test_a_mask_that_leaks_is_seen(classifier_directory, tmp_path):
    from mobilebert_tf.export.convert.converter import convert
    from mobilebert_tf.export.convert.signatures import write_saved_model
    from mobilebert_tf.model_directory import load_model_directory
    from mobilebert_tf.models import ClassificationModel

    loaded = load_model_directory(classifier_directory)
    # A mask of -6, as one public implementation has it, leaves padding exp(-6) of the attention.
    leaking = ClassificationModel(dataclasses.replace(loaded.config, mask_constant=-6.0), 2)
    leaking.set_weights(loaded.model.get_weights())
    write_saved_model(leaking, 16, 16, tmp_path / "saved")
    path = tmp_path / "leaking.tflite"
    path.write_bytes(convert(tmp_path / "saved"))
    assert padding_changes(TfliteModel(path), _random_features(16), vocab_size=2000, trigram=True) > 0


def test_operators_are_those_that_the_interpreter_lists(export_directory):
    from ai_edge_litert.interpreter import Interpreter

    path = export_directory / "dynamic_int8.tflite"
    # Until tensors are allocated, the interpreter lists the first graph as it is in the file.
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
