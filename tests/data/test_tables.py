"""Tables as people have them, and the one line that names what is wrong."""

import json
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


def test_a_column_is_not_two_things(tmp_path):
    """A label as the second text would be learned in one step."""
    path = tmp_path / "a.csv"
    path.write_text("text,Label\na,1\n")
    for columns in (["text", "label", "Label"], ["text", "text,label", "label"]):
        with pytest.raises(UsageError, match="a.csv: column '(Label|text)' cannot be two things; --text_column"):
            rows(path, columns)


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("a.tsv", b"label\ttext\n1\n", ["line 2", "1 column", "label, text"]),
        ("a.tsv", b"label\tsentence\n1\tx\n", ["line 1", "'text'", "sentence"]),
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


ROWS = [("Id", "Message", "Topic"), ("1", "late, again; and again", "delivery"), ("2", 'a "box"', "goods")]


def csv_text(separator: str, doubled: bool = True) -> str:
    def cell(text: str) -> str:
        inner = text.replace('"', '""' if doubled else '\\"')
        return f'"{inner}"' if any(c in text for c in f'{separator}"') else text

    return "".join(separator.join(map(cell, row)) + "\r\n" for row in ROWS)


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("comma.csv", csv_text(",").encode(), ""),
        ("bom.csv", csv_text(",").encode("utf-8-sig"), ""),
        ("semicolon.csv", csv_text(";").encode("utf-8-sig"), "separated by semicolons"),
        ("tab.csv", csv_text("\t").encode(), "separated by tabs"),
        ("bar.csv", csv_text("|").encode(), "separated by bars"),
        ("comma.tsv", csv_text(",").encode(), "separated by commas"),
        ("told.csv", b"sep=;\r\n" + csv_text(";").encode(), "separated by semicolons"),
        ("utf16.csv", csv_text(",").encode("utf-16"), "UTF-16 text"),
        ("big_endian.csv", b"\xfe\xff" + csv_text(",").encode("utf-16-be"), "UTF-16 text"),
        ("unicode.txt", csv_text("\t").encode("utf-16"), "UTF-16 text"),
        ("quoted.tsv", csv_text("\t").encode(), "cells in quotes"),
        ("CAPITAL.CSV", csv_text(",").encode(), ""),
        ("windows.csv", csv_text(",").replace("\r\n", "\r\r\n").encode(), ""),
        ("mac.csv", csv_text(",").replace("\r\n", "\r").encode(), "that end with carriage returns"),
        ("backslash.csv", csv_text(",", doubled=False).encode(), "with a backslash"),
        ("empty.csv", csv_text(",").encode() + b",,\r\n,,\r\n", "2 rows without any value left out"),
        ("beyond.csv", csv_text(",").replace("\r\n", ",,\r\n").encode(), ""),
        ("spaced.csv", b'Id, Message, Topic\n1, "late, again; and again", delivery\n2, "a ""box""", goods\n', ""),
        ("list.json", json.dumps([dict(zip(ROWS[0], row, strict=True)) for row in ROWS[1:]]).encode(), ""),
        ("lines.json", "".join(json.dumps(dict(zip(ROWS[0], r, strict=True))) + "\n" for r in ROWS[1:]).encode(), ""),
    ],
)
def test_the_same_rows_as_programs_write_them(tmp_path, capsys, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)
    assert [row[1:] for row in rows(path, ["message", "Topic"])] == [row[1:] for row in ROWS[1:]]
    printed = capsys.readouterr().err
    assert (said in printed and printed.count("\n") == 1 and str(path) in printed) if said else not printed


@pytest.mark.parametrize(
    "text", ['say "hello', '"hello" he said', '"hello"', '5" disc', '""', 'he said ""', '"one', '"a" "b"']
)
def test_quotes_in_a_tsv_belong_to_its_texts(tmp_path, capsys, text):
    path = tmp_path / "a.tsv"
    path.write_text(f"label\ttext\n1\t{text}\n0\tno quotes, a comma\n")
    assert rows(path) == [(2, text, "1"), (3, "no quotes, a comma", "0")]
    assert not capsys.readouterr().err


