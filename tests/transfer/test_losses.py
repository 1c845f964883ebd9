"""Each loss against NumPy in float64; it is zero for a perfect student and ignores padding."""

import numpy as np
import pytest

from mobilebert_tf.training.losses import classes
from mobilebert_tf.transfer import losses

from .conftest import B, H, N, P, T, V, softmax

# Float32 sums of some hundred terms, against float64.
CLOSE = dict(rtol=2e-5, atol=1e-6)


def real_rows(x, mask):
    return x.astype(np.float64)[mask.astype(bool)]


def scores(random, mask, spread=2.0):
    return (random.normal(0, spread, (B, N, T, T)) + (1 - mask[:, None, None, :]) * -10000.0).astype(np.float32)


def test_feature_maps(random, mask):
    teacher, student = (random.normal(2, 3, (B, T, H)).astype(np.float32) for _ in range(2))
    t, s = real_rows(teacher, mask), real_rows(student, mask)

    def standard(x):
        return (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)

    np.testing.assert_allclose(
        losses.feature_map(teacher, student, mask), ((standard(t) - standard(s)) ** 2).mean(), **CLOSE
    )
    np.testing.assert_allclose(
        losses.feature_map_mean(teacher, student, mask), ((t.mean(-1) - s.mean(-1)) ** 2).mean(), **CLOSE
    )
    np.testing.assert_allclose(
        losses.feature_map_variance(teacher, student, mask), np.abs(t.var(-1) - s.var(-1)).mean(), **CLOSE
    )


def test_attention(random, mask):
    teacher, student = scores(random, mask, 3.0), scores(random, mask, 1.0)
    total, count = 0.0, 0
    for b in range(B):
        real = int(mask[b].sum())
        for n in range(N):
            for q in range(real):
                p, r = (softmax(x[b, n, q, :real].astype(np.float64)) for x in (teacher, student))
                total += (p * np.log(p / r)).sum()
                count += 1
    np.testing.assert_allclose(losses.attention(teacher, student, mask), total / count, **CLOSE)


def test_attention_of_scores_is_not_that_of_probabilities(random, mask):
    """A public version took a softmax of probabilities, which nearly hides the difference."""
    teacher, student = scores(random, mask, 3.0), scores(random, mask, 1.0)
    right = float(losses.attention(teacher, student, mask))
    twice = float(losses.attention(softmax(teacher), softmax(student), mask))
    assert right > 20 * twice


def test_masked_words(random):
    logits = random.normal(0, 2, (B, P, V)).astype(np.float32)
    words = random.integers(0, V, (B, P)).astype(np.int32)
    weights = (random.random((B, P)) < 0.7).astype(np.float32)
    chosen = np.take_along_axis(np.log(softmax(logits.astype(np.float64))), words[..., None], -1)[..., 0]
    np.testing.assert_allclose(
        losses.masked_words(logits, words, weights), -(chosen * weights).sum() / weights.sum(), **CLOSE
    )


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_distilled_words(random, temperature):
    teacher, student = (random.normal(0, 2, (B, P, V)).astype(np.float32) for _ in range(2))
    weights = (random.random((B, P)) < 0.7).astype(np.float32)
    p, r = (softmax(x.astype(np.float64) / temperature) for x in (teacher, student))
    divergence = (p * np.log(p / r)).sum(-1)
    expected = temperature**2 * (divergence * weights).sum() / weights.sum()
    np.testing.assert_allclose(losses.masked_words_distilled(teacher, student, weights, temperature), expected, **CLOSE)


def test_classes(random):
    logits, labels = random.normal(0, 2, (B, V)).astype(np.float32), np.array([1, 0, 10])
    expected = -np.log(softmax(logits.astype(np.float64)))[np.arange(B), labels].mean()
    np.testing.assert_allclose(classes(logits, labels), expected, **CLOSE)


def test_a_perfect_student_scores_exactly_zero(random, mask):
    features, attention = random.normal(0, 3, (B, T, H)).astype(np.float32), scores(random, mask)
    words, weights = random.normal(0, 2, (B, P, V)).astype(np.float32), np.ones((B, P), np.float32)
    assert float(losses.feature_map(features, features, mask)) == 0.0
    assert float(losses.feature_map_mean(features, features, mask)) == 0.0
    assert float(losses.feature_map_variance(features, features, mask)) == 0.0
    assert float(losses.attention(attention, attention, mask)) == 0.0
    assert float(losses.relations(3 * [features], 3 * [features], mask, heads=4)) == 0.0
    assert float(losses.masked_words_distilled(words, words, weights, 2.0)) == 0.0


def test_padding_counts_nowhere(random, mask):
    teacher, student = (random.normal(0, 3, (B, T, H)).astype(np.float32) for _ in range(2))
    terms = (losses.feature_map, losses.feature_map_mean, losses.feature_map_variance)
    before = [float(f(teacher, student, mask)) for f in terms]
    student[0, 4:] = 100.0
    after = [float(f(teacher, student, mask)) for f in terms]
    assert before == after
    student_scores, teacher_scores = scores(random, mask), scores(random, mask)
    kept = float(losses.attention(teacher_scores, student_scores, mask))
    student_scores[0, :, 4:, :] += random.normal(0, 5, student_scores[0, :, 4:, :].shape)
    assert float(losses.attention(teacher_scores, student_scores, mask)) == kept
    narrow = random.normal(0, 1, (B, T, 8)).astype(np.float32)
    kept = float(losses.relations(3 * [teacher], 3 * [narrow], mask, heads=2))
    narrow[0, 4:] = random.normal(0, 5, narrow[0, 4:].shape)
    assert float(losses.relations(3 * [teacher], 3 * [narrow], mask, heads=2)) == kept
