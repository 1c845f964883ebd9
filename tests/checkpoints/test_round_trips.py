"""Round trips between this project's files, Google's and Hugging Face's."""

import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf

from mobilebert_tf import cli
from mobilebert_tf.checkpoints.conversion import WORLDS, open_checkpoint
from mobilebert_tf.config import Heads, MobileBertConfig
from mobilebert_tf.errors import UsageError

from .conftest import ARCHITECTURES, HEAD_SETS, assert_same, random_checkpoint


@pytest.mark.parametrize("heads", HEAD_SETS.values(), ids=HEAD_SETS)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_path_is_bit_exact(name, heads, tmp_path):
    config = ARCHITECTURES[name]
    begin = random_checkpoint(config, heads)
    worlds = ["keras", "tf1"] if name == "ib_bert" else list(WORLDS)
    read = {}

    def carry(found, world):
        directory = tmp_path / f"{found.world}-{world}-{len(list(tmp_path.iterdir()))}"
        directory.mkdir()
        assert WORLDS[world](found, directory) == []
        reopened = open_checkpoint(directory)
        assert reopened.world == world
        assert_same(begin, reopened)
        return reopened

    # Single steps cover every path, since each step must give the same checkpoint as the one it began with.
    for world in worlds:
        read[world] = carry(begin, world)
    for source, target in itertools.permutations(worlds, 2):
        carry(read[source], target)


def test_teacher_cannot_go_to_hugging_face(tmp_path):
    with pytest.raises(UsageError, match="cannot hold IB-BERT.*--to=tf1"):
        WORLDS["huggingface"](random_checkpoint(ARCHITECTURES["ib_bert"], Heads()), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command(tmp_path, capsys):
    """Run three conversions in a row, as a user would; the last file equals the first."""
    first = tmp_path / "first"
    first.mkdir()
    WORLDS["huggingface"](random_checkpoint(ARCHITECTURES["mobilebert"], HEAD_SETS["pretraining"]), first)
    for source, to in (("first", "keras"), ("keras", "tf1"), ("tf1", "huggingface")):
        assert cli.run(["convert", f"--input={tmp_path / source}", f"--output={tmp_path / to}", f"--to={to}"]) == 0
    printed = capsys.readouterr().out
    assert "masked words, next sentence" in printed and "not needed" not in printed
    assert (first / "model.safetensors").read_bytes() == (tmp_path / "huggingface" / "model.safetensors").read_bytes()
    # The same command again does nothing; another format is refused.
    words = ["convert", f"--input={first}", f"--output={tmp_path / 'keras'}"]
    assert cli.run([*words, "--to=keras"]) == 0
    assert "is finished already" in capsys.readouterr().out
    assert cli.run([*words, "--to=tf1"]) == 2
    assert "was begun with --to keras, now tf1" in capsys.readouterr().err


def test_optimizer_slots_are_passed_over(tmp_path, capsys):
    """Google's training leaves checkpoints with moments and a step counter."""
    begin = random_checkpoint(ARCHITECTURES["mobilebert"], HEAD_SETS["answer_span"])
    names, tensors = ["global_step"], [tf.constant(7, tf.int64)]
    for weight in begin.weights:
        value = begin.read(weight)
        names += [weight.google, f"{weight.google}/adam_m", f"{weight.google}/adam_v"]
        tensors += [tf.constant(value.T if weight.google_transposed else value)] + [tf.zeros(2)] * 2
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "model.ckpt-7"), tensor_names=names, shape_and_slices=[""] * len(names), tensors=tensors
    )
    whole = tmp_path / "whole"
    whole.mkdir()
    WORLDS["tf1"](begin, whole)
    (whole / "bert_config.json").rename(tmp_path / "bert_config.json")
    checkpoint = open_checkpoint(tmp_path / "model.ckpt-7")
    assert len(checkpoint.passed_over) == 1 + 2 * len(begin.weights)
    for weight in begin.weights:
        np.testing.assert_array_equal(checkpoint.read(weight), begin.read(weight))
    assert cli.run(["model", "info", str(tmp_path / "model.ckpt-7")]) == 0
    assert f"not needed    {len(checkpoint.passed_over)} in the file: " in capsys.readouterr().out


