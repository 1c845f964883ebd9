"""One measuring process of `benchmarks.library.tasks`: prints, as JSON, the seconds that one piece of work takes.

By hand: python -m mobilebert_tf.benchmarks.library.one_task '{"work": "questions", "questions": ..., "vocab": ...}'
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from mobilebert_tf import quiet

BATCH = 32
WARM_UP = 4
"""Untimed steps at the start; the first one includes tracing."""

PADDED = 128
"""Word pieces that the fine-tuning baseline pads every example to."""


def tokenizer_alone(settings: dict[str, Any]) -> float:
    """Processor seconds to tokenize all questions and passages, each as often as it occurs."""
    task, tokenizer, examples = _questions(settings)
    texts = [text for example in examples for text in (example.text, example.text_pair or "")]
    return _processor_time(lambda: tokenizer.encode_batch(texts))


def questions(settings: dict[str, Any]) -> float:
    """Processor seconds to make features of the same questions: windows, offsets, labels."""
    task, tokenizer, examples = _questions(settings)
    return _processor_time(lambda: task.features(examples, tokenizer))


def _questions(settings: dict[str, Any]) -> Any:
    os.environ["RAYON_NUM_THREADS"] = "1"
    from mobilebert_tf.tasks.questions import QuestionsTask
    from mobilebert_tf.tokenization import Tokenizer

    task, tokenizer = QuestionsTask(), Tokenizer.from_vocab(settings["vocab"])
    tokenizer.encode("once, to build it")
    return task, tokenizer, task.read(settings["questions"])


def _processor_time(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def one_process(settings: dict[str, Any]) -> float:
    """Seconds to score a table with a `.tflite` file in one process."""
    return _scored(settings, 1)


def all_processors(settings: dict[str, Any]) -> float:
    """Seconds to score the same table in one process per processor, as `evaluate` does it."""
    return _scored(settings, os.cpu_count() or 1)


def _scored(settings: dict[str, Any], processes: int) -> float:
    from pathlib import Path

    from mobilebert_tf.answering.exported import load_exported

    os.cpu_count = lambda: processes
    file = load_exported(Path(settings["file"]))
    features = file.task.features(file.task.read(settings["table"]), file.tokenizer)
    file.runtime.answer(features)  # starts the processes, untimed
    start = time.perf_counter()
    file.runtime.answer(features)
    return time.perf_counter() - start


def padded(settings: dict[str, Any]) -> float:
    """Seconds to fine-tune on batches of the table, every example padded to PADDED word pieces."""
    return _fine_tuned(settings, by_length=False)


def by_length(settings: dict[str, Any]) -> float:
    """Seconds to fine-tune on the same examples in batches of similar length, as `finetune` makes them."""
    return _fine_tuned(settings, by_length=True)


def _fine_tuned(settings: dict[str, Any], by_length: bool) -> float:
    quiet.start_tensorflow()
    import tensorflow as tf

    from mobilebert_tf.data.shuffled import shuffled_batches
    from mobilebert_tf.model_directory import copy_encoder, load_model_directory
    from mobilebert_tf.models import ClassificationModel
    from mobilebert_tf.tasks.classification import ClassificationTask
    from mobilebert_tf.training import loop
    from mobilebert_tf.training.optimizers import Optimizer
    from mobilebert_tf.training.schedules import Schedule
    from mobilebert_tf.training.stage import Stage

    loop.set_up(0)
    source = load_model_directory(settings["model"])
    columns = {"text_column": settings["text_column"], "label_column": settings["label_column"]}
    task = ClassificationTask.discover(settings["table"], max_seq_length=PADDED, **columns)
    features = task.features(task.read(settings["table"]), source.tokenizer)
    model = ClassificationModel(source.config, len(task.labels))
    copy_encoder(source.model, model)
    batches: Any = shuffled_batches(features, BATCH, 0)
    if not by_length:
        batches = tf.data.Dataset.from_tensor_slices(features).repeat().batch(BATCH, drop_remainder=True)
    stage = Stage(name="x", index=0, steps=10_000, batch_size=BATCH, schedule=Schedule(peak=3e-5, steps=10_000))
    optimizer = Optimizer(stage.optimizer, model.trainable_weights)
    objective = task.objective(lambda batch: model(batch, training=True))
    run_steps = loop.compile_stage(stage, objective, model.trainable_weights, optimizer, tf.distribute.get_strategy())
    iterator = iter(batches)
    for number in range(WARM_UP):
        run_steps(iterator, number, 1)
    start = time.perf_counter()
    for number in range(settings["steps"]):
        metrics = run_steps(iterator, WARM_UP + number, 1)
    float(metrics["loss"][0])
    return time.perf_counter() - start


WORK = {work.__name__: work for work in (tokenizer_alone, questions, one_process, all_processors, padded, by_length)}


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps({"samples": [WORK[given["work"]](given)]}))
