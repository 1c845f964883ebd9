"""Cheap baselines for a classifier: logistic regression on tf-idf or on static vectors.

Needs scikit-learn (the extra `baselines`). Source: model2vec's recipe for static vectors, reimplemented here: a
teacher's sentence embedding of every single word piece, principal components, weights by frequency rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mobilebert_tf import quiet
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tokenization import Tokenizer

COMPONENTS = 256
"""Length of a static vector."""


def tfidf(task: ClassificationTask, training: Sequence[Example], held_out: Sequence[Example]) -> dict[str, Any]:
    """Metrics of logistic regression on tf-idf of words and word pairs.

    Raises:
      UsageError: scikit-learn is not installed, or the texts have no words.
    """
    text = _scikit().feature_extraction.text
    vectorizer = text.TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=1)
    texts = [side for example in training for side in _sides(example)]
    if not any(map(vectorizer.build_analyzer(), texts)):
        raise UsageError(
            "--train: its texts have no word of two or more letters, and tf-idf counts no others; use --kind=static"
        )
    vectorizer.fit(texts)
    return _scored(task, training, held_out, lambda texts: vectorizer.transform(texts))


def static(
    task: ClassificationTask,
    training: Sequence[Example],
    held_out: Sequence[Example],
    tokenizer: Tokenizer,
    table: np.ndarray,
) -> dict[str, Any]:
    """Metrics of logistic regression on each text's mean static vector.

    Args:
      table: [V, C], a static vector for each word piece.

    Raises:
      UsageError: scikit-learn is not installed.
    """

    def vectors(texts: Sequence[str]) -> np.ndarray:
        unknown = tokenizer.id("[UNK]")
        known = [[piece for piece in ids if piece != unknown] for ids in tokenizer.encode_batch(texts)]
        means = np.stack([table[ids].mean(axis=0) if ids else np.zeros(table.shape[1]) for ids in known])
        return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)

    return _scored(task, training, held_out, vectors)


def static_table(embeddings: np.ndarray) -> np.ndarray:
    """Static vectors [V, C], made from the sentence embeddings [V, H] of single word pieces.

    A vocabulary is sorted by frequency, so rarer pieces get larger weights: the logarithm of their rank (Zipf).
    """
    centred = embeddings - embeddings.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    reduced = centred @ axes[: min(COMPONENTS, len(axes))].T
    table: np.ndarray = reduced * np.log(1 + np.arange(1, len(reduced) + 1))[:, None]
    return table


def static_of(teacher: str) -> tuple[Tokenizer, np.ndarray]:
    """Tokenizer and static vectors [V, C] of the model in a directory.

    Raises:
      UsageError: the directory has no model.
    """
    quiet.start_tensorflow()
    from mobilebert_tf.model_directory import load_model_for
    from mobilebert_tf.tasks.inference import keras_outputs

    loaded = load_model_for(teacher, "embedding")
    assert loaded.task
    ids = np.arange(loaded.tokenizer.size, dtype=np.int32)
    cls, sep = (np.full_like(ids, loaded.tokenizer.id(one)) for one in ("[CLS]", "[SEP]"))
    inputs = np.stack([cls, ids, sep], axis=1)
    features = {"input_ids": inputs, "input_mask": np.ones_like(inputs), "segment_ids": np.zeros_like(inputs)}
    vectors = keras_outputs(loaded.model, loaded.task, features, 256, show_progress=True)["embedding"]
    return loaded.tokenizer, static_table(vectors)


def _sides(example: Example) -> list[str]:
    return [example.text] if example.text_pair is None else [example.text, example.text_pair]


def _scored(task: ClassificationTask, training: Sequence[Example], held_out: Sequence[Example], vectors: Any) -> Any:
    """Metrics of logistic regression on the texts' vectors; for pairs, on both, their difference and their product."""
    from scipy import sparse

    def rows(examples: Sequence[Example]) -> Any:
        first = vectors([example.text for example in examples])
        if examples[0].text_pair is None:
            return first
        second = vectors([example.text_pair or "" for example in examples])
        if sparse.issparse(first):
            return sparse.hstack([first, second, abs(first - second), first.multiply(second)]).tocsr()
        return np.concatenate([first, second, np.abs(first - second), first * second], axis=1)

    labels = np.array([example.label for example in training])
    model = _scikit().linear_model.LogisticRegression(max_iter=2000, C=10.0)
    model.fit(rows(training), labels)
    logits = np.full((len(held_out), len(task.labels)), -30.0)
    logits[:, model.classes_.astype(int)] = model.predict_log_proba(rows(held_out))
    features = {"label": np.array([example.label for example in held_out], np.int32)}
    return task.score({"logits": np.maximum(logits, -30.0)}, features).all


def _scikit() -> Any:
    try:
        import sklearn
        import sklearn.feature_extraction.text
        import sklearn.linear_model
    except ImportError:
        raise UsageError("scikit-learn is not installed; get it with: pip install 'mobilebert_tf[baselines]'") from None
    return sklearn
