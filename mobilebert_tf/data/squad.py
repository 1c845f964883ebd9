"""Questions on passages, from SQuAD's own files, or from tables and JSONL with the same fields."""

from __future__ import annotations

import ast
import collections
import dataclasses
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf import notes
from mobilebert_tf.data import bad_rows
from mobilebert_tf.data.tables import is_table, read_table
from mobilebert_tf.data.text_files import read_text
from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import has_half_characters
from mobilebert_tf.text_table import counted, cut


@dataclasses.dataclass(frozen=True)
class Answer:
    """Part of a passage that answers a question."""

    text: str
    start: int
    """Position of its first character in the passage; -1: unknown."""


@dataclasses.dataclass(frozen=True)
class Question:
    """One question on one passage."""

    where: str
    """File and place of the question, for messages."""
    id: str
    question: str
    context: str
    answers: tuple[Answer, ...] | None
    """None: they are unknown; empty: the passage has no answer."""
    row: int
    """Line or number of the question, which identifies bad rows."""


def read_questions(
    path: str | os.PathLike[str], columns: Mapping[str, str], labelled: bool, every_row: bool = False
) -> list[Question]:
    """All questions of a file.

    SQuAD's JSON has `data`, with paragraphs, with `qas`. A table, or JSON with an object per line, has a row for each
    question, with `answers` in the form of SQuAD or Hugging Face's data sets, or as the text of one answer.

    Args:
      path: the file; also compressed.
      columns: names of `question`, `context` and `answers` in a table.
      labelled: whether the answers are needed.
      every_row: keep rows of a table without any value, for callers that answer every row.

    Raises:
      UsageError: the file has no questions, or the first answer to a question is not part of its passage. Further
        answers are used only for scores, and may be any text.
    """
    path = Path(path)
    whole = _whole_json(path)
    if whole is not None:
        questions = list(_of_squad(path, whole, labelled))
    else:
        if not is_table(path):
            raise UsageError(f"{path}: holds no questions; give SQuAD's .json, or .jsonl, .tsv or .csv")
        questions = list(_of_table(path, columns, labelled, every_row))
    questions = _placed(path, questions)
    if not questions:
        raise UsageError(f"{path}: has no question{' that can be used' if bad_rows.are_skipped() else ''}")
    repeated = next(
        ((id, times) for id, times in collections.Counter(q.id for q in questions).items() if times > 1), None
    )
    if repeated:
        notes.say(
            f"{path}: {repeated[1]:,} questions have the id {repeated[0]!r}; --predictions has one answer for each id"
        )
    return questions


def _whole_json(path: Path) -> Mapping[str, Any] | None:
    """The object of a .json file that is a single SQuAD object; None: the file has rows."""
    endings = [suffix.lower() for suffix in path.suffixes]
    if ".json" not in endings:
        return None
    text = read_text(path)[0]
    try:
        value = json.loads(text)
    except RecursionError:
        raise UsageError(f"{path}: is not JSON as in SQuAD's files: brackets are nested too deeply") from None
    except ValueError as error:
        if "data" in text[:200] or not text.lstrip().startswith(("{", "[")):
            raise UsageError(f"{path}: is not JSON ({error}); the file may be cut short") from None
        return None  # an object per line
    if isinstance(value, dict) and "data" in value:
        return value
    if isinstance(value, dict) and "context" not in value:
        raise UsageError(f"{path}: has no `data`, unlike SQuAD's files; it has {', '.join(value) or 'nothing'}")
    return None


def _of_squad(path: Path, whole: Mapping[str, Any], labelled: bool) -> Iterator[Question]:
    place, number = "data", 0
    try:
        for a, article in enumerate(whole["data"]):
            place = f"data[{a}]"
            for p, paragraph in enumerate(article["paragraphs"]):
                place = f"data[{a}].paragraphs[{p}]"
                context = _text(paragraph["context"])
                for q, entry in enumerate(paragraph["qas"]):
                    number += 1
                    place = f"data[{a}].paragraphs[{p}].qas[{q}]"
                    try:
                        question = _question(path, number, place, entry, context, labelled)
                    except UsageError as problem:
                        bad_rows.refuse(str(path), number, problem)
                        continue
                    yield question
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, IndexError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else "a value of another type than in SQuAD's files"
        raise UsageError(f"{path}, {place}: has {what}") from None


def _question(path: Path, number: int, place: str, entry: Mapping[str, Any], context: str, labelled: bool) -> Question:
    id = str(entry.get("id", place))
    where = f"{path}, question {id}"
    impossible = entry.get("is_impossible") or False
    if not isinstance(impossible, bool):
        raise UsageError(f"{where}: is_impossible must be true or false")
    text = entry["question"]
    if not isinstance(text, str):
        raise UsageError(f"{where}: its question is not a text")
    try:
        answers = () if impossible else _answers(entry.get("answers")) if labelled else None
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        raise UsageError(f'{where}: its answers must be a list of objects with "text" and "answer_start"') from None
    if labelled and answers is None:
        raise UsageError(f"{where}: has no answers")
    if has_half_characters([id, text, context]):
        raise UsageError(f"{path}, question {id!r}: holds half of a character, as \\ud800")
    return Question(where, id, text, context, answers, number)


