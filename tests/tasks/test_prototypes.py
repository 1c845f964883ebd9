"""Classes without training: decisions by hand, and bounds against leaving out texts one by one."""

import numpy as np
import pytest

from mobilebert_tf import notes
from mobilebert_tf.commands.prototypes import say_contradictions
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.files import read_task, write_task
from mobilebert_tf.tasks.prototypes import PrototypesTask, centroids_of, choose_bounds, decide
from mobilebert_tf.tasks.task import NONE

TASK = PrototypesTask(labels=("x", "y"), centroids=((1.0, 0.0), (0.0, 1.0)), threshold=0.5, margin=0.3)


def unit(*rows):
    vectors = np.array(rows, np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_nearest_centroid_decides_if_it_is_near_and_leads():
    # Cosines with x and y: clearly x; near both; far from both; clearly y.
    vectors = unit([1, 0.1], [1, 0.9], [-1, -0.1], [0.2, 1])
    labels = [answer["label"] for answer in TASK.decode({"embedding": vectors}, {})]
    assert labels == ["x", NONE, NONE, "y"]
    scores = TASK.score({"embedding": vectors}, {"label": np.array([0, 2, 0, 0])})
    assert scores.all["accuracy"] == 0.5 and scores.per_example.tolist() == [1, 1, 0, 0]
    assert scores.all["answered"] == 0.5 and scores.all["none_found"] == 1.0


def test_a_file_of_its_own_has_the_centroids(tmp_path):
    write_task(tmp_path, TASK)
    assert read_task(tmp_path) == TASK
    (tmp_path / "labels.txt").write_text("y\nx\n")
    with pytest.raises(UsageError, match="prototypes.json: its labels are not those of labels.txt"):
        read_task(tmp_path)
    (tmp_path / "prototypes.json").unlink()
    with pytest.raises(UsageError, match="prototypes.json: missing"):
        read_task(tmp_path)


def test_a_table_may_name_texts_of_no_class(tmp_path):
    path = tmp_path / "dev.tsv"
    path.write_text(f"text\tlabel\na\ty\nb\t{NONE}\n")
    assert [example.label for example in TASK.read(path)] == [1, 2]
    path.write_text("text\tlabel\na\tz\n")
    with pytest.raises(
        UsageError, match=f"dev.tsv, line 2: label 'z' is not one that prototypes were made of .x, y.; .*'{NONE}'"
    ):
        TASK.read(path)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_shares_are_those_of_leaving_out_one_by_one(classes):
    random = np.random.default_rng(classes)
    labels = np.repeat(np.arange(classes), 4)[: 4 * classes - 3]  # the last class has one example
    vectors = unit(*(random.normal(size=(classes, 8))[labels] + 0.7 * random.normal(size=(len(labels), 8))))
    chosen = choose_bounds(vectors, labels, classes)

    returned, known = 0, 0
    for i in range(len(labels)):
        rest = np.arange(len(labels)) != i
        if labels[i] not in labels[rest]:
            continue
        known += 1
        cosines = vectors[i : i + 1] @ centroids_of(vectors[rest], labels[rest], classes).T
        returned += decide(cosines, chosen.threshold, chosen.margin)[0] == labels[i]
    assert chosen.right == pytest.approx(returned / known)

    refused = 0
    for i in range(len(labels)):
        others = labels != labels[i]
        cosines = vectors[i] @ np.delete(centroids_of(vectors[others], labels[others], classes), labels[i], axis=0).T
        refused += decide(cosines[None], chosen.threshold, chosen.margin)[0] == classes - 1
    assert chosen.none_found == pytest.approx(refused / len(labels))
    # Bounds that never answer give a sum of one; the chosen ones are no worse.
    assert chosen.right + chosen.none_found >= 1.0


def test_examples_far_apart_need_no_bound_but_one_that_keeps_strangers_out():
    vectors = unit([1, 0, 0], [1, 0.1, 0], [0, 1, 0], [0, 1, 0.1], [0, 0, 1], [0.1, 0, 1])
    chosen = choose_bounds(vectors, np.array([0, 0, 1, 1, 2, 2]), 3)
    assert (chosen.right, chosen.none_found) == (1.0, 1.0)


def test_single_sentences_have_a_threshold_and_no_share() -> None:
    """With one sentence a class nothing can be left out of it, and a stranger is as near as the nearest other class."""
    vectors = unit([1, 0.3, 0], [0.3, 1, 0])
    chosen = choose_bounds(vectors, np.array([0, 1]), 2)
    assert chosen.right is None and chosen.none_found == 1.0
    cosine = float(vectors[0] @ vectors[1])
    assert cosine < chosen.threshold < cosine + 0.01


def test_a_sentence_of_two_classes_is_named(tmp_path, capsys):
    """It counts as right in both, so that no share shows it."""
    path = tmp_path / "intents.tsv"
    path.write_text("text\tlabel\nWake me\talarm\nwake  me\tmusic\nPlay\tmusic\nStop\talarm\n")
    table = ClassificationTask.discover(path)
    notes.start()
    say_contradictions(str(path), table, table.read(path))
    said = capsys.readouterr().err
    assert "1 sentence is in several classes, for example 'wake me' in alarm and music; decide on one" in said


def test_shares_are_those_of_bounds_that_were_given():
    """If one bound is given, the other is chosen to go with it."""
    vectors = unit([1, 0, 0], [1, 0.1, 0], [0, 1, 0], [0, 1, 0.1], [0, 0, 1], [0.1, 0, 1])
    labels = np.array([0, 0, 1, 1, 2, 2])
    strict = choose_bounds(vectors, labels, 3, threshold=0.9999)
    assert (strict.threshold, strict.right, strict.none_found) == (0.9999, 0.0, 1.0)
    loose = choose_bounds(vectors, labels, 3, threshold=-1.0, margin=0.0)
    assert (loose.threshold, loose.margin, loose.right, loose.none_found) == (-1.0, 0.0, 1.0, 0.0)
