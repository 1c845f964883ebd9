"""Checks that a teacher can teach a student, on their configurations, before either is built."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import UsageError
from mobilebert_tf.transfer.strategies import StagePlan
from mobilebert_tf.transfer.terms import LAYER_TERMS


def check_pair(teacher: MobileBertConfig, student: MobileBertConfig) -> None:
    """Raise UsageError unless layers of the student can be compared with layers of the teacher."""
    fields = [
        "vocab_size",
        "hidden_size",
        "type_vocab_size",
        "max_position_embeddings",
    ]
    if not takes_principal_components(teacher, student):
        fields += ["embedding_size", "trigram_input"]
    for field in fields:
        student_value, teacher_value = getattr(student, field), getattr(teacher, field)
        if student_value != teacher_value:
            raise UsageError(
                f"teacher and student do not fit: {field} is {teacher_value} in the teacher and {student_value} in the "
                "student"
            )


def check_terms(plan: Sequence[StagePlan], teacher: MobileBertConfig, student: MobileBertConfig) -> None:
    """Raise UsageError unless the terms of every stage can compare this teacher with this student."""
    for stage in plan:
        names = [name for name, _ in stage.losses if name in LAYER_TERMS]
        teacher_heads, student_heads = teacher.num_attention_heads, student.num_attention_heads
        if student_heads != teacher_heads and any(LAYER_TERMS[name].head_counts for name in names):
            raise UsageError(
                f"stage {stage.name}: attention transfer needs equal numbers of heads, but the teacher has "
                f"{teacher_heads} and the student {student_heads}; relations (--relation_weight) work with any"
            )
        divided = math.gcd(teacher.intra_bottleneck_size, student.intra_bottleneck_size)
        if "relations" in names and divided % stage.relation_heads:
            possible = ", ".join(str(n) for n in range(1, divided + 1) if divided % n == 0)
            raise UsageError(
                f"stage {stage.name}: {stage.relation_heads} relation heads do not divide the widths inside a block, "
                f"{teacher.intra_bottleneck_size} and {student.intra_bottleneck_size}; choose from {possible}"
            )


def takes_principal_components(teacher: MobileBertConfig, student: MobileBertConfig) -> bool:
    """Whether the student projects its word vectors and the teacher does not: the teacher's table then has width H."""
    return not teacher.projects_embeddings and student.projects_embeddings
