"""One measuring process: builds teacher and student, runs one stage of a transfer plan on random batches, prints JSON.

Run by `benchmarks.library.transfer`; by hand, with the fields of a `Case`, its `Pair` and the `Settings` as one object:
python -m mobilebert_tf.benchmarks.library.transfer_step '{"teacher": {...}, "stage": "transfer_1", ...}'
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from mobilebert_tf import quiet


def measure(case: dict[str, Any]) -> dict[str, Any]:
    """Seconds to build, to the end of the first step, and of each step after the warm-up; peak memory.

    `thread_seconds_per_step` is summed over all threads: other work on the machine disturbs it less than the samples.
    Building is that of the two networks. The first step includes creation of the optimizer's variables,
    tracing and everything else that a stage does before its second step.
    """
    quiet.start_tensorflow()
    import numpy as np
    import tensorflow as tf

    from mobilebert_tf.benchmarks.files.memory import peak_memory
    from mobilebert_tf.config import MobileBertConfig
    from mobilebert_tf.models import PretrainingModel
    from mobilebert_tf.training import loop
    from mobilebert_tf.training.dtypes import activations
    from mobilebert_tf.training.optimizers import Optimizer
    from mobilebert_tf.transfer import objectives, stages, strategies

    tf.config.threading.set_intra_op_parallelism_threads(case["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(case["threads"])
    loop.set_up(0)
    began = time.perf_counter()
    with activations(case["teacher_dtype"]):
        teacher = PretrainingModel(MobileBertConfig(**case["teacher"]), name="teacher")
    student = PretrainingModel(MobileBertConfig(**case["student"]), name="student")
    built = time.perf_counter()
    batch = _batch(case, np.random.default_rng(0))
    options = strategies.TransferOptions.named(case["plan"], batch_size=case["batch_size"], optimizer={"name": "lamb"})
    plan = strategies.plan(options, student.config.num_hidden_layers)
    stage = next(stage for stage in plan if stage.name == case["stage"])
    iterator = iter(tf.data.Dataset.from_tensors(batch).repeat())
    ready = time.perf_counter()
    trained = stages.trainable_variables(student, stage)
    variables = [variable for variable, _ in trained]
    optimizer = Optimizer(stage.optimizer, variables, [factor for _, factor in trained])
    objective = objectives.transfer(teacher, student, stage)
    run_steps = loop.compile_stage(stage, objective, variables, optimizer, tf.distribute.get_strategy())
    loss = float(run_steps(iterator, 0, 1)["loss"][0])
    first = time.perf_counter()
    run_steps(iterator, 1, 1)
    samples, used = [], time.process_time()
    for step in range(case["steps"]):
        start = time.perf_counter()
        run_steps(iterator, 2 + step, 1)["loss"].numpy()
        samples.append(time.perf_counter() - start)
    return {
        "build_seconds": built - began,
        "first_step_seconds": first - ready,
        "first_loss": loss,
        "trained_variables": len(variables),
        "thread_seconds_per_step": (time.process_time() - used) / case["steps"],
        "peak_memory_mib": peak_memory(),
        "samples": samples,
    }


def _batch(case: dict[str, Any], random: Any) -> dict[str, Any]:
    """Random words without padding."""
    import numpy as np

    shape = batch, length = case["batch_size"], case["sequence_length"]
    masked, words = (batch, case["predictions"]), case["student"]["vocab_size"]
    return {
        "input_ids": random.integers(1, words, shape).astype(np.int32),
        "input_mask": np.ones(shape, np.int32),
        "segment_ids": np.zeros(shape, np.int32),
        "masked_lm_positions": random.integers(1, length, masked).astype(np.int32),
        "masked_lm_ids": random.integers(1, words, masked).astype(np.int32),
        "masked_lm_weights": np.ones(masked, np.float32),
        "next_sentence_labels": random.integers(0, 2, batch).astype(np.int32),
    }


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
