"""`records`: the content of the files, which does not depend on the number of processes."""

import functools
import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mobilebert_tf import cli
from mobilebert_tf.added_tokens import AddedToken
from mobilebert_tf.data import record_writer
from mobilebert_tf.data.documents import read_documents
from mobilebert_tf.data.masking import Pieces
from mobilebert_tf.data.pool import map_in_order
from mobilebert_tf.data.pretraining_input import load_records, one_pass
from mobilebert_tf.data.sentences import split_sentences
from mobilebert_tf.tokenization import Tokenizer, read_vocab
from mobilebert_tf.tokenizer_files import write_tokenizer

SETTINGS = dict(
    max_seq_length=48,
    max_predictions=8,
    dupe_factor=2,
    short_seq_prob=0.1,
    single_segment_prob=0.0,
    masked_lm_prob=0.15,
    seed=1,
)


def test_records_round_trip(records_directory: Path, text_file: Path, vocab_file: Path) -> None:
    """Records read back equal the examples made, feature by feature, in the order of the shards."""
    masking = records_directory.name
    tokenizer = Tokenizer.from_vocab(vocab_file)
    settings = record_writer.Settings(tokenizer=tokenizer, masking=masking, **SETTINGS | {"dupe_factor": 5})
    ((number, documents),) = record_writer.chunks(read_documents([text_file]))
    tokenized = [
        tokenizer.encode_batch([sentence for paragraph in document for sentence in split_sentences(paragraph)])
        for document in documents
    ]
    examples = list(record_writer.make_examples(settings, number, tokenized, Pieces.of(tokenizer)))
    random.Random(f"{settings.seed}/{number}").shuffle(examples)
    record_set = load_records(records_directory)
    assert record_set.count == len(examples) > 200
    raw = list(tf.data.TFRecordDataset([str(file) for file in record_set.files]).as_numpy_iterator())
    in_file_order = [example for shard in range(3) for example in examples[shard::3]]
    for serialized, example in zip(raw, in_file_order, strict=True):
        stored = tf.train.Example.FromString(serialized).features.feature
        assert set(stored) == set(record_set.features) == set(example)
        for name, feature in record_set.features.items():
            values = stored[name].float_list if feature.dtype == "float32" else stored[name].int64_list
            assert list(values.value) == example[name]
    if masking != "dynamic":
        batch = next(iter(one_pass(record_set, len(examples))))
        for name, values in batch.items():
            expected = np.array([e[name] for e in in_file_order])
            np.testing.assert_array_equal(values.numpy(), expected[:, 0] if values.ndim == 1 else expected)


def test_examples_are_sequences_of_the_text(records_directory: Path, text_file: Path) -> None:
    """With the masked pieces restored, A and B of [CLS] A [SEP] B [SEP] occur in the text piece by piece."""
    record_set = load_records(records_directory)
    tokenizer = Tokenizer.from_vocab(record_set.vocab)
    cls, sep, pad, mask = (tokenizer.id(t) for t in ("[CLS]", "[SEP]", "[PAD]", "[MASK]"))
    documents = [
        " " + " ".join(map(str, sum(tokenizer.encode_batch(document), []))) + " "
        for document in read_documents([text_file])
    ]
    masked = chosen = same_document = real = 0
    for batch in one_pass(record_set, 64).as_numpy_iterator():
        for e in (dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)):
            count = int(e["masked_lm_weights"].sum())
            length = int(e["input_mask"].sum())
            assert 1 <= count <= 8
            assert list(e["input_mask"]) == [1] * length + [0] * (48 - length)
            assert list(e["masked_lm_weights"]) == [1] * count + [0] * (8 - count)
            assert not e["masked_lm_ids"][count:].any() and not e["masked_lm_positions"][count:].any()
            ids = e["input_ids"].copy()
            positions = e["masked_lm_positions"][:count]
            assert len(set(positions)) == count
            masked += int((ids[positions] == mask).sum())
            chosen += count
            ids[positions] = e["masked_lm_ids"][:count]
            assert not np.isin(e["masked_lm_ids"][:count], (cls, sep, pad, mask)).any()
            first_end = list(ids).index(sep)
            assert ids[0] == cls and ids[length - 1] == sep and (ids[length:] == pad).all()
            assert list(np.flatnonzero(ids == sep)) == [first_end, length - 1]
            second = [1] * (length - first_end - 1)
            assert list(e["segment_ids"]) == [0] * (first_end + 1) + second + [0] * (48 - length)
            parts = (ids[1:first_end], ids[first_end + 1 : length - 1])
            a, b = (" " + " ".join(map(str, part)) + " " for part in parts)
            homes = [[i for i, document in enumerate(documents) if part in document] for part in (a, b)]
            assert all(homes)
            if e["next_sentence_labels"] == 0:
                real += 1
                home = next(documents[i] for i in homes[0] if i in homes[1])
                assert home.index(a) < home.rindex(b)
            else:
                same_document += bool(set(homes[0]) & set(homes[1]))
    # 80 % of about 5,000 chosen pieces are [MASK]; five deviations are three points.
    assert chosen > 1500 and abs(masked / chosen - 0.8) < 5 * (0.16 / chosen) ** 0.5
    assert real > 100
    # One or two pieces that are left after cutting can occur in both documents by chance.
    assert same_document < 0.1 * record_set.count


