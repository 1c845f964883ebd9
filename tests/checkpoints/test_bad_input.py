"""Broken checkpoints: one clear line, exit status 2, and no output directory."""

import dataclasses
import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from mobilebert_tf import cli
from mobilebert_tf.checkpoints.conversion import WORLDS, open_checkpoint
from mobilebert_tf.data import tensorflow_parts

from .conftest import ARCHITECTURES, HEAD_SETS, random_checkpoint


@pytest.fixture
def directories(tmp_path) -> dict[str, Path]:
    """The same classifier in each format."""
    by_format = {}
    for world, write in WORLDS.items():
        by_format[world] = tmp_path / world
        by_format[world].mkdir()
        write(random_checkpoint(ARCHITECTURES["with_pooler"], HEAD_SETS["classifier"]), by_format[world])
    return by_format


@pytest.fixture
def refuse(tmp_path, capsys):
    """A function that runs `convert`, expects a refusal, and returns its one line."""

    def run(source: Path, *flags: str) -> str:
        output = tmp_path / "output"
        before = sorted(path.name for path in tmp_path.iterdir())
        status = cli.run(["convert", f"--input={source}", f"--output={output}", "--to=keras", *flags])
        error = capsys.readouterr().err.strip()
        assert (status, len(error.splitlines())) == (2, 1), error
        assert sorted(path.name for path in tmp_path.iterdir()) == before
        return error

    return run


def rewrite(directory: Path, change) -> None:
    arrays = safetensors.numpy.load_file(directory / "model.safetensors")
    change(arrays)
    safetensors.numpy.save_file(arrays, directory / "model.safetensors")


def edit(path: Path, **changes) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_safetensors_cut_short(directories, refuse):
    file = directories["huggingface"] / "model.safetensors"
    content = file.read_bytes()
    for size in (0, 5, 200, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:size])
        assert f"{file}: is damaged or not a safetensors file" in refuse(directories["huggingface"])


def test_header_that_lies(directories, refuse):
    file = directories["huggingface"] / "model.safetensors"
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    name = "classifier.weight"
    for offsets in ([0, 10**9], [-4, 8], [8, 4]):
        lying = json.dumps({**header, name: {**header[name], "data_offsets": offsets}}).encode()
        file.write_bytes(struct.pack("<Q", len(lying)) + lying + content[8 + length :])
        assert f"{file}: is damaged" in refuse(directories["huggingface"])
    file.write_bytes(struct.pack("<Q", 2**62) + content[8:])
    assert f"{file}: is damaged" in refuse(directories["huggingface"])


def test_pickle_is_not_read(directories, refuse):
    folder = directories["huggingface"]
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    line = refuse(folder)
    assert "a pickle can run code" in line and "weights_only=True" in line


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "sub/model.safetensors", "", ".."])
def test_index_that_leads_out_of_the_directory(name, directories, refuse):
    folder = directories["huggingface"]
    (folder / "model.safetensors").rename(folder.parent / "elsewhere")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"classifier.weight": name}}))
    assert f"weight_map: {name!r} is not a plain name" in refuse(folder)


def test_index_with_a_file_missing(directories, refuse):
    folder = directories["huggingface"]
    (folder / "model.safetensors").rename(folder.parent / "elsewhere")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "part.safetensors"}}))
    assert f"{folder / 'part.safetensors'}: missing" in refuse(folder)
    (folder / "model.safetensors.index.json").write_text("[]")
    assert "is []; it must be an object" in refuse(folder)


def test_missing_extra_and_misshapen(directories, refuse, tmp_path, capsys):
    folder = directories["huggingface"]
    name = "mobilebert.pooler.dense.bias"
    rewrite(folder, lambda arrays: arrays.pop(name))
    assert f"lacks {name}," in refuse(folder)
    words = ["convert", f"--input={folder}", f"--output={tmp_path / 'allowed'}", "--allow_missing"]
    assert cli.run(words) == 0
    assert "missing       taken as a new model has them: pooler/bias" in capsys.readouterr().out
    rewrite(folder, lambda arrays: arrays.update({name: np.zeros(16, np.float32), "lora.a": np.zeros(3, np.float32)}))
    assert "has lora.a, which its configuration does not use" in refuse(folder)
    rewrite(folder, lambda arrays: (arrays.pop("lora.a"), arrays.update({name: np.zeros(9, np.float32)})))
    assert f"{name} has shape [9], its configuration makes it [16]" in refuse(folder)


