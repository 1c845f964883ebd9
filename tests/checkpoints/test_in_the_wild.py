"""Other people's files: quirks that must be read, and quirks that must be refused."""

import dataclasses
import json
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from mobilebert_tf import cli, load_model_directory, load_model_for
from mobilebert_tf.checkpoints.conversion import WORLDS, Reading, open_checkpoint
from mobilebert_tf.checkpoints.huggingface_config import deviations, to_huggingface
from mobilebert_tf.config import Heads
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.regression import RegressionTask
from mobilebert_tf.tokenization import Rules

from .conftest import ARCHITECTURES, HEAD_SETS, assert_same, random_checkpoint


@pytest.fixture
def write(tmp_path):
    """A function that writes a small model as a directory of some format."""

    def run(world: str, name: str = "mobilebert", heads: str = "bare", place: str = "model") -> Path:
        directory = tmp_path / place
        directory.mkdir(exist_ok=True)
        WORLDS[world](random_checkpoint(ARCHITECTURES[name], HEAD_SETS[heads]), directory)
        return directory

    return run


def edit(path: Path, **changes) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def rewrite(directory: Path, change) -> None:
    arrays = safetensors.numpy.load_file(directory / "model.safetensors")
    change(arrays)
    safetensors.numpy.save_file(arrays, directory / "model.safetensors")


def test_the_bottleneck_that_nothing_reads(write):
    """With both flags on, Hugging Face makes a shared bottleneck but does not use it."""
    directory = write("huggingface", "mobilebert_tiny")
    edit(directory / "config.json", key_query_shared_bottleneck=True)
    unused = {f"encoder.layer.{i}.bottleneck.attention.dense.bias": np.zeros(8, np.float32) for i in range(2)}
    rewrite(directory, lambda arrays: arrays.update(unused))
    checkpoint = open_checkpoint(directory)
    assert set(checkpoint.passed_over) == set(unused)
    begin = random_checkpoint(ARCHITECTURES["mobilebert_tiny"], Heads())
    for weight in begin.weights:
        np.testing.assert_array_equal(checkpoint.read(weight), begin.read(weight))


def test_bfloat16_is_widened_exactly(write):
    directory = write("huggingface")
    halves = {
        name: array.astype(ml_dtypes.bfloat16)
        for name, array in safetensors.numpy.load_file(directory / "model.safetensors").items()
    }
    safetensors.numpy.save_file(halves, directory / "model.safetensors")
    checkpoint = open_checkpoint(directory)
    for weight in checkpoint.weights:
        expected = random_checkpoint(ARCHITECTURES["mobilebert"], Heads()).read(
            next(w for w in checkpoint.weights if w.name == weight.name)
        )
        np.testing.assert_array_equal(checkpoint.read(weight), expected.astype(ml_dtypes.bfloat16).astype(np.float32))


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.float64])
def test_other_types_are_refused(kind, write, capsys):
    directory = write("huggingface")
    name = "encoder.layer.0.attention.self.key.bias"
    rewrite(directory, lambda arrays: arrays.update({name: np.zeros(8, kind)}))
    assert cli.run(["convert", f"--input={directory}", f"--output={directory.parent / 'out'}"]) == 2
    assert f"block_0/attention/key/bias is {np.dtype(kind)}" in capsys.readouterr().err
    assert not (directory.parent / "out").exists()


def test_a_word_table_kept_under_the_decoders_name(write):
    directory = write("huggingface", heads="masked_words")
    table = "mobilebert.embeddings.word_embeddings.weight"
    rewrite(directory, lambda arrays: arrays.update({"cls.predictions.decoder.weight": arrays.pop(table)}))
    assert_same(random_checkpoint(ARCHITECTURES["mobilebert"], HEAD_SETS["masked_words"]), open_checkpoint(directory))


