"""Tables as people have them, and the one line that says what is wrong with one."""

import lzma

import pytest

from mobilebert_tf.data.tables import read_table
from mobilebert_tf.errors import UsageError


def rows(path, columns=("text", "label")):
    return [(number, *row.values()) for number, row in read_table(path, columns)]


def test_tsv_is_not_quoted(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text('label\ttext\n1\tsay "hello\n0\tworld\n')
    assert rows(path) == [(2, 'say "hello', "1"), (3, "world", "0")]


def test_csv_is_quoted_and_may_have_a_byte_order_mark(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbftext,label\n"a, b\nc",x\n')
    assert [row[1:] for row in rows(path)] == [("a, b\nc", "x")]


def test_jsonl_and_compression(tmp_path):
    path = tmp_path / "a.jsonl.xz"
    path.write_bytes(lzma.compress(b'{"text": "a", "label": 1}\n\n{"text": "b", "label": "two"}\n'))
    assert rows(path) == [(1, "a", "1"), (3, "b", "two")]


def test_a_column_may_have_several_names(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("label\tcontent\n1\tx\n")
    assert rows(path, ["sentence,content", "label"]) == [(2, "x", "1")]


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("a.tsv", b"label\ttext\n1\n", ["line 2", "1 columns", "label, text"]),
        ("a.tsv", b"label\tsentence\n1\tx\n", ["line 2", "'text'", "sentence"]),
        ("a.jsonl", b'{"text": "a", "label": 1}\n{broken\n', ["line 2", "not JSON"]),
        ("a.jsonl", b"[1]\n", ["line 1", "object"]),
        ("a.txt", b"x\n", ["ending", ".tsv"]),
        ("a.tsv", b"", ["empty"]),
        ("a.tsv", b"label\ttext\n1\t\xff\xfe\n", ["UTF-8"]),
        ("a.tsv.xz", lzma.compress(b"label\ttext\n" + bytes(range(65, 91)) * 400)[:-40], ["cut short"]),
    ],
)
def test_bad_tables_are_refused_in_one_line(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        rows(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message
    assert all(word in message for word in words), message


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        rows(tmp_path / "none.tsv")