EVERYTHING = ("--allow_missing", "--allow_extra")


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("blocks", [1, 3])
def test_no_flag_makes_a_network_of_another_depth(blocks, world, directories, refuse):
    file = "bert_config.json" if world == "tf1" else "config.json"
    edit(directories[world] / file, num_hidden_layers=blocks)
    line = refuse(directories[world], *EVERYTHING)
    assert f": {file} says {blocks} blocks (num_hidden_layers), the file has 2;" in line


def test_no_flag_mends_the_network(directories, refuse):
    """In embeddings and blocks nothing may be missing or left out, since that would be another model."""
    folder = directories["huggingface"]
    key, norm = "mobilebert.encoder.layer.1.attention.self.key.bias", "mobilebert.embeddings.LayerNorm.weight"
    kept = safetensors.numpy.load_file(folder / "model.safetensors")
    for name in (key, norm):
        rewrite(folder, lambda arrays, name=name: arrays.pop(name))
        assert f"lacks {name}, which config.json describes" in refuse(folder, *EVERYTHING)
        rewrite(folder, lambda arrays: arrays.update(kept))
    for name in ("mobilebert.encoder.layer.1.attention.self.key.lora_A", "mobilebert.embeddings.task_type.weight"):
        rewrite(folder, lambda arrays, name=name: arrays.update({name: np.zeros(3, np.float32)}))
        assert f"has {name} in its network, which config.json does not" in refuse(folder, *EVERYTHING)
        rewrite(folder, lambda arrays, name=name: arrays.pop(name))
    edit(folder / "config.json", num_feedforward_networks=1)
    assert "has mobilebert.encoder.layer.0.ffn.0." in refuse(folder, *EVERYTHING)


def test_a_token_classifier_that_does_not_say_so(refuse, tmp_path):
    folder = tmp_path / "labels_tokens"
    folder.mkdir()
    labels = random_checkpoint(ARCHITECTURES["bert"], HEAD_SETS["token_classifier"])
    without = dataclasses.replace(labels, weights=tuple(w for w in labels.weights if w.part != "pooler"))
    WORLDS["huggingface"](without, folder)
    edit(folder / "config.json", architectures=None)
    assert "has no architectures, and its classifier looks like" in refuse(folder, *EVERYTHING)
    assert cli.run(["convert", f"--input={folder}", f"--output={tmp_path / 'out'}", "--head=token_classifier"]) == 0
    assert open_checkpoint(tmp_path / "out").heads.present == ("token_classifier",)
    shutil.rmtree(folder)
    folder.mkdir()
    WORLDS["huggingface"](random_checkpoint(ARCHITECTURES["mobilebert"], HEAD_SETS["token_classifier"]), folder)
    labels = {"0": "O", "1": "B-A", "2": "I-A", "3": "B-B", "4": "I-B"}
    (folder / "labels.txt").unlink()
    edit(folder / "config.json", architectures=None, id2label=labels, label2id={})
    assert "it has their labels; `convert --head=token_classifier` reads it as one" in refuse(folder)


@pytest.mark.parametrize("world", ["huggingface", "tf1"])
def test_no_flag_makes_a_random_model_of_another_file(world, directories, refuse):
    """Names have a wrapper's prefix, or are another program's: none of the network's weights is found."""
    folder = directories[world]
    (folder / "task.json").unlink()
    if world == "huggingface":
        rewrite(folder, lambda arrays: [arrays.update({f"module.{n}": arrays.pop(n)}) for n in list(arrays)])
        line = refuse(folder, *EVERYTHING)
        assert "such as encoder.layer.0." in line and "its names begin with 'module.mobilebert.'" in line
    else:
        other = random_checkpoint(ARCHITECTURES["with_pooler"], HEAD_SETS["classifier"])
        arrays = ((f"net/{number}", other.read(weight)) for number, weight in enumerate(other.weights))
        tensorflow_parts.save(str(folder / "mobilebert_variables.ckpt"), arrays)
        line = refuse(folder, *EVERYTHING)
        assert "such as bert/encoder/layer_0/" in line and "; it has net/" in line
    assert "allow_missing" not in line