def _of_table(path: Path, columns: Mapping[str, str], labelled: bool, every_row: bool) -> Iterator[Question]:
    wanted = [columns["question"], columns["context"], *([columns["answers"]] if labelled else [])]
    for line, row in read_table(path, wanted, structured=wanted[2:], optional=["id"], every_row=every_row):
        where = f"{path}, line {line}"
        answers = None
        if labelled:
            try:
                answers = _answers(row[columns["answers"]])
            except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
                problem = UsageError(
                    f'{where}: column {columns["answers"]!r} must be a text, a list of objects with "text" and '
                    '"answer_start", or an object with lists of both'
                )
                bad_rows.refuse(str(path), line, problem)
                continue
        question, context = row[columns["question"]] or "", row[columns["context"]] or ""
        id = row["id"] if isinstance(row["id"], str) and row["id"].strip() else f"{line}"
        yield Question(where, id, question, context, answers or (() if labelled else None), line)


def _answers(value: Any) -> tuple[Answer, ...] | None:
    """Answers in the form of SQuAD, of Hugging Face's data sets, or as a single text, whose place is unknown."""
    if value is None:
        return None
    if isinstance(value, str) and (parsed := _object_in(value)) is not None:
        value = parsed
    if isinstance(value, str):
        return (Answer(value, -1),) if value.strip() else ()
    if isinstance(value, Mapping):
        return tuple(Answer(_text(t), int(s)) for t, s in zip(value["text"], value["answer_start"], strict=True))
    return tuple(Answer(_text(one["text"]), int(one.get("answer_start", -1))) for one in value)


_ARRAY = re.compile(r"array\((\[.*?\])(?:, dtype=\w+)?\)", re.DOTALL)


def _object_in(cell: str) -> Any:
    """Answers that a cell of CSV or TSV holds as JSON, or as printed by Python or pandas; None: the cell is a text."""
    if not cell.lstrip().startswith(("{", "[")):
        return None
    for read in (json.loads, lambda text: ast.literal_eval(_ARRAY.sub(r"\1", text))):
        try:
            value = read(cell.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(value, list) and all(isinstance(one, dict) and "text" in one for one in value):
            return value
        if isinstance(value, dict) and {"text", "answer_start"} <= value.keys():
            return value
    return None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _placed(path: Path, questions: Sequence[Question]) -> list[Question]:
    """The questions, with answers at their actual places in the passages.

    An answer that is not at its stated place is taken at the nearest one: offsets are often counted in bytes or UTF-16.
    """
    moved: list[str] = []
    placed = []
    for question in questions:
        try:
            _check_texts(question)
            answers = tuple(
                _at_its_place(question, answer, moved, is_first=number == 0)
                for number, answer in enumerate(question.answers or ())
            )
        except UsageError as problem:
            bad_rows.refuse(str(path), question.row, problem)
            continue
        placed.append(question if question.answers is None else dataclasses.replace(question, answers=answers))
    if moved:
        notes.say(
            f"{path}: {counted(len(moved), 'answer')} not where `answer_start` says, "
            f"so the nearest occurrence is used; the first is in {moved[0]}"
        )
    return placed


def _check_texts(question: Question) -> None:
    """Raise UsageError if the question or its passage is blank."""
    for what, text in (("question", question.question), ("passage", question.context)):
        if question.answers is not None and not text.strip():
            raise UsageError(f"{question.where}: the {what} is empty")


def _at_its_place(question: Question, answer: Answer, moved: list[str], is_first: bool) -> Answer:
    context, text = question.context, answer.text
    if not text.strip():
        raise UsageError(
            f"{question.where}: has a blank answer; for a question that the passage does not answer, leave the list of "
            "answers empty"
        )
    if answer.start >= 0 and context[answer.start : answer.start + len(text)] == text:
        return answer
    places = _places(context, text)
    if not places and (text := _as_spaced(context, text)):
        places = _places(context, text)
    if not places and not is_first:
        return Answer(answer.text, -1)  # the official rules compare with it, wherever it is from
    if not places:
        raise UsageError(
            f"{question.where}: the answer {cut(answer.text, 60)!r} is not in its passage ({cut(context, 60)!r}); "
            "copy the answer from the passage, word for word"
        )
    if answer.start >= 0 and text == answer.text:
        moved.append(question.where)
    return Answer(text, min(places, key=lambda place: abs(place - max(answer.start, 0))))


def _as_spaced(context: str, text: str) -> str:
    """`text` with the white space that it has in the passage; empty: the passage lacks its words."""
    words = r"\s+".join(map(re.escape, text.split()))
    match = re.search(words, context) if words else None
    return match[0] if match else ""


def _places(context: str, text: str) -> list[int]:
    """The positions in `context` where `text` begins."""
    if not text.strip():
        return []
    places, place = [], context.find(text)
    while place >= 0:
        places.append(place)
        place = context.find(text, place + 1)
    return places