@pytest.mark.parametrize(
    "heads, change, message",
    [
        ("bare", {"architectures": ["MobileBertForSequenceClassification"]}, "has no head classifier; it has none"),
        ("masked_words", {"architectures": ["MobileBertForPreTraining"]}, "has the heads masked_words, next_sentence"),
        ("bare", {"architectures": ["RobertaModel"]}, "is of class RobertaModel"),
        ("bare", {"architectures": "BertModel"}, "must be a list"),
        ("classifier", {"problem_type": "ranking"}, "problem_type is 'ranking'; supported: None, 'single"),
        ("classifier", {"id2label": {"0": "a", "1": "a", "2": "b"}}, "two are the same"),
        ("classifier", {"id2label": {"0": "a", "1": "b\nc", "2": "d"}}, "is not one line of text"),
        ("classifier", {"id2label": {"0": "a", "1": " ", "2": "d"}}, "' ' is not one line of text"),
        (
            "classifier",
            {"id2label": {"0": "a", "1": "b", "2": "c"}, "label2id": {"a": 1, "b": 0, "c": 2}},
            "give 'a' different numbers",
        ),
        ("bare", {"hidden_act": ["relu"]}, "hidden_act is"),
        ("bare", {"classifier_dropout": "no"}, "config.json: classifier_dropout: is 'no'; it must be a number"),
        ("bare", {"model_type": {}}, "model_type is"),
        (
            "bare",
            {"num_hidden_layers": 10**9},
            "num_hidden_layers: is 1000000000; it must be a whole number of at most 1,000",
        ),
        ("bare", {"layer_norm_eps": -1.0}, "layer_norm_eps: is -1.0; it must be a number above 0"),
        ("bare", {"num_attention_heads": True}, "num_attention_heads: is True"),
    ],
)
def test_configurations_that_promise_something_else(heads, change, message, write):
    directory = write("huggingface", heads=heads)
    edit(directory / "config.json", **change)
    with pytest.raises(UsageError, match=message):
        open_checkpoint(directory)


@pytest.mark.parametrize("fine_tuned", [True, False])
def test_labels_that_two_files_name_differently(fine_tuned, write):
    """Either file may have been edited or copied from elsewhere; only numbered labels give way to names."""
    directory = write("huggingface", heads="classifier")
    if not fine_tuned:
        (directory / "task.json").unlink()
    (directory / "labels.txt").write_text("label 0\nlabel 2\nlabel 1\n")
    with pytest.raises(UsageError, match="config.json calls label 1 'label 1', labels.txt 'label 2'; make them equal"):
        open_checkpoint(directory)
    edit(directory / "config.json", id2label={str(i): f"LABEL_{i}" for i in range(3)}, label2id={})
    architecture = open_checkpoint(directory).architecture
    assert architecture.labels == architecture.task.labels == ("label 0", "label 2", "label 1")
    edit(directory / "config.json", id2label={str(i): f"other {i}" for i in range(3)})
    (directory / "labels.txt").write_text("LABEL_0\nLABEL_1\nLABEL_2\n")
    architecture = open_checkpoint(directory).architecture
    assert architecture.labels == architecture.task.labels == ("other 0", "other 1", "other 2")


def test_what_a_head_is_for_is_read_and_written(write):
    """The kind of task is `problem_type`, which transformers itself writes during training."""
    directory = write("huggingface", heads="classifier")
    (directory / "task.json").unlink()
    edit(directory / "config.json", problem_type="regression")
    with pytest.raises(UsageError, match="is a regression of 3 values; only one value is supported"):
        open_checkpoint(directory)
    edit(directory / "config.json", problem_type="multi_label_classification")
    checkpoint = open_checkpoint(directory)
    task = checkpoint.architecture.task
    assert task.name == "multilabel" and len(task.labels) == 3
    plain = ClassificationTask(("a", "b", "c"))
    for own, problem, said in (
        (
            dataclasses.replace(task, thresholds=(0.2, 0.7, 0.5)),
            "multi_label_classification",
            "labels have thresholds of their own here (thresholds from 0.20 to 0.70), and 0.5 there",
        ),
        (
            RegressionTask(offset=2.7, scale=1.5),
            "regression",
            "values are 2.7 + 1.5 x output here, and the output itself there",
        ),
        (
            dataclasses.replace(plain, temperature=1.5, threshold=0.9),
            None,
            "probabilities have a temperature 1.5, minimum probability 0.9 here, and there none",
        ),
        (plain, None, None),
    ):
        written = to_huggingface(checkpoint.config, checkpoint.heads, ("a", "b", "c"), own)
        assert written.get("problem_type") == problem
        assert deviations(checkpoint.config, checkpoint.heads, own) == ([said] if said else [])


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_of_a_directory_stands_for_it(name, write):
    directory = write("huggingface", heads="classifier")
    assert_same(open_checkpoint(directory), open_checkpoint(directory / name))


