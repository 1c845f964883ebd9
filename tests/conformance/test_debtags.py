"""Several labels on real texts: descriptions and tags of Debian's package index, if the machine has one.

The index is read in place and nothing of it is shipped, since descriptions have the licences of their packages.
"""

import collections
import hashlib
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.commands.data_options import DataOptions
from mobilebert_tf.commands.labelled_data import read
from mobilebert_tf.tasks.multilabel import f1

ROWS, FEWEST = 3_000, 100
"""Number of packages that are used, and the least number that must have a tag for it to be a label."""


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A table of package descriptions with their tags."""
    if not shutil.which("apt-cache"):
        pytest.skip("not a Debian machine: there is no apt-cache")
    index = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=False).stdout
    tags_of = {}
    for paragraph in index.split("\n\n"):
        fields = dict(re.findall(r"^(Tag|Description(?:-en)?): (.*(?:\n .*)*)", paragraph, re.MULTILINE))
        if "Tag" in fields and len(fields) > 1:
            description = (fields.get("Description") or fields["Description-en"]).split("\n")[0]
            tags_of[description] = re.split(r",\s+", fields["Tag"].strip())
    if len(tags_of) < ROWS:
        pytest.skip(f"the package index has {len(tags_of)} tagged packages; `apt-get update` fetches it")
    chosen = sorted(tags_of, key=lambda text: hashlib.sha256(text.encode()).digest())[:ROWS]
    counts = collections.Counter(tag for text in chosen for tag in tags_of[text])
    labels = {tag for tag, count in counts.items() if count >= FEWEST}
    path = tmp_path_factory.mktemp("debtags") / "packages.jsonl"
    rows = ({"text": text, "label": ", ".join(tag for tag in tags_of[text] if tag in labels)} for text in chosen)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_labels_are_found_and_kept_in_their_shares(packages, capsys):
    data = read(DataOptions(train=str(packages)))
    assert data.task.name == "multilabel" and "labels that recur" in capsys.readouterr().out
    assert 15 <= len(data.task.labels) <= 80
    counts = [collections.Counter(n for row in rows for n in row.label) for rows in (data.training, data.evaluation)]
    for number, label in enumerate(data.task.labels):
        held, all_rows = counts[1][number], counts[0][number] + counts[1][number]
        # A label has at least a hundred rows, of which ten are held out, plus or minus four.
        assert held / all_rows == pytest.approx(0.1, abs=0.04), label


@pytest.mark.slow
def test_they_are_learned(packages, tmp_path, capsys):
    """The score is far above that of the best constant answer."""
    words = ["finetune", "--model=mobilebert_mini", f"--train={packages}", f"--output={tmp_path / 'tags'}"]
    assert cli.run([*words, "--epochs=2", "--max_seq_length=32"]) == 0
    score = json.loads((tmp_path / "tags" / "metrics.json").read_text())["evaluation"]["micro_f1"]
    evaluation = read(DataOptions(train=str(packages))).evaluation
    wanted = np.zeros((len(evaluation), max(n for row in evaluation for n in row.label) + 1), bool)
    for row, example in enumerate(evaluation):
        wanted[row, list(example.label)] = True
    by_frequency = np.argsort(-wanted.sum(axis=0))
    constant = []
    for count in range(1, 8):
        answer = np.zeros_like(wanted)
        answer[:, by_frequency[:count]] = True
        constant.append(float(f1(wanted, answer)))
    assert score > max(constant) + 0.15
    print(f"micro F1 {score:.3f}, the best constant answer {max(constant):.3f}")
