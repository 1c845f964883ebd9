"""Gradients of the losses, against closed forms if there are any, else finite differences in float64."""

import numpy as np
import pytest
import tensorflow as tf

from mobilebert_tf.transfer import losses

from .conftest import B, H, N, P, T, V, softmax

# Float32 sums of some hundred terms, against float64.
CLOSE = dict(rtol=2e-4, atol=2e-7)


def gradient(loss, student):
    student = tf.constant(student, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(student)
        value = loss(student)
    assert value.shape == ()  # a public version left the loss [B, T], so its gradient was that of the sum
    return tape.gradient(value, student).numpy()


def test_attention(random, mask):
    """The gradient is softmax(student) - softmax(teacher), over heads and real queries, and zero at padding."""
    padding = (1 - mask[:, None, None, :]) * -10000.0
    teacher, student = (random.normal(0, 2, (B, N, T, T)) + padding for _ in range(2))
    expected = (softmax(student) - softmax(teacher)) * mask[:, None, :, None] / (mask.sum() * N)
    computed = gradient(lambda s: losses.attention(teacher.astype(np.float32), s, mask), student)
    np.testing.assert_allclose(computed, expected, **CLOSE)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_distilled_words(random, temperature):
    """The gradient is T (softmax(student / T) - softmax(teacher / T)): the loss's factor T^2 leaves one T."""
    teacher, student = (random.normal(0, 2, (B, P, V)) for _ in range(2))
    weights = (random.random((B, P)) < 0.7).astype(np.float32)
    difference = softmax(student / temperature) - softmax(teacher / temperature)
    expected = temperature * difference * weights[..., None] / weights.sum()
    computed = gradient(
        lambda s: losses.masked_words_distilled(teacher.astype(np.float32), s, weights, temperature), student
    )
    np.testing.assert_allclose(computed, expected, **CLOSE)


def test_masked_words(random):
    logits, words = random.normal(0, 2, (B, P, V)), random.integers(0, V, (B, P))
    weights = (random.random((B, P)) < 0.7).astype(np.float32)
    expected = (softmax(logits) - np.eye(V)[words]) * weights[..., None] / weights.sum()
    np.testing.assert_allclose(gradient(lambda s: losses.masked_words(s, words, weights), logits), expected, **CLOSE)


def test_mean_of_channels(random, mask):
    teacher, student = (random.normal(1, 3, (B, T, H)) for _ in range(2))
    difference = (student.mean(-1) - teacher.mean(-1)) * mask
    expected = np.repeat((2 * difference / H / mask.sum())[..., None], H, axis=-1)
    computed = gradient(lambda s: losses.feature_map_mean(teacher.astype(np.float32), s, mask), student)
    np.testing.assert_allclose(computed, expected, **CLOSE)


def reference_feature_map(teacher, student, mask):
    """The loss on feature maps in float64; its gradient has no short closed form."""

    def standard(x):
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + losses.EPSILON)

    real = mask.astype(bool)
    return ((standard(teacher) - standard(student))[real] ** 2).mean()


def reference_variance(teacher, student, mask):
    return np.abs(teacher.var(-1) - student.var(-1))[mask.astype(bool)].mean()


@pytest.mark.parametrize(
    "loss, reference",
    [(losses.feature_map, reference_feature_map), (losses.feature_map_variance, reference_variance)],
)
def test_finite_differences(loss, reference, random, mask):
    teacher, student = (random.normal(1, 3, (B, T, H)) for _ in range(2))
    computed = gradient(lambda s: loss(teacher.astype(np.float32), s, mask), student)
    step = 1e-5
    for index in [(0, 0, 0), (0, 3, 7), (1, 6, 15), (2, 2, 4)]:
        ahead, behind = student.copy(), student.copy()
        ahead[index] += step
        behind[index] -= step
        slope = (reference(teacher, ahead, mask) - reference(teacher, behind, mask)) / (2 * step)
        # The difference quotient is itself exact only to about the square of the step.
        assert computed[index] == pytest.approx(slope, rel=1e-3, abs=1e-7)
    assert not computed[0, 4:].any() and not computed[2, 6:].any()


def reference_relations(teacher, student, mask, heads):
    """The loss on relations in float64, token by token over the real ones."""
    total = 0.0
    for theirs, ours in zip(teacher, student, strict=True):
        for b in range(B):
            real = int(mask[b].sum())
            for n in range(heads):
                rows = []
                for side in (theirs, ours):
                    width = side.shape[-1] // heads
                    part = side[b, :real, n * width : (n + 1) * width].astype(np.float64)
                    rows.append(softmax(part @ part.T / np.sqrt(width)))
                total += (rows[0] * np.log(rows[0] / rows[1])).sum()
    return total / (heads * mask.sum())


@pytest.mark.parametrize("heads", [1, 4])
def test_relations(heads, random, mask):
    """Teacher and student differ in width; gradients against finite differences in queries, keys and values."""
    teacher, student = ([random.normal(0, 1, (B, T, width)) for _ in range(3)] for width in (24, 8))
    given = [side.astype(np.float32) for side in teacher]
    loss = losses.relations(given, [side.astype(np.float32) for side in student], mask, heads=heads)
    assert float(loss) == pytest.approx(reference_relations(teacher, student, mask, heads), rel=2e-5)
    step = 1e-5
    for which in range(3):
        fixed = [tf.constant(side, tf.float32) for side in student]
        slopes = gradient(
            lambda s, which=which, fixed=fixed: losses.relations(
                given, [*fixed[:which], s, *fixed[which + 1 :]], mask, heads=heads
            ),
            student[which],
        )
        for index in [(0, 0, 0), (0, 3, 7), (1, 6, 5), (2, 2, 4)]:
            values = []
            for way in (step, -step):
                moved = [side.copy() for side in student]
                moved[which][index] += way
                values.append(reference_relations(teacher, moved, mask, heads))
            slope = (values[0] - values[1]) / (2 * step)
            assert slopes[index] == pytest.approx(slope, rel=1e-3, abs=1e-6)
        assert not slopes[0, 4:].any() and not slopes[2, 6:].any()


def test_matching_layers_alone_count(random, mask):
    """Layers that are not compared do not matter; a public version pulled each layer to the mean of all of them."""
    from mobilebert_tf.transfer import objectives, strategies

    maps = [random.normal(i, 1, (B, T, H)).astype(np.float32) for i in range(4)]
    scores = [random.normal(0, 1, (B, N, T, T)).astype(np.float32) for _ in range(3)]
    other = [maps[0] + 9, maps[1] - 5, maps[2], maps[3] + 7]
    stage = strategies.plan(strategies.TransferOptions(), 3)[1]
    wanted, given = ({"feature_maps": feature_maps, "attention_scores": scores} for feature_maps in (other, maps))
    terms = objectives.layer_terms(wanted, given, mask, stage.pairs, [name for name, _ in stage.losses])[1]
    assert len(terms) == 4
    assert {name: float(value) for name, value in terms.items()} == dict.fromkeys(terms, 0.0)
