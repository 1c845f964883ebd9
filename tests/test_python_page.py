"""The code of the page about Python runs unchanged."""

import contextlib
import io
import re
import shutil


def test_the_code_runs(root, classifier_directory, labelled_table, tmp_path, monkeypatch):
    shutil.copytree(classifier_directory, tmp_path / "classifier")
    shutil.copy(labelled_table, tmp_path / "dev.tsv")
    monkeypatch.chdir(tmp_path)
    page = (root / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 3
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec("\n".join(blocks), {})
    first, answers, scores, cosine = printed.getvalue().splitlines()
    assert first.startswith("classification (") and answers.count("'probabilities'") == 2
    assert scores.startswith("accuracy ") and 0.3 < float(cosine) < 1.0


def test_every_kind_of_answer_is_in_its_table(root):
    from mobilebert_tf.tasks import NAMES

    page = (root / "docs" / "python.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(NAMES)
