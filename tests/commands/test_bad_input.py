"""Wrong input to commands that train and use models gives one clear line; the corrected command then works."""

import json
import shutil
from pathlib import Path

import pytest

from mobilebert_tf import cli
from mobilebert_tf.data import records

from .conftest import TRAINING, Complain


def finetune(made: Path, output: Path, **changes: object) -> list[str]:
    values = {"model": made / "student", "train": made / "train.tsv", "max_seq_length": 32, "epochs": 0.5, **changes}
    return ["finetune", f"--output={output}", *(f"--{name}={value}" for name, value in values.items()), *TRAINING]


def pretrain(made: Path, output: Path, **changes: object) -> list[str]:
    values = {"records": made / "records", "model": "debug_student", "steps": 4, **changes}
    return ["pretrain", f"--output={output}", *(f"--{name}={value}" for name, value in values.items()), *TRAINING]


@pytest.mark.parametrize(
    "flag, range",
    [
        ("--batch_size=0", "at least 1"),
        ("--seed=-1", "at least 0"),
        ("--epochs=nan", "must be a finite number"),
        ("--epochs=1e308", "at most 1,000,000"),
        ("--batch_size=99999999999999999999", "at most 65,536"),
        ("--checkpoint_every=99999999999999999999", "at most 1,000,000,000"),
        ("--max_seq_length=1", "at least 3"),
        ("--warmup_proportion=2", "at most 1"),
        ("--keep_checkpoints=0", "at least 1"),
    ],
)
def test_numbers_out_of_range(flag: str, range: str, made: Path, tmp_path: Path, complain: Complain) -> None:
    line = complain(*finetune(made, tmp_path / "output"), flag)
    assert flag.split("=")[0] in line and range in line
    assert not (tmp_path / "output").exists()


def test_warmup_beyond_the_steps(made: Path, tmp_path: Path, complain: Complain) -> None:
    assert "--warmup_steps=5: is more than --steps=4" in complain(*pretrain(made, tmp_path / "x"), "--warmup_steps=5")


def test_answers_within_a_text_have_no_pooling(made: Path, tmp_path: Path, complain: Complain) -> None:
    (tmp_path / "words.conll").write_text("ban B-x\ndan O\n\nfan O\n\n" * 9)
    flags = {"train": tmp_path / "words.conll", "task": "entities", "pooling": "mean"}
    assert "--pooling: is for one answer per text; --task=entities" in complain(
        *finetune(made, tmp_path / "o", **flags)
    )
    assert not (tmp_path / "o").exists()


def test_required_flags_are_named_together(complain: Complain) -> None:
    assert "--output, --train, --model must be given" in complain("finetune")


def test_flag_file_that_is_no_text(tmp_path: Path, complain: Complain) -> None:
    (tmp_path / "binary.flags").write_bytes(b"--steps=\xff\xfe")
    assert "binary.flags: is not UTF-8 text" in complain("pretrain", f"--flagfile={tmp_path}/binary.flags")


def edited(source: Path, target: Path, file: str, **changes: object) -> Path:
    """Copy a model directory, with other values in one of its JSON files."""
    shutil.copytree(source, target)
    path = target / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return target


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"num_hidden_layers": 3}, "config.json says 3 blocks (num_hidden_layers), the file has 2"),
        ({"num_hidden_layers": 1}, "config.json says 1 blocks (num_hidden_layers), the file has 2"),
        ({"intermediate_size": 40}, "feedforward_0/intermediate/kernel has shape [16, 32], its configuration makes it"),
        ({"hidden_size": "wide"}, "config.json: hidden_size: is 'wide'"),
        ({"layer_norm_eps": "small"}, "config.json: layer_norm_eps: is 'small'"),
        ({"use_bottleneck": 3}, "config.json: use_bottleneck: is 3"),
    ],
)
def test_model_of_another_architecture(
    changes: dict[str, object], message: str, made: Path, tmp_path: Path, complain: Complain
) -> None:
    model = edited(made / "student", tmp_path / "model", "config.json", **changes)
    line = complain(*finetune(made, tmp_path / "output", model=model))
    assert message in line and str(model) in line
    # Nothing is left behind that would stop the corrected command.
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    "file, content, message",
    [
        ("task.json", b"[]", "is []; it must be an object"),
        ("task.json", b'{"task": "classification", "colour": 1}', "unknown field 'colour'"),
        ("task.json", b'{"task": "classification", "max_seq_length": 65}', "position table"),
        ("task.json", b'{"task": "classification", "max_seq_length": "a"}', "max_seq_length: is 'a'"),
        ("labels.txt", b"\xff\xfe\n", "is not UTF-8 text"),
    ],
)
def test_damaged_task(
    file: str, content: bytes, message: str, classifier_directory: Path, tmp_path: Path, complain: Complain
) -> None:
    model = tmp_path / "model"
    shutil.copytree(classifier_directory, model)
    (model / file).write_bytes(content)
    line = complain("predict", f"--model={model}", "--text=a")
    assert message in line and str(model) in line


