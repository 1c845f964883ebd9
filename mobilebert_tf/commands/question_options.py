"""Flags of `finetune --task=qa`: how passages are cut, and how long answers get."""

from __future__ import annotations

import dataclasses
from typing import Any

from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuestionOptions:
    """Flags that only questions have."""

    doc_stride: int | None = option(
        "--task=qa: word pieces between the starts of successive windows on a long passage; default: 128",
        default=None,
        least=1,
        most=100_000,
    )
    max_question_length: int | None = option(
        "--task=qa: most word pieces of a question, which is cut there; default: 64",
        default=None,
        least=1,
        most=100_000,
    )
    max_answer_length: int | None = option(
        "--task=qa: most word pieces of an answer; default: 30", default=None, least=1, most=100_000
    )

    def question_fields(self, task: str) -> dict[str, Any]:
        """The flags that are given, as fields of a task. Raises UsageError: `task` is not qa."""
        names = [field.name for field in dataclasses.fields(QuestionOptions)]
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        if given and task != "qa":
            raise UsageError(f"--{next(iter(given))}: is for --task=qa, not for --task={task}")
        return given
