"""Each kind of bad input gives one clear line and status 2, and leaves nothing behind that looks finished."""

import bz2
import lzma
import tarfile
from pathlib import Path

import pytest

from mobilebert_tf import cli


@pytest.fixture
def inputs(tmp_path: Path, text_file: Path) -> Path:
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "blank.txt").write_text("\n \n\n")
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)) * 10)
    (tmp_path / "nul.txt").write_bytes(b"begins as text\n\0\1\2\n")
    (tmp_path / "few.txt").write_text("one two.\n\nthree four.\n")
    (tmp_path / "one.txt").write_text("one line without an end")
    (tmp_path / "only.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    (tmp_path / "latin.txt").write_bytes("Zwei Zeilen.\nSch\u00f6ne Gr\u00fc\u00dfe.\n".encode("latin-1"))
    whole = lzma.compress(text_file.read_bytes())
    (tmp_path / "cut.txt.xz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "no_specials.txt").write_text("a\nb\n##c\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30))
    (tmp_path / "program.txt").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\0\x3e\0\1" + bytes(30))
    with tarfile.open(tmp_path / "packed.tar.gz", "w:gz") as tar:
        tar.add(text_file, "text.txt")
    (tmp_path / "unmarked.txt").write_bytes(
        "北京是中国的首都。 Текст\n".encode("utf-16-le") + "text\n".encode("utf-16-le") * 30
    )
    (tmp_path / "dump.xml.bz2").write_bytes(bz2.compress(b"<mediawiki>\n<page>\n"))
    (tmp_path / "page.html").write_text("<!DOCTYPE html>\n<p>Text.</p>\n")
    (tmp_path / "lines.jsonl").write_text('{"text": "A text."}\n')
    return tmp_path


TEXTS = [
    ("missing.txt", "no such file"),
    ("empty.txt", "is empty"),
    ("blank.txt", "only blank lines"),
    ("binary.txt", "is a binary file, not text"),
    ("nul.txt", "line 2: holds a NUL character"),
    ("latin.txt", "line 2: is not UTF-8 text"),
    ("cut.txt.xz", "damaged or cut short"),
    ("folder", "has no text file"),
    ("*.nothing", "no such file"),
    ("picture.txt", "is a binary file, not text"),
    ("program.txt", "is a binary file, not text"),
    ("packed.tar.gz", "is a tar archive; unpack it"),
    ("unmarked.txt", "looks like UTF-16 without a byte order mark; save it as UTF-8"),
    ("dump.xml.bz2", "is XML or HTML, not text"),
    ("page.html", "is XML or HTML, not text"),
    ("lines.jsonl", "has lines of JSON, not text"),
]


@pytest.mark.parametrize("command", ["corpus", "vocab", "records"])
@pytest.mark.parametrize("name, message", TEXTS)
def test_text(
    command: str, name: str, message: str, inputs: Path, vocab_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {"corpus": ["--source=text"], "vocab": ["--size=150"], "records": [f"--vocab={vocab_file}", "--workers=1"]}
    output = inputs / "output"
    assert cli.run([command, f"--input={inputs / name}", f"--output={output}", *more[command]]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and message in lines[0] and str(inputs / name) in lines[0]
    assert not [path for path in output.rglob("*") if path.suffix == ".tfrecord" or path.name == "empty.txt"]


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--vocab={inputs}/no_specials.txt"], "the special token [PAD] is missing"),
        (["--vocab={inputs}/none.txt"], "no such vocabulary"),
        (["--vocab={inputs}/binary.txt"], "not a vocabulary"),
        (["--vocab={inputs}/only.txt"], "the vocabulary has no pieces but the special tokens"),
        (
            ["--vocab={vocab}", "--input={inputs}/one.txt", "--shards=1"],
            "a document of a single sentence has no second",
        ),
        (["--vocab={vocab}", "--max_seq_length=4"], "--max_seq_length=4: must be at least 5"),
        (["--vocab={vocab}", "--masked_lm_prob=1.5"], "--masked_lm_prob=1.5"),
        (["--vocab={vocab}", "--masking=none"], "masking"),
        (["--vocab={vocab}", "--input={inputs}/few.txt", "--shards=40"], "too few for --shards"),
    ],
)
def test_records_options(
    flags: list[str],
    message: str,
    inputs: Path,
    text_file: Path,
    vocab_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [flag.format(inputs=inputs, vocab=vocab_file) for flag in flags]
    assert cli.run(["records", f"--input={text_file}", f"--output={inputs}/output", "--workers=1", *words]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and message in lines[0]


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--input=no_such_library_here"], "no library 'no_such_library_here' is installed"),
        (["--heldout_fraction=1.5"], "must be at most 1, and at least 0"),
        (["--source=text"], "needs --input"),
    ],
)
def test_corpus_options(flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["corpus", f"--output={tmp_path}/output", "--workers=1", *flags]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and message in lines[0]


def test_what_another_run_has_begun_is_not_taken(text_file: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"identity": {"command": "vocab", "size": 7}}')
    for command in (["corpus", "--source=text"], ["vocab", "--size=150"]):
        assert cli.run([*command, f"--input={text_file}", f"--output={tmp_path}"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_unfinished_corpus_is_not_read(text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = tmp_path / "corpus"
    assert cli.run(["corpus", "--source=text", f"--input={text_file}", f"--output={corpus}"]) == 0
    record = corpus / "run.json"
    record.write_text(record.read_text().replace('"finished"', '"begun"'))
    assert cli.run(["vocab", f"--input={corpus}", f"--output={tmp_path}/vocab"]) == 2
    assert "`corpus` has not finished there" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["corpus", "vocab", "records"])
def test_the_corrected_command_can_use_the_same_output(
    command: str, inputs: Path, text_file: Path, vocab_file: Path
) -> None:
    more = {"corpus": ["--source=text"], "vocab": ["--size=150"], "records": [f"--vocab={vocab_file}", "--workers=1"]}
    for name, status in ((inputs / "cut.txt.xz", 2), (text_file, 0)):
        assert cli.run([command, f"--input={name}", f"--output={inputs}/output", *more[command]]) == status