def test_a_file_where_a_directory_is_needed(made: Path, tmp_path: Path, complain: Complain) -> None:
    line = complain(*finetune(made, tmp_path / "output", model=made / "text.txt"))
    assert "text.txt: is not a model file" in line


@pytest.mark.parametrize(
    "change, said",
    [
        ([], "is []; it must be an object"),
        ({"masking": None}, "masking: is None; it must be text"),
        ({"masking": "words"}, "masking: is 'words'; it must be one of token, whole_word, dynamic"),
        ({"masking": "dynamic"}, "features are not those of masking=dynamic"),
        ({"examples": 0}, "examples: is 0; it must be a whole number of at least 1"),
        ({"examples": 10.5}, "examples: is 10.5; it must be a whole number"),
        ({"examples": 100_000}, "examples is 100,000, its files have"),
        ({"max_seq_length": "32"}, "max_seq_length: is '32'; it must be a whole number"),
        ({"masked_lm_prob": float("nan")}, "masked_lm_prob: is nan; it must be a finite number"),
        ({"files": {}}, "its files have 0"),
        (
            {"files": {"a.tfrecord": {"bytes": 0, "examples": 7}}, "examples": 7},
            "a.tfrecord has 0 bytes, too few",
        ),
        ({"files": {"a.tfrecord": {"bytes": -1, "examples": 7}}}, "a.tfrecord: bytes: is -1"),
    ],
)
def test_damaged_index_of_records(change, said: str, made: Path, tmp_path: Path, complain: Complain) -> None:
    shutil.copytree(made / "records", tmp_path / "records")
    path = tmp_path / "records" / "records.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change} if change else change))
    line = complain(*pretrain(made, tmp_path / "output", records=tmp_path / "records"))
    assert "records.json: " in line and said in line
    assert not (tmp_path / "output").exists()


def test_records_that_hold_something_else(made: Path, tmp_path: Path, complain: Complain) -> None:
    """Checksums, sizes and counts are right, but lists have another length than the index says."""
    shutil.copytree(made / "records", tmp_path / "records")
    path = tmp_path / "records" / "records.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "max_seq_length": 31}))
    line = complain(*pretrain(made, tmp_path / "output", records=tmp_path / "records"))
    assert f"{tmp_path / 'records'}/records-00000-of-" in line
    assert ": a record does not match what records.json says (Key: " in line


@pytest.mark.parametrize("change", [-1, 1])
def test_records_of_another_number(change: int, made: Path, tmp_path: Path, complain: Complain) -> None:
    """Sizes and the total are right, but one of the two files has another number of records than the index says."""
    shutil.copytree(made / "records", tmp_path / "records")
    path = tmp_path / "records" / "records.json"
    index = json.loads(path.read_text())
    name = sorted(index["files"])[-1]
    count = index["files"][name]["examples"]
    index["files"][name]["examples"] += change
    index["examples"] += change
    path.write_text(json.dumps(index))
    line = complain(*pretrain(made, tmp_path / "output", records=tmp_path / "records"))
    file = tmp_path / "records" / name
    assert f"{file}: has {count} records, records.json says {count + change}; make the records again" in line