def test_number_of_processes_changes_nothing(text_file: Path, vocab_file: Path, tmp_path: Path) -> None:
    """Use several chunks, so that the processes have work to share."""
    documents = list(read_documents([text_file]))
    settings = record_writer.Settings(tokenizer=Tokenizer.from_vocab(vocab_file), masking="token", **SETTINGS)
    original = record_writer.chunks
    try:
        record_writer.chunks = lambda d: original(d, size=3000)
        assert len(list(record_writer.chunks(documents))) > 3
        for workers in (1, 2):
            (tmp_path / str(workers)).mkdir()
            record_writer.write_shards(documents, settings, tmp_path / str(workers), 2, workers)
    finally:
        record_writer.chunks = original
    files = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert len(files) == 2
    for name in files:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_another_process_writes_the_same_bytes(text_file: Path, vocab_file: Path) -> None:
    """Protocol buffers write maps in hash order, which differs between processes unless determinism is asked for."""
    settings = record_writer.Settings(tokenizer=Tokenizer.from_vocab(vocab_file), masking="token", **SETTINGS)
    chunk = next(record_writer.chunks(read_documents([text_file])))
    here = record_writer.make_records(settings, chunk)
    work = functools.partial(record_writer.make_records, settings)
    elsewhere = list(map_in_order(work, [chunk, chunk], 2))
    assert elsewhere == [here, here] and len(here.records) > 100


def test_seed_and_copies_change_the_examples(text_file: Path, vocab_file: Path) -> None:
    chunk = next(record_writer.chunks(read_documents([text_file])))

    def made(**changes: int) -> list[bytes]:
        tokenizer = Tokenizer.from_vocab(vocab_file)
        settings = record_writer.Settings(tokenizer=tokenizer, masking="token", **SETTINGS | changes)
        return record_writer.make_records(settings, chunk).records

    assert made() == made() != made(seed=2)
    assert len(set(made())) > 0.95 * len(made())
    assert len(made(dupe_factor=4)) > 1.7 * len(made(dupe_factor=2))


def test_chunks_hold_every_document_once_and_two_at_least() -> None:
    documents = [["x" * n] for n in (10, 5000, 3, 4, 2500, 1, 9000, 1)]
    for size in (1, 100, 3000, 10**6):
        chunks = list(record_writer.chunks(iter(documents), size))
        assert [d for _, chunk in chunks for d in chunk] == documents
        assert [number for number, _ in chunks] == list(range(len(chunks)))
        assert all(len(chunk) > 1 for _, chunk in chunks)
    assert list(record_writer.chunks([["only"]])) == [(0, [["only"]])]


def test_index_says_what_the_files_hold(records_directory: Path) -> None:
    index = json.loads((records_directory / "records.json").read_text())
    assert index["masking"] == records_directory.name
    assert sum(file["examples"] for file in index["files"].values()) == index["examples"]
    for name, file in index["files"].items():
        assert sum(1 for _ in tf.data.TFRecordDataset(str(records_directory / name))) == file["examples"]
    assert 0.4 < index["random_next_share"] < 0.7


def test_finished_work_is_skipped_and_other_work_refused(
    records_directory: Path, text_file: Path, vocab_file: Path
) -> None:
    words = ["records", f"--input={text_file}", f"--vocab={vocab_file}", f"--output={records_directory}"]
    words += [f"--masking={records_directory.name}", "--max_seq_length=48", "--max_predictions=8", "--shards=3"]
    before = {path: path.stat().st_mtime_ns for path in records_directory.iterdir()}
    assert cli.run([*words, "--workers=2"]) == 0
    assert cli.run([*words, "--seed=9"]) == 2
    assert {path: path.stat().st_mtime_ns for path in records_directory.iterdir()} == before


