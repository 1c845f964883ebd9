"""The terms of knowledge transfer and pre-training, each a pure function on `keras.ops`.

Shapes: B batch, T sequence, H width between blocks, N heads, P masked positions, V words.
`mask` [B, T] is 1 on real tokens; padding counts nowhere. Every result is a float32
scalar, and every transfer term is 0 when the student equals the teacher.

`total` is how many count (real tokens, masked words); left out, the mask's sum. Where a batch
is divided, each part is given the average number of a part: the mean of the parts'
results is then that of the whole batch.
"""

from __future__ import annotations

import functools

from keras import ops

from mobilebert_tf.training.losses import cross_entropy, kl_divergence

EPSILON = 1e-12
"""Of the normalisation in feature-map transfer; Google's value."""


class Channels:
    """A feature map [B, T, H] with the statistics of each token's channels, in float32.

    Three terms ask for them; computed once for all they take 0.6 of the time.
    """

    def __init__(self, feature_map):
        self._wide = ops.cast(feature_map, "float32")

    @classmethod
    def of(cls, feature_map) -> Channels:
        return feature_map if isinstance(feature_map, Channels) else cls(feature_map)

    @functools.cached_property
    def mean(self):
        """[B, T, 1]"""
        return ops.mean(self._wide, axis=-1, keepdims=True)

    @functools.cached_property
    def _centred(self):
        return self._wide - self.mean

    @functools.cached_property
    def variance(self):
        """[B, T, 1]"""
        return ops.mean(ops.square(self._centred), axis=-1, keepdims=True)

    @functools.cached_property
    def standardized(self):
        """Mean 0 and variance 1 over the channels, [B, T, H]: a LayerNorm without parameters."""
        return self._centred * ops.rsqrt(self.variance + EPSILON)


def feature_map(teacher, student, mask, total=None):
    """mean over real tokens and channels of (LN(teacher) - LN(student))^2, LN without parameters.

    teacher, student [B, T, H], or their `Channels`, as in the next two. Paper eq. 5, in the normalised form of the
    released code.
    """
    difference = Channels.of(teacher).standardized - Channels.of(student).standardized
    return masked_mean(ops.mean(ops.square(difference), axis=-1), mask, total)


def feature_map_mean(teacher, student, mask, total=None):
    """mean over real tokens of (mean of teacher's channels - mean of student's)^2."""
    difference = Channels.of(teacher).mean - Channels.of(student).mean
    return masked_mean(ops.square(difference)[..., 0], mask, total)


def feature_map_variance(teacher, student, mask, total=None):
    """mean over real tokens of |variance of teacher's channels - variance of student's|."""
    difference = Channels.of(teacher).variance - Channels.of(student).variance
    return masked_mean(ops.abs(difference)[..., 0], mask, total)


def attention(teacher_scores, student_scores, mask, total=None):
    """KL(teacher || student) of the attention over keys, mean over heads and real queries.

    Scores [B, N, T, T] are scaled and masked, before the softmax. Paper eq. 6; the
    released code leaves out the teacher's entropy, which is a constant.
    """
    divergence = kl_divergence(teacher_scores, student_scores)  # [B, N, T]
    return masked_mean(ops.mean(divergence, axis=1), mask, total)


def relations(teacher, student, mask, total=None, heads: int = 1):
    """KL(teacher || student) of the relations among queries, among keys and among values; the three added.

    teacher, student: (queries, keys, values), each [B, T, width], the two sides of any width. Each is cut into
    `heads` vectors a token, whatever the attention heads are; a token's relation is the softmax over the real
    tokens of its scaled dot products with them. Mean over heads and real tokens. MiniLMv2 (arXiv 2012.15828) §3.2.
    """
    real = ops.cast(mask, "float32")[:, None, None, :]
    return sum(
        attention(
            _dot_products(theirs, heads) + (1.0 - real) * -1e9,
            _dot_products(ours, heads) + (1.0 - real) * -1e9,
            mask,
            total,
        )
        for theirs, ours in zip(teacher, student, strict=True)
    )


def _dot_products(vectors, heads: int):
    """Dot products of all tokens with each other, over the root of their width: [B, T, W] -> [B, heads, T, T]."""
    batch, length, width = ops.shape(vectors)
    split = ops.transpose(ops.reshape(vectors, (batch, length, heads, width // heads)), (0, 2, 1, 3))
    scaled = split * (width // heads) ** -0.5
    return ops.cast(ops.matmul(scaled, ops.transpose(split, (0, 1, 3, 2))), "float32")


def masked_words(logits, word_ids, weights, total=None):
    """Cross-entropy of the masked words: logits [B, P, V], word_ids [B, P], weights [B, P] in {0, 1}."""
    return masked_mean(cross_entropy(logits, word_ids), weights, total)


def masked_words_distilled(teacher_logits, student_logits, weights, temperature: float = 1.0, total=None):
    """T^2 KL(teacher || student) of the masked words, both logits [B, P, V] divided by T.

    Paper eq. 7, its second term; T^2 keeps the gradient's size (Hinton et al. 2015).
    """
    divergence = kl_divergence(teacher_logits / temperature, student_logits / temperature)
    return temperature**2 * masked_mean(divergence, weights, total)


def masked_mean(values, mask, total=None):
    """Mean of values where mask is 1 (same shape); 0 where it is 0 everywhere."""
    weights = ops.cast(mask, "float32")
    if total is None:
        total = ops.maximum(ops.sum(weights), 1.0)
    return ops.sum(ops.cast(values, "float32") * weights) / total