def test_r_and_others_quote_all_that_is_no_number(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text('"label"\t"text"\n1\t"say ""hello"""\n2\t"b"\n')
    assert rows(path) == [(2, 'say "hello"', "1"), (3, "b", "2")]


@pytest.mark.parametrize("name", ["long.csv", "long.tsv", "long.jsonl"])
def test_a_text_may_have_any_length(tmp_path, name):
    text = "a line of the log, " * 9000
    path = tmp_path / name
    separator = "," if name.endswith("csv") else "\t"
    table = f'text{separator}label\n"{text}"{separator}1\n' if separator == "," else f"text\tlabel\n{text}\t1\n"
    path.write_text(json.dumps({"text": text, "label": "1"}) if name.endswith("jsonl") else table)
    assert [row[1:] for row in rows(path)] == [(text, "1")]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_carriage_return_may_stand_in_a_text(tmp_path, name):
    separator = "," if name.endswith("csv") else "\t"
    path = tmp_path / name
    path.write_bytes(f"text{separator}label\none\rtwo{separator}1\nthree{separator}0\n".encode())
    assert rows(path) == [(2, "one\rtwo", "1"), (3, "three", "0")]


def test_quotes_around_a_part_of_a_cell_are_left_out_and_that_is_said(tmp_path, capsys):
    path = tmp_path / "a.csv"
    path.write_text('text,label\n5" disc,1\n"a" b,0\n')
    assert rows(path) == [(2, '5" disc', "1"), (3, "a b", "0")]
    assert "quotes around the first part of a cell removed" in capsys.readouterr().err


def test_a_comma_may_be_part_of_a_column_s_name(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('"Comment, full",label\na,1\n')
    assert rows(path, ["Comment, full", "label"]) == [(2, "a", "1")]


def test_null_is_no_value(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": null, "label": 1}\n{"text": "a", "label": NaN}\n{"text": "b", "label": true}\n')
    assert rows(path) == [(1, None, "1"), (2, "a", None), (3, "b", "true")]


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("dev.csv.zip", b"PK\x03\x04" + bytes(30), ["zip archive", "unpack"]),
        ("dev.zip", b"PK\x03\x04" + bytes(30), ["zip archive", "unpack"]),
        ("dev.xlsx", b"PK\x03\x04" + bytes(30), ["Excel workbook", "CSV"]),
        ("dev.csv", b"\xd0\xcf\x11\xe0" + bytes(30), ["Microsoft Office", "CSV"]),
        ("dev.parquet", b"PAR1\x15\x04", ["Parquet"]),
        ("latin.csv", "text,label\nSch\u00f6n,1\n".encode("latin-1"), ["line 2", "not UTF-8"]),
        ("no_mark.csv", "text,label\na,1\n".encode("utf-16-le"), ["UTF-16 without a byte order mark"]),
        ("open.csv", b'text,label\na,1\n"b,0\nc,1\n', ["line 3", "quote", "never closed"]),
        ("last.csv", b'text,label\na,1\nb,"0\nc,1\nd,0\n', ["line 3", "quote", "never closed"]),
        ("loose.csv", b'text,label\n"a" b,1\nb,"0\nc,1\nd,0\n', ["line 2", "follows a closing quote"]),
        ("comma.csv", b"text,label\na,1\nb, c,0\n", ["line 3", "3 columns", "commas", "must be quoted"]),
        ("mixed.tsv", b"text\tlabel\ra\t1\rb\t2\nc\t1\nd\t2\n", ["line 2", "4 (text, label", "carriage return"]),
        ("twice.csv", b"text,text,label\na,b,1\n", ["two columns", "'text'"]),
        ("page.csv", b"\n<!DOCTYPE html>\n<html>", ["web page"]),
        ("lfs.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", ["Git LFS"]),
        ("plain.csv.gz", b"text,label\na,1\n", ["not compressed as its ending says"]),
        ("no_header.csv", b"a,1\nb,2\n", ["no column 'text'", "first line must name"]),
        ("list.jsonl", b'{"text": ["a"], "label": 1}\n', ["line 1", "'text'", "a list"]),
    ],
)
def test_the_true_reason_is_said(tmp_path, name, content, words):
    test_bad_tables_are_refused_in_one_line(tmp_path, name, content, words)


def test_compression_is_known_by_its_bytes(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes(lzma.compress(b"text\tlabel\na\t1\n"))
    assert rows(path) == [(2, "a", "1")]


def test_empty_cells_in_quotes_are_those_of_programs(tmp_path, capsys):
    """Polars, data.table and DuckDB quote texts that contain quotes, and empty ones."""
    path = tmp_path / "p.tsv"
    path.write_text('text\tlabel\n"He said ""hi"" to me"\tgood\n""\tbad\nplain\tbad\n')
    assert rows(path) == [(2, 'He said "hi" to me', "good"), (3, "", "bad"), (4, "plain", "bad")]
    assert "cells in quotes" in capsys.readouterr().err


def test_a_header_that_stands_again_is_left_out_and_said(tmp_path, capsys):
    path = tmp_path / "joined.csv"
    path.write_text("text,label\na,x\n\ufefftext,label\nb,y\ntext,label\ntext,x\n", encoding="utf-8")
    assert rows(path) == [(2, "a", "x"), (4, "b", "y"), (6, "text", "x")]
    assert "the header is repeated in line 3 and 1 more, as in concatenated files; left out" in capsys.readouterr().err


def test_a_carriage_return_alone_ends_lines_or_is_named(tmp_path):
    path = tmp_path / "mac.csv"
    path.write_bytes(b"text,label\ra,x\rb,y\r\n")
    assert rows(path) == [(2, "a", "x"), (3, "b", "y")]
    path.write_bytes(b"text,label\r\na,x\nb,y\rc,z\n")
    with pytest.raises(UsageError, match="line 3: has 3 columns .*; it contains a carriage return"):
        rows(path)


def test_a_key_that_stands_twice_in_json_is_refused_and_an_infinite_number_is_none(tmp_path):
    path = tmp_path / "twice.jsonl"
    path.write_text('{"text": "a", "label": "x"}\n{"text": "b", "label": "x", "label": "y"}\n')
    with pytest.raises(UsageError, match="line 2: is not JSON .key 'label' appears twice in an object"):
        rows(path)
    path.write_text('{"text": "a", "label": 1e999}\n')
    assert rows(path) == [(1, "a", None)]


def test_rows_of_a_list_in_json_are_named_by_their_line(tmp_path):
    rows = [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]
    path = tmp_path / "t.json"
    path.write_text("\n" + json.dumps(rows, indent=2))
    assert [line for line, _ in read_table(path, ["text", "label"])] == [3, 7]
    path.write_text("[\n" + ",\n\n".join(map(json.dumps, rows)) + "\n]\n")
    assert [line for line, _ in read_table(path, ["text", "label"])] == [2, 4]
    # All in one line: rows are told apart by their numbers.
    path.write_text(json.dumps(rows))
    assert [number for number, _ in read_table(path, ["text", "label"])] == [1, 2]


@pytest.mark.parametrize("name", ["t.tsv", "t.csv"])
def test_a_line_of_blanks_is_no_row(name, tmp_path, capsys):
    path, separator = tmp_path / name, {"t.tsv": "\t", "t.csv": ","}[name]
    path.write_text(f"text{separator}label\na{separator}x\n   \n\nb{separator}y\n")
    assert [(line, row["text"]) for line, row in read_table(path, ["text", "label"])] == [(2, "a"), (5, "b")]
    assert capsys.readouterr().err == f"{path}: 1 row without any value left out\n"
