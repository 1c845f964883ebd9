"""Refusals of `distill`, all before any training: inputs that do not fit together, and plans that make no sense."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli, load_model_directory
from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.transfer import plan_file, strategies

from .conftest import Complain


def distill(made: Path, output: Path, **changes: object) -> list[str]:
    values = {"teacher": made / "student", "records": made / "records", "student": "debug_student", **changes}
    return ["distill", f"--output={output}", *(f"--{name}={value}" for name, value in values.items())]


def preset(made: Path, place: Path, **changes: object) -> Path:
    """Write the student's configuration, with other values, to a file."""
    words = json.loads((made / "student" / "config.json").read_text())["vocab_size"]
    config = MobileBertConfig.preset("debug_student", **{"vocab_size": words, **changes})
    (place / "config.json").write_text(config.to_json())
    return place / "config.json"


@pytest.mark.parametrize(
    "change, said",
    [
        ({"hidden_size": 64}, "hidden_size is 32 in the teacher and 64 in the student"),
        ({"embedding_size": 8}, "embedding_size is 16 in the teacher and 8 in the student"),
        ({"max_position_embeddings": 16}, "examples have 32 pieces, the model's position table 16"),
        ({"vocab_size": 99}, "vocab_size is 99, the records' vocabulary has"),
        ({"num_hidden_layers": 3}, "the student has 3 layers, more than the teacher's 2"),
    ],
)
def test_networks_that_do_not_fit(
    change: dict[str, int], said: str, made: Path, tmp_path: Path, complain: Complain
) -> None:
    assert said in complain(*distill(made, tmp_path / "x", student=preset(made, tmp_path, **change)))
    assert not (tmp_path / "x" / "checkpoints").exists()


def test_attention_of_other_heads_and_relations_that_do_not_divide(
    made: Path, tmp_path: Path, complain: Complain
) -> None:
    student = preset(made, tmp_path, num_attention_heads=2)
    line = complain(*distill(made, tmp_path / "x", student=student, attention_weight=1))
    assert "attention transfer needs equal numbers of heads, but the teacher has 4 and the student 2" in line
    line = complain(*distill(made, tmp_path / "x", student=student, relation_heads=3))
    assert "3 relation heads do not divide the widths inside a block, 16 and 16" in line
    assert not (tmp_path / "x").exists()


def test_other_heads_are_compared_by_relations_and_the_student_goes_on(
    made: Path, tmp_path: Path, complain: Complain
) -> None:
    """Train two updates with a snapshot after the first, then two more that begin with the resulting student."""
    words = {"strategy": "auxiliary", "total_steps": 2, "batch_size": 4, "steps_per_call": 1}
    first = {**words, "held_out": made / "records", "group_by_length": "true", "whole_text": "false", "snapshots": "1"}
    student = preset(made, tmp_path, num_attention_heads=2)
    assert cli.run(distill(made, tmp_path / "one", student=student, **first)) == 0
    layers = json.loads((tmp_path / "one" / "layers.json").read_text())["layers"]
    assert [sorted(set(row) - {"layer", "teacher", "student"}) for row in layers[1:]] == 2 * [
        ["feature_map", "relations"]
    ]
    assert not (tmp_path / "one" / "attention.json").exists()
    early, late = (load_model_directory(tmp_path / "one" / place).model for place in ("snapshots/1", "."))
    changed = [not np.array_equal(a, b) for a, b in zip(early.trainable_weights, late.trainable_weights, strict=True)]
    assert any(changed)
    flags = {**words, "distillation_learning_rate": 0.0}
    assert "no part of the student has a learning rate" in complain(
        *distill(made, tmp_path / "two", student=tmp_path / "one", **flags)
    )
    assert cli.run(distill(made, tmp_path / "two", student=tmp_path / "one", **words, optimizer="lamb")) == 0
    plan = json.loads((tmp_path / "two" / "stages.json").read_text())
    assert plan[0]["initialization"] == "student"
    model = load_model_directory(tmp_path / "two").model
    # Two updates at a rate of 1.5e-3 leave every weight near that of the student with which the run began.
    for before, after in zip(late.trainable_weights, model.trainable_weights, strict=True):
        assert np.abs(np.asarray(before) - np.asarray(after)).max() < 0.02
    assert "snapshots=0: must be comma-separated numbers from 1 to" in complain(
        *distill(made, tmp_path / "three", snapshots="0")
    )


def test_another_vocabulary(made: Path, tmp_path: Path, complain: Complain) -> None:
    shutil.copytree(made / "student", tmp_path / "teacher")
    vocab = tmp_path / "teacher" / "vocab.txt"
    pieces = vocab.read_text().split("\n")
    vocab.write_text("\n".join([*pieces[:-3], pieces[-2], pieces[-3], ""]))
    assert "is not the vocabulary that tokenizer.json beside it describes" in complain(
        *distill(made, tmp_path / "x", teacher=tmp_path / "teacher")
    )
    # Without the hash in tokenizer.json, only the comparison with the records' vocabulary finds the difference.
    (tmp_path / "teacher" / "tokenizer.json").unlink()
    line = complain(*distill(made, tmp_path / "x", teacher=tmp_path / "teacher"))
    assert "made with a vocabulary other than that of the teacher" in line
    vocab.unlink()
    assert "has no vocab.txt" in complain(*distill(made, tmp_path / "x", teacher=tmp_path / "teacher"))


