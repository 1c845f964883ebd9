"""`corpus`: docstrings of a made-up package, text files, and sets of TensorFlow Datasets."""

import ast
import csv
import gzip
import lzma
import random
from pathlib import Path

import pytest

from mobilebert_tf import cli, notes
from mobilebert_tf.data import docstring_corpus, docstrings
from mobilebert_tf.data.documents import input_files, read_documents
from mobilebert_tf.data.library_task import Sentence, giveaway, make_split

SOURCE = '''"""The module says what all of its functions are about, in one line."""

import does_not_exist_and_is_never_imported

class A:
    """The class is described here in words that are easy to read."""

    def method(self):
        """The method does what is needed for the class to be of use.

        >>> A().method()
        """
        if True:
            def inner():
                """An inner function is described as well as any other one is."""

    value = "A string that is no docstring should never be in the corpus at all."

add_newdoc("module", "name", ("other", """What is written in C has its documentation in a call like this."""))
raise SystemExit("nothing is run")
'''
EXPECTED = [
    "The module says what all of its functions are about, in one line.",
    "The class is described here in words that are easy to read.",
    "The method does what is needed for the class to be of use.",
    "An inner function is described as well as any other one is.",
    "What is written in C has its documentation in a call like this.",
]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of 60 modules with different texts, and files that must not be read."""
    root = tmp_path / "sources" / "madeup"
    for directory in ("", "sub", "tests", "_vendor/other"):
        (root / directory).mkdir(parents=True, exist_ok=True)
    (root / "first.py").write_text(SOURCE)
    (root / "broken.py").write_text('"""This file has an error in it, so it is left out."""\ndef (:\n')
    (root / "latin.py").write_bytes(b'"""This file is not in UTF-8 although it does not say so: \xe9."""\n')
    (root / "tests" / "test_a.py").write_text('"""The text of a test should not be in the corpus at all."""')
    (root / "_vendor" / "other" / "x.py").write_text('"""The text of another library should not be in it at all."""')
    for i in range(60):
        own = f'"""The module with number {i} is one of many modules here."""\n'
        (root / "sub" / f"m{i}.py").write_text(own + SOURCE)
    return root


def test_docstrings_are_found_in_the_order_of_the_file(package: Path) -> None:
    texts = docstrings.read_paragraphs(docstrings.SourceFile("madeup", "first.py", package / "first.py"))
    assert texts == EXPECTED


def test_docstrings_agree_with_the_ast_module() -> None:
    path = Path(ast.__file__)
    tree = ast.parse(path.read_bytes())
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    expected = [ast.get_docstring(n, clean=False) for n in ast.walk(tree) if isinstance(n, kinds)]
    assert sorted(docstrings.docstrings(tree)) == sorted(filter(None, expected))


def test_files_are_split_and_repetition_is_dropped(package: Path, tmp_path: Path) -> None:
    output = tmp_path / "corpus"
    assert cli.run(["corpus", f"--output={output}", f"--input={package}", "--workers=1", "--heldout_fraction=0.3"]) == 0
    train = list(read_documents([output / "madeup.txt"]))
    held_out = list(read_documents([output / "heldout" / "madeup.txt"]))
    lines = [p for document in train + held_out for p in document]
    assert len(lines) == len(set(lines)) == len(EXPECTED) + 60
    assert 5 <= len(held_out) <= 35  # a share of 0.3 of 61 files; five binomial deviations are 18
    assert not any("should not be" in line or "error" in line for line in lines)
    assert input_files(str(output)) == [output / "madeup.txt"]


def test_the_number_of_workers_changes_nothing(package: Path) -> None:
    assert docstring_corpus.read_libraries([str(package)], 1) == docstring_corpus.read_libraries([str(package)], 2)


def test_own_package_tests_and_vendored_code_are_left_out() -> None:
    installed = docstrings.installed_libraries()
    assert "mobilebert_tf" not in installed and "python" in installed and "numpy" in installed
    names = [f.relative for f in docstrings.source_files("numpy", installed["numpy"])]
    assert names == sorted(names) and len(names) > 50
    assert not [n for n in names if "/tests/" in n or "_vendor" in n]


def grams(text: str) -> set[str]:
    words = "".join(c if c.isalpha() else "0" if c.isdigit() else " " for c in text.lower()).split()
    return set(words) | {" ".join(pair) for pair in zip(words, words[1:], strict=False)}


def test_task_is_split_by_file_without_near_duplicates() -> None:
    rng = random.Random(1)
    words = [f"{a}{b}" for a in "bcdfgklmnprst" for b in ("ab", "el", "in", "or", "um")]
    base = [" ".join(rng.choices(words, k=rng.randint(6, 14))) for _ in range(300)]
    candidates = []
    for _ in range(1500):
        text = rng.choice(base).split()
        text[rng.randrange(len(text))] = rng.choice(words)
        label, number = rng.choice("xyz"), rng.randrange(50)
        candidates.append(Sentence(label, " ".join(text) + ".", f"{label}/{number}.py", number < 10))
    train, tests = make_split(candidates, 100, 20, seed=1, min_train_size=5)
    assert len(train) > 20 and len(tests) > 5
    assert not {s.source for s in train} & {s.source for s in tests}
    sets = [grams(s.text) for s in train + tests]
    for i in range(len(sets)):
        for j in range(i):
            assert len(sets[i] & sets[j]) / len(sets[i] | sets[j]) < 0.7
    assert (train, tests) == make_split(candidates[::-1], 100, 20, seed=1, min_train_size=5)
    assert train != make_split(candidates, 100, 20, seed=2, min_train_size=5)[0]


def test_a_sentence_with_two_labels_is_dropped() -> None:
    texts = {"x": "alpha beta gamma delta epsilon.", "y": "Alpha beta gamma delta epsilon!"}
    both = [Sentence(label, text, f"{label}/a.py", False) for label, text in texts.items()]
    more = [
        Sentence("x", "only the letter ex is meant by this.", "x/a.py", False),
        Sentence("y", "nothing but another letter can be here.", "y/a.py", False),
        Sentence("x", "quite another thing is said.", "x/b.py", True),
        Sentence("y", "here we have something else.", "y/b.py", True),
    ]
    train, tests = make_split(both + more, 10, 10, seed=1, min_train_size=1)
    assert {s.text for s in train} == {s.text for s in more[:2]}
    assert {s.text for s in tests} == {s.text for s in more[2:]}


def test_names_of_libraries_give_the_answer_away() -> None:
    pattern = giveaway(["numpy", "tensorflow", "python", "rich"])
    for text in ("an np.array", "TF_CONFIG is set", "NumPy's", "TensorFlowLite", "(tf)", "CPython", "Rich text"):
        assert pattern.search(text), text
    for text in ("input", "enrich the platform", "happy copy", "tfoo"):
        assert not pattern.search(text), text


@pytest.mark.slow
def test_real_task_is_honest(tmp_path: Path) -> None:
    """Compare every sentence of the one side with every sentence of the other, for real libraries."""
    output = tmp_path / "corpus"
    assert cli.run(["corpus", f"--output={output}", "--input=python,numpy,scipy,keras,matplotlib", "--workers=2"]) == 0
    sides = {}
    for side in ("train", "eval"):
        with open(output / "sentences" / f"{side}.tsv", newline="") as file:
            sides[side] = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert {row["label"] for row in sides["eval"]} == {"python", "numpy", "scipy", "keras", "matplotlib"}
    assert not {r["source"] for r in sides["train"]} & {r["source"] for r in sides["eval"]}
    train_text = {line for f in input_files(str(output)) for d in read_documents([f]) for line in d}
    assert not any(r["text"] in train_text for r in sides["eval"])
    train = [grams(row["text"]) for row in sides["train"]]
    for row in sides["eval"]:
        x = grams(row["text"])
        assert all(len(x & y) < 0.7 * len(x | y) for y in train)


def test_text_is_normalised_and_documents_are_kept(tmp_path: Path) -> None:
    messy = "\ufeff  One  thing.\r\nTwo\tthings.\n\n\n  \nThree cafe\u0301.\n"
    (tmp_path / "a.txt").write_text(messy, encoding="utf-8")
    with lzma.open(tmp_path / "b.txt.xz", "wt") as file:
        file.write("Four.\n")
    with gzip.open(tmp_path / "c.txt.gz", "wt") as file:
        file.write("\nFive.\n\nSix.")
    output = tmp_path / "corpus"
    assert cli.run(["corpus", "--source=text", f"--output={output}", f"--input={tmp_path}/*.txt*"]) == 0
    assert (output / "a.txt").read_text() == "One thing.\nTwo things.\n\nThree caf\u00e9.\n"
    assert (output / "b.txt").read_text() == "Four.\n"
    assert (output / "c.txt").read_text() == "Five.\n\nSix.\n"
    assert list(read_documents(input_files(str(output)))) == [
        ["One thing.", "Two things."],
        ["Three café."],
        ["Four."],
        ["Five."],
        ["Six."],
    ]


WIKI = """<doc id="1" url="https://ru.wikipedia.org/wiki?curid=1" title="A &quot;b&quot;">
Title

