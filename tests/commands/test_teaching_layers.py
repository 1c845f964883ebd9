"""`finetune --teacher_layer_epochs`: feature maps by NumPy, a stop between the stages, teachers that do not fit."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.commands import finetune
from mobilebert_tf.model_directory import load_model_directory

from .conftest import Complain
from .test_finetune_teacher import finetune as words_of
from .test_finetune_teacher import teacher  # noqa: F401

LAYERS = ["--teacher_layer_epochs=40", "--learning_rate=1e-9", "--epochs=1", "--eval=none"]


def distance(one: Path, other: Path, texts: list[str]) -> list[float]:
    """Mean squared difference of the feature maps of two models, each token's standardised, by layer, in float64."""
    maps = []
    for directory in (one, other):
        loaded = load_model_directory(directory)
        ids = [loaded.tokenizer.encode(text).ids for text in texts]
        length = max(map(len, ids))
        mask = np.array([[1] * len(row) + [0] * (length - len(row)) for row in ids], np.int32)
        batch = {
            "input_ids": np.array([row + [0] * (length - len(row)) for row in ids], np.int32),
            "input_mask": mask,
            "segment_ids": np.zeros_like(mask),
        }
        outputs = loaded.model.encoder(batch)["feature_maps"]
        real = [np.asarray(one, np.float64)[mask.astype(bool)] for one in outputs]
        maps.append([(one - one.mean(-1, keepdims=True)) / one.std(-1, keepdims=True) for one in real])
    return [float(np.square(a - b).mean()) for a, b in zip(*maps, strict=True)][1:]


