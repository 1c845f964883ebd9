"""The terms of knowledge transfer and pre-training, each a pure function on `keras.ops`.

Shapes: B batch, T sequence, H width between blocks, N heads, P masked positions, V words.
`mask` [B, T] is 1 on real tokens; padding never counts. Every result is a float32
scalar, and every transfer term is 0 when the student equals the teacher.

`total` is the number of real tokens or masked words to divide by; None: the sum of the mask. Where
a batch is divided over replicas, each part divides by the average number per part: the mean of the
parts' results then equals the result of the whole batch.
"""

from __future__ import annotations

import functools

from keras import ops

from mobilebert_tf.training.losses import cross_entropy, kl_divergence

EPSILON = 1e-12
"""Epsilon of the normalisation in feature-map transfer; Google's value."""


class Channels:
    """A feature map [B, T, H] with the statistics of each token's channels, in float32.

    Three terms use them; computing them once for all three takes 0.6 of the time.
    """

    def __init__(self, feature_map):
        self._wide = ops.cast(feature_map, "float32")

    @classmethod
    def of(cls, feature_map) -> Channels:
        return feature_map if isinstance(feature_map, Channels) else cls(feature_map)

    @functools.cached_property
    def mean(self):
        """Mean over the channels, [B, T, 1]."""
        return ops.mean(self._wide, axis=-1, keepdims=True)

    @functools.cached_property
    def _centred(self):
        return self._wide - self.mean

    @functools.cached_property
    def variance(self):
        """Variance over the channels, [B, T, 1]."""
        return ops.mean(ops.square(self._centred), axis=-1, keepdims=True)

    @functools.cached_property
    def standardized(self):
        """The map with mean 0 and variance 1 over the channels, [B, T, H]: a LayerNorm without parameters."""
        return self._centred * ops.rsqrt(self.variance + EPSILON)


def feature_map(teacher, student, mask, total=None):
    """Mean over real tokens and channels of (LN(teacher) - LN(student))^2, LN without parameters.

    teacher, student: [B, T, H], or their `Channels`, as in the next two functions. Paper eq. 5, in the normalised form
    of the released code.
    """
    difference = Channels.of(teacher).standardized - Channels.of(student).standardized
    return masked_mean(ops.mean(ops.square(difference), axis=-1), mask, total)


def feature_map_mean(teacher, student, mask, total=None):
    """Mean over real tokens of (mean of the teacher's channels - mean of the student's channels)^2."""
    difference = Channels.of(teacher).mean - Channels.of(student).mean
    return masked_mean(ops.square(difference)[..., 0], mask, total)


def feature_map_variance(teacher, student, mask, total=None):
    """Mean over real tokens of |variance of the teacher's channels - variance of the student's channels|."""
    difference = Channels.of(teacher).variance - Channels.of(student).variance
    return masked_mean(ops.abs(difference)[..., 0], mask, total)


def attention(teacher_scores, student_scores, mask, total=None):
    """KL(teacher || student) of the attention over keys, averaged over heads and real queries.

    Scores [B, N, T, T] are scaled and masked, before the softmax. Paper eq. 6; the
    released code leaves out the teacher's entropy, which is a constant.
    """
    divergence = kl_divergence(teacher_scores, student_scores)  # [B, N, T]
    return masked_mean(ops.mean(divergence, axis=1), mask, total)


def relations(teacher, student, mask, total=None, heads: int = 1):
    """Sum of KL(teacher || student) of the relations among queries, among keys and among values.

    teacher, student: (queries, keys, values), each [B, T, width]; the two widths may differ. Each token's vector is
    split into `heads` parts, independently of the attention heads. The relation of a token is the softmax, over the
    real tokens, of its scaled dot products with them. Mean over heads and real tokens. MiniLMv2 (arXiv 2012.15828)
    §3.2.
    """
    real = ops.cast(mask, "float32")[:, None, None, :]
    return sum(
        attention(
            _dot_products(teacher_vectors, heads) + (1.0 - real) * -1e9,
            _dot_products(student_vectors, heads) + (1.0 - real) * -1e9,
            mask,
            total,
        )
        for teacher_vectors, student_vectors in zip(teacher, student, strict=True)
    )


def _dot_products(vectors, heads: int):
    """Dot products between all tokens, divided by the root of a head's width: [B, T, W] -> [B, heads, T, T]."""
    batch, length, width = ops.shape(vectors)
    split = ops.transpose(ops.reshape(vectors, (batch, length, heads, width // heads)), (0, 2, 1, 3))
    scaled = split * (width // heads) ** -0.5
    return ops.cast(ops.matmul(scaled, ops.transpose(split, (0, 1, 3, 2))), "float32")


def masked_words(logits, word_ids, weights, total=None):
    """Cross-entropy of the masked words: logits [B, P, V], word_ids [B, P], weights [B, P] in {0, 1}."""
    return masked_mean(cross_entropy(logits, word_ids), weights, total)


def masked_words_distilled(teacher_logits, student_logits, weights, temperature: float = 1.0, total=None):
    """T^2 KL(teacher || student) of the masked words, both logits [B, P, V] divided by the temperature T.

    The second term of paper eq. 7; T^2 keeps the size of the gradient (Hinton et al. 2015).
    """
    divergence = kl_divergence(teacher_logits / temperature, student_logits / temperature)
    return temperature**2 * masked_mean(divergence, weights, total)


def masked_mean(values, mask, total=None):
    """Mean of `values` where `mask` (same shape) is 1; 0 if the mask is 0 everywhere."""
    weights = ops.cast(mask, "float32")
    if total is None:
        total = ops.maximum(ops.sum(weights), 1.0)
    return ops.sum(ops.cast(values, "float32") * weights) / total