@pytest.mark.parametrize(
    "file, change, message",
    [
        ("tokenizer_config.json", {"tokenizer_class": "RobertaTokenizer"}, "is for RobertaTokenizer"),
        ("tokenizer_config.json", {"never_split": ["x"]}, "never_split"),
        ("tokenizer_config.json", {"unk_token": {"content": "<unk>"}}, "is called '<unk>'"),
        ("tokenizer_config.json", {"do_lower_case": "yes"}, "tokenizer_config.json: do_lower_case: is 'yes'"),
        ("tokenizer_config.json", {"do_lower_case": None}, "tokenizer_config.json: do_lower_case: is None; it must be"),
        ("tokenizer.json", {"normalizer": None}, "its normalizer is not BertNormalizer"),
        ("tokenizer.json", {"pre_tokenizer": {"type": "Whitespace"}}, "its pre_tokenizer is not BertPreTokenizer"),
        ("tokenizer.json", {"model": {"type": "BPE", "vocab": {}}}, "is not a WordPiece tokenizer"),
        ("tokenizer.json", {"post_processor": {"type": "RobertaProcessing"}}, "does not put .CLS. before"),
        (
            "tokenizer.json",
            {"post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}]}},
            "does not put .CLS. before",
        ),
        ("tokenizer.json", {"model": None}, "is not a WordPiece tokenizer"),
        ("tokenizer.json", {"model": {"vocab": {"[PAD]": 1}}}, "does not number the pieces"),
    ],
)
def test_tokenizers_of_another_kind(file, change, message, write):
    directory = write("huggingface")
    edit(directory / file, **change)
    with pytest.raises(UsageError, match=message):
        open_checkpoint(directory)


@pytest.mark.parametrize("name", ["merges.txt", "spiece.model"])
def test_tokenizers_in_other_files(name, write):
    directory = write("huggingface")
    for own in ("vocab.txt", "tokenizer.json", "tokenizer_config.json"):
        (directory / own).unlink()
    assert open_checkpoint(directory).architecture.tokenizer is None
    (directory / name).write_text("x")
    with pytest.raises(UsageError, match=f"{name}: belongs to a tokenizer other than WordPiece"):
        open_checkpoint(directory)


@pytest.mark.parametrize("beside", [True, False])
def test_adapters_are_not_left_out(beside, write):
    directory = write("huggingface")
    (directory / "adapter_config.json").write_text("{}")
    if not beside:
        (directory / "model.safetensors").rename(directory / "adapter_model.safetensors")
    with pytest.raises(UsageError, match="adapter_config.json: belongs to an adapter"):
        open_checkpoint(directory)


@pytest.mark.parametrize("name", ["flax_model.msgpack", "model.onnx", "tf_model.h5", "saved_model.pb", "m.gguf"])
def test_models_in_other_forms_are_named(name, tmp_path):
    (tmp_path / name).write_text("x")
    with pytest.raises(UsageError, match=f"{name}: has an unsupported format"):
        open_checkpoint(tmp_path)


def test_rules_that_no_file_states(write):
    """A bare vocabulary has the word limit of its format; capital letters mean a cased model."""
    for world, longest in (("huggingface", 100), ("tf1", 200)):
        directory = write(world, place=world)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (directory / name).unlink(missing_ok=True)
        rules = open_checkpoint(directory).architecture.tokenizer.rules
        assert rules == Rules(max_characters_per_word=longest)
        vocab = directory / "vocab.txt"
        vocab.write_text(vocab.read_text().replace("\nz\n", "\nZ\n"))
        rules = open_checkpoint(directory).architecture.tokenizer.rules
        assert (rules.lower_case, rules.strip_accents) == (False, False)


def test_settings_win_over_the_fast_tokenizer(write):
    directory = write("huggingface")
    edit(directory / "tokenizer_config.json", do_lower_case=True, strip_accents=None)
    rules = open_checkpoint(directory).architecture.tokenizer.rules
    assert (rules.lower_case, rules.strip_accents, rules.max_characters_per_word) == (True, True, 77)


def test_several_checkpoints_in_a_directory(write, tmp_path):
    directory = write("tf1")
    name = "mobilebert_variables.ckpt"
    for end in (".index", ".data-00000-of-00001"):
        (directory / f"model.ckpt-900{end}").write_bytes((directory / f"{name}{end}").read_bytes())
    assert open_checkpoint(directory).files[0].name.startswith(name)
    # TensorFlow writes the path at which the checkpoint was made.
    (directory / "checkpoint").write_text('model_checkpoint_path: "/elsewhere/model.ckpt-900"\n')
    assert open_checkpoint(directory).files[0].name.startswith("model.ckpt-900")
    (directory / "checkpoint").unlink()
    with pytest.raises(UsageError, match="has several checkpoints .mobilebert_variables.ckpt, model.ckpt-900."):
        open_checkpoint(directory)
    assert open_checkpoint(directory / "model.ckpt-900").files[0].name.startswith("model.ckpt-900")


@pytest.mark.parametrize(
    "end", ["bert_config.json", "checkpoint", *(f"NAME.{e}" for e in ("index", "meta", "data-00000-of-00001"))]
)
def test_any_file_of_a_checkpoint_stands_for_it(end, write):
    directory = write("tf1")
    (directory / "mobilebert_variables.ckpt.meta").write_bytes(b"graph")
    checkpoint = open_checkpoint(directory / end.replace("NAME", "mobilebert_variables.ckpt"))
    assert_same(random_checkpoint(ARCHITECTURES["mobilebert"], Heads()), checkpoint)


@pytest.mark.parametrize("world, name", [("tf1", "checkpoint"), ("huggingface", "config.json")])
def test_new_weights_behind_a_file_are_noticed(world, name, write, tmp_path, capsys):
    directory = write(world)
    words = ["convert", f"--input={directory / name}", f"--output={tmp_path / 'out'}"]
    assert cli.run(words) == cli.run(words) == 0
    WORLDS[world](random_checkpoint(ARCHITECTURES["mobilebert"], Heads(), seed=1), directory)
    assert cli.run(words) == 2
    assert "was begun with --input" in capsys.readouterr().err


def test_a_file_that_stands_for_no_model(write):
    directory = write("tf1")
    with pytest.raises(UsageError, match="vocab.txt: is not a model file; give a model directory, or the prefix"):
        open_checkpoint(directory / "vocab.txt")
    for path in directory.glob("*.index"):
        path.unlink()
    with pytest.raises(UsageError, match="checkpoint: is not a model file"):
        open_checkpoint(directory / "checkpoint")


def test_the_configuration_of_a_model_directory_describes_a_checkpoint_too(write):
    directory, own = write("tf1", "mobilebert_without_opt"), write("keras", "mobilebert_without_opt", place="own")
    (directory / "bert_config.json").unlink()
    checkpoint = open_checkpoint(directory, Reading(config=str(own / "config.json")))
    assert checkpoint.config == ARCHITECTURES["mobilebert_without_opt"]
    edit(own / "config.json", num_hidden_layers=3)
    with pytest.raises(UsageError, match=r"--config=.*own/config.json says 3 blocks \(num_hidden_layers\)"):
        open_checkpoint(directory, Reading(config=str(own / "config.json")))


def test_new_weights_behind_a_prefix_are_noticed(write, tmp_path, capsys):
    directory = write("tf1")
    words = ["convert", f"--input={directory / 'mobilebert_variables.ckpt'}", f"--output={tmp_path / 'out'}"]
    assert cli.run(words) == 0
    other = random_checkpoint(ARCHITECTURES["mobilebert"], Heads(), seed=1)
    WORLDS["tf1"](other, directory)
    assert cli.run(words) == 2
    assert "was begun with --input" in capsys.readouterr().err


def test_weights_that_lie_in_another_file(write, tmp_path):
    directory = write("keras", heads="classifier")
    secret = tmp_path / "secret"
    secret.write_bytes(b"s" * 12)
    with h5py.File(directory / "model.weights.h5", "r+") as file:
        del file["classifier/dense/bias"]
        file.create_dataset("classifier/dense/bias", (3,), "f4", external=[(str(secret), 0, 12)])
    with pytest.raises(UsageError, match="is stored in another file"):
        open_checkpoint(directory)


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "task.json"])
def test_json_of_endless_depth(file, write):
    directory = write("huggingface", heads="classifier")
    (directory / file).write_text("[" * 100_000)
    with pytest.raises(UsageError, match="is not readable as JSON"):
        open_checkpoint(directory)