@pytest.mark.parametrize("masking", ["token", "dynamic"])
def test_a_single_segment_has_one_separator_and_one_type(
    masking: str, text_file: Path, vocab_file: Path, tmp_path: Path
) -> None:
    words = [f"--input={text_file}", f"--vocab={vocab_file}", f"--output={tmp_path / masking}", f"--masking={masking}"]
    assert cli.run(["records", *words, "--max_seq_length=48", "--max_predictions=8", "--single_segment_prob=0.5"]) == 0
    record_set = load_records(tmp_path / masking)
    assert record_set.single_segment_prob == 0.5
    alone = 0
    for batch in one_pass(record_set, 64, whole_text=True).as_numpy_iterator():
        for ids, mask, types in zip(batch["input_ids"], batch["input_mask"], batch["segment_ids"], strict=True):
            real, separators = ids[: mask.sum()], np.flatnonzero(ids == 3)
            assert real[0] == 2 and separators[-1] == mask.sum() - 1 and not ids[mask.sum() :].any()
            alone += len(separators) == 1
            second = np.arange(len(ids)) > separators[0] if len(separators) == 2 else np.zeros(len(ids), bool)
            np.testing.assert_array_equal(types, second & mask.astype(bool))
    assert 0.3 < alone / record_set.count < 0.7


def made_of(tmp_path: Path, text: str, *flags: str) -> tuple[Path, list[str]]:
    """Make a vocabulary and records of a text: the records' directory and their command."""
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    vocab, output = tmp_path / "vocab", tmp_path / "records"
    assert cli.run(["vocab", f"--input={tmp_path}/text.txt", f"--output={vocab}", "--size=400", *flags]) == 0
    sizes = ["--max_seq_length=32", "--max_predictions=4", "--shards=1", "--workers=1"]
    words = ["records", f"--input={tmp_path}/text.txt", f"--vocab={vocab}/vocab.txt", f"--output={output}", *sizes]
    assert cli.run(words) == 0
    return output, words


SENTENCES = [f"The {a} cat sees {b} dogs." for a in ("red", "old", "big", "fat", "thin") for b in ("two", "ten", "six")]


@pytest.mark.parametrize(
    "text, reason",
    [
        ("\n".join(SENTENCES * 2), "the text is almost a single document"),
        ("\n\n".join(SENTENCES), "because documents are a single sentence"),
        (
            "\n\n".join("\n".join([" ".join(["cat dog hen"] * 20)] * 4) for _ in range(9)),
            "longer than --max_seq_length",
        ),
        ("\n\n".join(" ".join(SENTENCES[i:] + SENTENCES) for i in range(8)), ""),
    ],
)
def test_next_sentences_all_of_one_kind_are_said(tmp_path: Path, capsys, text: str, reason: str) -> None:
    made_of(tmp_path, text)
    printed = capsys.readouterr().err
    assert (reason in printed and "a blank line ends a document" in printed) if reason else not printed


def test_rules_of_the_vocabulary_are_those_of_the_records(tmp_path: Path, capsys) -> None:
    places, beings = ("край", "лес", "дом"), ("Кот", "Пёс", "Йог")
    cyrillic = "\n\n".join(" ".join(f"{who} идёт в {where}." for where in places) for who in beings)
    output, words = made_of(tmp_path, cyrillic, "--nolower_case")
    tokenizer = Tokenizer.from_vocab(output / "vocab.txt")
    assert tokenizer == Tokenizer.from_vocab(tmp_path / "vocab" / "vocab.txt")
    assert not tokenizer.rules.lower_case and not tokenizer.rules.strip_accents
    example = next(iter(tf.data.TFRecordDataset([str(load_records(output).files[0])])))
    ids = tf.train.Example.FromString(example.numpy()).features.feature["input_ids"].int64_list.value
    assert tokenizer.id("[UNK]") not in ids
    # With another vocabulary the text is lost, and a warning says so.
    latin = tmp_path / "latin"
    latin.mkdir()
    made_of(latin, "\n\n".join(SENTENCES))
    capsys.readouterr()
    words = [word.replace(f"--vocab={tmp_path}", f"--vocab={latin}") for word in words]
    assert cli.run([*words, f"--output={tmp_path}/lost"]) == 0
    assert "lost in [UNK]" in capsys.readouterr().err


