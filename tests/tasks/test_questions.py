"""Questions on passages: windows and labels against Google's, answers against brute force, scores by hand."""

import csv
import importlib.util
import itertools
import json
import lzma
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf.data import bad_rows
from mobilebert_tf.data.squad import Answer, read_questions
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks.questions import Asked, QuestionsTask
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer

LETTERS = Tokenizer((*SPECIAL_TOKENS, *"abcdefgh", *("##" + letter for letter in "abcdefgh"), ",", "(", ")"))
TASK = QuestionsTask(max_seq_length=12, doc_stride=3, max_question_length=2, max_answer_length=3)


def asked(question: str, context: str, *answers: str) -> Asked:
    return Asked(question, context, id="x", answers=tuple(Answer(answer, context.index(answer)) for answer in answers))


def test_a_long_passage_has_windows_with_the_answer_where_it_is():
    features = TASK.features([asked("a b c", "a b c d e f g h", "f"), asked("a", "b")], LETTERS)
    rows = [" ".join(LETTERS.decode(row[row > 0].tolist())) for row in features["input_ids"]]
    # Of 12 places, [CLS] a b [SEP] and the last [SEP] leave seven.
    assert rows == [
        "[CLS] a b [SEP] a b c d e f g [SEP]",
        "[CLS] a b [SEP] d e f g h [SEP]",
        "[CLS] a [SEP] b [SEP]",
    ]
    assert features["row_example"].tolist() == [0, 0, 1]
    assert features["segment_ids"][1].tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0]
    assert features["span"].tolist() == [[9, 9], [6, 6], [0, 0]]
    assert features["offsets"][1, 4:9].tolist() == [[6, 7], [8, 9], [10, 11], [12, 13], [14, 15]]
    assert list(features["label"]) == [("f",), ()]
    assert "label" not in TASK.features([Asked("a", "b")], LETTERS)


@pytest.mark.parametrize(
    "letters",
    ["北京是中国的首都", "กขคงจฉชซ", "あいうえおかきく"],
    ids=["Chinese", "Thai", "Japanese"],
)
def test_an_answer_without_blanks_around_it_is_where_it_stands_and_in_every_window_that_has_it(letters):
    pieces = (*SPECIAL_TOKENS, *letters, *("##" + letter for letter in letters), "。")
    tokenizer = Tokenizer(pieces)
    a, b, c, d, *rest = letters
    passage = f"{a}{b}{c}。{''.join(rest)}{a}{b}{d}"  # eleven pieces, with a second [a b] at the beginning
    answer = Answer(a + b, passage.rindex(a + b))
    features = TASK.features([Asked(c, passage, answers=(answer,))], tokenizer)
    spans = [
        [passage[slice(*offsets[[first, last], [0, 1]])], int(offsets[first, 0])] if first else None
        for (first, last), offsets in zip(features["span"], features["offsets"], strict=True)
    ]
    assert spans == [None, [a + b, answer.start]]


@pytest.mark.parametrize("passage", ["a,b,(a)", "a、b、a", "b a\u00a0b\u00a0a"])
def test_an_answer_that_stands_twice_is_where_its_place_says(passage):
    tokenizer = Tokenizer((*SPECIAL_TOKENS, "a", "b", ",", "(", ")", "、"))
    features = TASK.features([Asked("b", passage, answers=(Answer("a", passage.rindex("a")),))], tokenizer)
    (first, last), offsets = features["span"][0], features["offsets"][0]
    assert first == last and offsets[first].tolist() == [passage.rindex("a"), passage.rindex("a") + 1]


def test_a_long_question_leaves_room_for_the_passage():
    features = QuestionsTask(max_seq_length=12).features([asked("a b c d e f g h", "a b c d e f g h", "h")], LETTERS)
    assert " ".join(LETTERS.decode(features["input_ids"][0].tolist())) == "[CLS] a b c d [SEP] a b c d e [SEP]"
    assert QuestionsTask(max_seq_length=12).question_room == 4


