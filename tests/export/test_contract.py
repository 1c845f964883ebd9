"""The contract beside a file: its statements hold for the file, and other programs reproduce its examples."""

import dataclasses
import hashlib
import json
import random
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.export.recipes import RECIPES as RECIPES_BY_NAME
from mobilebert_tf.export.ship import check_answers, sentences, verify_directory
from mobilebert_tf.export.ship.contract import write_contracts
from mobilebert_tf.exported import Variant
from mobilebert_tf.litert.runtime import shortest_that_fits
from mobilebert_tf.reporting.json_values import build_fields
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.files import load_task_files
from mobilebert_tf.tokenization import Rules, Tokenizer

RECIPES = ("float32", "float16", "dynamic_int8", "static_int8")


def read(directory: Path, recipe: str) -> dict:
    return json.loads((directory / f"{recipe}.contract.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("recipe", RECIPES)
def test_it_is_true_of_the_file_and_of_what_lies_beside_it(export_directory: Path, recipe: str):
    from ai_edge_litert.interpreter import Interpreter

    contract = read(export_directory, recipe)
    text, answer = contract["text"], contract["answer"]
    for file in (contract["file"], text["vocabulary"], answer["labels_file"]):
        content = (export_directory / file["name"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert (contract["schema"], contract["task"]) == (2, "classification")
    signatures = Interpreter(str(export_directory / contract["file"]["name"])).get_signature_list()
    assert [entry["name"] for entry in contract["signatures"]] == ["tokens_16", "tokens_48"] == sorted(signatures)
    for signature, length in zip(contract["signatures"], (16, 48), strict=True):
        names = ("input_ids", "input_mask", "segment_ids")
        assert signature["length"] == length
        assert signature["inputs"] == [{"name": name, "dtype": "int32", "shape": [1, length]} for name in names]
        assert signature["outputs"] == [{"name": "logits", "dtype": "float32", "shape": [1, 2]}]
    pieces = (export_directory / "vocab.txt").read_text().splitlines()
    assert len(pieces) == text["vocabulary"]["size"]
    assert text["special_tokens"] == {token: pieces.index(token) for token in pieces if token.startswith("[")}
    settings = json.loads((export_directory / "tokenizer.json").read_text())
    assert text["tokenizer"].items() <= settings.items() and len(text["tokenizer"]) == 5
    assert (text["layout"], text["segment_ids"]) == (["[CLS]", "text", "[SEP]"], [0, 0, 0])
    assert (text["max_ids"], text["truncation"]) == (48, "longest_first")
    assert text["padding"] == {"least": 1, "input_ids": 0, "input_mask": 0, "segment_ids": 0}
    assert answer["labels"] == ["bad", "good"] and answer["thresholds"] is None
    assert (answer["output"], answer["softmax"], answer["decision"]) == ("logits", True, "argmax")
    report = json.loads((export_directory / "report.json").read_text())
    (row,) = (row for row in report["variants"] if row["name"] == recipe)
    assert contract["file"]["sha256"] == row["sha256"] and contract["recipe"] == recipe
    needs = {"oldest": row["oldest_runtime"], "float16_arithmetic": row["half"]}
    assert {key: contract["runtime"][key] for key in needs} == needs
    assert contract["runtime"]["weight_cache"]["saves_bytes"] > 0, "it has two signatures"
    assert contract["model"] == report["model"] and "versions" in contract["made_by"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_examples_are_what_another_program_gets(export_directory: Path, labelled_table: Path, recipe: str):
    from ai_edge_litert.interpreter import Interpreter

    contract = read(export_directory, recipe)
    tokenizer = Tokenizer.from_vocab(export_directory / "vocab.txt")
    interpreter = Interpreter(str(export_directory / f"{recipe}.tflite"))
    own = [line.split("\t")[0] for line in labelled_table.read_text().splitlines()[1:]]
    shown = contract["examples"]
    assert {example["signature"] for example in shown} == {"tokens_16", "tokens_48"}
    assert "" in [example["text"] for example in shown] and not all(example["text"].isascii() for example in shown)
    # Contracts are shipped in apps, so the user's rows are not in them unless asked for.
    texts = " ".join(example["text"] for example in shown)
    assert not any(row in texts for row in own if len(row) > 3)
    assert json.loads((export_directory / "report.json").read_text())["contract_examples"] == "built-in sentences"
    assert any(len(tokenizer.encode(example["text"]).ids) > 46 for example in shown)
    for example in shown:
        pieces = tokenizer.encode(example["text"]).ids[:46]
        ids = [tokenizer.id("[CLS]"), *pieces, tokenizer.id("[SEP]")]
        assert example["ids"] == ids and example["segment_ids"] == [0] * len(ids) and example["text_b"] is None
        assert example["signature"] == ("tokens_16" if len(ids) < 16 else "tokens_48")
        output = logits(interpreter, tokenizer, example["text"])
        # The same file on the same machine: only the rounding to nine digits differs.
        np.testing.assert_allclose(example["output"], output, rtol=1e-8)
        powers = np.exp(output.astype(np.float64))
        np.testing.assert_allclose(example["probabilities"], powers / powers.sum(), rtol=1e-6)
        assert example["answer"] == ["bad", "good"][int(output.argmax())]


def test_rows_of_a_table_where_they_are_asked_for(export_directory: Path, labelled_table: Path, tmp_path: Path):
    """Two of the five examples are unchanged rows; the others are joined from several rows, empty, or built in."""
    for name in ("float32.tflite", "vocab.txt", "tokenizer.json", "labels.txt", "task.json"):
        shutil.copy(export_directory / name, tmp_path)
    (variant,) = (
        build_fields(Variant, row, Path("report.json"))
        for row in json.loads((export_directory / "report.json").read_text())["variants"]
        if row["name"] == "float32"
    )
    tokenizer, task = load_task_files(tmp_path)
    table = task.read(labelled_table, labelled=False)
    write_contracts(tmp_path, [RECIPES_BY_NAME["float32"]], [variant], task, tokenizer, table, [], {"name": "mine"})
    rows = {example.text for example in table}
    assert sum(example["text"] in rows for example in read(tmp_path, "float32")["examples"]) == 2


@pytest.mark.parametrize(
    "words, expected",
    [
        (["the", "train", "was", "late"], 0),
        (["поезд", "снова", "опоздал", "первый", "фильм"], 1),
        (list("火车又晚点了所以我们错过第一幕"), 2),
    ],
)
def test_built_in_sentences_are_of_the_vocabulary_s_language(words: list[str], expected: int):
    letters = [letter for texts in sentences.LANGUAGES for letter in "".join(texts) if letter.isascii()]
    pieces = dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *letters])
    for text in sentences.LANGUAGES[expected]:
        pieces |= dict.fromkeys(re.findall(r"\w|[^\w\s]", text.lower()))
        pieces |= dict.fromkeys(f"##{letter}" for letter in text.lower() if letter.isalpha())
    tokenizer = Tokenizer(tuple(pieces), Rules(strip_accents=False))
    assert sentences.sentences(tokenizer) == sentences.LANGUAGES[expected]


def test_tolerances_are_what_other_kernels_need_and_not_much_more(export_directory: Path, labelled_table: Path):
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    tokenizer = Tokenizer.from_vocab(export_directory / "vocab.txt")
    rows = [line.split("\t")[0] for line in labelled_table.read_text().splitlines()[1:]]
    plain = {"experimental_op_resolver_type": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}
    for recipe in RECIPES:
        contract = read(export_directory, recipe)
        texts = [example["text"] for example in contract["examples"]]
        texts += [rows[i] for i in np.linspace(0, len(rows) - 1, 16).astype(int)]
        outputs = []
        for options in ({}, plain):
            interpreter = Interpreter(str(export_directory / f"{recipe}.tflite"), **options)
            outputs.append([logits(interpreter, tokenizer, text) for text in texts])
        error = np.abs(np.subtract(*outputs)).max()
        tolerance = contract["tolerance"]
        assert tolerance["other_kernels"] == pytest.approx(error, rel=1e-2, abs=1e-8)
        floor = (1e-4 if recipe == "float32" else 1e-2) * tolerance["scale"]
        assert tolerance["output"] == pytest.approx(max(floor, 3 * error), rel=1e-2)
        # Far below the error of a wrong answer.
        assert tolerance["output"] < 0.2 * tolerance["scale"]


def logits(interpreter, tokenizer: Tokenizer, text: str) -> np.ndarray:
    """The logits of one text, cut to 48 pieces, by the shortest signature that fits."""
    ids = [tokenizer.id("[CLS]"), *tokenizer.encode(text).ids[:46], tokenizer.id("[SEP]")]
    inputs = np.zeros((1, 16 if len(ids) < 16 else 48), np.int32)
    inputs[0, : len(ids)] = ids
    run = interpreter.get_signature_runner(f"tokens_{inputs.shape[1]}")
    return run(input_ids=inputs, input_mask=np.sign(inputs), segment_ids=0 * inputs)["logits"][0]


@pytest.fixture(scope="module")
def pairs(classifier_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of a classifier of pairs, made without any table of texts."""
    from mobilebert_tf.model_directory import load_model_directory, save_model_directory

    place = tmp_path_factory.mktemp("pairs")
    loaded = load_model_directory(classifier_directory)
    task = dataclasses.replace(loaded.task, text_pair_column="text_b")
    save_model_directory(place / "model", loaded.model, loaded.tokenizer, task)
    words = ["export", f"--model={place / 'model'}", f"--output={place / 'out'}", "--recipes=float32"]
    assert cli.run([*words, "--sequence_lengths=16,48", "--rounds=1", "--runs=1", "--parity_examples=4"]) == 0
    return place / "out"


def test_pairs_and_no_text(pairs: Path, capsys):
    contract = read(pairs, "float32")
    assert contract["text"]["layout"] == ["[CLS]", "text", "[SEP]", "text_b", "[SEP]"]
    assert contract["text"]["segment_ids"] == [0, 0, 0, 1, 1]
    tokenizer, task = load_task_files(pairs)
    assert {example["signature"] for example in contract["examples"]} == {"tokens_16", "tokens_48"}
    assert len(contract["examples"]) == 5
    for example in contract["examples"]:
        features = task.features([Example(example["text"], example["text_b"])], tokenizer)
        count = len(example["ids"])
        assert features["input_mask"].sum() == count
        assert features["input_ids"][0, :count].tolist() == example["ids"]
        assert features["segment_ids"][0, :count].tolist() == example["segment_ids"]
        assert 0 < sum(example["segment_ids"]) < count
    assert max(len(example["ids"]) for example in contract["examples"]) == 48
    assert cli.run(["export", "verify", str(pairs)]) == 0
    assert "ids recomputed with tokenizers" in capsys.readouterr().out


@pytest.mark.parametrize("paired", [False, True])
def test_layout_and_choice_by_the_contract_are_those_of_the_task(classifier_directory: Path, paired: bool):
    """Compare an app that follows only the contract with the code that trains and exports."""
    tokenizer, _ = load_task_files(classifier_directory)
    task = ClassificationTask(("a", "b"), max_seq_length=12, text_pair_column="text_b" if paired else None)
    text = {
        "layout": ["[CLS]", "text", "[SEP]", "text_b", "[SEP]"][: 5 if paired else 3],
        "segment_ids": [0, 0, 0, 1, 1][: 5 if paired else 3],
        "special_tokens": {token: tokenizer.id(token) for token in ("[CLS]", "[SEP]")},
        "max_ids": 12,
        "padding": {"least": 1},
    }
    signatures = [{"length": 5}, {"length": 8}, {"length": 12}]
    draw = random.Random(0)
    for _ in range(300):
        texts = [" ".join(draw.choices("abcdef", k=draw.randint(0, 12))) for _ in range(1 + paired)]
        ids, segments = check_answers.lay_out([tokenizer.encode(part).ids for part in texts], text)
        features = task.features([Example(*texts)], tokenizer)
        count = int(features["input_mask"].sum())
        assert ids == features["input_ids"][0, :count].tolist()
        assert segments == features["segment_ids"][0, :count].tolist()
        chosen = check_answers.choose_signature(signatures, count, text)["length"]
        assert chosen == shortest_that_fits([5, 8, 12], count, 12)


def test_a_contract_of_the_first_schema_is_still_verified(export_directory: Path, resigned):
    """The first schema knows classes only, and has no fields that describe an answer."""

    def made_old(copy: Path) -> None:
        for path in copy.glob("*.contract.json"):
            contract = json.loads(path.read_text(encoding="utf-8"))
            contract["schema"] = 1
            for name in ("kind", "temperature", "offset", "scale", "centroids", "threshold", "margin"):
                contract["answer"].pop(name)
            path.write_text(json.dumps(contract), encoding="utf-8")

    assert "4 with the same answers" in verify_directory.verify(resigned(export_directory, made_old))
