"""The kind of task that is guessed from a label column."""

import random

import pytest

from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks.table_kind import Guess, guess_kind, guess_of_labels

GRADES = [f"{i / 4:g}" for i in range(21)]
TAGS = ["red", "red, blue", "blue", "green, red", "green", "", "blue, green"] * 3


@pytest.mark.parametrize(
    "cells, kind",
    [
        (["pos", "neg", "pos"], "classification"),
        (["0", "1", "1"], "classification"),
        (["1", "2", "3", "4", "5"] * 9, "classification"),
        (["1.0", "2.0", "2.5"] * 9, "classification"),  # half stars
        ([str(i) for i in range(50)], "classification"),  # no decimals: numbers of classes or rows
        (GRADES, "regression"),
        ([*GRADES, "unknown", "none yet", "late"], "classification"),
        ([*GRADES, "?"], "regression"),  # reading then names its line
        ([*GRADES, "nan", "NA", "inf"], "regression"),  # and the lines of the last three
        ([grade.replace(".", ",") for grade in GRADES], "regression"),
        ([f"{i / 2:.1f}".replace(".", ",") for i in range(9)] * 5, "classification"),
        (["1,4", "2,3", "1,2", "3", "1", "2,4", "4", "2", "3,4", "1,3", "5", "1,5"] * 3, "multilabel"),
        (["['a', 'b']", "['b']", "[]"] * 9, "multilabel"),
        ([f"{i / 7:.3e}" for i in range(40)], "regression"),
        (TAGS, "multilabel"),
        ([cell.replace(", ", "|") for cell in TAGS], "multilabel"),
        (["Paris, France", "Lyon, France", "Rome, Italy"] * 5, "classification"),
        (["a,b", "c,d"] * 5, "classification"),
        (["hardware, new", "hardware, used"] * 9, "classification"),
        (["hardware, new", "hardware, used", "books, new", "books, used"] * 9, "classification"),
        (["yes", "no, thanks"] * 9, "classification"),
        ([], "classification"),
    ],
)
def test_kinds(cells, kind):
    shuffled = random.Random(0).sample(cells, len(cells))
    assert guess_of_labels(shuffled).kind == kind


def test_lists_in_json(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "label": ["x", "y, z"]}\n{"text": "b", "label": []}\n')
    assert guess_kind(path, "label").kind == "multilabel"


@pytest.mark.parametrize("name", ["a.txt", "train.tsv", "b.csv", "eng.train", "emerging.annotated"])
def test_words_and_labels_whatever_the_ending(name, tmp_path):
    path = tmp_path / name
    path.write_text("-DOCSTART- -X- O\n\nEU\tB-ORG\nrejects\tO\n\nPeter\tB-PER\nBlackburn\tI-PER\nE-mail\n\n")
    assert guess_kind(path, "label") == Guess("entities", f"most lines of {path} are a word and its label")


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.txt", "Ada saw O\nParis is nice\nso it is\n", "the ending is not that of a table"),
        ("a.txt", "O\nB-x\n", "the ending is not that of a table"),
        ("a.tsv", "word\ttag\nAda\tB-x\nsaw\tO\n", "no column 'label'; it has word, tag"),
    ],
)
def test_files_that_are_neither_table_nor_labelled_words(name, content, message, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=message):
        guess_kind(tmp_path / name, "label")


def test_lists_of_words_and_labels_under_any_names(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"words": ["a", "b"], "ner": ["B-x", "O"]}\n')
    assert guess_kind(path, "ner", "words") == Guess("entities", "columns 'words' and 'ner' have lists")
    path.write_text('{"words": "a b", "ner": ["x", "y"]}\n')
    assert guess_kind(path, "ner", "words").kind == "multilabel"


def test_the_separator_of_cells_that_tell_nothing_else():
    assert guess_of_labels(["a;b", "a", "c;b"]).separator == ";"


def test_the_reason_is_said():
    assert guess_of_labels(GRADES).reason == "21 different numbers, some with decimals"
    several = guess_of_labels([cell.replace(", ", ";") for cell in TAGS])
    assert several.reason == "3 labels that recur between ';', as in 'red;blue'" and several.separator == ";"
