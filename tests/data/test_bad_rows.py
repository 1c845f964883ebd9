"""Unusable rows: one line with file, line and reason, or left out and counted if the user asks for that."""

import pytest

from mobilebert_tf.commands.data_options import DataOptions
from mobilebert_tf.commands.labelled_data import read
from mobilebert_tf.errors import UsageError

CSV = "text,label\na,x\nb,y\nc,x\nd,y\n"
TSV = CSV.replace(",", "\t")
JSONL = "".join(f'{{"text": "{text}", "label": "{label}"}}\n' for text, label in ("ax", "by", "cx", "dy"))

BAD = [
    (
        "t.csv",
        CSV + "e,x,more\n",
        "line 6: has 3 columns where the header has 2 (text, label); a text that contains commas",
    ),
    ("t.csv", CSV + "e\n", "line 6: has 1 column where the header has 2"),
    ("t.csv", CSV + "e,\n", "line 6: the label, column 'label', is empty; fill it in or delete the row"),
    ("t.csv", 'text,label\n"a,\nb",x\nc,y\nd,x,z\n', "line 5: has 3 columns"),
    ("t.tsv", TSV + "e\tx\ty\n", "line 6: has 3 columns where the header has 2 (text, label)"),
    ("t.tsv", TSV + "e\n", "line 6: has 1 column where the header has 2"),
    ("t.tsv", TSV + "e\t \n", "line 6: the label, column 'label', is empty"),
    ("t.jsonl", JSONL + '{"text": "e"}\n', "line 5: no column 'label'; it has text; "),
    ("t.jsonl", JSONL + '{"text": "e", "label"\n', "line 5: is not JSON (Expecting ':' delimiter"),
    ("t.jsonl", JSONL + '["e", "x"]\n', "line 5: is not a JSON object"),
    (
        "t.jsonl",
        JSONL + '{"text": ["e"], "label": "x"}\n',
        "line 5: column 'text' holds a list; it must hold one text or number",
    ),
    ("t.jsonl", JSONL + '{"text": "e", "label": null}\n', "line 5: the label, column 'label', is empty"),
    ("t.jsonl", JSONL + '{"text": "\\ud83d", "label": "x"}\n', "line 5: holds half of a character"),
]
"""Tables with one bad row, which can be left out."""

WHOLE = [
    ("t.csv", 'text,label\na,x\n"b,y\nc,x\n', "line 3: a quote that begins here or below is never closed"),
    (
        "t.csv",
        "text;wrong\na;x\n",
        "line 1: no column 'label'; it has text, wrong; choose others with --text_column and --label_column",
    ),
    (
        "t.tsv",
        "a\tx\nb\ty\n",
        "line 1: no column 'label'; it has a, x; choose others with --text_column and --label_column",
    ),
    ("t.csv", b"text,label\na,x\nsch\xf6n,y\n", "line 3: is not UTF-8 text; convert it first"),
    ("t.tsv", "text\tlabel\n", "t.tsv: has a header and no rows"),
    ("t.csv", "", "t.csv: is empty"),
    ("t.csv", "text,label\n,x\n ,y\n", "has a header and no rows with text"),
    ("t.csv", "text,label,label\na,x,y\n", "line 1: two columns are called 'label'; rename one"),
    (
        "t.csv",
        f"{'a long text ' * 9},x\nb,y\n",
        "line 1: no column 'label'; it has a long text a long text a long text a long text a long te..., x; ",
    ),
    ("t.json", '{"text":{"0":"a","1":"b"},"label":{"0":"x","1":"y"}}', "line 1: is an object of columns, as pandas"),
    (
        "t.jsonl",
        '[\n{"text": "a", "label": "x"},\n]\n',
        "t.jsonl: is a list in JSON that cannot be read (",
    ),
]
"""Tables that have no usable rows, or cannot be read at all."""


def options(tmp_path, name, content, **more):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return DataOptions(train=str(path), **{"eval": "none", **more})


@pytest.mark.parametrize("name, content, message", BAD)
def test_a_bad_row_is_refused_or_left_out(tmp_path, name, content, message):
    with pytest.raises(UsageError) as refused:
        read(options(tmp_path, name, content))
    assert f"{tmp_path / name}, {message}" in str(refused.value) and "\n" not in str(refused.value)
    data = read(options(tmp_path, name, content, skip_bad_rows=True))
    assert len(data.training) == (2 if '"a,' in content else 4)
    (problem,) = data.left_out.bad.values()
    assert problem == str(refused.value)


@pytest.mark.parametrize("name, content, message", WHOLE)
@pytest.mark.parametrize("skips", [False, True])
def test_a_table_without_usable_rows_is_refused(tmp_path, name, content, message, skips):
    with pytest.raises(UsageError) as refused:
        read(options(tmp_path, name, content, skip_bad_rows=skips))
    assert message in str(refused.value) and str(tmp_path / name) in str(refused.value)


def test_labels_that_training_lacks_are_left_out_of_the_evaluation(tmp_path):
    (tmp_path / "dev.csv").write_text("text,label\ne,x\nf,z\n,x\n")
    dev = str(tmp_path / "dev.csv")
    with pytest.raises(UsageError, match=r"dev.csv, line 3: label 'z' is not one that training saw \(x, y\)"):
        read(options(tmp_path, "t.csv", CSV, eval=dev))
    data = read(options(tmp_path, "t.csv", CSV, eval=dev, skip_bad_rows=True))
    assert [example.text for example in data.evaluation] == ["e"]
    assert list(data.left_out.bad) == [(dev, 3)] and data.left_out.without_text[dev] == (4,)


def test_what_is_no_number_is_left_out_of_values(tmp_path):
    content = "text,label\n" + "".join(f"a{i},{i / 4}\n" for i in range(20)) + "b,much\n"
    with pytest.raises(UsageError, match="line 22: 'much' is not a number"):
        read(options(tmp_path, "t.csv", content, task="regression"))
    data = read(options(tmp_path, "t.csv", content, task="regression", skip_bad_rows=True))
    assert len(data.training) == 20 and data.task.offset == 2.375


def test_a_reading_that_makes_all_rows_even_comes_first(tmp_path):
    """A backslash escapes a quote; read otherwise, the quote ends the cell and the row has three cells."""
    content = 'text,label\n"it ends in \\", then",x\nc,y\n'
    data = read(options(tmp_path, "t.csv", content, skip_bad_rows=True))
    assert [example.text for example in data.training] == ['it ends in ", then', "c"] and not data.left_out.bad
