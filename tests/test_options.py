"""Numeric flags: each has a least and a most, and values beyond are refused by the flag's name."""

from __future__ import annotations

import dataclasses
import importlib
import typing
from pathlib import Path
from typing import Any

import pytest

from mobilebert_tf import cli
from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import check, option, refuse_inputs


def numbers() -> list[tuple[str, type, dataclasses.Field[Any]]]:
    """Command, type and field of every numeric flag."""
    fields = []
    for command, (place, _) in cli.COMMANDS.items():
        module, name = place.split(":")
        kind = getattr(importlib.import_module(module), name)
        hints = typing.get_type_hints(kind)
        for field in dataclasses.fields(kind):
            types = set(typing.get_args(hints[field.name]) or (hints[field.name],)) & {int, float}
            fields += [(command, types.pop(), field)] if types else []
    return fields


def test_every_number_has_two_ends() -> None:
    fields = numbers()
    assert len(fields) > 100
    without = [
        f"{command} --{field.name}"
        for command, _, field in fields
        if field.metadata["least"] is None or field.metadata["most"] is None
    ]
    assert not without, f"option(..., least=, most=): {', '.join(without)}"
    outside = [
        f"{command} --{field.name}"
        for command, _, field in fields
        if isinstance(field.default, (int, float))
        and not field.metadata["least"] <= field.default <= field.metadata["most"]
    ]
    assert not outside, "defaults lie between the ends"


def test_what_lies_beyond_is_refused_by_name() -> None:
    """Make a command with a single field for each flag, so that its ends are tried without running anything."""
    for command, kind, field in numbers():
        least, most = field.metadata["least"], field.metadata["most"]
        alone = dataclasses.make_dataclass(
            "Alone", [("value", kind, dataclasses.field(default=None, metadata=field.metadata))]
        )
        for inside in (least, most):
            check(alone(kind(inside) if kind(inside) == inside else inside))
        for beyond, side, end in ((kind(least) - 1, "least", least), (kind(most) * 2 + 1, "most", most)):
            with pytest.raises(UsageError, match=rf"^--value=\S+: must be at {side} ") as caught:
                check(alone(beyond))
            assert f"{end:,}".removesuffix(".0") in str(caught.value), (command, field.name)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_no_number_at_all(value: float) -> None:
    @dataclasses.dataclass(frozen=True)
    class Command:
        rate: float = option("rate", 0.5, least=0, most=1)

    with pytest.raises(UsageError, match=r"^--rate=\S+: must be a finite number$"):
        check(Command(value))


@pytest.mark.parametrize(
    "words, said",
    [
        (["finetune", "--learning_rate=1e30"], "--learning_rate=1e+30: must be at most 10, and at least 0"),
        (
            ["pretrain", "--batch_size=1000000000000"],
            "--batch_size=1000000000000: must be at most 65,536, and at least 1",
        ),
        (["distill", "--temperature=0"], "--temperature=0.0: must be at least 0.01, and at most 1,000"),
        (["records", "--masked_lm_prob=2"], "--masked_lm_prob=2.0: must be at most 1, and at least 0"),
        (["export", "--max_drop=1e9"], "--max_drop=1000000000.0: must be at most 100, and at least 0"),
    ],
)
def test_on_the_command_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    required = {
        "finetune": ["--model=x", "--train=x"],
        "pretrain": ["--records=x"],
        "distill": ["--teacher=x", "--records=x", "--student=debug_student"],
        "records": ["--input=x", "--vocab=x"],
        "export": ["--model=x"],
    }
    assert cli.run([*words, *required[words[0]], "--output=unused"]) == 2
    assert capsys.readouterr().err.strip() == f"mobilebert-tf {words[0]}: {said}"


def test_an_empty_value_is_a_variable_that_was_never_set(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["report", "--input="], ["finetune", "--model=m", "--train=t.tsv", "--eval=", "--output=o"]):
        assert cli.run(words) == 2
        assert "=: is empty; give a value, or leave the flag out" in capsys.readouterr().err


def test_what_is_read_is_not_written(tmp_path: Path) -> None:
    @dataclasses.dataclass(frozen=True)
    class Command:
        input: str = option("read", is_input=True)
        output: str = option("written")

    table, directory = tmp_path / "a.tsv", tmp_path / "model"
    directory.mkdir()
    inside = directory / "config.json"
    for file in (table, inside):
        file.write_text("x")
    (tmp_path / "link").symlink_to(table)
    for output in (table, tmp_path / "link", inside):
        with pytest.raises(UsageError, match="--output=.*: is the input --input, or lies in it"):
            refuse_inputs(Command(f"{table},{directory}", str(output)), "output")
    refuse_inputs(Command(f"{table},{directory}", str(directory / "new.json")), "output")
