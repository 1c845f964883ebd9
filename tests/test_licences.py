"""A model's licences: they are found by name and copied whole into everything made from its weights."""

import json
import shutil

from mobilebert_tf import cli, licences


def test_files_are_found_by_their_names(tmp_path):
    for name in ("LICENSE", "license.md", "NOTICE.txt", "COPYING", "licence_plates.txt", "notices.json", "README.md"):
        (tmp_path / name).write_text("words\n")
    (tmp_path / "NOTICE").mkdir()
    (tmp_path / "LICENCE").write_bytes(b"x" * (licences.MOST_BYTES + 1))
    assert [path.name for path in licences.of(tmp_path)] == ["COPYING", "LICENSE", "NOTICE.txt", "license.md"]
    assert licences.of(tmp_path / "missing") == []


def test_of_two_models_each_text_is_passed_on_once(tmp_path):
    for place, notice in (("teacher", "of the teacher\n"), ("student", "of the student\n"), ("made", "")):
        (tmp_path / place).mkdir()
        if notice:
            (tmp_path / place / "NOTICE").write_text(notice)
            (tmp_path / place / "LICENSE").write_text("the same\n")
    target = tmp_path / "made"
    assert licences.pass_on(target, tmp_path / "teacher", tmp_path / "student") == ["LICENSE", "NOTICE"]
    assert (target / "LICENSE").read_text() == "the same\n"
    assert (target / "NOTICE").read_text() == "of the teacher\n\n\nof the student\n"
    before = (target / "NOTICE").stat().st_mtime_ns
    assert licences.pass_on(target, target) == []
    assert (target / "NOTICE").stat().st_mtime_ns == before


def test_an_export_has_those_of_its_model_and_signs_them(classifier_directory, tmp_path, capsys):
    model, output = tmp_path / "model", tmp_path / "export"
    shutil.copytree(classifier_directory, model)
    (model / "NOTICE").write_text("by somebody\n")
    words = ["--recipes=float32", "--sequence_lengths=16", "--rounds=1", "--runs=1", "--parity_examples=4"]
    assert cli.run(["export", f"--model={model}", f"--output={output}", *words]) == 0
    assert "NOTICE: came with the model's weights; pass on with the files" in capsys.readouterr().out
    assert (output / "NOTICE").read_text() == "by somebody\n"
    assert "NOTICE" in json.loads((output / "run.json").read_text())["outputs"]
    assert cli.run(["export", "verify", str(output)]) == 0
    converted = tmp_path / "converted"
    assert cli.run(["convert", f"--input={model}", f"--output={converted}", "--to=huggingface"]) == 0
    assert (converted / "NOTICE").read_text() == "by somebody\n"
