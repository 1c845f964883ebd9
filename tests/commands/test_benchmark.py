"""`benchmark host`, `records` and `instructions`: results, the figures computed from them, and refusals."""

import hashlib
import json
import statistics
from pathlib import Path

import pytest

from mobilebert_tf import cli


@pytest.fixture(scope="module")
def files(export_directory: Path, tmp_path_factory) -> tuple[Path, Path]:
    """A file of this project, and a foreign one: other input names, 64-bit mask, one signature."""
    import tensorflow as tf

    def rival(ids, mask, token_type_ids):
        embedded = tf.gather(tf.ones((500, 8)), ids + token_type_ids)
        return tf.reduce_sum(embedded * tf.cast(mask, tf.float32)[:, :, None], axis=1)

    specs = [tf.TensorSpec((1, 24), kind, name) for name, kind in
             (("ids", tf.int32), ("mask", tf.int64), ("token_type_ids", tf.int32))]  # fmt: skip
    function = tf.function(rival).get_concrete_function(*specs)
    path = tmp_path_factory.mktemp("rival") / "rival.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([function]).convert())
    return export_directory / "float32.tflite", path


def test_results_hold_the_samples_and_what_follows_from_them(files, tmp_path: Path, capsys):
    own, rival = files
    output = tmp_path / "host.json"
    flags = [f"--models={own},{rival}", f"--baseline={rival}", f"--output={output}"]
    assert cli.run(["benchmark", "host", *flags, "--rounds=2", "--runs=4", "--warm_up=1"]) == 0
    printed = capsys.readouterr().out
    result = json.loads(output.read_text())
    assert result["kind"] == "host latency" and result["unit"] == "ms" and result["settings"]["rounds"] == 2
    assert {"command", "date", "versions", "machine"} <= set(result["made_by"])
    assert [row["name"] for row in result["subjects"]] == ["float32.tflite", "rival.tflite"]
    assert [row["sequence_length"] for row in result["subjects"]] == [48, 24]
    rounds = {}
    for row, path in zip(result["subjects"], files, strict=True):
        assert row["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert [len(measured["samples"]) for measured in row["rounds"]] == [4, 4]
        assert all(measured["load_ms"] > 0 and measured["peak_memory_mib"] > 1 for measured in row["rounds"])
        rounds[row["name"]] = [statistics.median(measured["samples"]) for measured in row["rounds"]]
        samples = [sample for measured in row["rounds"] for sample in measured["samples"]]
        assert row["summary"]["median"] == pytest.approx(statistics.median(samples))
        # On a busy machine a figure may be invalid; it is then kept but not shown.
        assert row["validity"]["verdict"] == "invalid" or f"{row['summary']['median']:.2f}" in printed
    quotients = [a / b for a, b in zip(*rounds.values(), strict=True)]
    ratio = result["subjects"][0]["ratio"]
    assert (ratio["baseline"], ratio["min"], ratio["max"]) == (
        "rival.tflite", pytest.approx(min(quotients)), pytest.approx(max(quotients)),
    )  # fmt: skip
    assert result["subjects"][1]["ratio"]["median"] == 1.0


def test_signature_is_chosen_by_length(files, tmp_path: Path):
    output = tmp_path / "short.json"
    flags = [f"--models={files[0]}", "--sequence_lengths=16", "--rounds=1", "--runs=1", f"--output={output}"]
    assert cli.run(["benchmark", "host", *flags]) == 0
    result = json.loads(output.read_text())
    assert result["subjects"][0]["sequence_length"] == 16 and "ratio" not in result["subjects"][0]


def test_wrong_use_is_one_line(files, tmp_path: Path, capsys):
    import tensorflow as tf

    own, rival = files
    existing = tmp_path / "there.json"
    existing.write_text("{}")
    spec = tf.TensorSpec((1, 8), tf.float32)
    function = tf.function(lambda x: x + 1.0).get_concrete_function(spec)
    picture = tmp_path / "picture.tflite"
    picture.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([function]).convert())
    new = f"--output={tmp_path / 'new.json'}"
    for flags, message in (
        ([f"--models={own}", f"--output={existing}"], "exists; give another name"),
        ([f"--models={own}", f"--output={tmp_path / 'new.txt'}"], "must end in .json"),
        ([f"--models={own}", new, f"--baseline={rival}"], "must be one of --models"),
        ([f"--models={own},{own}", new], "names a file twice"),
        ([f"--models={tmp_path / 'absent.tflite'}", new], "no such file"),
        ([f"--models={existing}", new], "is not a .tflite file"),
        ([f"--models={own}", new, "--sequence_lengths=20"], "no graph for --sequence_lengths=20; it has 16, 48"),
        ([f"--models={picture}", new, "--rounds=1"], "takes no token ids, mask and segment ids"),
        ([f"--models={own}", new, "--runs=0"], "--runs=0: must be at least 1"),
    ):
        assert cli.run(["benchmark", "host", *flags]) == 2
        error = capsys.readouterr().err.strip()
        assert message in error and len(error.splitlines()) == 1
    assert existing.read_text() == "{}" and not (tmp_path / "new.json").exists()


