"""Attention of teacher and student over one held-out example, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mobilebert_tf.data.pretraining_input import RecordSet, one_pass
from mobilebert_tf.models import PretrainingModel
from mobilebert_tf.tasks.classification import softmax
from mobilebert_tf.tokenization import Tokenizer

LONGEST = 32
"""Tokens shown at most; more would not be readable."""


def compare(
    teacher: PretrainingModel,
    student: PretrainingModel,
    records: RecordSet,
    tokenizer: Tokenizer,
    taught_by: Sequence[int],
) -> dict[str, Any]:
    """Attention probabilities per layer and head: {"tokens": [T], "layers": [{"layer", "teacher", "student"}]},
    maps N x T x T, rows are queries; a layer is the student's.

    `taught_by`: the teacher's block for each of the student's.
    """
    batch = next(iter(one_pass(records, 32)))
    lengths = batch["input_mask"].numpy().sum(axis=1)
    fitting = np.flatnonzero(lengths <= LONGEST)
    row = int(fitting[lengths[fitting].argmax()]) if len(fitting) else int(lengths.argmin())
    length = min(int(lengths[row]), LONGEST)
    inputs = {name: batch[name][row : row + 1, :length] for name in ("input_ids", "input_mask", "segment_ids")}
    wanted = teacher.encoder(inputs, training=False)["attention_scores"]
    given = student.encoder(inputs, training=False)["attention_scores"]
    pairs = zip((wanted[layer] for layer in taught_by), given, strict=True)
    layers = [
        {"layer": number, "teacher": _rounded(theirs[0]), "student": _rounded(ours[0])}
        for number, (theirs, ours) in enumerate(pairs, start=1)
    ]
    return {"tokens": tokenizer.decode(inputs["input_ids"][0].numpy().tolist()), "layers": layers}


def _rounded(scores: Any) -> list[Any]:
    return np.round(softmax(np.asarray(scores, np.float32)), 4).tolist()