One. <doc> is a tag.
Two.

Three.
</doc>
<doc id="2" url="u" title="B">
Four.

</doc>
"""


def test_articles_of_wikiextractor_are_documents(tmp_path: Path) -> None:
    """WikiExtractor's files have no ending, and the blank line after a title does not end a document."""
    (tmp_path / "AA").mkdir()
    (tmp_path / "AA" / "wiki_00").write_text(WIKI)
    (tmp_path / "AA" / "wiki_01.gz").write_bytes(gzip.compress(b"Five.\n\nSix.\n"))
    first = [["Title", "One. <doc> is a tag.", "Two.", "Three."], ["Four."]]
    assert list(read_documents([tmp_path / "AA" / "wiki_00"])) == first
    assert cli.run(["corpus", f"--output={tmp_path}/corpus", f"--input={tmp_path}/AA"]) == 0
    assert list(read_documents(input_files(f"{tmp_path}/corpus"))) == [*first, ["Five."], ["Six."]]


def test_what_is_skipped_of_a_directory_is_said(tmp_path: Path, capsys) -> None:
    for name in ("a.txt", "b.md", "c.TXT", "d.text", ".hidden"):
        (tmp_path / name).write_text("A text.\n")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "earlier").mkdir()
    (tmp_path / "earlier" / "run.json").write_text("{}")
    notes.start()
    assert input_files(str(tmp_path)) == [tmp_path / "a.txt", tmp_path / "c.TXT"]
    assert f"{tmp_path}: skips b.md, d.text, deeper/: only the files" in capsys.readouterr().err


