"""Windows on a text that is longer than the network: how it is cut, and which window sees a token best."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Sequence

import numpy as np

from mobilebert_tf.tokenization import Tokenizer


@dataclasses.dataclass(frozen=True)
class Window:
    """Some successive word pieces of a text."""

    start: int
    count: int


def windows(pieces: int, room: int, stride: int) -> list[Window]:
    """Windows of at most `room` pieces that begin `stride` pieces apart, over a text of so many.

    A text without a piece has one window, which is empty. Source: google-research/bert `run_squad.py`.
    """
    made = [Window(0, min(pieces, room))]
    while made[-1].start + made[-1].count < pieces:
        start = made[-1].start + min(made[-1].count, stride)
        made.append(Window(start, min(pieces - start, room)))
    return made


def best_seen(made: Sequence[Window]) -> list[np.ndarray]:
    """For each window, which of its pieces no other one sees with more context: bool [count] each.

    A piece's context is the number of pieces on its poorer side; a hundredth of the window's length decides between
    equals, and then the first. Every piece is best seen in one window. Source: `_check_is_max_context`.
    """
    pieces = made[-1].start + made[-1].count
    most, best = np.full(pieces, -np.inf), np.zeros(pieces, np.int64)
    for number, window in enumerate(made):
        left, inside = np.arange(window.count), slice(window.start, window.start + window.count)
        context = np.minimum(left, window.count - 1 - left) + 0.01 * window.count
        best[inside] = np.where(context > most[inside], number, best[inside])
        most[inside] = np.maximum(context, most[inside])
    return [best[one.start : one.start + one.count] == number for number, one in enumerate(made)]


@dataclasses.dataclass(frozen=True)
class Located:
    """Word pieces of one text and where they stand in it."""

    ids: np.ndarray
    """int32 [k]"""
    offsets: np.ndarray
    """int32 [k, 2]: first character, and the one behind the last."""


def locate(texts: Sequence[str], tokenizer: Tokenizer) -> list[Located]:
    """Word pieces of each text; those that occur several times, as the passage of several questions, are cut once.

    Marks that the tokenizer drops, as accents and vowel signs, belong to the piece before them: without its last sign
    no word of Hindi would be whole.
    """
    different = list(dict.fromkeys(texts))
    found = {}
    for text, encoding in zip(different, tokenizer.locate_batch(different), strict=True):
        offsets = np.array(encoding.offsets, np.int32).reshape(-1, 2)
        if not text.isascii():
            _take_in_marks(text, offsets)
        found[text] = Located(np.array(encoding.ids, np.int32), offsets)
    return [found[text] for text in texts]


def _take_in_marks(text: str, offsets: np.ndarray) -> None:
    """Move ends [k, 2] behind combining marks that no other piece has."""
    for piece in range(len(offsets)):
        limit = offsets[piece + 1, 0] if piece + 1 < len(offsets) else len(text)
        while offsets[piece, 1] < limit and unicodedata.category(text[offsets[piece, 1]]).startswith("M"):
            offsets[piece, 1] += 1


@dataclasses.dataclass
class Rows:
    """The network's inputs while they are filled, a row for each window."""

    inputs: dict[str, np.ndarray]
    """`input_ids`, `input_mask`, `segment_ids`, int32 [R, T]."""
    row_example: np.ndarray
    """int64 [R]"""
    offsets: np.ndarray
    """int32 [R, T, 2], of pieces of the passage in its text; zero elsewhere."""
    best_seen: np.ndarray
    """bool [R, T]"""
    first_piece: np.ndarray
    """int32 [R]: where the passage begins in a row."""
    starts: np.ndarray
    """int32 [R]: which piece of the passage that is."""

    @property
    def features(self) -> dict[str, np.ndarray]:
        """As `Task.features` gives them."""
        return {
            **self.inputs,
            "row_example": self.row_example,
            "offsets": self.offsets,
            "best_seen": self.best_seen,
        }


def lay_out(
    passages: Sequence[Located], before: Sequence[np.ndarray] | None, length: int, stride: int, tokenizer: Tokenizer
) -> Rows:
    """[CLS] before [SEP] window [SEP], or [CLS] window [SEP], for each window on each passage.

    Args:
      passages: n texts, cut into windows.
      before: ids of what stands before each, such as a question; None: nothing.
      length: T.
      stride: word pieces between two windows' beginnings.
    """
    cls, sep = tokenizer.id("[CLS]"), tokenizer.id("[SEP]")
    fronts = [np.array([cls])] * len(passages) if before is None else [np.array([cls, *ids, sep]) for ids in before]
    cuts = [
        windows(len(passage.ids), length - len(front) - 1, stride)
        for passage, front in zip(passages, fronts, strict=True)
    ]
    count = sum(map(len, cuts))
    ids, mask, segments = (np.zeros((count, length), np.int32) for _ in range(3))
    row_example, first_piece, starts = np.zeros(count, np.int64), np.zeros(count, np.int32), np.zeros(count, np.int32)
    offsets, seen = np.zeros((count, length, 2), np.int32), np.zeros((count, length), bool)
    row = 0
    for example, (passage, front, made) in enumerate(zip(passages, fronts, cuts, strict=True)):
        for window, best in zip(made, best_seen(made), strict=True):
            begin, end = len(front), len(front) + window.count
            inside = slice(window.start, window.start + window.count)
            ids[row, :begin], ids[row, begin:end], ids[row, end] = front, passage.ids[inside], sep
            mask[row, : end + 1] = 1
            if before is not None:
                segments[row, begin : end + 1] = 1
            offsets[row, begin:end], seen[row, begin:end] = passage.offsets[inside], best
            row_example[row], first_piece[row], starts[row] = example, begin, window.start
            row += 1
    inputs = {"input_ids": ids, "input_mask": mask, "segment_ids": segments}
    return Rows(inputs, row_example, offsets, seen, first_piece, starts)
