"""`vocab`: corpus -> WordPiece vocabulary."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from mobilebert_tf import atomic
from mobilebert_tf.options import option
from mobilebert_tf.run_directory import Run, open_run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vocab:
    """Learn a WordPiece vocabulary from text.

    Reads a directory that `corpus` wrote, or text files (also .gz, .bz2, .xz). Writes
    vocab.txt, one piece a line, [PAD] [UNK] [CLS] [SEP] [MASK] first, and prints how
    many pieces a word of that text takes and how many are [UNK]. Text is lower-cased and
    accents are stripped, as in BERT's uncased models. The same text gives the same file.

    Example:
      mobilebert-tf vocab --input=corpus --output=vocab --size=8000
    """

    output: str = option("directory to write")
    input: str = option("corpus directory, text files or patterns, comma-separated", is_input=True)
    size: int = option("most pieces in the vocabulary", 30522, least=100, most=1_000_000)
    min_frequency: int = option("times that two pieces stand side by side before they can be merged", 2, least=1)

    def run(self) -> None:
        """Write vocab.txt.

        Raises:
          UsageError: the text is missing, empty or not text.
        """
        from mobilebert_tf.data import documents

        files = documents.input_files(self.input)
        with open_run(self, "vocab", self.output) as run:
            if run.finished:
                print(run.finished_line)
            else:
                self._write(run, files)

    def _write(self, run: Run, files: list[Path]) -> None:
        from mobilebert_tf.data import documents, vocabulary

        path = run.directory / "vocab.txt"

        def paragraphs() -> Iterator[str]:
            return (paragraph for document in documents.read_documents(files) for paragraph in document)

        vocab = vocabulary.learn(paragraphs, self.size, self.min_frequency)
        found = vocabulary.coverage(vocab, paragraphs())
        atomic.write_text(path, "\n".join(vocab) + "\n")
        run.finish(
            size=len(vocab),
            words=found.words,
            pieces=found.pieces,
            pieces_per_word=round(found.pieces_per_word, 4),
            unknown_share=found.unknown_share,
        )
        print(
            f"vocab: {path} ({len(vocab):,} pieces; {found.pieces_per_word:.2f} pieces a word, "
            f"{found.unknown_share:.4%} [UNK] of {found.pieces:,} pieces)"
        )
        print(f"next: mobilebert-tf records --input={self.input} --vocab={path} --output=records")
