"""Sentence embeddings: vectors by NumPy, pairs, scores, and invalid vectors."""

import numpy as np
import pytest

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import FailedError
from mobilebert_tf.tasks.embedding import EmbeddingTask, check_vectors
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.task import of_examples
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer

TOKENIZER = Tokenizer((*SPECIAL_TOKENS, "a", "b", "c"))
PAIRS = EmbeddingTask(max_seq_length=6, text_pair_column="second")
EXAMPLES = [Example("a", "b c", 1.0), Example("c c", "a", 0.0), Example("b", "b", 5.0)]


def unit(*rows):
    vectors = np.array(rows, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_each_side_of_a_pair_is_an_input_of_its_own():
    features = PAIRS.features(EXAMPLES, TOKENIZER)
    assert features["input_ids"][:3].tolist() == [[2, 5, 3, 0, 0, 0], [2, 6, 7, 3, 0, 0], [2, 7, 7, 3, 0, 0]]
    assert not features["segment_ids"].any() and features["label"].tolist() == [1.0, 0.0, 5.0]
    chosen, rows = of_examples(features, np.array([2, 0]))
    assert rows.tolist() == [4, 5, 0, 1]
    for name, expected in PAIRS.features([EXAMPLES[2], EXAMPLES[0]], TOKENIZER).items():
        np.testing.assert_array_equal(chosen[name], expected)


def test_the_score_is_the_rank_of_the_cosines():
    vectors = unit([1, 0], [1, 1], [1, 0], [0, 1], [1, 2], [1, 2])
    outputs = {"embedding": vectors}
    assert [answer["cosine"] for answer in PAIRS.decode(outputs, {})] == pytest.approx([np.sqrt(0.5), 0.0, 1.0])
    scores = PAIRS.score(outputs, {"label": np.array([1.0, 0.0, 5.0])})
    assert scores.name == "spearman" and scores.primary == pytest.approx(1.0)
    assert scores.all["pearson"] == pytest.approx(np.corrcoef([np.sqrt(0.5), 0.0, 1.0], [1.0, 0.0, 5.0])[0, 1])


def test_agreement_is_the_cosine_of_the_two_vectors_of_a_text():
    reference = {"embedding": unit([1, 0], [1, 0], [1, 0], [1, 0])}
    candidate = {"embedding": np.concatenate([unit([1, 0], [1, 1], [-1, 0]), [[np.nan, 0]]])}
    agreement = EmbeddingTask().agreement(reference, candidate, {})
    np.testing.assert_allclose(agreement, [1.0, np.sqrt(0.5), 0.0, 0.0], rtol=1e-6)


def test_without_a_second_column_there_are_vectors(tmp_path):
    task = EmbeddingTask(max_seq_length=6)
    path = tmp_path / "texts.tsv"
    path.write_text("text\na\nb c\n")
    examples = task.read(path)
    assert [example.label for example in examples] == [None, None]
    assert "label" not in task.features(examples, TOKENIZER)
    (answer,) = task.decode({"embedding": unit([3, 4])}, {})
    assert answer["embedding"] == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize("vectors, said", [
    ([[1, 0], [np.nan, 1]], "NaN or infinite for 1 of 2 texts"),
    ([[1, 0], [0, 0]], "whose length is not one but 0"),
    ([[1, 0], [1, 1e-6]], "the same vector for 2 texts"),
])  # fmt: skip
def test_vectors_that_are_none_are_refused(vectors, said):
    with pytest.raises(FailedError, match=f"model: gives.*{said}"):
        check_vectors(np.array(vectors, np.float32), np.array([[1], [2]]), "model")
    check_vectors(unit([1, 0], [1, 0.1]), np.array([[1], [2]]), "model")
    # Equal texts may have equal vectors.
    check_vectors(unit([1, 0], [1, 0]), np.array([[1], [1]]), "model")


@pytest.mark.parametrize("name", ["mobilebert_tiny", "bert_base"])
def test_the_model_is_the_mean_over_real_tokens_at_unit_length(name):
    import dataclasses

    from mobilebert_tf.models import EmbeddingModel

    small = dataclasses.replace(MobileBertConfig.preset(name), num_hidden_layers=2, vocab_size=20)
    model = EmbeddingModel(small)
    ids = np.array([[2, 5, 6, 3], [2, 7, 3, 9]], np.int32)
    mask = np.array([[1, 1, 1, 1], [1, 1, 1, 0]], np.int32)
    batch = {"input_ids": ids, "input_mask": mask, "segment_ids": np.zeros_like(ids)}
    rows = np.asarray(model.encoder(batch)["sequence_output"], np.float64)
    for vector, row, real in zip(np.asarray(model(batch)), rows, mask, strict=True):
        mean = row[real == 1].mean(axis=0)
        # float32 against float64, values near one.
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=2e-6)