def test_a_broken_file_does_not_keep_the_directory_from_its_correction(tmp_path: Path, capsys) -> None:
    (tmp_path / "a.txt").write_text("One.\n")
    (tmp_path / "b.txt").write_bytes("Schön.\n".encode("latin-1"))
    command = ["corpus", f"--output={tmp_path}/corpus", f"--input={tmp_path}/*.txt"]
    assert cli.run(command) == 2
    (tmp_path / "b.txt").write_text("Two.\n")
    assert cli.run(command) == 0
    assert list(read_documents(input_files(f"{tmp_path}/corpus"))) == [["One."], ["Two."]]


def test_a_list_without_a_name_is_not_all_libraries(tmp_path: Path, capsys) -> None:
    assert cli.run(["corpus", f"--output={tmp_path}/corpus", "--input=,"]) == 2
    assert "--input=,: names nothing" in capsys.readouterr().err


@pytest.mark.slow
def test_tensorflow_datasets(tmp_path: Path) -> None:
    import tensorflow_datasets as tfds

    output = tmp_path / "corpus"
    command = ["corpus", "--source=tfds", f"--output={output}", "--input=imdb_reviews"]
    with tfds.testing.mock_data(num_examples=7):
        assert cli.run([*command, "--text_feature=label"]) == 2
        assert cli.run([*command, "--text_feature=missing"]) == 2
        assert cli.run(command) == 0
        assert len(list(read_documents(input_files(str(output))))) == 7
        assert cli.run([*command[:-1], "--input=imdb_reviews:9.9.9", f"--output={output}2"]) == 2
    assert cli.run(["corpus", "--source=tfds", f"--output={tmp_path}/o", "--input=no_such_set_at_all"]) == 2