def test_layers_become_like_the_teachers(
    made: Path,
    teacher: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Learn the layers, with a rate for the labels that changes nothing; once in one go, once stopped in between."""
    words = [f"--train={made / 'train.tsv'}", f"--teacher={teacher}", *LAYERS]
    assert cli.run(words_of(made, tmp_path / "whole", *words)) == 0
    assert "come first: 60 steps of 16 on 24 texts" in capsys.readouterr().out
    texts = [line.split("\t")[0] for line in (made / "train.tsv").read_text().splitlines()[1:]]
    before, after = (distance(directory, teacher, texts) for directory in (made / "student", tmp_path / "whole"))
    assert all(b < 0.5 * a for a, b in zip(before, after, strict=True)), (before, after)

    stopped = words_of(made, tmp_path / "stopped", *words)
    with monkeypatch.context() as patch:
        patch.setattr(finetune.teaching, "learn", _interrupt)
        assert cli.run(stopped) == 1
    logged = (tmp_path / "stopped" / "log.jsonl").read_text()
    assert {json.loads(line)["stage"] for line in logged.splitlines()} == {"teacher_layers"}
    assert cli.run(stopped) == 0
    again = (tmp_path / "stopped" / "log.jsonl").read_text()
    assert again.startswith(logged) and again.count('"teacher_layers"') == logged.count('"teacher_layers"')
    one, other = ((tmp_path / name / "model.weights.h5").read_bytes() for name in ("whole", "stopped"))
    assert one == other


def test_texts_without_labels_teach_too(
    made: Path,
    teacher: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Label 4 rows and give all 24 as texts: the layers become like the teacher's on those without labels too."""
    rows = (made / "train.tsv").read_text().splitlines()
    (tmp_path / "few.tsv").write_text("\n".join(rows[:5]) + "\n")
    (tmp_path / "all.tsv").write_text("\n".join(["text", *(row.split("\t")[0] for row in rows[5:])]) + "\n")
    words = ["--train=few.tsv", f"--data_dir={tmp_path}", f"--teacher={teacher}", *LAYERS]
    for name, more in (("few", []), ("all", ["--teacher_texts=all.tsv"])):
        assert cli.run(words_of(made, tmp_path / name, *words, *more)) == 0
    printed = capsys.readouterr().out
    assert "10 steps of 16 on 4 texts" in printed and "60 steps of 16 on 24 texts" in printed
    others = [row.split("\t")[0] for row in rows[5:]]
    few, many = (distance(tmp_path / name, teacher, others) for name in ("few", "all"))
    assert all(b < 0.7 * a for a, b in zip(few, many, strict=True)), (few, many)


def test_what_the_layers_give_is_measured_and_kept(
    made: Path,
    teacher: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    complain: Complain,
) -> None:
    """With labels that change nothing, the best weights are those before the first label; flags of steps hold for both
    stages, and a row of texts that cannot be used is left out if asked for."""
    rows = (made / "train.tsv").read_text().splitlines()
    (tmp_path / "texts.jsonl").write_text('{"text": "ban bel"}\n{"text": \n' + f'{{"text": "{rows[1][:30]}"}}\n')
    train = f"--train={made / 'train.tsv'}"
    words = [train, f"--teacher={teacher}", "--learning_rate=0", "--epochs=1", "--teacher_layer_epochs=4"]
    words += [f"--eval={made / 'train.tsv'}", "--accumulate_steps=2", "--freeze=classifier,block_0", "--keep=best"]
    output = tmp_path / "out"
    run = words_of(made, output, *words, f"--teacher_texts={tmp_path / 'texts.jsonl'}")
    assert "line 2: " in complain(*run) and not output.exists()
    assert cli.run([*run, "--skip_bad_rows"]) == 0
    printed = capsys.readouterr()
    assert "3 steps of 32 on 26 texts" in printed.out and "--teacher_texts: 1 row left out; the first: " in printed.err
    log = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    first = next(row for row in log if row["stage"] == "finetune")
    assert first["step"] == 0 and "held_out/accuracy" in first and log[0]["stage"] == "teacher_layers"
    assert json.loads((output / "metrics.json").read_text())["kept"]["step"] == 0
    one, other = (load_model_directory(place).model.encoder for place in (made / "student", output))
    changed = {
        a.path.split("/")[0]
        for a, b in zip(one.trainable_weights, other.trainable_weights, strict=True)
        if not np.array_equal(np.asarray(a), np.asarray(b))
    }
    assert changed == {"embeddings", *(f"block_{i}" for i in range(1, one.config.num_hidden_layers))}
    line = complain(*run, "--skip_bad_rows", "--accept_changes", "--epochs=2", "--teacher_layer_epochs=5")
    assert "has trained already, so --teacher_layer_epochs must stay as it was" in line
    everything = f"--freeze=embeddings,block_0..block_{one.config.num_hidden_layers - 1}"
    line = complain(*words_of(made, tmp_path / "none", *words, everything))
    assert "leaves no layer to teach; leave --teacher_layer_epochs out" in line
    aware = ["finetune", "--quantization_aware", f"--model={output}", train, f"--teacher={teacher}"]
    line = complain(*aware, "--teacher_layer_epochs=1", f"--output={tmp_path / 'aware'}")
    assert "--teacher_layer_epochs=1.0: does not go with --quantization_aware" in line


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_teachers_whose_layers_cannot_be_compared(
    made: Path,
    teacher: Path,  # noqa: F811
    complain: Complain,
    tmp_path: Path,
) -> None:
    def said(*words: str) -> str:
        line = complain(*words_of(made, tmp_path / "out", f"--train={made / 'train.tsv'}"), *words)
        assert not (tmp_path / "out").exists()
        return line

    assert "--teacher_layer_epochs: has no meaning without --teacher" in said("--teacher_layer_epochs=1")
    texts = f"--teacher_texts={made / 'train.tsv'}"
    assert "--teacher_texts: is for learning layers; give --teacher_layer_epochs" in said(f"--teacher={teacher}", texts)
    missing = f"--teacher_texts={tmp_path / 'missing.tsv'}"
    assert "missing.tsv: no such file" in said(f"--teacher={teacher}", "--teacher_layer_epochs=1", missing)
    other = Path(shutil.copytree(teacher, tmp_path / "other"))
    rules = json.loads((other / "tokenizer.json").read_text())
    vocabulary = (other / "vocab.txt").read_text().splitlines()
    (other / "vocab.txt").write_text("\n".join([*vocabulary[:-1], "changed"]) + "\n")
    (other / "tokenizer.json").write_text(json.dumps({k: v for k, v in rules.items() if k != "vocab_sha256"}))
    line = said(f"--teacher={other}", "--teacher_layer_epochs=1")
    assert "its vocabulary differs from that of --model, but layers (--teacher_layer_epochs) are taught word" in line
    wide = tmp_path / "wide"
    config = json.loads((made / "student" / "config.json").read_text())
    narrow = {**config, "hidden_size": config["hidden_size"] // 2, "num_hidden_layers": 1}
    (tmp_path / "narrow.json").write_text(json.dumps(narrow))
    pretrain = ["pretrain", f"--records={made / 'records'}", f"--model={tmp_path / 'narrow.json'}", "--steps=1"]
    assert cli.run([*pretrain, "--batch_size=4", f"--output={tmp_path / 'narrow'}"]) == 0
    words = [f"--train={made / 'train.tsv'}", "--epochs=1", "--max_seq_length=16"]
    assert cli.run(["finetune", f"--model={tmp_path / 'narrow'}", f"--output={wide}", *words]) == 0
    line = said(f"--teacher={wide}", "--teacher_layer_epochs=1")
    width = config["hidden_size"]
    assert f"feature maps are {width // 2} wide in the teacher and {width} in the student" in line
