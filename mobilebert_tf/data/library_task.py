"""The task "which library is this sentence of documentation about?", made from docstrings.

Its labels cost nothing and it is split by source file. Sentences with names of libraries, which
would give the answer away, are left out: the class must be told from content and style.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import re
from collections.abc import Iterable, Sequence

from mobilebert_tf.data import near_duplicates
from mobilebert_tf.data.sentences import split_sentences

COLUMNS = ("label", "text", "source")

MIN_WORDS, MAX_WORDS = 5, 40

_SHORT_NAMES = {
    "fontTools": ("ttx",),
    "google": ("protobuf", "protocol buffer"),
    "huggingface_hub": ("hugging", "hf"),
    "matplotlib": ("mpl", "plt", "pyplot", "pylab"),
    "mpl_toolkits": ("mplot3d", "axes_grid1", "axisartist"),
    "numpy": ("np",),
    "python": ("py", "stdlib"),
    "tensorflow": ("tf", "tflite"),
    "tensorflow_datasets": ("tfds",),
}


@dataclasses.dataclass(frozen=True)
class Sentence:
    """One example: a sentence, the library it is from, and the source file."""

    label: str
    text: str
    source: str
    held_out: bool


def sentences_of(paragraphs: Iterable[str]) -> list[str]:
    """The whole sentences of 5 to 40 words in these paragraphs."""
    return [
        sentence
        for paragraph in paragraphs
        for sentence in split_sentences(paragraph)
        if sentence[-1] in ".!?" and sentence[0].isupper() and MIN_WORDS <= len(sentence.split()) <= MAX_WORDS
    ]


def giveaway(libraries: Iterable[str]) -> re.Pattern[str]:
    """A pattern that finds the name, or a usual short name, of any of the libraries.

    Long names are also found inside other words (TensorFlowLite); short ones only with no
    letter before or after them (np.array, TF_CONFIG).
    """
    names = set()
    for library in libraries:
        names |= {library, library.replace("_", " "), *_SHORT_NAMES.get(library, ())}
    long = "|".join(sorted(re.escape(name) for name in names if len(name) >= 5))
    short = "|".join(sorted(re.escape(name) for name in names if len(name) < 5))
    patterns = [long] * bool(long) + [rf"(?<![a-z])(?:{short})(?![a-z])"] * bool(short)
    return re.compile("|".join(patterns), re.IGNORECASE)


def make_split(
    candidates: Sequence[Sentence], train_size: int, eval_size: int, seed: int, min_train_size: int
) -> tuple[list[Sentence], list[Sentence]]:
    """The examples of the task: training side and held-out side, each in a seeded order.

    Of each class at most `train_size` and `eval_size` are taken; a class with fewer than
    `min_train_size` training sentences, or no test sentence, is left out. Of near-duplicates
    one is kept, and none if they differ in label or in side; so no sentence has a
    near-duplicate on either side, and no held-out sentence has one among all candidates
    of the training side.
    """
    giveaways = giveaway({sentence.label for sentence in candidates})
    order = sorted((s for s in candidates if not giveaways.search(s.text)), key=lambda s: _shuffled(s, seed))
    # All candidates are compared, not only as many as are needed: a held-out sentence must
    # not be in the training text either. Of a group that is on both sides none is kept.
    held_out_first = sorted(order, key=lambda sentence: not sentence.held_out)
    train_of: dict[str, list[Sentence]] = collections.defaultdict(list)
    eval_of: dict[str, list[Sentence]] = collections.defaultdict(list)
    for group in near_duplicates.groups([sentence.text for sentence in held_out_first]):
        first = held_out_first[group[0]]
        if all((held_out_first[i].label, held_out_first[i].held_out) == (first.label, first.held_out) for i in group):
            (eval_of if first.held_out else train_of)[first.label].append(first)
    labels = [label for label in train_of if len(train_of[label]) >= min_train_size and eval_of[label]]
    train = [sentence for label in labels for sentence in train_of[label][:train_size]]
    tests = [sentence for label in labels for sentence in eval_of[label][:eval_size]]
    return sorted(train, key=lambda s: _shuffled(s, seed)), sorted(tests, key=lambda s: _shuffled(s, seed))


def to_table(sentences: Iterable[Sentence]) -> str:
    """The sentences as the text of a TSV file."""
    rows = ["\t".join(COLUMNS), *(f"{s.label}\t{s.text}\t{s.source}" for s in sentences)]
    return "\n".join(rows) + "\n"


def _shuffled(sentence: Sentence, seed: int) -> bytes:
    """A sort key that gives a random order, the same on every machine."""
    return hashlib.blake2b(f"{seed}:{sentence.source}:{sentence.text}".encode(), digest_size=8).digest()