def test_a_record_of_another_program_is_no_obstacle(write, tmp_path):
    directory = write("huggingface")
    (directory / "run.json").write_text('{"lr": 1}')
    assert cli.run(["convert", f"--input={directory}", f"--output={tmp_path / 'out'}"]) == 0


def test_what_google_computes_differently_is_said(write, tmp_path, capsys):
    directory = write("huggingface", "mobilebert_without_opt")
    edit(directory / "config.json", hidden_act="gelu", mobilebert_tf={})
    assert cli.run(["convert", f"--input={directory}", f"--output={tmp_path / 'tf1'}", "--to=tf1"]) == 0
    printed = capsys.readouterr().out
    assert "warning: gelu is exact here" in printed and "warning: LayerNorms have epsilon 1e-05 here" in printed


def test_another_safetensors_file_is_not_taken_for_the_model(write):
    directory = write("huggingface")
    assert open_checkpoint(directory / "model.safetensors").world == "huggingface"
    with pytest.raises(UsageError, match="no such model"):
        open_checkpoint(directory / "other.safetensors")


@pytest.mark.parametrize("means, pooling", [(True, "mean"), (False, "cls")])
def test_sentence_transformers_say_what_their_vectors_are(means: bool, pooling: str, write, capsys) -> None:
    """A classifier begins with the pooling that was trained; an untrained pooler is left out."""
    directory = write("huggingface", "bert")
    (directory / "1_Pooling").mkdir()
    settings = {"pooling_mode_cls_token": not means, "pooling_mode_mean_tokens": means}
    (directory / "1_Pooling" / "config.json").write_text(json.dumps(settings))
    checkpoint = open_checkpoint(directory)
    assert (checkpoint.config.classifier_pooling, checkpoint.config.classifier_activation) == (pooling, not means)
    assert set(checkpoint.passed_over) == ({"pooler.dense.weight", "pooler.dense.bias"} if means else set())


