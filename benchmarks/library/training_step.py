"""One measuring process: builds the full student, fine-tunes it on random batches, prints JSON.

Run by `benchmarks.training`; by hand: python -m mobilebert_tf.benchmarks.library.training_step '{"preset": ...}'
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

from mobilebert_tf import quiet


def measure(settings: dict[str, Any]) -> dict[str, Any]:
    """Seconds to build the model, to the end of the first step, and of each step after the warm-up."""
    quiet.start_tensorflow()
    import keras
    import tensorflow as tf

    from mobilebert_tf.benchmarks.files.load import Load
    from mobilebert_tf.config import MobileBertConfig
    from mobilebert_tf.models import ClassificationModel
    from mobilebert_tf.training import loop, objectives
    from mobilebert_tf.training.optimizers import Optimizer
    from mobilebert_tf.training.schedules import Schedule
    from mobilebert_tf.training.stage import Stage

    tf.config.threading.set_intra_op_parallelism_threads(settings["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(settings["threads"])
    loop.set_up(0)
    keras.config.set_dtype_policy("mixed_bfloat16" if settings["dtype"] == "bfloat16" else "float32")
    began, load = time.perf_counter(), Load()
    model = ClassificationModel(MobileBertConfig.preset(settings["preset"]), num_labels=2)
    built = time.perf_counter()
    batch = batch_of(settings["batch_size"], settings["sequence_length"], model.config.vocab_size)
    shape = batch["input_ids"].shape
    iterator = iter(tf.data.Dataset.from_tensors(batch).repeat())
    stage = Stage(
        name="finetune", index=0, steps=10_000, batch_size=shape[0], schedule=Schedule(peak=3e-5, steps=10_000)
    )
    optimizer = Optimizer(stage.optimizer, model.trainable_weights)
    objective = (
        _quantized(model, batch)
        if settings["quantization_aware"]
        else objectives.classes(lambda batch: model(batch, training=True))
    )
    run_steps = loop.compile_stage(stage, objective, model.trainable_weights, optimizer, tf.distribute.get_strategy())
    loss = float(run_steps(iterator, 0, 1)["loss"][0])
    first = time.perf_counter()
    run_steps(iterator, 1, 1)
    samples = []
    for step in range(settings["steps"]):
        start = time.perf_counter()
        run_steps(iterator, 2 + step, 1)["loss"].numpy()
        samples.append(time.perf_counter() - start)
    return {
        "build_seconds": built - began,
        "first_step_seconds": first - built,
        "first_loss": loss,
        "samples": samples,
        "foreign_cores": load.foreign_cores(),
    }


def batch_of(batch_size: int, length: int, words: int) -> dict[str, np.ndarray]:
    """Random words without padding, with labels: the same batch for every implementation."""
    random = np.random.default_rng(0)
    shape = batch_size, length
    return {
        "input_ids": random.integers(1, words, shape).astype(np.int32),
        "input_mask": np.ones(shape, np.int32),
        "segment_ids": np.zeros(shape, np.int32),
        "label": random.integers(0, 2, batch_size).astype(np.int32),
    }


def _quantized(model: Any, batch: dict[str, Any]) -> Any:
    """The objective of `finetune --quantization_aware`, in the phase in which ranges are still updated."""
    from mobilebert_tf.export.aware.network import Averaging, QuantizedNetwork
    from mobilebert_tf.export.recipes import RECIPES
    from mobilebert_tf.training import objectives

    network = QuantizedNetwork(model, RECIPES["static_int8"], batch["input_ids"].shape[1])
    network.calibrate([batch], 1)
    averaging = Averaging(steps=10_000)
    return objectives.classes(lambda batch: network.answer(batch, averaging))


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
