"""The next command, which a command prints when it is done: it runs as printed, with the files that are there."""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import UsageError

_STUDENTS = ("mobilebert", "mobilebert_mini", "demo_student", "debug_student")

_said = contextvars.ContextVar("said", default=True)


def say(*lines: str) -> None:
    """Print lines about what to run next, unless another command has the next step."""
    if _said.get():
        print(*lines, sep="\n")


@contextlib.contextmanager
def left_to_the_caller() -> Iterator[None]:
    """Context in which commands do not say what to run next, because the caller runs it."""
    token = _said.set(False)
    try:
        yield
    finally:
        _said.reset(token)


def line(command: str, *words: str) -> str:
    """`next: mobilebert-tf COMMAND WORDS`, quoted for a shell; a path that begins with a dash is no flag."""
    paths = (f"./{word}" if word.startswith("-") and not word.startswith("--") else word for word in words)
    return "next: " + shlex.join(["mobilebert-tf", *command.split(), *paths])


def beside(output: str, name: str) -> str:
    """A path called `name` beside an output, with a number behind it if something is there already."""
    whole = Path(os.path.abspath(output))  # "." has no name
    first = whole.with_name(name)
    names = itertools.chain([first], (first.with_name(f"{name}-{number}") for number in itertools.count(2)))
    free = next(path for path in names if path != whole and not path.exists())
    return str(free) if os.path.isabs(output) else os.path.relpath(free)


def after_pretraining(output: str, records: str, config: MobileBertConfig, steps: int) -> str:
    """Distillation to the student that fits the teacher, else its fine-tuning."""
    student = student_for(config)
    if student is None:
        return finetuning(output)
    flags = [f"--teacher={output}", f"--student={student}", f"--records={records}"]
    # Twice the teacher's steps in all: the defaults are for a teacher of full size.
    total = 2 * max(steps, 2 * config.num_hidden_layers)
    return line("distill", *flags, f"--total_steps={total}", f"--output={beside(output, 'student')}")


def finetuning(output: str) -> str:
    """Fine-tuning on a table of the user's."""
    return "with a labelled table of yours (.tsv, .csv or .jsonl) as train.tsv\n" + line(
        "finetune", f"--model={output}", "--train=train.tsv", f"--output={beside(output, 'classifier')}"
    )


def student_for(teacher: MobileBertConfig) -> str | None:
    """The preset whose layers can be compared with the teacher's one by one; None if there is none."""
    from mobilebert_tf.transfer.pairing import check_pair

    for name in _STUDENTS:
        student = MobileBertConfig.preset(name, vocab_size=teacher.vocab_size)
        same = ("num_hidden_layers", "num_attention_heads")
        if any(getattr(student, field) != getattr(teacher, field) for field in same):
            continue
        try:
            check_pair(teacher, student)
        except UsageError:
            continue
        return name
    return None
