"""`corpus`: docstrings, text files or a TensorFlow Datasets set -> paragraphs, one per line."""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mobilebert_tf import atomic
from mobilebert_tf.commands import next_step
from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option
from mobilebert_tf.paths import names
from mobilebert_tf.run_directory import open_run
from mobilebert_tf.text_table import aligned

SOURCES = ("docstrings", "text", "tfds")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Corpus:
    """Gather text to pre-train on: one paragraph per line, a blank line between documents.

    --source=text checks and normalises your own text files (also .gz, .bz2 and .xz), in the same
    format or as WikiExtractor writes it. It is the default where --input names files.

    --source=docstrings reads the documentation inside Python's standard library and the
    installed packages. Their source files are parsed, never imported; each source file is
    one document. It writes LIBRARY.txt, the text of held-out files in heldout/LIBRARY.txt,
    and a classification task in sentences/{train,eval}.tsv (label, text, source): which
    library is this sentence about? Held-out files are only in heldout/ and eval.tsv.

    --source=tfds reads a set of TensorFlow Datasets, one document per example.

    Examples:
      mobilebert-tf corpus --output=corpus
      mobilebert-tf corpus --output=corpus --input=numpy,scipy,python,keras,matplotlib
      mobilebert-tf corpus --output=corpus --input='articles/*.txt.xz'
      mobilebert-tf corpus --output=corpus --source=tfds --input=wikipedia/20230601.en
    """

    output: str = option("directory to write")
    source: str | None = option(
        "where the text comes from; default: text where --input names files, else docstrings", None, choices=SOURCES
    )
    input: str | None = option(
        "docstrings: names of libraries (default: all with at least 60,000 characters of prose); text: files, "
        "patterns and directories; tfds: name of the set. Comma-separated",
        None,
        is_input=True,
    )
    heldout_fraction: float = option("docstrings: share of the source files that is held out", 0.1, least=0, most=1)
    max_sentences_per_class: int = option(
        "docstrings: most sentences of one library in train.tsv", 3000, least=1, most=10**9
    )
    max_eval_sentences_per_class: int = option(
        "docstrings: most sentences of one library in eval.tsv", 400, least=1, most=10**9
    )
    split: str = option("tfds: the split to read", "train")
    text_feature: str = option("tfds: the feature that holds the text", "text")
    seed: int = option("random seed for the held-out files and the order of the sentences", 1, least=0, most=2**32 - 1)
    workers: int = option("processes (0: one per core)", 0, identity=False, least=0, most=1024)

    def run(self) -> None:
        """Write the corpus.

        Raises:
          UsageError: an option is out of range, or an input is missing, empty or not text.
        """
        if self.input is not None and not names(self.input):
            raise UsageError(f"--input={self.input}: names nothing; leave it out for the docstrings of all libraries")
        if self.source is None:
            source = "text" if self.input and _names_files(self.input) else "docstrings"
            dataclasses.replace(self, source=source).run()
            return
        if not 0.0 < self.heldout_fraction < 1.0:
            raise UsageError(f"--heldout_fraction={self.heldout_fraction}: must lie between 0 and 1")
        if self.source != "docstrings" and not self.input:
            raise UsageError(f"--source={self.source} needs --input")
        write = {"docstrings": self._docstrings, "text": self._text, "tfds": self._tfds}[self.source]
        with open_run(self, "corpus", self.output) as run:
            if run.finished:
                print(run.finished_line)
                return
            run.finish(**write(run.directory))
        vocab = f"--output={next_step.beside(self.output, 'vocab')}"
        next_step.say(next_step.line("vocab", f"--input={self.output}", vocab, "--size=8000"))

    def _docstrings(self, directory: Path) -> dict[str, Any]:
        from mobilebert_tf.data import docstring_corpus

        chosen = [name for name in (self.input or "").split(",") if name]
        libraries = docstring_corpus.read_libraries(chosen, self.workers)
        sizes = (self.max_sentences_per_class, self.max_eval_sentences_per_class)
        counts = docstring_corpus.write(libraries, directory, self.heldout_fraction, self.seed, *sizes)
        rows = [("library", "files", "paragraphs", "held out", "sentences", "held out")]
        for name, c in counts["libraries"].items():
            task = counts["sentences"].get(name, {"train": "-", "eval": "-"})
            texts = (f"{c['files']:,}", f"{c['paragraphs']:,}", f"{c['held_out_paragraphs']:,}")
            rows.append((name, *texts, str(task["train"]), str(task["eval"])))
        print(aligned(rows))
        characters = sum(c["characters"] for c in counts["libraries"].values())
        print(f"corpus: {directory} ({characters / 1e6:.1f} million characters)")
        return counts

    def _text(self, directory: Path) -> dict[str, Any]:
        from mobilebert_tf.data import documents

        counts = {}
        # The files before a broken one are no corpus, and would be in the way.
        with contextlib.ExitStack() as all_or_none:
            for file in documents.input_files(self.input or ""):
                packed = file.suffix.lower() in (".gz", ".bz2", ".xz")
                name = file.name.removesuffix(file.suffix) if packed else file.name
                name = name.removesuffix(".txt").removesuffix(".TXT")
                if f"{name}.txt" in counts:
                    raise UsageError(f"{file}: another input is called {name} too; rename one")
                text = documents.read_documents([file])
                counts[f"{name}.txt"] = _write(text, directory / f"{name}.txt", all_or_none)
        return {"files": counts}

    def _tfds(self, directory: Path) -> dict[str, Any]:
        from mobilebert_tf.data.tfds_text import read_tfds

        assert self.input is not None
        name = f"{self.input.replace('/', '_').replace(':', '_')}.txt"
        with contextlib.ExitStack() as all_or_none:
            text = read_tfds(self.input, self.split, self.text_feature)
            counts = _write(text, directory / name, all_or_none)
            if not counts["documents"]:
                raise UsageError(f"--input={self.input}: split {self.split} has no text in feature {self.text_feature}")
        return {"files": {name: counts}}


def _write(source: Iterable[list[str]], path: Path, stack: contextlib.ExitStack) -> dict[str, int]:
    """Write documents to a file aside, which moves to `path` when `stack` ends without an error."""
    from mobilebert_tf.data import documents
    from mobilebert_tf.data.progress import track

    aside = stack.enter_context(atomic.write_aside(path))
    count, paragraphs, size = documents.write_documents(track(source, path.name, "document"), aside)
    print(f"{path}: {count:,} documents, {paragraphs:,} paragraphs, {size / 1e6:.1f} MB")
    return {"documents": count, "paragraphs": paragraphs, "bytes": size}


def _names_files(paths: str) -> bool:
    """Whether an --input names text files: some exist, or names end as those of text files do.

    The directory of an installed package, whose docstrings can be read too, has Python files and no text.
    """
    from mobilebert_tf.data.documents import ENDINGS, text_files_in

    def is_text(name: str) -> bool:
        path = Path(name)
        if path.is_dir():
            texts = text_files_in(path)
            if any(file.name.lower().endswith(ENDINGS) for file in texts):
                return True
            return bool(texts or os.sep in name) and next(path.rglob("*.py"), None) is None
        return path.is_file() or glob.has_magic(name) or name.lower().endswith(ENDINGS)

    return any(map(is_text, names(paths)))
