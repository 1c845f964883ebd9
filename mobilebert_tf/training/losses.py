"""Cross-entropy and divergence, shared by pre-training, transfer and fine-tuning."""

from __future__ import annotations

from keras import ops


def classes(logits, labels):
    """Mean cross-entropy: logits [B, C], labels [B]. Next sentence and classification."""
    return ops.mean(cross_entropy(logits, labels))


def cross_entropy(logits, labels):
    """-log softmax(logits)[label] in nats: logits [..., C], labels [...] -> [...], float32."""
    logits = ops.cast(logits, "float32")
    # Picked by a product: the gradient of a gather would compute a row index for every word of every position.
    picked = ops.sum(logits * ops.one_hot(labels, logits.shape[-1]), axis=-1)
    return ops.logsumexp(logits, axis=-1) - picked


def kl_divergence(teacher_logits, student_logits):
    """Sum over the last axis of p (log p - log q), p the teacher, q the student: logits [..., K] -> [...], float32."""
    teacher = ops.log_softmax(ops.cast(teacher_logits, "float32"), axis=-1)
    student = ops.log_softmax(ops.cast(student_logits, "float32"), axis=-1)
    return ops.sum(ops.exp(teacher) * (teacher - student), axis=-1)
