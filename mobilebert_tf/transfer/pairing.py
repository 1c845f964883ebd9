"""Whether a teacher can teach a student: their configurations, before either is built."""

from __future__ import annotations

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import UsageError


def check_pair(teacher: MobileBertConfig, student: MobileBertConfig) -> None:
    """Raise UsageError unless layers of the student can be compared with layers of the teacher."""
    fields = [
        "vocab_size",
        "hidden_size",
        "num_attention_heads",
        "type_vocab_size",
        "max_position_embeddings",
    ]
    if not takes_principal_components(teacher, student):
        fields += ["embedding_size", "trigram_input"]
    for field in fields:
        ours, theirs = getattr(student, field), getattr(teacher, field)
        if ours != theirs:
            raise UsageError(
                f"teacher and student do not fit: {field} is {theirs} in the teacher and {ours} in the student"
            )


def takes_principal_components(teacher: MobileBertConfig, student: MobileBertConfig) -> bool:
    """Whether the student's word vectors are narrower than those of a teacher that has no projection of its own."""
    return not teacher.projects_embeddings and student.projects_embeddings