@pytest.mark.parametrize(
    "feature, value, said",
    [
        ("masked_lm_ids", 10**6, "masked_lm_ids outside of 0 to "),
        ("masked_lm_positions", -1, "masked_lm_positions outside of 0 to 31"),
        ("segment_ids", 7, "segment_ids outside of 0 to 1"),
    ],
)
def test_contents_that_cannot_be(
    feature: str, value: int, said: str, made: Path, tmp_path: Path, complain: Complain
) -> None:
    """Checksums, lengths and counts are right; the line names the file with the wrong record."""
    import tensorflow as tf

    shutil.copytree(made / "records", tmp_path / "records")
    file = sorted((tmp_path / "records").glob("*.tfrecord"))[-1]
    examples = [records.example_message().FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(file))]
    for example in examples:
        example.features.feature[feature].int64_list.value[1] = value
    with tf.io.TFRecordWriter(str(file)) as writer:
        for example in examples:
            writer.write(example.SerializeToString(deterministic=True))
    path = tmp_path / "records" / "records.json"
    index = json.loads(path.read_text())
    index["files"][file.name]["bytes"] = file.stat().st_size
    path.write_text(json.dumps(index))
    line = complain(*pretrain(made, tmp_path / "output", records=tmp_path / "records"))
    assert f"{file}: a record does not match what records.json says ({said}" in line


def test_records_that_lie_elsewhere(made: Path, tmp_path: Path, complain: Complain) -> None:
    """The index names files of another directory, of the right size and number."""
    shutil.copytree(made / "records", tmp_path / "records")
    index = json.loads((made / "records" / "records.json").read_text())
    index["files"] = {f"../records/{name}": file for name, file in index["files"].items()}
    (tmp_path / "records" / "records.json").write_text(json.dumps(index))
    line = complain(*pretrain(made, tmp_path / "output", records=tmp_path / "records"))
    assert "records.json: files: '../records/records-00000-of-" in line and "is not a plain name" in line


@pytest.mark.parametrize(
    "record, reason",
    [
        ("[]", "is []; it must be an object"),
        ("{}", "has no 'identity'"),
        ('{"identity": {}}', "identity: has no 'command'"),
        ('{"identity": {"command": "pretrain"}, "outputs": {"a": 3}}', "outputs: a: is 3; it must be an object"),
        ('{"identity": {"command": "pretrain"}, "seconds": "3"}', "seconds: is '3'; it must be a number or null"),
        ("no JSON", "is not readable as JSON"),
    ],
)
def test_damaged_record_of_a_run(record: str, reason: str, made: Path, tmp_path: Path, complain: Complain) -> None:
    (tmp_path / "run.json").write_text(record)
    line = complain(*pretrain(made, tmp_path))
    assert f"{tmp_path / 'run.json'}: {reason}; delete that directory to start over" in line
    assert (tmp_path / "run.json").read_text() == record


def test_held_out_records_are_checked_before_training(made: Path, tmp_path: Path, complain: Complain) -> None:
    line = complain(*pretrain(made, tmp_path / "output", held_out=tmp_path / "none"))
    assert f"{tmp_path / 'none'}: no such directory" in line
    assert not (tmp_path / "output").exists()


def test_damaged_held_out_record(made: Path, tmp_path: Path, complain: Complain) -> None:
    shutil.copytree(made / "records", tmp_path / "records")
    for file in (tmp_path / "records").glob("*.tfrecord"):
        content = bytearray(file.read_bytes())
        content[20] ^= 0xFF
        file.write_bytes(content)
    line = complain(*pretrain(made, tmp_path / "output", held_out=tmp_path / "records"))
    assert f"{tmp_path / 'records'}/records-00000-of-" in line and ": a record is damaged" in line


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


@pytest.fixture
def unfinished(made: Path, tmp_path: Path) -> Path:
    """The directory of a pre-training that was stopped after its last checkpoint."""
    teacher = tmp_path / "student"
    shutil.copytree(made / "student", teacher)
    record = json.loads((teacher / "run.json").read_text())
    del record["finished"]
    (teacher / "run.json").write_text(json.dumps(record))
    return teacher


