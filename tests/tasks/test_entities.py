"""Entities: labels of words' first pieces, windows, scores by hand, and files."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import notes
from mobilebert_tf.data import bad_rows
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks.entities import EntitiesTask, Tagged, in_one_text
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.tagging import Entity
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer

LETTERS = Tokenizer((*SPECIAL_TOKENS, *"abcdefgh", *("##" + letter for letter in "abcdefgh"), ".", "(", ")"))
LABELS = ("O", "B-x", "I-x", "B-y", "I-y")
TASK = EntitiesTask(labels=LABELS, max_seq_length=8)


def sentence(words: str, tags: str) -> Tagged:
    spans, place = [], 0
    for word in words.split():
        spans.append((place, place + len(word)))
        place += len(word) + 1
    return Tagged(words, words=tuple(spans), tags=tuple(tags.split()))


LONG = sentence("ab c de f g h a bc d", "B-x O O O O B-y I-y O B-x")
SHORT = sentence("a . b", "O O B-y")


def test_the_first_piece_of_a_word_has_its_label():
    features = TASK.features([LONG, SHORT], LETTERS)
    rows = [" ".join(LETTERS.decode(row[row > 0].tolist())) for row in features["input_ids"]]
    assert rows == [
        "[CLS] a ##b c d ##e f [SEP]",
        "[CLS] d ##e f g h a [SEP]",
        "[CLS] g h a b ##c d [SEP]",
        "[CLS] a . b [SEP]",
    ]
    assert features["row_example"].tolist() == [0, 0, 0, 1]
    # Each word counts once, in the window where its first piece has the most context.
    assert features["word"].tolist() == [
        [-1, 0, -1, 1, 2, -1, -1, -1],
        [-1, -1, -1, 3, 4, 5, -1, -1],
        [-1, -1, -1, 6, 7, -1, 8, -1],
        [-1, 0, 1, 2, -1, -1, -1, -1],
    ]
    assert features["token_label"][2].tolist() == [-1, -1, -1, 4, 0, -1, 1, -1]
    assert features["label"][0] == (Entity(0, 1, "x"), Entity(5, 7, "y"), Entity(8, 9, "x"))


def outputs_of(features, tags, length=8):
    """Logits for these labels of the words."""
    logits = np.zeros((len(features["word"]), length, len(LABELS)), np.float32)
    for row, number in enumerate(features["row_example"]):
        for place in np.flatnonzero(features["word"][row] >= 0):
            logits[row, place, LABELS.index(tags[number].split()[features["word"][row, place]])] = 5.0
    return {"token_logits": logits}


def test_entities_are_parts_of_the_text():
    features = TASK.features([LONG, SHORT], LETTERS)
    outputs = outputs_of(features, ["B-x O O O O B-y I-y O B-x", "O O B-y"])
    answers = TASK.decode(outputs, features)
    assert [
        [(entity["label"], entity["text"], entity["start"], entity["end"]) for entity in answer["entities"]]
        for answer in answers
    ] == [
        [("x", "ab", 0, 2), ("y", "h a", 12, 15), ("x", "d", 19, 20)],
        [("y", "b", 4, 5)],
    ]
    likely = np.exp(5.0) / (np.exp(5.0) + 4)
    assert answers[1]["entities"][0]["probability"] == pytest.approx(likely)
    raw = TASK.features([Example("(ab) c.")], LETTERS)
    assert raw["examples"][0].words == ((0, 1), (1, 3), (3, 4), (5, 6), (6, 7)) and "label" not in raw
    lines = TASK.predictions([LONG, SHORT], answers).splitlines()
    assert lines[:2] == ["ab\tB-x\tB-x", "c\tO\tO"] and lines[6] == "a\tI-y\tI-y" and lines[9:11] == ["", "a\tO\tO"]


def test_predictions_stand_beside_the_labels_in_their_scheme():
    task = EntitiesTask(labels=("O", *(f"{prefix}-x" for prefix in "BIES")), max_seq_length=16)
    examples = [sentence("a b c d", "S-x O B-x E-x"), Example("a (b)")]
    answers = [
        {"entities": [{"label": "x", "start": 2, "end": 3}, {"label": "x", "start": 4, "end": 7}]},
        {"entities": [{"label": "x", "start": 0, "end": 4}]},
    ]
    assert [line.split("\t") for line in task.predictions(examples, answers).splitlines()] == [
        ["a", "S-x", "O"], ["b", "O", "S-x"], ["c", "B-x", "B-x"], ["d", "E-x", "E-x"], [""],
        ["a", "B-x"], ["(", "I-x"], ["b", "E-x"], [")", "O"], [""],
    ]  # fmt: skip


def test_scores_by_hand():
    features = TASK.features([LONG, SHORT], LETTERS)
    # In the first sentence one entity is right, one has the wrong kind and one is too short; the second's is right.
    outputs = outputs_of(features, ["B-x O O O O B-y O O B-y", "O O B-y"])
    scores = TASK.score(outputs, features)
    assert (scores.all["precision"], scores.all["recall"]) == (0.5, 0.5)
    assert scores.all["f1"] == scores.primary == scores.whole(scores.per_example) == 0.5
    assert scores.all["by_class"]["x"] == {"f1": pytest.approx(2 / 3), "precision": 1.0, "recall": 0.5, "support": 2}
    broken = {"token_logits": np.where(np.arange(4)[:, None, None] == 3, np.nan, outputs["token_logits"])}
    assert TASK.score(broken, features).all["recall"] == 0.25, "no number says no entity"
    assert TASK.agreement(outputs, broken, features).tolist() == [1.0, 1.0, 1.0, 0.0]


def test_files_of_words(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("-DOCSTART- -X- O\n\nEU NNP B-ORG\nrejects VBZ O\n\n\nPeter NNP S-PER\n. . O\n")
    task = EntitiesTask.discover(path)
    assert task.labels == ("O", "B-ORG", "S-ORG", "B-PER", "S-PER")
    examples = task.read(path)
    assert [(example.text, example.tags) for example in examples] == [
        ("EU rejects", ("B-ORG", "O")),
        ("Peter .", ("S-PER", "O")),
    ]
    rows = tmp_path / "b.jsonl"
    rows.write_text('{"tokens": ["EU", "rejects"], "tags": ["B-ORG", "O"]}\n')
    assert task.read(rows) == examples[:1]
    assert task.read(rows, labelled=False)[0].tags is None
    assert in_one_text(type("Line", (), {"words": ("a", "bc"), "tags": None})).words == ((0, 1), (2, 4))


BAD = {
    "none.conll": ("a\tO\nb\tO\n", "has no entity, every word is labelled O"),
    "label.conll": ("a\tB-x\n\nb\tO\nc\tperson\n", "line 4: 'person' is not a label of a word"),
    "ragged.conll": ("a\tB-x\nb\n", "line 2: has 1 column, where 2 columns are needed"),
    "words.conll": ("a\nb\n", "line 1: has 1 column, where a word and its label are needed"),
    "empty.conll": ("\n\n", "has no sentence"),
    "lengths.jsonl": ('{"tokens": ["a"], "tags": []}\n', "line 1: has 1 tokens and 0 tags"),
    "numbers.jsonl": ('{"tokens": ["a"], "tags": [3]}\n', "line 1: tokens and tags must be texts"),
    "deep.jsonl": ('{"tokens": ' + "[" * 100_000, "line 1: is not JSON"),
    "text.jsonl": ('{"tokens": "ab", "tags": ["O", "B-x"]}\n', "line 1: must be a JSON object"),
    "half.jsonl": ('{"tokens": ["\\ud800"], "tags": ["B-x"]}\n', "line 1: holds half of a character"),
    "blank.jsonl": ('{"tokens": ["a", ""], "tags": ["B-x", "O"]}\n', "line 1: token 2 is empty"),
    "kind.jsonl": ('{"tokens": ["a", "b"], "tags": ["O", "x"]}\n', "line 1: 'x' is not a label of a word"),
    "fields.jsonl": ('{"words": ["a"]}\n', 'line 1: must be a JSON object with "tokens" and "tags"'),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_named(name, tmp_path):
    content, message = BAD[name]
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(UsageError, match=message) as raised:
        EntitiesTask.discover(path)
    assert str(raised.value).startswith(str(path)) and "\n" not in str(raised.value)


def test_a_bad_first_line_is_the_bad_one(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("New York B-x\n\n" + "Ada B-x\nwrote O\n\n" * 20)
    with pytest.raises(UsageError, match="line 1: has 3 columns, where 2 columns are needed"):
        EntitiesTask.discover(path)
    with bad_rows.counting(skips=True) as left_out:
        assert len(EntitiesTask.discover(path).read(path)) == 20
    assert [line for _, line in left_out.bad] == [1]


@pytest.mark.parametrize("first", [0, 1])
def test_words_that_are_numbered(first, tmp_path, capsys):
    """Files in the forms of CoNLL-U and GermEval, which number words; some have a line for two words."""
    path = tmp_path / "a.conll"
    sentence = f"{first}\tAda\t_\tB-x\n{first + 1}\twrote\t_\tO\n\n"
    path.write_text(sentence * 3 + "1-2\tdu\t_\tO\n1\tde\t_\tO\n\n")
    texts = ["Ada wrote"] * 3 + ["du de"]
    for labelled in (True, False):
        assert [example.text for example in EntitiesTask(labels=("O", "B-x")).read(path, labelled)] == texts
        message = "the first column numbers the words; words are read from the second"
        assert message in capsys.readouterr().err
        notes.start()
    # The words themselves may be numbers.
    path.write_text("1\tO\n2\tB-x\n\n1\tO\n2\tO\n")
    assert [example.text for example in EntitiesTask(labels=("O", "B-x")).read(path)] == ["1 2", "1 2"]
    assert not capsys.readouterr().err


def test_lines_of_blanks_end_sentences(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("a\tB-x\n\t\nb\tO\n \t \n\nc\tO\n\t\t\n")
    assert [example.text for example in EntitiesTask(labels=("O", "B-x")).read(path)] == ["a", "b", "c"]


def test_rows_without_words_are_answered(tmp_path, capsys):
    path = tmp_path / "a.jsonl"
    path.write_text('{"tokens": ["a"]}\n{"tokens": []}\n{"tokens": ["b"]}\n')
    examples = TASK.read(path, labelled=False, every_row=True)
    assert [example.text for example in examples] == ["a", "", "b"]
    assert f"{path}: 1 row without words answered as empty texts, the first in line 2" in capsys.readouterr().err
    features = TASK.features(examples, LETTERS)
    assert TASK.decode(outputs_of(features, ["B-x", "", "O"]), features)[1] == {"entities": []}
    path.write_text('{"tokens": [], "tags": []}\n{"tokens": ["b"], "tags": ["O"]}\n')
    assert len(TASK.read(path)) == 1
    assert "1 row without words left out, the first in line 1" in capsys.readouterr().err


def test_lists_may_have_other_names(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"Words": ["a", "b"], "ner": ["B-x", "O"], "tokens": 2, "tags": ["O", "O"]}\n')
    task = EntitiesTask.discover(path, text_column="words", label_column="ner")
    examples = task.read(path)
    assert [(example.text, example.tags) for example in examples] == [("a b", ("B-x", "O"))]
    assert task.read(path, labelled=False)[0].text == "a b"
    path.write_text(json.dumps(task.row(examples[0])))
    assert task.read(path) == examples
    with pytest.raises(
        UsageError, match='line 1: must be a JSON object with "zzz" and "ner", lists of texts; it has w'
    ):
        EntitiesTask.discover(path, text_column="zzz", label_column="ner")
    # The default columns of other tasks' tables are tried as well.
    path.write_text('{"text": ["a", "b"], "label": ["B-x", "O"]}\n')
    assert EntitiesTask.discover(path).read(path) == examples


def test_columns_that_no_file_has(tmp_path):
    words, texts, rows = (str(tmp_path / name) for name in ("a.conll", "b.tsv", "c.jsonl"))
    Path(words).write_text("a B-x\n")
    Path(texts).write_text("body\na\n")
    assert TASK.column_fault([words], []) == TASK.column_fault([words, rows], ["label_column"]) == ""
    assert dataclasses.replace(TASK, text_column="body").column_fault([texts], ["text_column"]) == ""
    fault = TASK.column_fault([words], ["label_column"])
    assert fault == f"--label_column: the columns of {words} have no names, the last is the label; leave it out"
    assert "the first is the word" in TASK.column_fault([texts], ["text_column"])
    assert "--text_pair_column: is for two texts" in TASK.column_fault([rows], ["text_pair_column"])


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.conll", "a\tB-x\nb\n\nc\tx\n\nd\tB-x\n\ne\tB-y\n"),
        ("a.jsonl", '{"tokens": ["a"]}\n{"tokens": ["c"], "tags": ["x"]}\n{"tokens": ["d"], "tags": ["B-x"]}\n'),
    ],
)
def test_bad_sentences_are_left_out_where_that_is_asked_for(name, content, tmp_path):
    path = tmp_path / name
    path.write_text(content)
    task = EntitiesTask(labels=("O", "B-x"))
    with bad_rows.counting(skips=True) as left_out:
        assert [example.text for example in task.read(path)] == ["d"]
    assert len(left_out.bad) == 3 - name.endswith("jsonl")


def test_comments_of_conll_u_and_files_without_blank_lines(tmp_path, capsys):
    path = tmp_path / "a.conll"
    path.write_text("# sent_id = 1\n# text = a b\na\tB-x\n#\tO\n\n# b = c\nd\tO\n")
    assert [example.text for example in EntitiesTask(labels=("O", "B-x")).read(path)] == ["a #", "d"]
    path.write_text("a\tB-x\n" * 301)
    EntitiesTask.discover(path)
    assert "is one sentence of 301 words" in capsys.readouterr().err


def test_a_label_that_training_did_not_see(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("a\tO\n\nb\tO\nc\tB-z\n")
    with pytest.raises(UsageError, match="line 4: label 'B-z' is not one that training saw"):
        TASK.read(path)


def test_texts_that_are_most_wrong():
    features = TASK.features([LONG, SHORT, sentence("a", "O")], LETTERS)
    # In the first text one has the wrong kind and one is too short; the second misses all, with a lower probability.
    outputs = outputs_of(features, ["B-x O O O O B-y O O B-y", "O O O", "O"])
    outputs["token_logits"][3] /= 2
    review = TASK.review(outputs, features, [LONG, SHORT, sentence("a", "O")])
    assert (review.wrong, review.examples) == (2, 3)
    assert [(m.text, m.wanted, m.given) for m in review.mistakes] == [
        (LONG.text, "ab x, h a y, d x", "ab x, h y, d y"),
        (SHORT.text, "b y", "no entity"),
    ]
    assert review.mistakes[0].size == pytest.approx(np.exp(5.0) / (np.exp(5.0) + 4))
    assert review.mistakes[1].size == pytest.approx(np.exp(2.5) / (np.exp(2.5) + 4))
