"""Attention maps of teacher and student for one held-out example, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mobilebert_tf.data.pretraining_input import RecordSet, one_pass
from mobilebert_tf.models import PretrainingModel
from mobilebert_tf.tasks.classification import softmax
from mobilebert_tf.tokenization import Tokenizer

LONGEST = 32
"""Most tokens shown; a map of more would be unreadable."""


def compare(
    teacher: PretrainingModel,
    student: PretrainingModel,
    records: RecordSet,
    tokenizer: Tokenizer,
    taught_by: Sequence[int],
) -> dict[str, Any]:
    """Attention probabilities per layer and head: {"tokens": [T], "layers": [{"layer", "teacher", "student"}]}.

    Maps are N x T x T with queries as rows; "layer" is the number of the student's layer.
    `taught_by`: the teacher's block for each block of the student.
    """
    batch = next(iter(one_pass(records, 32)))
    lengths = batch["input_mask"].numpy().sum(axis=1)
    fitting = np.flatnonzero(lengths <= LONGEST)
    row = int(fitting[lengths[fitting].argmax()]) if len(fitting) else int(lengths.argmin())
    length = min(int(lengths[row]), LONGEST)
    inputs = {name: batch[name][row : row + 1, :length] for name in ("input_ids", "input_mask", "segment_ids")}
    teacher_scores = teacher.encoder(inputs, training=False)["attention_scores"]
    student_scores = student.encoder(inputs, training=False)["attention_scores"]
    pairs = zip((teacher_scores[layer] for layer in taught_by), student_scores, strict=True)
    layers = [
        {"layer": number, "teacher": _rounded(teacher_map[0]), "student": _rounded(student_map[0])}
        for number, (teacher_map, student_map) in enumerate(pairs, start=1)
    ]
    return {"tokens": tokenizer.decode(inputs["input_ids"][0].numpy().tolist()), "layers": layers}


def _rounded(scores: Any) -> list[Any]:
    return np.round(softmax(np.asarray(scores, np.float32)), 4).tolist()