def test_a_checkpoint_of_tensorflow_2(directories, refuse):
    import tensorflow as tf

    folder = directories["tf1"]
    for path in folder.glob("mobilebert_variables.ckpt.*"):
        path.unlink()
    module = tf.Module()
    module.word_embeddings = tf.Variable(np.zeros((3, 4), np.float32))
    tf.train.Checkpoint(encoder=module).save(str(folder / "bert_model.ckpt"))
    line = refuse(folder, *EVERYTHING)
    assert "is a TensorFlow 2 checkpoint (tf.train.Checkpoint)" in line and "allow_missing" not in line


@pytest.mark.parametrize("world", WORLDS)
def test_a_word_table_that_was_rounded_up(world, tmp_path):
    """Some word tables are padded to a multiple of eight for the processor; other excess rows are another model's."""
    config = dataclasses.replace(ARCHITECTURES["with_pooler"], vocab_size=64)
    checkpoint = random_checkpoint(config, HEAD_SETS["classifier"])
    tokenizer = checkpoint.architecture.tokenizer
    fewer = dataclasses.replace(tokenizer, vocab=tokenizer.vocab[:59])
    checkpoint = dataclasses.replace(
        checkpoint, architecture=dataclasses.replace(checkpoint.architecture, tokenizer=fewer)
    )
    WORLDS[world](checkpoint, tmp_path)
    reopened = open_checkpoint(tmp_path)
    assert (reopened.config.vocab_size, reopened.architecture.tokenizer.size) == (64, 59)
    assert reopened.read(reopened.weights[0]).shape[0] == 64


def test_configuration_that_contradicts_the_shapes(directories, refuse):
    edit(directories["huggingface"] / "config.json", embedding_size=10)
    line = refuse(directories["huggingface"])
    assert "word_embeddings.weight has shape [57, 8], its configuration makes it [57, 10]" in line
    edit(directories["tf1"] / "bert_config.json", num_hidden_layers=3)
    assert "bert_config.json says 3 blocks (num_hidden_layers), the file has 2" in refuse(directories["tf1"])


@pytest.mark.parametrize("world", WORLDS)
def test_vocabulary_of_another_model(world, directories, refuse):
    if world == "huggingface":
        (directories[world] / "tokenizer.json").unlink()  # which also has the vocabulary
    with open(directories[world] / "vocab.txt", "a") as vocab:
        vocab.write("one\nmore\n")
    line = refuse(directories[world])
    assert "has 59 pieces" in line and "vocab_size=57" in line