def test_answers_are_the_best_pairs_of_all():
    random = np.random.default_rng(3)
    contexts = [" ".join(random.choice(list("abcdefgh"), size=size)) for size in (4, 9, 15, 30)]
    examples = [asked("a b", context, context[:1]) for context in contexts]
    features = TASK.features(examples, LETTERS)
    outputs = {name: random.normal(size=features["input_ids"].shape).astype(np.float32) for name in TASK.outputs}
    for number, (answers, context) in enumerate(zip(TASK.found(outputs, features, 5), contexts, strict=True)):
        best: dict[tuple[int, int], float] = {}
        for row in np.flatnonzero(features["row_example"] == number):
            start, end = (outputs[name][row].astype(np.float64) for name in TASK.outputs)
            pieces = [place for place in range(12) if features["offsets"][row, place, 1]]
            for first, last in itertools.combinations_with_replacement(pieces, 2):
                if last - first < 3 and features["best_seen"][row, first]:
                    place = int(features["offsets"][row, first, 0]), int(features["offsets"][row, last, 1])
                    best[place] = max(best.get(place, -1e9), start[first] + end[last])
        expected = sorted(best.items(), key=lambda item: -item[1])[:5]
        assert [(span.start, span.end) for span in answers.spans] == [place for place, _ in expected]
        assert [span.score for span in answers.spans] == pytest.approx([score for _, score in expected])
        answer = TASK.decode(outputs, features)[number]
        assert answer["answer"] == context[answer["start"] : answer["end"]] and len(answer["others"]) == 3


def outputs_for(features, spans, null=-5.0):
    """Logits whose greatest values are at these [R, 2] word pieces."""
    shape = features["input_ids"].shape
    outputs = {name: np.full(shape, -9.0, np.float32) for name in TASK.outputs}
    for row, span in enumerate(spans):
        for name, place in zip(TASK.outputs, span, strict=True):
            outputs[name][row, place] = 9.0
            outputs[name][row, 0] = null
    return outputs


def test_scores_by_hand():
    task = QuestionsTask(max_seq_length=12, has_unanswered=True)
    examples = [asked("a", "b c d", "b c"), asked("a", "b c d", "d"), asked("a", "b c d"), asked("a", "b c d")]
    features = task.features(examples, LETTERS)
    # Answers: "b c d" for "b c"; "d" for "d"; "c" where there is no answer; none where there is none.
    outputs = outputs_for(features, [(3, 5), (5, 5), (4, 4), (4, 4)])
    outputs["start_logits"][3, 0] = outputs["end_logits"][3, 0] = 20.0
    scores = task.score(outputs, features)
    assert scores.per_example.tolist() == pytest.approx([0.8, 1.0, 0.0, 1.0]) and scores.name == "f1"
    assert scores.all["exact"] == 0.5 and scores.all["answered_f1"] == pytest.approx(0.9)
    assert scores.all["unanswered_f1"] == 0.5 and scores.all["unanswered"] == 2
    broken = {name: np.where(np.arange(4)[:, None] == 1, np.nan, values) for name, values in outputs.items()}
    assert task.score(broken, features).per_example.tolist() == pytest.approx([0.8, 0.0, 0.0, 1.0])
    same = task.agreement(outputs, broken, features)
    assert same.tolist() == [1.0, 0.0, 1.0, 1.0]


def test_the_threshold_for_no_answer_is_the_best_there_is():
    random = np.random.default_rng(5)
    examples = [asked("a", "b c d", *(["c"] if number % 3 else [])) for number in range(60)]
    task = QuestionsTask(max_seq_length=12, has_unanswered=True)
    features = task.features(examples, LETTERS)
    outputs = outputs_for(features, [(4, 4) if number % 5 else (3, 3) for number in range(60)])
    outputs["start_logits"][:, 0] = 12.0 + 4 * random.normal(size=60) - 3 * np.array([n % 3 > 0 for n in range(60)])
    tuned = task.tuned(outputs, features)
    leads = [found.lead for found in task.found(outputs, features)]
    tried = [np.clip(lead + step, -1e6, 1e6) for lead in leads for step in (-1e-6, 1e-6)]
    best = max(QuestionsTask(max_seq_length=12, has_unanswered=True, null_threshold=float(one)).score(outputs, features)
               .primary for one in tried)  # fmt: skip
    assert tuned.score(outputs, features).primary == pytest.approx(best)
    assert best > task.score(outputs, features).primary
    assert QuestionsTask().tuned(outputs, features) == QuestionsTask(), "where all have an answer there is none"


