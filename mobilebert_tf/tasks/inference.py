"""Outputs of a Keras model for any number of examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from mobilebert_tf.data.progress import track
from mobilebert_tf.tasks.task import INPUTS, Features, Outputs, Task, concatenated, of_examples, real_only, take

if TYPE_CHECKING:
    from mobilebert_tf.training.loop import Measurement

GLANCE = 512
"""Maximum number of examples that are scored during training."""

FEW = 8
"""Number of batches up to which the model runs without a graph, which would take longer to trace than it saves."""

MANY_ROWS = 2000
"""Number of rows above which a pass over them shows its progress."""

LENGTH_STEP = 32
"""Multiple to which batches round up the word pieces of their longest text, so that buffers have few shapes."""

ANY_LENGTH = {name: tf.TensorSpec([None, None], tf.int32) for name in INPUTS}
"""Signature of one graph for all lengths: tracing 24 layers takes seconds, and outputs are the same to the bit."""

_FIGURES = ("loss", "root_mean_square_error")
"""Figures besides the score that are drawn as curves."""


def keras_outputs(
    model: keras.Model, task: Task, features: Features, batch_size: int = 32, show_progress: bool = False
) -> dict[str, np.ndarray]:
    """Outputs of a task's model, float32 [R, ...] by name, for `input_ids`, `input_mask`, `segment_ids` [R, T].

    Texts of similar length run together, with no more padding than they need.
    """
    return outputs_in_batches(_traced(model, task), features, batch_size, show_progress)


def keras_answers(model: keras.Model, task: Task) -> Callable[[Features], dict[str, np.ndarray]]:
    """A function from features to `keras_outputs`, to be called repeatedly while the weights change."""
    traced = _traced(model, task)
    return lambda features: outputs_in_batches(traced, features, show_progress=len(features["input_ids"]) > MANY_ROWS)


def measurement(answer: Callable[[Features], Outputs], task: Task, features: Features) -> Measurement:
    """A function that scores the current outputs of `answer` on labelled features [R, T].

    Padding that no row needs is cropped, except for one token, which the last real one sees.
    """
    longest = int(features["input_mask"].sum(axis=1).max()) + 1
    cropped = {name: features[name][:, :longest] for name in INPUTS}
    return lambda: short_figures(task, real_only(answer(cropped), features["input_mask"]), features)


def glance_at(features: Features, most: int = GLANCE) -> dict[str, np.ndarray]:
    """At most `most` of the examples, evenly spaced."""
    count = len(features["label"])
    chosen = np.linspace(0, count - 1, min(count, most)).round().astype(int)
    return of_examples(features, chosen)[0]


def short_figures(task: Task, outputs: Outputs, features: Features) -> dict[str, float]:
    """Figures of the task that are drawn as curves, with the settings that the finished model would get from these
    examples: an early model's probabilities may all be below a half, although their order is right."""
    task = task.tuned(outputs, features) if task.tunes_answers else task
    scores = task.score(outputs, features)
    return {name: scores.all[name] for name in (scores.name, *_FIGURES) if name in scores.all}


def _traced(model: keras.Model, task: Task) -> tf.types.experimental.PolymorphicFunction:
    @tf.function(autograph=False, input_signature=[ANY_LENGTH])
    def run(batch: Mapping[str, tf.Tensor]) -> Mapping[str, tf.Tensor]:
        answer = model(batch, training=False)
        named = answer if isinstance(answer, Mapping) else {task.outputs[0]: answer}
        return {name: tf.cast(named[name], tf.float32) for name in task.outputs}

    return run


def outputs_in_batches(
    traced: tf.types.experimental.PolymorphicFunction,
    features: Features,
    batch_size: int = 32,
    show_progress: bool = False,
) -> dict[str, np.ndarray]:
    """Outputs of `traced`, float32 [R, ...] by name, in batches as in `keras_outputs`.

    A graph is traced only for more than FEW batches.
    """
    inputs = {name: features[name] for name in INPUTS}
    lengths = inputs["input_mask"].sum(axis=1)
    order = np.argsort(lengths, kind="stable")
    starts = range(0, len(order), batch_size)
    run = traced if len(starts) > FEW else traced.python_function
    parts = []
    for start in track(starts, "running Keras", "batches", len(starts)) if show_progress else starts:
        chosen = order[start : start + batch_size]
        # One padding token stays, because the last real one sees it through the trigram.
        longest = -(-(int(lengths[chosen].max()) + 1) // LENGTH_STEP) * LENGTH_STEP
        outputs = run({name: tf.constant(values[chosen, :longest]) for name, values in inputs.items()})
        parts.append(
            real_only({name: values.numpy() for name, values in outputs.items()}, inputs["input_mask"][chosen])
        )
    return take(concatenated(parts), np.argsort(order))