@pytest.mark.slow
def test_wikipedia_of_tensorflow_datasets(tmp_path: Path, capsys) -> None:
    """Articles of Wikipedia have a title and a text; the slash in the set's name makes no directory."""
    import tensorflow_datasets as tfds

    output = tmp_path / "corpus"
    command = ["corpus", "--source=tfds", f"--output={output}", "--input=wikipedia/20230601.en"]
    with tfds.testing.mock_data(num_examples=4):
        assert cli.run([*command, "--text_feature=body"]) == 2
        assert "--text_feature=body: wikipedia/20230601.en has text, title" in capsys.readouterr().err
        assert cli.run(command) == 0
    assert input_files(str(output)) == [output / "wikipedia_20230601.en.txt"]
    assert len(list(read_documents(input_files(str(output))))) == 4


@pytest.fixture(scope="module")
def prepared_set(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A prepared set of TensorFlow Datasets on the disk: five training examples and two test examples."""
    pytest.importorskip("importlib_resources", reason="tensorflow-datasets prepares no set without it")
    import tensorflow_datasets as tfds

    directory = str(tmp_path_factory.mktemp("tensorflow_datasets"))
    tfds.dataset_builders.store_as_tfds_dataset(
        name="little_words",
        version="1.0.0",
        features=tfds.features.FeaturesDict({"title": tfds.features.Text(), "text": tfds.features.Text()}),
        split_datasets={
            split: [(i, {"title": "", "text": f"  Text  {i} of {count}.\n\nAnother\tline.\n"}) for i in range(count)]
            for split, count in (("train", 5), ("test", 2))
        },
        data_dir=directory,
    )
    tfds.core.add_data_dir(directory)
    return "little_words"


@pytest.mark.slow
@pytest.mark.parametrize(
    "split, of_train, of_test", [("train", 5, 0), ("train[:3]", 3, 0), ("test", 0, 2), ("train[40%:]+test", 3, 2)]
)
def test_splits_of_tensorflow_datasets(
    split: str, of_train: int, of_test: int, prepared_set: str, tmp_path: Path
) -> None:
    """The library's mock gives the whole set for any split, so these are read from real files."""
    output = tmp_path / "corpus"
    command = ["corpus", "--source=tfds", f"--output={output}", f"--input={prepared_set}", f"--split={split}"]
    assert cli.run(command) == 0
    documents = list(read_documents(input_files(str(output))))
    assert all(document[1:] == ["Another line."] for document in documents)
    first = {document[0] for document in documents}
    assert len([text for text in first if text in {f"Text {i} of 5." for i in range(5)}]) == of_train
    assert len([text for text in first if text in {f"Text {i} of 2." for i in range(2)}]) == of_test
    assert len(documents) == of_train + of_test


@pytest.mark.slow
@pytest.mark.parametrize(
    "split, reason",
    [
        ("validation", "Unknown split 'validation'"),
        ("train[:x]", "Error parsing split"),
        ("train[:0]", "Instruction [] corresponds to no data"),
    ],
)
def test_a_wrong_split_is_one_line(split: str, reason: str, prepared_set: str, tmp_path: Path, capsys) -> None:
    output = tmp_path / "corpus"
    command = ["corpus", "--source=tfds", f"--output={output}", f"--input={prepared_set}", f"--split={split}"]
    assert cli.run(command) == 2
    error = capsys.readouterr().err.strip()
    assert f"--split={split}: {prepared_set} has no such split ({reason}" in error and len(error.splitlines()) == 1
    assert not output.exists()


@pytest.mark.parametrize("given", ["texts/a.txt", "texts/*.txt", "texts", "none.txt"])
def test_an_input_that_names_files_is_text(tmp_path: Path, monkeypatch, capsys, given: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("One paragraph.\n")
    status = cli.run(["corpus", f"--input={given}", "--output=out"])
    if given == "none.txt":
        assert status == 2 and "none.txt: no such file" in capsys.readouterr().err
        return
    assert status == 0 and (tmp_path / "out" / "a.txt").read_text() == "One paragraph.\n"
    # Whether --source is given or recognised, it is the same run.
    assert cli.run(["corpus", "--source=text", f"--input={given}", "--output=out"]) == 0
    assert "finished already" in capsys.readouterr().out