def test_checkpoint_with_a_file_missing_or_cut(directories, refuse):
    folder = directories["tf1"]
    data = folder / "mobilebert_variables.ckpt.data-00000-of-00001"
    content = data.read_bytes()
    data.write_bytes(content[: len(content) // 2])
    assert "cannot be read, the data file is damaged or cut short" in refuse(folder)
    data.unlink()
    assert f"{data}: missing" in refuse(folder)
    data.write_bytes(content)
    (folder / "mobilebert_variables.ckpt.index").write_bytes(b"nonsense")
    assert "is not a readable checkpoint" in refuse(folder)


def test_checkpoint_without_configuration(directories, refuse):
    (directories["tf1"] / "bert_config.json").unlink()
    assert "has no bert_config.json; give --config=mobilebert" in refuse(directories["tf1"])


@pytest.mark.parametrize("world", WORLDS)
def test_nan_is_named(world, directories, tmp_path, capsys):
    begin = random_checkpoint(ARCHITECTURES["with_pooler"], HEAD_SETS["classifier"])
    for weight in begin.weights:
        if weight.name == "block_1/attention/value/kernel":
            begin.read(weight)[2, 3] = np.nan
    shutil.rmtree(directories[world])
    directories[world].mkdir()
    assert WORLDS[world](begin, directories[world]) == [
        "block_1/attention/value/kernel: 1 of 128 values are NaN or infinite"
    ]
    assert cli.run(["convert", f"--input={directories[world]}", f"--output={tmp_path / 'out'}"]) == 0
    assert "warning: block_1/attention/value/kernel: 1 of 128 values" in capsys.readouterr().out


def test_two_heads_need_a_choice(directories, refuse, tmp_path):
    folder = directories["huggingface"]
    two = {"qa_outputs.weight": np.ones((2, 16), np.float32), "qa_outputs.bias": np.ones(2, np.float32)}
    rewrite(folder, lambda arrays: arrays.update(two))
    assert "qa_outputs.bias" in refuse(folder)  # `architectures` names the classifier
    edit(folder / "config.json", architectures=None)
    assert "has several heads (classifier, answer_span); choose one with --head" in refuse(folder)
    flags = ["--head=answer_span", "--allow_extra", f"--output={tmp_path / 'answers'}"]
    assert cli.run(["convert", f"--input={folder}", *flags]) == 0
    assert open_checkpoint(tmp_path / "answers").heads.present == ("answer_span",)


@pytest.mark.parametrize("world", WORLDS)
def test_a_task_of_another_head_is_not_dropped(world, directories, refuse, tmp_path):
    task = directories[world] / "task.json"
    task.write_text('{"task": "embedding"}')
    assert f"{task}: is for embedding (head: none), the weights have the head: classifier" in refuse(directories[world])
    words = ["convert", f"--input={directories[world]}", "--head=classifier", f"--output={tmp_path / 'out'}"]
    assert cli.run(words) == 0 and not (tmp_path / "out" / "task.json").exists()


def test_untied_decoder(directories, refuse, tmp_path):
    folder = tmp_path / "lm"
    folder.mkdir()
    begin = random_checkpoint(ARCHITECTURES["mobilebert"], HEAD_SETS["masked_words"])
    WORLDS["huggingface"](begin, folder)
    table = safetensors.numpy.load_file(folder / "model.safetensors")["mobilebert.embeddings.word_embeddings.weight"]
    rewrite(folder, lambda arrays: arrays.update({"cls.predictions.decoder.weight": table}))
    assert open_checkpoint(folder).passed_over == ("cls.predictions.decoder.weight",)
    rewrite(folder, lambda arrays: arrays.update({"cls.predictions.decoder.weight": table + 1}))
    assert "only tied tables are supported" in refuse(folder)


def test_nothing_there(tmp_path, refuse):
    assert "no such model directory" in refuse(tmp_path / "absent")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no model" in refuse(empty)


def test_labels_that_do_not_fit(directories, refuse):
    folder = directories["huggingface"]
    for name in ("labels.txt", "task.json"):
        (folder / name).unlink()
    edit(folder / "config.json", id2label={"0": "a", "2": "b"})
    assert "id2label does not number its labels" in refuse(folder)
    edit(folder / "config.json", id2label={"0": "a", "1": "b"})
    assert "names 2 labels, its head has 3" in refuse(folder)


def test_output_that_holds_something(directories, tmp_path, capsys):
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "diary.txt").write_text("mine")
    assert cli.run(["convert", f"--input={directories['keras']}", f"--output={taken}", "--to=tf1"]) == 2
    assert "holds other files" in capsys.readouterr().err
    assert [path.name for path in taken.iterdir()] == ["diary.txt"]


@pytest.mark.parametrize("size", [0, 5000, 20000])
@pytest.mark.parametrize("world", WORLDS)
def test_a_disk_that_takes_no_more(world, size, tmp_path):
    """With a limit on file sizes in place of a full disk, one line names the file and nothing is left behind."""
    source = tmp_path / "source"
    source.mkdir()
    WORLDS["keras"](random_checkpoint(ARCHITECTURES["with_pooler"], HEAD_SETS["classifier"]), source)
    program = (
        "import resource, sys; from mobilebert_tf import cli\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))\n"
        f"sys.exit(cli.run(['convert', '--input={source}', '--output={tmp_path / 'out'}', '--to={world}']))"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert process.returncode == 1 and len(process.stderr.strip().splitlines()) == 1, process.stderr[-2000:]
    assert str(tmp_path / "out") in process.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_flags_that_have_no_meaning_for_the_input(directories, refuse):
    assert "has no head answer_span" in refuse(directories["keras"], "--head=answer_span")
    assert "is for TensorFlow checkpoints" in refuse(directories["huggingface"], "--config=mobilebert")