def sentence_transformer(directory: Path, pooling: dict[str, object], *more: str) -> None:
    """Add the files of a sentence-transformers model, with these modules after its pooling."""
    kinds = ("Transformer", "Pooling", *more)
    paths = ("", *(f"{i}_{kind}" for i, kind in enumerate(kinds) if i))
    types = (kind if "." in kind else f"sentence_transformers.models.{kind}" for kind in kinds)
    listed = [
        {"idx": i, "name": str(i), "path": p, "type": t} for i, (p, t) in enumerate(zip(paths, types, strict=True))
    ]
    (directory / "modules.json").write_text(json.dumps(listed))
    (directory / "1_Pooling").mkdir()
    (directory / "1_Pooling" / "config.json").write_text(json.dumps(pooling))


CLS = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": False}


@pytest.mark.parametrize(
    "pooling, more, said",
    [
        (
            CLS,
            ["Normalize"],
            "1_Pooling/config.json makes its sentence vectors of cls, and here they are the mean of the",
        ),
        ({**CLS, "pooling_mode_mean_tokens": True}, [], "makes its sentence vectors of cls and mean"),
        ({"pooling_mode": "lasttoken"}, [], "makes its sentence vectors of lasttoken"),
        ({"pooling_mode_mean_tokens": True}, ["Dense"], "modules.json sends its sentence vectors through Dense, which"),
        ({"pooling_mode_mean_tokens": True}, ["own.Normalize"], "through own.Normalize, which"),
    ],
)
@pytest.mark.parametrize("world", WORLDS)
def test_sentence_vectors_that_are_no_means(world, pooling, more, said, write, tmp_path, capsys):
    """Means must not pass for such vectors, in any format; a classifier can still begin with the model."""
    sentence_transformer(write("huggingface", "bert"), pooling, *more)
    taken = tmp_path / "taken"
    assert cli.run(["convert", f"--input={tmp_path / 'model'}", f"--output={taken}", f"--to={world}"]) == 0
    assert said in capsys.readouterr().out
    assert load_model_directory(taken).modules == load_model_directory(tmp_path / "model").modules
    with pytest.raises(UsageError, match=f"{taken}: .*{said}.*; it can become a classifier"):
        load_model_for(taken, "embedding")


@pytest.mark.parametrize("pooling", [{"pooling_mode_mean_tokens": True}, {"pooling_mode": "mean"}, {}])
def test_sentence_vectors_that_are_means(pooling, write, tmp_path, capsys):
    directory = write("huggingface", "bert")
    sentence_transformer(directory, pooling, "Normalize")
    assert cli.run(["convert", f"--input={directory}", f"--output={tmp_path / 'taken'}"]) == 0
    assert "warning" not in capsys.readouterr().out
    assert load_model_for(tmp_path / "taken", "embedding").config.classifier_pooling == "mean"


def test_a_transformer_beside_its_modules(write, tmp_path):
    """In the first versions of sentence-transformers, the parent directory describes the model's pooling."""
    directory = write("huggingface", "bert", place="0_Transformer")
    sentence_transformer(tmp_path, CLS)
    listed = json.loads((tmp_path / "modules.json").read_text())
    (tmp_path / "modules.json").write_text(json.dumps([{**listed[0], "path": directory.name}, listed[1]]))
    with pytest.raises(UsageError, match="sentence vectors of cls"):
        load_model_for(directory, "embedding")
    listed[1]["path"] = "../elsewhere"
    (tmp_path / "modules.json").write_text(json.dumps([{**listed[0], "path": directory.name}, listed[1]]))
    with pytest.raises(UsageError, match="modules.json: path: '../elsewhere' is not a plain name"):
        load_model_for(directory, "embedding")
