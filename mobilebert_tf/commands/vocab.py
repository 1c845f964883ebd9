"""`vocab`: corpus -> WordPiece vocabulary."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mobilebert_tf.commands import next_step
from mobilebert_tf.options import option
from mobilebert_tf.run_directory import Run, open_run
from mobilebert_tf.tokenization import Rules, Tokenizer
from mobilebert_tf.tokenizer_files import write_tokenizer

if TYPE_CHECKING:
    from mobilebert_tf.data.vocabulary import Changed


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vocab:
    """Learn a WordPiece vocabulary from text.

    Reads a directory that `corpus` wrote, or text files (also .gz, .bz2, .xz). Writes
    vocab.txt, one piece per line, [PAD] [UNK] [CLS] [SEP] [MASK] first, and prints how
    many pieces a word of the text takes and how much of the text is lost in [UNK]. Text is
    lower-cased, as in BERT's uncased models, and accents are stripped where few letters have any:
    in Russian, Thai or Hindi marks distinguish words, and Korean syllables would be taken apart.
    These rules are kept in tokenizer.json beside the vocabulary, and every command that reads it
    follows them. The same text gives the same files.

    Examples:
      mobilebert-tf vocab --input=corpus --output=vocab --size=8000
      mobilebert-tf vocab --input=corpus --output=vocab --nolower_case
    """

    output: str = option("directory to write")
    input: str = option("corpus directory, text files or patterns, comma-separated", is_input=True)
    size: int = option("most pieces in the vocabulary", 30522, least=100, most=1_000_000)
    lower_case: bool = option("lower-case all text; --nolower_case keeps capitals", True)
    strip_accents: bool | None = option(
        "strip marks from letters, é to e; default: where less than 0.5 % of the letters would change", None
    )
    min_frequency: int = option("times that two pieces must stand side by side to be merged", 2, least=1, most=10**9)

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
        from mobilebert_tf.data import documents, lost_text, vocabulary

        path = run.directory / "vocab.txt"

        def paragraphs() -> Iterator[str]:
            return (paragraph for document in documents.read_documents(files) for paragraph in document)

        counts = vocabulary.count_characters(paragraphs())
        rules = vocabulary.choose_rules(counts, self.lower_case, self.strip_accents)
        vocab = vocabulary.learn(paragraphs, self.size, self.min_frequency, rules, counts)
        found = vocabulary.coverage(vocab, paragraphs(), rules)
        tokenizer = Tokenizer(vocab, rules)
        write_tokenizer(run.directory, tokenizer)
        changed = vocabulary.changed_by_stripping(counts)
        run.finish(
            size=len(vocab),
            words=found.words,
            pieces=found.pieces,
            pieces_per_word=round(found.pieces_per_word, 4),
            unknown_share=round(found.lost.share, 6),
            marked_share=round(changed.marked, 6),
        )
        print(
            f"vocab: {path} ({len(vocab):,} pieces; {found.pieces_per_word:.2f} pieces per word, "
            f"{found.lost.share:.4%} of {found.lost.characters:,} characters lost in [UNK])"
        )
        print(f"vocab: {_rules_in_words(rules, changed)}")
        left_out = f"the {len(vocab):,} pieces lack {vocabulary.left_out(vocab, counts, rules):,} of its characters"
        lacks = f"{left_out}; give more than --size={self.size}"
        lost_text.say(f"vocab: warning: {self.input}", found.lost, tokenizer, lacks)
        records = f"--output={next_step.beside(self.output, 'records')}"
        next_step.say(next_step.line("records", f"--input={self.input}", f"--vocab={path}", records))


def _rules_in_words(rules: Rules, changed: Changed) -> str:
    case = "lower case" if rules.lower_case else "case kept"
    facts = [f"{changed.marked:.2%} of the letters have marks"]
    if rules.strip_accents:
        facts[0] += ", which are dropped"
    if changed.taken_apart:
        apart = "are taken apart" if rules.strip_accents else "would be taken apart"
        facts.append(f"{changed.taken_apart:.2%} {apart}, like Korean syllables")
    if not rules.strip_accents:
        return f"{case}, accents kept ({'; '.join(facts)}); --strip_accents strips them"
    return f"{case}, accents stripped ({'; '.join(facts)}; --nostrip_accents keeps them)"
