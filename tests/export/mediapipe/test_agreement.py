"""MediaPipe's answers against ours: the rules for faults, and, where MediaPipe is installed, that there is none."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf.errors import FailedError
from mobilebert_tf.export.mediapipe import agreement, environments, texts
from mobilebert_tf.export.mediapipe.metadata import add_metadata
from mobilebert_tf.export.mediapipe.tokenizer import differing_rules
from mobilebert_tf.tasks.files import save_task_files

OURS = {
    "same": [True, False, False],
    "cut": [False, False, True],
    "scores": np.array([[0.2, 0.8], [0.3, 0.7], [0.5, 0.5]]),
    "scores_of_their_pieces": np.array([[0.2, 0.8], [0.6, 0.4], [0.1, 0.9]]),
}


def rows(scores, rules=((), ("accents",), ("accents",))):
    return agreement.compare(["a", "b", "c"], OURS, np.array(scores), rules)


def test_only_the_tokenizer_may_change_a_score():
    compared = rows([[0.2, 0.8], [0.6, 0.4], [0.1, 0.9]])
    assert agreement.faults(compared) == []
    assert [row.same_decision for row in compared] == [True, False, False]
    assert compared[1].difference == pytest.approx(0.3) and compared[1].unexplained == 0
    printed = agreement.table("9.9", compared)
    assert "accents 2" in printed and "other word pieces" in printed
    # A score counts even if it changes no decision.
    assert (
        "same word pieces, a score is off by 0.01" in agreement.faults(rows([[0.21, 0.79], [0.6, 0.4], [0.1, 0.9]]))[0]
    )
    assert "still off by 0.05" in agreement.faults(rows([[0.2, 0.8], [0.6, 0.4], [0.15, 0.85]]))[0]
    # Small differences in most texts.
    assert "in half of the texts" in agreement.faults(rows([[0.201, 0.799], [0.601, 0.399], [0.101, 0.899]]))[0]
    unknown = rows([[0.2, 0.8], [0.6, 0.4], [0.1, 0.9]], ((), ("other",), ("accents",)))
    assert "by no known rule" in agreement.faults(unknown)[0]


def test_texts_are_200_and_hold_what_tokenizers_stumble_over(material, labelled_table, tmp_path: Path):
    chosen = texts.choose(material.task, labelled_table, None)
    assert len(chosen) == len(texts.AWKWARD) + 60 and len(set(chosen)) == len(chosen)
    folder = tmp_path / "unicode"
    folder.mkdir()
    (folder / "blns.json").write_text(json.dumps([f"naughty {i}" for i in range(500)] + ["\ud800"]))
    more = texts.choose(material.task, labelled_table, tmp_path)
    assert sum("naughty" in text for text in more) == 60 and len(more) == len(texts.AWKWARD) + 120
    assert any(len(text) > 1000 for text in chosen) and "" in chosen
    assert any("\x00" in text for text in chosen) and any("\u4e2d" in text for text in chosen)


def test_what_is_missing_is_one_line(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    old = environments.Release("0.0.0", (3, 9))
    with pytest.raises(FailedError, match=r"^mediapipe 0\.0\.0: needs Python 3\.10 to 3\.9; put a python3\.9 on"):
        environments.make(old, tmp_path)
    with pytest.raises(FailedError, match="has no Python with mediapipe; `make mediapipe` installs it"):
        agreement.ask(tmp_path / "none", tmp_path / "a.tflite", ["a"])
    broken = tmp_path / "broken" / "bin"
    broken.mkdir(parents=True)
    (broken / "python").write_text(
        "#!/bin/sh\necho 'ImportError: libGL.so.1: cannot open shared object file' >&2; exit 1"
    )
    (broken / "python").chmod(0o755)
    with pytest.raises(FailedError, match="apt-get install libgl1 libegl1 libgles2"):
        agreement.ask(tmp_path / "broken", tmp_path / "a.tflite", ["a"])


@pytest.mark.mediapipe
@pytest.mark.parametrize("release", environments.RELEASES, ids=lambda one: one.version)
def test_mediapipe_gives_our_scores(release, material, labelled_table, root: Path, tmp_path: Path):
    place = Path(os.environ.get("MOBILEBERT_TF_MEDIAPIPE", root / ".venv-mediapipe")) / release.version
    if not (place / environments.DONE).exists():
        pytest.skip(f"no mediapipe {release.version} at {place}; make mediapipe installs it")
    path = tmp_path / "mediapipe.tflite"
    path.write_bytes(add_metadata(material.plain, material.tokenizer, material.task))
    save_task_files(tmp_path, material.tokenizer, material.task)
    chosen = texts.choose(material.task, labelled_table, None)
    answer = agreement.ask(place, path, chosen)
    assert (answer["version"], tuple(answer["labels"])) == (release.version, material.task.labels)
    rules = [differing_rules(material.tokenizer, text) for text in chosen]
    expected = agreement.expected(path, chosen, material.tokenizer, material.task)
    compared = agreement.compare(chosen, expected, np.array(answer["scores"], np.float32), rules)
    assert agreement.faults(compared) == []
    # float32: the same sums on older kernels, 3e-7 measured.
    assert max(row.unexplained for row in compared) < 1e-5
    assert {rule for row in compared for rule in row.rules} == {
        "accents",
        "control characters",
        "white space",
        "long words",
    }
    assert len([row for row in compared if not row.rules]) > 60