def test_a_full_disk_is_named(tmp_path: Path, text_file: Path, vocab_file: Path, monkeypatch, capsys) -> None:
    class Full:
        """A writer that fails as TensorFlow's does on a full disk."""

        def __init__(self, path: str) -> None:
            Path(path).touch()

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *_: object) -> None:
            self.write(b"")

        def write(self, record: bytes) -> None:
            raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.io, "TFRecordWriter", Full)
    words = ["records", f"--input={text_file}", f"--vocab={vocab_file}", f"--output={tmp_path}/out", "--workers=1"]
    assert cli.run(words) == 1
    assert f"{tmp_path}/out: no space left" in capsys.readouterr().err


def test_tokens_that_were_added_are_tokens_in_records(text_file: Path, vocab_file: Path, tmp_path: Path) -> None:
    """A "[SEP]" in the text does not become the special token, which would end a segment."""
    pieces = (*read_vocab(vocab_file), "[EMAIL]")
    added = [AddedToken("[SEP]", pieces.index("[SEP]")), AddedToken("[EMAIL]", len(pieces) - 1, word_piece=False)]
    tokenizer = Tokenizer(pieces, added=tuple(added))
    write_tokenizer(tmp_path, tokenizer)
    (tmp_path / "text").mkdir()
    lines = ["Write to [EMAIL] soon.", "Or [SEP] to [EMAIL] later."] * 4
    (tmp_path / "text" / "a.txt").write_text("\n".join(lines) + "\n\n" + "\n".join(lines), encoding="utf-8")
    words = ["records", f"--input={tmp_path / 'text'}", f"--vocab={tmp_path / 'vocab.txt'}", "--masking=dynamic"]
    assert cli.run([*words, f"--output={tmp_path / 'r'}", "--shards=1", "--max_seq_length=32", "--dupe_factor=1"]) == 0
    features = {name: tf.io.RaggedFeature(tf.int64) for name in ("first_segment", "second_segment")}
    (file,) = (tmp_path / "r").glob("*.tfrecord")
    rows = [tf.io.parse_single_example(row, features) for row in tf.data.TFRecordDataset(str(file))]
    ids = [int(i) for row in rows for segment in row.values() for i in segment]
    assert ids.count(len(pieces) - 1) == 16 and pieces.index("[SEP]") not in ids
    assert Tokenizer.from_vocab(tmp_path / "r" / "vocab.txt").reads_like(tokenizer)
    assert not Tokenizer(pieces[:-1]).reads_like(tokenizer)
    without = Tokenizer(pieces, added=(added[1],))
    assert without.reads_like(tokenizer) and not Tokenizer(pieces).reads_like(tokenizer)


def test_the_vocabulary_may_be_a_models(text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["records", f"--input={text_file}", f"--output={tmp_path / 'r'}", "--shards=1", "--dupe_factor=1"]
    assert cli.run([*words, "--vocab=mobilebert_mini"]) == 0
    assert Tokenizer.from_vocab(tmp_path / "r" / "vocab.txt").size == 30522
    (tmp_path / "empty").mkdir()
    assert cli.run([*words, f"--vocab={tmp_path / 'empty'}"]) == 2
    assert "is a directory without a vocabulary" in capsys.readouterr().err


def test_more_shards_than_open_files_is_a_line(text_file: Path, vocab_file: Path, tmp_path: Path) -> None:
    """In a process of its own, which may open 100 files; 30 shards beside 64 other files fit, 40 do not."""
    script = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (80, 100))
from mobilebert_tf import cli
sys.exit(cli.run(sys.argv[1:]))
"""
    words = ["records", f"--input={text_file}", f"--vocab={vocab_file}", "--max_seq_length=16", "--max_predictions=2"]
    for shards, status in ((30, 0), (40, 2)):
        output = tmp_path / str(shards)
        command = [sys.executable, "-c", script, *words, f"--shards={shards}", f"--output={output}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == status, done.stderr
        if status:
            said = "--shards=40: all are written at once, and a process may open 100 files here; give at most 36"
            assert said in done.stderr and "Traceback" not in done.stderr
        else:
            assert len(list(output.glob("*.tfrecord*"))) == shards
