"""Windows on a text that is longer than the network's inputs, and the window that sees each token best."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Sequence

import numpy as np

from mobilebert_tf.tokenization import Tokenizer


@dataclasses.dataclass(frozen=True)
class Window:
    """Successive word pieces of a text."""

    start: int
    count: int


def windows(pieces: int, room: int, stride: int) -> list[Window]:
    """Windows of at most `room` pieces, `stride` pieces apart, over a text of `pieces` word pieces.

    A text without word pieces has one empty window. Source: google-research/bert `run_squad.py`.
    """
    result = [Window(0, min(pieces, room))]
    while result[-1].start + result[-1].count < pieces:
        start = result[-1].start + min(result[-1].count, stride)
        result.append(Window(start, min(pieces - start, room)))
    return result


def best_seen(made: Sequence[Window]) -> list[np.ndarray]:
    """Mask of each window's pieces that no other window sees with more context, bool [count] each.

    A piece's context is the number of pieces on its shorter side. Ties are broken by a hundredth of the window's
    length, then by order, so every piece is best seen in one window. Source: `_check_is_max_context`.
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
    """Word pieces of one text and their places in it."""

    ids: np.ndarray
    """int32 [k]"""
    offsets: np.ndarray
    """int32 [k, 2]: the first character of each piece, and the character after its last."""


def locate(texts: Sequence[str], tokenizer: Tokenizer) -> list[Located]:
    """Word pieces of each text; repeated texts, such as the passage of several questions, are tokenized once.

    Marks that the tokenizer drops, such as accents and vowel signs, belong to the piece before them; otherwise words of
    Hindi would lose their last sign.
    """
    different = list(dict.fromkeys(texts))
    located = {}
    for text, encoding in zip(different, tokenizer.locate_batch(different), strict=True):
        offsets = np.array(encoding.offsets, np.int32).reshape(-1, 2)
        if not text.isascii():
            _take_in_marks(text, offsets)
        located[text] = Located(np.array(encoding.ids, np.int32), offsets)
    return [located[text] for text in texts]


def _take_in_marks(text: str, offsets: np.ndarray) -> None:
    """Extend the offsets [k, 2] over combining marks that belong to no other piece."""
    for piece in range(len(offsets)):
        limit = offsets[piece + 1, 0] if piece + 1 < len(offsets) else len(text)
        while offsets[piece, 1] < limit and unicodedata.category(text[offsets[piece, 1]]).startswith("M"):
            offsets[piece, 1] += 1


@dataclasses.dataclass
class Rows:
    """The network's inputs, one row per window, with their places in the texts."""

    inputs: dict[str, np.ndarray]
    """`input_ids`, `input_mask`, `segment_ids`, int32 [R, T]."""
    row_example: np.ndarray
    """int64 [R], number of the example of each row."""
    offsets: np.ndarray
    """int32 [R, T, 2], offsets of the passage's pieces in its text; zero elsewhere."""
    best_seen: np.ndarray
    """bool [R, T], whether no other window sees a piece better."""
    first_piece: np.ndarray
    """int32 [R], place in the row where the passage begins."""
    starts: np.ndarray
    """int32 [R], number of the passage's piece at that place."""

    @property
    def features(self) -> dict[str, np.ndarray]:
        """The features as `Task.features` returns them."""
        return {
            **self.inputs,
            "row_example": self.row_example,
            "offsets": self.offsets,
            "best_seen": self.best_seen,
        }


def lay_out(
    passages: Sequence[Located], before: Sequence[np.ndarray] | None, length: int, stride: int, tokenizer: Tokenizer
) -> Rows:
    """Rows `[CLS] before [SEP] window [SEP]`, or `[CLS] window [SEP]`, for each window on each passage.

    Args:
      passages: n texts to cut into windows.
      before: ids of the text before each passage, such as a question; None: nothing.
      length: T.
      stride: word pieces between the starts of successive windows.
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
    for example, (passage, front, cut) in enumerate(zip(passages, fronts, cuts, strict=True)):
        for window, best in zip(cut, best_seen(cut), strict=True):
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
