"""A model shipped with the package is found by name and checked by its sums; a directory of that name comes first."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from mobilebert_tf import cli, load_model_directory, provenance
from mobilebert_tf.checkpoints import conversion, shipped
from mobilebert_tf.errors import UsageError


@pytest.fixture
def place(classifier_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fake installation with one model, `small`, in float16."""
    directory = tmp_path / "installed" / "small"
    flags = [f"--input={classifier_directory}", f"--output={directory}", "--to=huggingface", "--dtype=float16"]
    assert cli.run(["convert", *flags]) == 0
    files = [file for file in sorted(directory.iterdir()) if file.name != "run.json"]
    sums = "".join(f"{provenance.sha256(file)}  {file.name}\n" for file in files)
    (directory / shipped.SUMS).write_text(sums)
    monkeypatch.setattr(shipped, "PLACE", directory.parent)
    monkeypatch.chdir(tmp_path)
    shipped._check.cache_clear()
    return directory


def test_found_by_name_with_weights_rounded_to_float16(place: Path, classifier_directory: Path) -> None:
    """Rounding is at most half a step of float16, 2^-11 of a weight; below 2^-14 steps are 2^-24."""
    shipped_model, original = load_model_directory("small"), load_model_directory(classifier_directory)
    for rounded, exact in zip(shipped_model.model.trainable_weights, original.model.trainable_weights, strict=True):
        np.testing.assert_allclose(rounded, exact, rtol=2.0**-11, atol=2.0**-25)
    stored = safetensors.numpy.load_file(place / "model.safetensors")
    assert {array.dtype for array in stored.values()} == {np.dtype(np.float16)}


@pytest.mark.parametrize("command", [["model", "info", "small"], ["predict", "--model=small", "--text=abc"]])
def test_commands_take_the_name(place: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(command) == 0
    assert capsys.readouterr().out


def test_a_directory_of_that_name_comes_first(place: Path, classifier_directory: Path, tmp_path: Path) -> None:
    (tmp_path / "small").symlink_to(classifier_directory)
    assert conversion.open_checkpoint("small").world == "keras"


def test_an_unknown_name_lists_the_known_ones(place: Path) -> None:
    with pytest.raises(UsageError, match="smal: no such model .* come with the package: small"):
        conversion.open_checkpoint("smal")


def test_a_path_is_no_name(place: Path) -> None:
    with pytest.raises(UsageError, match="no such model"):
        conversion.open_checkpoint("other/small")


def test_a_damaged_file_is_named(place: Path) -> None:
    weights = place / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(UsageError, match="model.safetensors: is not the file that was shipped"):
        conversion.open_checkpoint("small")


def test_an_installation_without_the_weights(place: Path) -> None:
    (place / "model.safetensors").unlink()
    with pytest.raises(UsageError, match="small: its model.safetensors is missing"):
        conversion.open_checkpoint("small")


def test_float16_refuses_what_it_cannot_hold(classifier_directory: Path, tmp_path: Path, capsys) -> None:  # noqa: ANN001
    loaded = load_model_directory(classifier_directory)
    weight = loaded.model.trainable_weights[3]
    value = np.asarray(weight).copy()
    value.flat[0] = 70000.0
    weight.assign(value)
    from mobilebert_tf.model_directory import save_model_directory

    save_model_directory(tmp_path / "large", loaded.model, loaded.tokenizer, loaded.task)
    flags = [f"--input={tmp_path / 'large'}", f"--output={tmp_path / 'hf'}", "--to=huggingface", "--dtype=float16"]
    assert cli.run(["convert", *flags]) == 2
    assert "has values beyond float16, whose largest is 65,504" in capsys.readouterr().err
    assert not (tmp_path / "hf").exists()
    assert cli.run(["convert", *flags[:2], "--to=tf1", "--dtype=float16"]) == 2
    assert "needs --to=huggingface" in capsys.readouterr().err