def test_list_of_checkpoints_cut_short(unfinished: Path, made: Path) -> None:
    """Without a readable list, the two checkpoints in the directory are still found."""
    [stage] = (unfinished / "checkpoints").iterdir()
    cut(stage / "checkpoint")
    assert cli.run(pretrain(made, unfinished)) == 0


def test_checkpoint_cut_short(unfinished: Path, made: Path, complain: Complain) -> None:
    """Damage each file of the newest and the older checkpoint; following the line's advice then works."""
    [stage] = (unfinished / "checkpoints").iterdir()
    for name in ("ckpt-4.data-00000-of-00001", "ckpt-4.index"):
        newest, older = stage / name, stage / name.replace("ckpt-4", "ckpt-2")
        whole = {path: path.read_bytes() for path in (newest, older)}
        cut(newest)
        older.write_bytes(b"")
        line = complain(*pretrain(made, unfinished))
        assert "the checkpoint is damaged" in line and f"delete {stage} to redo this stage" in line
        for path, content in whole.items():
            path.write_bytes(content)
    shutil.rmtree(stage)
    assert cli.run(pretrain(made, unfinished)) == 0


def test_loss_that_is_not_finite(made: Path, tmp_path: Path, complain: Complain) -> None:
    line = complain(*finetune(made, tmp_path / "output", learning_rate="10", epochs=2), "--clip_norm=0", status=1)
    assert "the loss is" in line and "learning rate" in line


def test_full_disk(made: Path, tmp_path: Path, complain: Complain, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow writes checkpoints itself and has its own error for a full disk."""
    import tensorflow as tf

    from mobilebert_tf.training.checkpoints import Checkpoints

    def save(self: Checkpoints, step: int) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "{{node SaveV2}} /full/ckpt-2.data; No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "save", save)
        line = complain(*pretrain(made, tmp_path / "output"), status=1)
    assert "/full/ckpt-2.data: no space left" in line
    assert cli.run(pretrain(made, tmp_path / "output")) == 0


def test_report_of_nothing(complain: Complain) -> None:
    assert "--input=: is empty; give a value" in complain("report", "--input=")
    assert "names no file or directory" in complain("report", "--input=,")


def test_records_of_other_rules_than_the_teacher_s(made: Path, tmp_path: Path, complain: Complain) -> None:
    other = Path(shutil.copytree(made / "records", tmp_path / "records"))
    rules = other / "tokenizer.json"
    rules.write_text(rules.read_text().replace('"strip_accents": true', '"strip_accents": false'))
    words = [f"--teacher={made}/student", "--student=debug_student", f"--output={tmp_path}/out"]
    line = complain("distill", *words, f"--records={other}")
    assert "or with other rules for case and accents" in line
    line = complain("distill", *words, f"--records={made}/records", f"--held_out={other}")
    assert "or other rules for case and accents" in line


def test_labels_that_differ_in_capitals_alone(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "train.csv"
    table.write_text((made / "train.tsv").read_text().replace("\ta\n", "\tA \n", 3).replace("\t", ";"))
    words = ["finetune", f"--model={made}/student", f"--train={table}", f"--eval={made}/train.tsv", "--epochs=1"]
    words += ["--max_seq_length=16", *TRAINING]
    assert cli.run([*words, f"--output={tmp_path}/apart"]) == 0
    assert "--merge_labels" in capsys.readouterr().err
    assert (tmp_path / "apart" / "labels.txt").read_text() == "A \na\nb\n"
    assert cli.run([*words, f"--output={tmp_path}/merged", "--merge_labels"]) == 0
    printed = capsys.readouterr().err
    assert "--merge_labels" not in printed and "columns separated by semicolons" in printed
    assert (tmp_path / "merged" / "labels.txt").read_text() == "a\nb\n"
    # The trained model reads such tables too.
    assert cli.run(["evaluate", f"--model={tmp_path}/merged", f"--input={table}"]) == 0