def reference():
    """BERT's tokenizer as written for the tests in tests/data."""
    path = Path(__file__).parents[1] / "data" / "bert_reference_tokenizer.py"
    spec = importlib.util.spec_from_file_location("bert_reference_tokenizer", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_windows_and_labels_are_those_of_google_on_all_of_squad(shared_data):
    """Follow Google's `convert_examples_to_features`, splitting words at white space, with the reference tokenizer."""
    path = shared_data / "squad_v1.1" / "dev-v1.1.reconstructed.json.xz"
    tokenizer = Tokenizer.from_vocab(shared_data / "vocab" / "vocab.txt")
    vocab, ids, pieces_of = reference(), {piece: n for n, piece in enumerate(tokenizer.vocab)}, {}

    def pieces(word):
        if word not in pieces_of:
            pieces_of[word] = vocab.tokenize(word, ids)
        return pieces_of[word]

    task = QuestionsTask(doc_stride=128)
    features = task.features(task.read(path), tokenizer)
    assert len(features["input_ids"]) == 10_833
    row = 0
    for article in json.load(lzma.open(path))["data"]:
        for paragraph in article["paragraphs"]:
            words, of_character, before = [], [], True
            for character in paragraph["context"]:
                if character in " \t\r\n\u202f":
                    before = True
                else:
                    if before:
                        words.append("")
                    words[-1] += character
                    before = False
                of_character.append(len(words) - 1)
            all_pieces, first_of_word, word_of_piece = [], [], []
            for number, word in enumerate(words):
                first_of_word.append(len(all_pieces))
                for piece in pieces(word):
                    all_pieces.append(piece)
                    word_of_piece.append(number)
            for question in paragraph["qas"]:
                answer = question["answers"][0]
                if paragraph["context"][answer["answer_start"] :].find(answer["text"]) != 0:
                    row += int((features["row_example"] == features["row_example"][row]).sum())
                    continue  # Google's code loses blanks within; here the answer is found by its words
                query = [piece for word in question["question"].split() for piece in pieces(word)][:64]
                first = of_character[answer["answer_start"]]
                last = of_character[answer["answer_start"] + len(answer["text"]) - 1]
                start = first_of_word[first]
                end = first_of_word[last + 1] - 1 if last + 1 < len(words) else len(all_pieces) - 1
                wanted = " ".join(piece for word in answer["text"].split() for piece in pieces(word))
                start, end = next(
                    (
                        (a, b)
                        for a in range(start, end + 1)
                        for b in range(end, a - 1, -1)
                        if " ".join(all_pieces[a : b + 1]) == wanted
                    ),
                    (start, end),
                )
                room, begin = 384 - len(query) - 3, 0
                while True:
                    window = all_pieces[begin : begin + room]
                    expected = ["[CLS]", *query, "[SEP]", *window, "[SEP]"]
                    assert tokenizer.decode(features["input_ids"][row, : len(expected)].tolist()) == expected, row
                    assert not features["input_ids"][row, len(expected) :].any()
                    span = [0, 0]
                    if begin <= start and end < begin + len(window):
                        span = [start - begin + len(query) + 2, end - begin + len(query) + 2]
                    assert features["span"][row].tolist() == span, (row, answer)
                    row += 1
                    if begin + room >= len(all_pieces):
                        break
                    begin += min(len(window), 128)
    assert row == 10_833


def test_files_of_questions(tmp_path):
    columns = {"question": "question", "context": "context", "answers": "answers"}
    path = tmp_path / "a.jsonl"
    rows = [
        {"question": "q", "context": "x yy z", "answers": [{"text": "yy", "answer_start": 2}]},
        {"question": "q", "context": "x yy z", "answers": {"text": ["z"], "answer_start": [5]}},
        {"question": "q", "context": "x yy z", "answers": "x"},
        {"question": "q", "context": "x yy z", "answers": []},
        {"question": "q", "context": "\U0001f600 yy yy", "answers": [{"text": "yy", "answer_start": 3}]},
        {"question": "q", "context": "x  yy z", "answers": [{"text": "x yy", "answer_start": 0}]},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    answers = [one.answers for one in read_questions(path, columns, labelled=True)]
    places = [[(one.text, one.start) for one in some] for some in answers]
    # An offset in UTF-16 units is one too large; the answer has the blanks of the passage.
    assert places == [[("yy", 2)], [("z", 5)], [("x", 0)], [], [("yy", 2)], [("x  yy", 0)]]
    table = tmp_path / "b.csv"
    cells = [
        "y",
        "[y]",
        '{"text": ["y"], "answer_start": [4]}',
        "{'text': ['y'], 'answer_start': [4]}",
        "{'text': array(['y'], dtype=object), 'answer_start': array([4], dtype=int32)}",
        "[]",
    ]
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([list(columns), *(["q", "x, [y]", cell] for cell in cells)])
    answers = [one.answers for one in read_questions(table, columns, labelled=True)]
    assert answers == [(Answer("y", 4),), (Answer("[y]", 3),), *[(Answer("y", 4),)] * 3, ()]


def test_only_the_first_answer_must_be_in_the_passage(tmp_path):
    columns = {"question": "question", "context": "context", "answers": "answers"}
    path = tmp_path / "a.jsonl"
    answers = [{"text": "Ada", "answer_start": 0}, {"text": "Ada Lovelace", "answer_start": 0}]
    path.write_text(json.dumps({"question": "q", "context": "Ada wrote it.", "answers": answers}) + "\n")
    (question,) = read_questions(path, columns, labelled=True)
    assert [answer.text for answer in question.answers] == ["Ada", "Ada Lovelace"]


def test_every_row_of_a_table_is_asked(tmp_path):
    columns = {"question": "question", "context": "context", "answers": "answers"}
    path = tmp_path / "a.csv"
    path.write_text("question,context\nq,x\n,\nr,y\n")
    assert [question.question for question in read_questions(path, columns, labelled=False, every_row=True)] == [
        "q",
        "",
        "r",
    ]


def test_bad_questions_are_counted_by_line(tmp_path):
    """The second row is refused when it is read, the first when its answer is searched for."""
    columns = {"question": "question", "context": "context", "answers": "answers"}
    path = tmp_path / "a.jsonl"
    rows = [("x", "y"), ("x", 3), ("x", "x")]
    path.write_text("".join(json.dumps({"question": "q", "context": c, "answers": a}) + "\n" for c, a in rows))
    with bad_rows.counting(True) as left_out:
        assert len(read_questions(path, columns, labelled=True)) == 1
    assert sorted(left_out.bad) == [(str(path), 1), (str(path), 2)]


BAD = {
    "cut.json": ('{"data": [{"paragraphs": [{"con', "is not JSON"),
    "other.json": ('{"rows": []}', "has no `data`, unlike SQuAD's files; it has rows"),
    "nothing.json": ('{"data": []}', "has no question"),
    "field.json": ('{"data": [{"paragraphs": [{"qas": []}]}]}', r"data\[0\].paragraphs\[0\]: has no 'context'"),
    "kind.json": (
        '{"data": [{"paragraphs": [{"context": 3, "qas": []}]}]}',
        r"data\[0\].paragraphs\[0\]: has a value of",
    ),
    "list.json": ('{"data": 7}', "data: has a value of another type"),
    "unknown.json": (
        '{"data": [{"paragraphs": [{"context": "x", "qas": [{"id": "7", "question": "q"}]}]}]}',
        "question 7: has no answers",
    ),
    "away.json": (
        '{"data": [{"paragraphs": [{"context": "x", "qas": [{"id": "7", "question": "q", "answers": '
        '[{"text": "y", "answer_start": 0}]}]}]}]}',
        "question 7: the answer 'y' is not in its passage",
    ),
    "away.jsonl": (
        '{"question": "q", "context": "x", "answers": "x"}\n{"question": "q", "context": "x", "answers": "y"}\n',
        "line 2: the answer 'y' is not in its passage",
    ),
    "blank.jsonl": (
        '{"question": "q", "context": "x", "answers": [{"text": " ", "answer_start": 0}]}\n',
        "line 1: has a blank answer",
    ),
    "column.csv": ("question,answers\nq,x\n", "line 1: no column 'context'"),
    "deep.json": ('{"data": ' + "[" * 100_000 + "]" * 100_000 + "}", "brackets are nested too deeply"),
    "infinite.json": (
        '{"data": [{"paragraphs": [{"context": "x", "qas": [{"question": "q", "answers": [{"text": "x", '
        '"answer_start": Infinity}]}]}]}]}',
        'its answers must be a list of objects with "text" and "answer_start"',
    ),
    "null.json": (
        '{"data": [{"paragraphs": [{"context": "x", "qas": [{"id": "7", "question": "q", "answers": [null]}]}]}]}',
        "question 7: its answers must be a list of objects",
    ),
    "unasked.json": (
        '{"data": [{"paragraphs": [{"context": "x", "qas": [{"id": "7", "question": null, "answers": []}]}]}]}',
        "question 7: its question is not a text",
    ),
    "impossible.json": (
        '{"data": [{"paragraphs": [{"context": "x", "qas": [{"id": "7", "question": "q", "is_impossible": 1}]}]}]}',
        "question 7: is_impossible must be true or false",
    ),
    "half.json": (
        '{"data": [{"paragraphs": [{"context": "x\\udc00", "qas": [{"id": "7", "question": "q", "answers": []}]}]}]}',
        "question '7': holds half of a character",
    ),
    "unasked.jsonl": ('{"question": " ", "context": "x", "answers": "x"}\n', "line 1: the question is empty"),
    "unread.jsonl": ('{"question": "q", "context": null, "answers": []}\n', "line 1: the passage is empty"),
    "form.jsonl": ('{"question": "q", "context": "x", "answers": [7]}\n', "line 1: column 'answers' must be a text"),
    "text.md": ("q\n", "holds no questions"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_named(name, tmp_path):
    content, message = BAD[name]
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(UsageError, match=message) as raised:
        QuestionsTask().read(path)
    assert str(raised.value).startswith(str(path)) and "\n" not in str(raised.value)


def test_bad_questions_are_left_out_where_that_is_asked_for(tmp_path, capsys):
    path = tmp_path / "a.jsonl"
    rows = [{"question": "q", "context": "x y", "answers": answer} for answer in ("x", "z", [])]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with bad_rows.counting(skips=True) as left_out:
        assert [question.id for question in QuestionsTask().read(path)] == ["1", "3"]
    assert list(left_out.bad) == [(str(path), 2)]


def test_an_id_that_is_there_twice_is_said(tmp_path, capsys):
    path = tmp_path / "a.json"
    qas = [{"id": "7", "question": "q", "answers": []}] * 2
    path.write_text(json.dumps({"data": [{"paragraphs": [{"context": "x", "qas": qas}]}]}))
    assert len(QuestionsTask().read(path)) == 2
    assert "2 questions have the id '7'" in capsys.readouterr().err


def test_answers_that_are_most_wrong():
    examples = [asked("a", "b c d", "b"), asked("a", "b c d", "c"), asked("a", "b c d", "d", "c")]
    features = TASK.features(examples, LETTERS)
    # [CLS] a [SEP] b c d [SEP]: all three answer "c", the first with the lowest probability.
    outputs = {name: np.zeros(features["input_ids"].shape, np.float32) for name in TASK.outputs}
    for values in outputs.values():
        values[:, 4] = [2.0, 5.0, 9.0]
    features["label"][1] = ("b",)
    review = TASK.review(outputs, features, examples)
    assert (review.wrong, [(m.text, m.wanted, m.given) for m in review.mistakes]) == (2, [("a", "b", "c")] * 2)
    assert review.mistakes[0].size > review.mistakes[1].size > 0.3
