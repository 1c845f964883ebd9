"""Initial weights of a new head, learnt from the network's outputs before any of the network's weights changes.

While a head with random weights learns, it distorts the network, and a small table has too few rows to repair that
(Kumar et al. 2022, arXiv 2202.10054: linear probing, then fine-tuning).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from mobilebert_tf.models import ClassificationModel
from mobilebert_tf.tasks.inference import ANY_LENGTH, outputs_in_batches
from mobilebert_tf.tasks.task import INPUTS, Features, Task, of_examples

MOST_ROWS = 2000
"""Maximum number of examples to learn from; more add little for a head of a few thousand weights."""

ITERATIONS = 200
"""Maximum number of iterations of L-BFGS."""


def begin_head(model: ClassificationModel, task: Task, features: Features, seed: int) -> None:
    """Set the head to the weights that minimise the task's loss while the rest of the network is frozen.

    The loss is that of the fine-tuning plus half the squared head weights, in units of the vectors' length, divided by
    the number of rows: the same penalty as in scikit-learn's LogisticRegression.

    Args:
      model: model with a pre-trained encoder and a new head.
      features: features of the training table, [R, T], with targets.
      seed: seed for choosing examples if there are more than MOST_ROWS.
    """
    from scipy import optimize  # takes half a second to import

    count = len(features["input_ids"])
    chosen = np.sort(np.random.default_rng(seed).permutation(count)[:MOST_ROWS])
    sample = of_examples(features, chosen)[0] if count > MOST_ROWS else features
    vectors = outputs_in_batches(_pooled(model), sample)["pooled"]
    # Vectors that are read side by side are each scaled by their own length.
    parts = vectors.reshape(len(vectors), -1, model.config.hidden_size)
    lengths = np.maximum(np.linalg.norm(parts, axis=2).mean(axis=0), 1e-6)
    scale = np.repeat(lengths, model.config.hidden_size).astype(np.float32)
    inputs = tf.constant(vectors / scale)
    targets = {name: tf.constant(values) for name, values in sample.items() if name not in INPUTS}
    shape = (vectors.shape[1], model.num_labels)
    objective = task.objective(lambda batch: batch["vectors"] @ batch["kernel"] + batch["bias"])

    @tf.function(autograph=False)
    def loss_and_gradient(weights: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(weights)
            kernel, bias = tf.reshape(weights[: -shape[1]], shape), weights[-shape[1] :]
            loss = objective({**targets, "vectors": inputs, "kernel": kernel, "bias": bias})["loss"]
            loss += 0.5 * tf.reduce_sum(tf.square(kernel)) / len(vectors)
        return loss, tape.gradient(loss, weights)

    def of_scipy(weights: np.ndarray) -> tuple[float, np.ndarray]:
        loss, gradient = loss_and_gradient(tf.constant(weights, tf.float32))
        return float(loss), gradient.numpy().astype(np.float64)

    begin = np.zeros((shape[0] + 1) * shape[1])
    best = optimize.minimize(of_scipy, begin, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS}).x
    model.classifier.dense.kernel.assign(best[: -shape[1]].reshape(shape) / scale[:, None])
    model.classifier.dense.bias.assign(best[-shape[1] :])


def _pooled(model: ClassificationModel) -> Any:
    @tf.function(autograph=False, input_signature=[ANY_LENGTH])
    def pooled(batch: Mapping[str, Any]) -> dict[str, Any]:
        return {"pooled": tf.cast(model.pooled(batch), tf.float32)}

    return pooled
