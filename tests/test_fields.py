"""JSON as dataclasses: an error is one line with its place, its value and what is expected."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Annotated, Any

import pytest

from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import Finite, Line, Share, build, check, one_of, read, within


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inner:
    share: Share = 0.5
    count: Annotated[int, within(1, 10**6)] | None = None
    kind: Annotated[str, one_of("new", "stage before")] = "new"
    pairs: tuple[tuple[str, Share], ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outer:
    name: Line
    files: dict[str, Inner] = dataclasses.field(default_factory=dict)
    by_length: dict[int, Finite] = dataclasses.field(default_factory=dict)
    rows: tuple[Inner, ...] = ()
    flag: bool = True
    free: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.rows) > 2:
            raise ValueError("rows: are more than two")


def test_values_take_their_types() -> None:
    built = build(Outer, {"name": "a", "by_length": {"16": 3}, "files": {"f": {"pairs": [["x", 1]]}}}, "file")
    assert built == Outer(name="a", by_length={16: 3.0}, files={"f": Inner(pairs=(("x", 1.0),))})
    assert dataclasses.asdict(built)["files"]["f"]["kind"] == "new" and isinstance(built.by_length[16], float)


@pytest.mark.parametrize(
    "change, said",
    [
        ({"files": {"good": {}, "a.b": {"share": 2}}}, "files: a.b: share: is 2; it must be a number of at most 1"),
        ({"files": {"f": {"share": math.nan}}}, "files: f: share: is nan; it must be a finite number below 1.8e308"),
        ({"files": {"f": {"count": True}}}, "files: f: count: is True; it must be a whole number or null"),
        ({"files": {"f": {"count": 10**30}}}, "it must be a whole number of at most 1,000,000"),
        ({"files": {"f": {"kind": "old"}}}, "files: f: kind: is 'old'; it must be one of new, stage before"),
        ({"files": {"f": {"pairs": [["x", 1], ["y", -1]]}}}, "pairs: [1]: [1]: is -1; it must be a number of at least"),
        ({"files": {"f": {"pairs": [["x"]]}}}, "pairs: [0]: is ['x']; it must be a list of length 2"),
        ({"by_length": {"16": 1, "x": 2}}, "by_length: has a name that is not a number"),
        ({"by_length": {"16": 10**400}}, "it must be a finite number below 1.8e308"),
        ({"rows": [{}, {"nme": 3}]}, "rows: [1]: unknown field 'nme'; known fields: share, count, kind, pairs"),
        ({"rows": [{}] * 3}, "file: rows: are more than two"),
        ({"rows": {}}, "rows: is {}; it must be a list"),
        ({"flag": 1}, "flag: is 1; it must be true or false"),
        ({"name": "two\nlines"}, "name: is 'two\\nlines'; it must be a line of text"),
        ({"name": ""}, "name: is ''; it must be text of at least one character"),
        ({"nam": "a"}, "file: unknown field 'nam'; known fields: name, files, by_length, rows, flag, free"),
    ],
)
def test_what_is_not_right_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        build(Outer, {"name": "a", "free": {"anything": [1, {}]}, **change}, "file", refuses_unknown=True)
    assert str(caught.value).startswith("file: ") and said in str(caught.value) and "\n" not in str(caught.value)


def test_unknown_fields_may_be_left_out() -> None:
    assert build(Inner, {"share": 1, "other": 3}, "file") == Inner(share=1.0)


def test_a_dataclass_made_in_python_is_held_to_its_types() -> None:
    check(Inner(share=0.25), "config")
    with pytest.raises(UsageError, match=r"config: kind: is 'old'; it must be one of new, stage before"):
        check(Inner(kind="old"), "config")


@pytest.mark.parametrize(
    "content, said",
    [
        (b"{", "is not readable as JSON; make it again"),
        (b"\xff", "is not readable as JSON"),
        (b"[" * 100_000, "is not readable as JSON"),
        (b"9" * 5000, "is not readable as JSON"),
        (b'{"\\ud800": 1}', "holds half of a character, as \\ud800; make it again"),
        (b'[{"a": 1, "b": {"c": 0, "c": 1}}]', "has 'c' twice in one object, with different values; keep one; "),
        (b'{"share": 0.25, "share": 0.5}', "has 'share' twice"),
        (b"[]", "is []; it must be an object; make it again"),
        (b'{"share": NaN}', "share: is nan; it must be a finite number below 1.8e308; make it again"),
    ],
)
def test_files(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "inner.json"
    for sound in ('{"share": 0.25}', '{"share": 0.25, "share": 0.25}'):
        path.write_text(sound, encoding="utf-8")
        assert read(path, Inner) == Inner(share=0.25)
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read(path, Inner, "make it again")
    assert f"{path}: {said}" in str(caught.value)


def test_half_of_a_character_is_refused_wherever_it_stands(tmp_path: Path) -> None:
    """It is refused also in free-form values; a whole character written as two halves is accepted."""
    path = tmp_path / "a.json"
    path.write_text('{"kept": [{"as it is": "\\uD800"}]}')
    with pytest.raises(UsageError, match=r"a.json: holds half of a character"):
        read(path, dict[str, Any])
    path.write_text('{"kept": "\\ud83d\\ude00"}')
    assert read(path, dict[str, Any]) == {"kept": "\U0001f600"}