def test_sharded_safetensors(tmp_path):
    begin = random_checkpoint(ARCHITECTURES["mobilebert"], HEAD_SETS["classifier"])
    WORLDS["huggingface"](begin, tmp_path)
    arrays = safetensors.numpy.load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    names = sorted(arrays)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, inside in parts.items():
        safetensors.numpy.save_file({name: arrays[name] for name in inside}, tmp_path / file)
    weight_map = {name: file for file, inside in parts.items() for name in inside}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    assert_same(begin, open_checkpoint(tmp_path))


def test_names_without_prefix_and_of_old_files(tmp_path):
    begin = random_checkpoint(ARCHITECTURES["bert"], Heads())
    WORLDS["huggingface"](begin, tmp_path)
    arrays = safetensors.numpy.load_file(tmp_path / "model.safetensors")
    assert not any(name.startswith("bert.") for name in arrays)
    old = {}
    for name, array in arrays.items():
        name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        old[f"bert.{name}"] = array
    old["bert.embeddings.position_ids"] = np.arange(20)
    safetensors.numpy.save_file(old, tmp_path / "model.safetensors")
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.passed_over == ("bert.embeddings.position_ids",)
    assert_same(begin, checkpoint)


def test_half_precision_is_widened(tmp_path):
    begin = random_checkpoint(ARCHITECTURES["mobilebert"], Heads())
    WORLDS["huggingface"](begin, tmp_path)
    arrays = safetensors.numpy.load_file(tmp_path / "model.safetensors")
    halves = {name: array.astype(np.float16) for name, array in arrays.items()}
    safetensors.numpy.save_file(halves, tmp_path / "model.safetensors")
    checkpoint = open_checkpoint(tmp_path)
    for weight in begin.weights:
        np.testing.assert_array_equal(checkpoint.read(weight), begin.read(weight).astype(np.float16).astype(np.float32))


@pytest.mark.slow
@pytest.mark.parametrize("preset, heads", [("mobilebert", "pretraining"), ("mobilebert_tiny", "answer_span")])
def test_full_size(preset, heads, tmp_path):
    begin = random_checkpoint(MobileBertConfig.preset(preset), HEAD_SETS[heads])
    checkpoint = begin
    for number, world in enumerate(("huggingface", "tf1", "keras", "huggingface")):
        directory = tmp_path / str(number)
        directory.mkdir()
        WORLDS[world](checkpoint, directory)
        checkpoint = open_checkpoint(directory)
        assert_same(begin, checkpoint)


@pytest.mark.slow
def test_all_of_tensorflow_can_follow_its_parts(tmp_path):
    """The checkpoint reader is imported without the rest of TensorFlow; a full import afterwards must still work."""
    WORLDS["tf1"](random_checkpoint(ARCHITECTURES["mobilebert"], HEAD_SETS["classifier"]), tmp_path)
    program = (
        "import sys; from mobilebert_tf.checkpoints.conversion import open_checkpoint\n"
        f"found = open_checkpoint({str(tmp_path)!r})\n"
        "assert 'keras' not in sys.modules and 'tensorflow' not in sys.modules\n"
        "from mobilebert_tf import load_model_directory\n"
        "import tensorflow as tf\n"
        f"model = load_model_directory({str(tmp_path)!r}).model\n"
        "ones = tf.ones((1, 8), tf.int32)\n"
        "inputs = dict(input_ids=ones, input_mask=ones, segment_ids=ones)\n"
        "print(tf.function(model)(inputs).shape)\n"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert process.stdout == "(1, 3)\n", process.stderr[-2000:]


def test_brackets_in_a_path_are_no_pattern_for_tensorflow(tmp_path):
    begin = random_checkpoint(ARCHITECTURES["mobilebert"], HEAD_SETS["classifier"])
    place = tmp_path / "google [v2]"
    place.mkdir()
    WORLDS["tf1"](begin, place)
    name = "mobilebert_variables.ckpt"
    for path in place.glob(f"{name}*"):
        path.rename(path.with_name(path.name.replace(name, "model[1].ckpt")))
    checkpoint = open_checkpoint(place / "model[1].ckpt")
    assert [path.name for path in checkpoint.files] == ["model[1].ckpt.data-00000-of-00001"]
    for weight in begin.weights:
        np.testing.assert_array_equal(checkpoint.read(weight), begin.read(weight))