def test_files_that_the_runtime_cannot_run_are_one_line(files, tmp_path: Path, capsys):
    """A file with one of TensorFlow's own operators, one that is cut short, one without the signature, wrong flags."""
    from ai_edge_litert import schema_py_generated as schema

    from mobilebert_tf.litert import flatbuffer

    content = files[0].read_bytes()
    model = flatbuffer.read(content)
    code = model.operatorCodes[-1]
    code.customCode, code.builtinCode, code.deprecatedBuiltinCode = b"FlexErf", schema.BuiltinOperator.CUSTOM, 32
    flex, cut = tmp_path / "flex.tflite", tmp_path / "cut.tflite"
    flex.write_bytes(flatbuffer.write(model))
    cut.write_bytes(content[: len(content) // 3])
    for words, message in (
        ([f"--models={files[1]},{flex}"], "flex.tflite: has operators that LiteRT does not have, FlexErf"),
        ([f"--models={files[1]},{cut}"], "cut.tflite: LiteRT cannot read it"),
        ([f"--models={files[0]}", "--signatures=other"], "has no signature 'other'; it has tokens_16, tokens_48"),
        ([f"--models={files[0]}", "--threads=0"], "--threads=0: must be comma-separated numbers from 1 to 1,024"),
        ([f"--models={files[0]}", "--weight_cache=disk"], "choose from off, memory, file"),
    ):
        assert cli.run(["benchmark", "host", *words, f"--output={tmp_path / 'a.json'}"]) == 2, words
        error = capsys.readouterr().err
        assert message in error and len(error.splitlines()) == 1
    assert not (tmp_path / "a.json").exists()


def test_value_files_and_what_is_out_of_range(files, tmp_path: Path, capsys):
    import numpy as np

    values = tmp_path / "values"
    values.mkdir()
    for name, most in (("ids", 400), ("mask", 2), ("token_type_ids", 2)):
        dtype = np.int64 if name == "mask" else np.int32
        np.random.default_rng(0).integers(0, most, (3, 1, 24)).astype(dtype).tofile(values / f"{name}.bin")
    output = tmp_path / "a.json"
    words = ["benchmark", "host", f"--models={files[1]}", f"--inputs={values}", "--rounds=1", "--runs=4"]
    assert cli.run([*words, f"--output={output}"]) == 0
    (subject,) = json.loads(output.read_text())["subjects"]
    assert subject["inputs"] == "3 values of values" and len(subject["rounds"][0]["samples"]) == 4
    capsys.readouterr()
    (values / "mask.bin").write_bytes(bytes(10))
    assert cli.run([*words, f"--output={tmp_path / 'b.json'}"]) == 2
    assert "mask.bin: does not hold whole inputs of int64 [1, 24]" in capsys.readouterr().err
    (values / "mask.npy").touch()
    assert cli.run([*words, f"--output={tmp_path / 'b.json'}"]) == 2
    assert "mask.npy: does not hold whole inputs of int64 [1, 24]" in capsys.readouterr().err
    np.save(values / "mask.npy", np.ones((3, 1, 24), np.int64))
    assert cli.run([*words, f"--output={tmp_path / 'b.json'}"]) == 0


def test_a_weight_cache_and_float16_are_swept(files, tmp_path: Path):
    output = tmp_path / "a.json"
    flags = [f"--models={files[0]}", f"--baseline={files[0]}", "--sequence_lengths=16", "--rounds=1", "--runs=2"]
    sweep = ["--weight_cache=off,file", "--threads=1,2"]
    assert cli.run(["benchmark", "host", *flags, *sweep, f"--output={output}"]) == 0
    document = json.loads(output.read_text())
    configurations = [one["configuration"] for one in document["subjects"]]
    assert [(one["threads"], one["weight_cache"]) for one in configurations] == [
        (1, "off"), (1, "file"), (2, "off"), (2, "file"),
    ]  # fmt: skip
    assert {one["api"] for one in configurations} == {"CompiledModel"}, "or its own cost would count as the cache's"
    for subject in document["subjects"]:
        threads = subject["configuration"]["threads"]
        assert subject["ratio"]["baseline"].endswith(f"{threads} thread{'s' if threads > 1 else ''}, no weight cache")
        assert subject["rounds"][0]["finite"] is True and subject["rounds"][0]["memory_mib"]["private"] >= 0


@pytest.mark.slow
def test_records_are_measured_beside_the_tokenizer(tmp_path: Path, capsys):
    """Counts equal those of the tokenizer here; shares follow from the samples."""
    from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer

    sentences = [f"{a} {b} word. Then {b} and {a}." for a in ("abc", "bcd", "cab") for b in ("dab", "bad", "add")]
    text, vocab = tmp_path / "text.txt", tmp_path / "vocab.txt"
    text.write_text("\n\n".join("\n".join(sentences) for _ in range(20)) + "\n")
    letters = "abcdehnortw."
    vocab.write_text("\n".join([*SPECIAL_TOKENS, *letters, *("##" + letter for letter in letters)]) + "\n")
    output = tmp_path / "records.json"
    flags = [f"--input={text}", f"--vocab={vocab}", f"--output={output}", "--rounds=2", "--workers=2"]
    assert cli.run(["benchmark", "records", *flags, "--dupe_factors=1"]) == 0
    printed = capsys.readouterr().out
    result = json.loads(output.read_text())
    alone, one, two = result["subjects"]
    assert [row["name"] for row in (alone, one, two)] == [
        "tokenizer alone", "records, dupe_factor 1, 1 worker", "records, dupe_factor 1, 2 workers",
    ]  # fmt: skip
    pieces = 20 * sum(len(ids) for ids in Tokenizer.from_vocab(vocab).encode_batch(sentences))
    for row in (alone, one, two):
        assert [measured["pieces"] for measured in row["rounds"]] == [pieces, pieces]
        assert all(len(measured["samples"]) == 1 and measured["processor_seconds"] > 0 for measured in row["rounds"])
    assert one["rounds"][0]["records"] == two["rounds"][1]["records"] > 20
    own = [[measured["processor_seconds"] for measured in row["rounds"]] for row in (alone, two)]
    quotients = [a / b for a, b in zip(*own, strict=True)]
    assert printed.splitlines()[3].endswith(f" {statistics.median(quotients):.0%}")
    seconds = statistics.median(measured["samples"][0] for measured in one["rounds"])
    assert f"{one['rounds'][0]['records'] / seconds:,.0f}" in printed.splitlines()[2]


def test_wrong_use_of_records_is_one_line(tmp_path: Path, capsys):
    vocab, text, empty = tmp_path / "vocab.txt", tmp_path / "text.txt", tmp_path / "empty.txt"
    vocab.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
    text.write_text("a a.\n")
    empty.write_text("")
    new = f"--output={tmp_path / 'new.json'}"
    for flags, message in (
        ([f"--input={tmp_path}/none", f"--vocab={vocab}"], "no such file"),
        ([f"--input={empty}", f"--vocab={vocab}"], "is empty"),
        ([f"--input={text}", f"--vocab={text}"], "special token [PAD] is missing"),
        (
            [f"--input={text}", f"--vocab={vocab}", "--dupe_factors=1,x"],
            "must be comma-separated numbers from 1 to 10,000",
        ),
        ([f"--input={text}", f"--vocab={vocab}", "--dupe_factors=5,5"], "must be different numbers of at least 1"),
    ):
        assert cli.run(["benchmark", "records", *flags, new]) == 2
        error = capsys.readouterr().err.strip()
        assert message in error and len(error.splitlines()) == 1
    assert not (tmp_path / "new.json").exists()


def test_instructions_are_what_the_counter_prints(export_directory: Path, tmp_path: Path, capsys):
    counter = tmp_path / "counter"
    # The stub counts a million for each letter of the file's name, and two for each of the signature's.
    counter.write_text('#!/bin/sh\nname=$(basename "$1")\necho "$((${#name} + 2 * ${#2}))000000 $1"\n')
    counter.chmod(0o755)
    files = [export_directory / f"{name}.tflite" for name in ("float32", "dynamic_int8")]
    flags = [f"--models={','.join(map(str, files))}", f"--baseline={files[1]}", f"--counter={counter}"]
    words = ["benchmark", "instructions", *flags]
    assert cli.run([*words, f"--output={tmp_path / 'a.json'}"]) == 0
    written = json.loads((tmp_path / "a.json").read_text())
    # float32.tflite and dynamic_int8.tflite, both at tokens_48.
    assert [subject["summary"]["median"] for subject in written["subjects"]] == [14 + 18, 19 + 18]
    assert written["subjects"][0]["ratio"]["median"] == pytest.approx(32 / 37)
    assert [subject["sequence_length"] for subject in written["subjects"]] == [48, 48]
    assert "0.865" in capsys.readouterr().out
    assert cli.run([*words, "--sequence_lengths=16", f"--output={tmp_path / 'b.json'}"]) == 0
    assert json.loads((tmp_path / "b.json").read_text())["subjects"][0]["sequence_length"] == 16

    counter.write_text("#!/bin/sh\necho no number\n")
    for more, status, message in (
        ([f"--output={tmp_path / 'c.json'}"], 1, "must print a number first, but it printed 'no number'"),
        ([f"--output={tmp_path / 'c.json'}", "--sequence_lengths=9"], 2, "has no graph for --sequence_lengths=9"),
        ([f"--output={tmp_path / 'a.json'}"], 2, "exists"),
    ):
        capsys.readouterr()
        assert cli.run([*words, *more]) == status
        assert message in capsys.readouterr().err
    counter.write_text("#!/bin/sh\necho no emulator >&2\nexit 3\n")
    assert cli.run([*words, f"--output={tmp_path / 'd.json'}"]) == 1
    assert "float32.tflite: the measuring process died: no emulator" in capsys.readouterr().err


@pytest.fixture
def texts(export_directory: Path, tmp_path: Path) -> Path:
    """Three texts for 16 tokens, one of 14 words that needs a 17th for padding, one too long for any signature."""
    word = next(piece for piece in (export_directory / "vocab.txt").read_text().split() if piece.isalpha())
    lines = ["sentence", word, f"{word} {word}", " ".join([word] * 13), " ".join([word] * 14), " ".join([word] * 90)]
    path = tmp_path / "texts.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_mean_over_the_lengths_of_texts(files, texts: Path, tmp_path: Path, capsys):
    own, rival = files
    flags = [f"--models={own},{rival}", f"--baseline={rival}", f"--texts={texts}"]
    words = ["benchmark", "host", *flags, "--rounds=2", "--runs=3", "--warm_up=1", f"--output={tmp_path / 'host.json'}"]
    assert cli.run(words) == 0
    subject, rival_subject = json.loads((tmp_path / "host.json").read_text())["subjects"]
    # [CLS], 13 words, [SEP] and one padding token are 16.
    assert subject["shares_of_lengths"] == {"16": 0.6, "48": 0.4} and rival_subject["shares_of_lengths"] == {"24": 1.0}
    for measured in subject["rounds"]:
        medians = measured["median_ms_of_lengths"]
        assert measured["samples"] == [pytest.approx(0.6 * medians["16"] + 0.4 * medians["48"], abs=1e-4)]
    assert [len(row["rounds"]) for row in (subject, rival_subject)] == [2, 2]
    printed = capsys.readouterr().out
    assert subject["ratio"]["min"] > 0 and (subject["validity"]["verdict"] == "invalid" or "texts" in printed)

    counter = tmp_path / "counter"
    # The stub counts T million, T from the signature's name; the rival's name has no number.
    counter.write_text('#!/bin/sh\ncase "$2" in tokens_*) echo "${2#tokens_}000000";; *) echo 24000000;; esac\n')
    counter.chmod(0o755)
    words = ["benchmark", "instructions", *flags, f"--counter={counter}", f"--output={tmp_path / 'count.json'}"]
    assert cli.run(words) == 0
    subject, rival_subject = json.loads((tmp_path / "count.json").read_text())["subjects"]
    assert subject["summary"]["median"] == pytest.approx(0.6 * 16 + 0.4 * 48)
    assert subject["million_of_lengths"] == {"16": 16.0, "48": 48.0}
    assert subject["ratio"]["median"] == pytest.approx(28.8 / 24)


def test_wrong_texts_are_one_line(files, texts: Path, tmp_path: Path, capsys):
    words = ["benchmark", "host", f"--output={tmp_path / 'new.json'}"]
    for more, message in (
        ([f"--models={files[0]}", f"--texts={texts}", "--sequence_lengths=16"], "give one"),
        ([f"--models={files[1]}", f"--texts={texts}"], "vocab.txt: no such file; give the vocabulary for"),
        ([f"--models={files[0]}", f"--texts={texts}", "--text_column=body"], "texts.tsv, line 1: no column 'body'"),
    ):
        assert cli.run([*words, *more]) == 2
        error = capsys.readouterr().err
        assert message in error and len(error.splitlines()) == 1
    assert not (tmp_path / "new.json").exists()