def test_plans(made: Path, tmp_path: Path, complain: Complain) -> None:
    """Flags that leave nothing to do, and flags that do not go with a plan from a file."""

    def said(**changes: object) -> str:
        return complain(*distill(made, tmp_path / "x", **changes))

    assert "stage transfer_1 trains nothing" in said(transfer_learning_rate=0)
    assert "stage distillation trains nothing" in said(distillation_learning_rate=0)
    assert "leaves nothing to compare" in said(without="feature_maps,attention")
    assert "'fmt' is unknown; choose from feature_maps" in said(without="fmt")
    assert "--total_steps=2: the plan has 3 stages" in said(total_steps=2)
    assert "choose from default, paper, google, tf_models" in said(plan="mine")
    assert "no such file" in said(plan="mine.json")
    assert "--redo_stage=transfer_9: choose from transfer_1" in said(redo_stage="transfer_9")
    assert "--redo_stage=transfer_2: the run in" in said(redo_stage="transfer_2")
    assert "--stop_after_stage=x: choose from transfer_1" in said(stop_after_stage="x")
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(plan_file.text_of(strategies.plan(strategies.TransferOptions(), 2))))
    for name, value in {"temperature": 2, "batch_size": 4, "strategy": "joint", "layers_per_stage": 2}.items():
        assert f"--{name}: the plan in" in said(plan=plan, **{name: value})
    assert not (tmp_path / "x" / "checkpoints").exists()


def test_stages_whose_names_lead_out(made: Path, tmp_path: Path, complain: Complain) -> None:
    """A new run does not write to such a place, nor does a run directory from elsewhere make it be deleted."""
    foreign = tmp_path / "mine"
    foreign.mkdir()
    (foreign / "file").write_text("precious")
    stages = plan_file.text_of(strategies.plan(strategies.TransferOptions(), 2))
    stages[1]["name"] = str(foreign)
    plan, output = tmp_path / "plan.json", tmp_path / "x"
    plan.write_text(json.dumps(stages))
    assert f"stage 2: name: '{foreign}' is not a plain name" in complain(*distill(made, output, plan=plan))
    assert not output.exists()
    # A run directory from someone else that has such a plan.
    done = tmp_path / "done"
    words = {"strategy": "auxiliary", "total_steps": 1, "batch_size": 4, "steps_per_call": 1}
    assert cli.run(distill(made, done, **words)) == 0
    (stage,) = json.loads((done / "stages.json").read_text())
    (done / "stages.json").write_text(json.dumps([stage, {**stage, "name": str(foreign)}]))
    line = complain(*distill(made, done, **words, redo_stage=stage["name"]))
    assert "is not a plain name" in line
    assert [path.name for path in foreign.iterdir()] == ["file"]


def test_a_teacher_without_heads_cannot_follow_a_plan_that_needs_them(
    made: Path, tmp_path: Path, complain: Complain
) -> None:
    from mobilebert_tf.model_directory import load_model_directory, save_model_directory
    from mobilebert_tf.models import PretrainingModel

    loaded = load_model_directory(made / "student")
    bare = PretrainingModel(loaded.config, masked_words=False, next_sentence=False)
    save_model_directory(tmp_path / "teacher", bare, loaded.tokenizer)
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(plan_file.text_of(strategies.plan(strategies.TransferOptions(), 2))))
    line = complain(*distill(made, tmp_path / "x", teacher=tmp_path / "teacher", plan=plan))
    assert "has no heads for masked words and next sentence, which stage distillation of the plan needs" in line


def test_a_fine_tuned_teacher(made: Path, tmp_path: Path, complain: Complain) -> None:
    from mobilebert_tf.model_directory import load_model_directory, save_model_directory
    from mobilebert_tf.models import ClassificationModel

    loaded = load_model_directory(made / "student")
    save_model_directory(tmp_path / "teacher", ClassificationModel(loaded.config, 2), loaded.tokenizer)
    line = complain(*distill(made, tmp_path / "x", teacher=tmp_path / "teacher"))
    assert "is fine-tuned (classifier); give a pre-trained teacher" in line


@pytest.mark.slow
@pytest.mark.parametrize("address", ["local", "no-such-tpu"])
def test_a_tpu_that_is_not_there(address: str, made: Path, tmp_path: Path) -> None:
    """Run in a process of its own, since the search for a TPU changes TensorFlow's devices."""
    words = distill(made, tmp_path / "x", distribution="tpu", tpu=address)
    process = subprocess.run([sys.executable, "-m", "mobilebert_tf", *words], capture_output=True, text=True)
    last = process.stderr.splitlines()[-1]
    assert process.returncode == 2 and f"--tpu={address}: no TPU answers there" in last


def test_workers_need_a_cluster(
    made: Path, tmp_path: Path, complain: Complain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert "needs TF_CONFIG" in complain(*distill(made, tmp_path / "x", distribution="multi_worker"))


def test_printing_the_plan_prints_nothing_else(made: Path, tmp_path: Path) -> None:
    """Run in a process of its own, since TensorFlow prints only when it is first imported."""
    inputs = [f"--teacher={made}/student", f"--records={made}/records"]
    words = ["distill", *inputs, f"--output={tmp_path}/x", "--student=debug_student", "--print_stages"]
    process = subprocess.run(
        [sys.executable, "-m", "mobilebert_tf", *words], capture_output=True, text=True, check=True
    )
    assert process.stdout.startswith("stage") and process.stderr == ""
