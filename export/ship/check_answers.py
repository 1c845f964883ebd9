"""Reference implementation of a contract, step by step: from word pieces to ids, from outputs to an answer.

Plain Python, as an app would do it, with the standard library only and nothing of this project. `check_contract.py`
checks files against contracts with it, `golden.py` makes the answers of contracts with it. `contract.py` documents
the fields.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any


def lay_out(parts: Sequence[Sequence[int]], text: Mapping[str, Any]) -> tuple[list[int], list[int]]:
    """Ids and segment ids of one or two texts from the ids of their word pieces, by a contract's `text`."""
    left = [list(part) for part in parts]
    room = text["max_ids"] - (len(text["layout"]) - len(left))
    while sum(map(len, left)) > room:
        max(reversed(left), key=len).pop()
    ids: list[int] = []
    segments: list[int] = []
    for name, segment in zip(text["layout"], text["segment_ids"], strict=True):
        pieces = [text["special_tokens"][name]] if name in text["special_tokens"] else left.pop(0)
        ids += pieces
        segments += [segment] * len(pieces)
    return ids, segments


def lay_out_windows(
    parts: Sequence[Sequence[int]], offsets: Sequence[tuple[int, int]], given: str, text: Mapping[str, Any]
) -> list[tuple[list[int], list[int], list[list[int] | None], int]]:
    """Ids, segment ids, offsets and first piece of each window on `given`, the last of the texts.

    `parts` are the ids of all texts' word pieces, `offsets` the positions of the pieces of `given`. Combining marks
    that the tokenizer drops belong to the piece before them.
    """
    located = []
    for number, (start, end) in enumerate(offsets, start=1):
        limit = offsets[number][0] if number < len(offsets) else len(given)
        while end < limit and unicodedata.category(given[end]).startswith("M"):
            end += 1
        located.append([start, end])
    *before, whole = (list(part) for part in parts)
    before = [part[: text["windows"]["most_before"]] for part in before]
    room = text["max_ids"] - (len(text["layout"]) - len(parts)) - sum(map(len, before))
    windows, start = [], 0
    while True:
        inside = whole[start : start + room]
        ids, segments = lay_out([*before, inside], text)
        end = len(ids) - 1
        places: list[list[int] | None] = [None] * len(ids)
        places[end - len(inside) : end] = located[start : start + len(inside)]
        windows.append((ids, segments, places, start))
        if start + len(inside) >= len(whole):
            return windows
        start += min(len(inside), text["windows"]["stride"])


def choose_signature(signatures: Sequence[Mapping[str, Any]], count: int, text: Mapping[str, Any]) -> Mapping[str, Any]:
    """The shortest signature that has room for `count` ids and the least padding, or the longest."""
    need = min(count + text["padding"]["least"], text["max_ids"])
    return min((one for one in signatures if one["length"] >= need), key=lambda one: one["length"])


def decode(
    output: Sequence[float], answer: Mapping[str, Any]
) -> tuple[list[float] | None, str | float | list[str] | None]:
    """Probabilities and answer for an output [C], by a contract's `answer`; None in place of either that is missing."""
    kind = kind_of(answer)
    if kind == "classes":
        divisor = answer.get("temperature", 1.0)
        likely = softmax([value / divisor for value in output]) if answer["softmax"] else list(output)
        is_sure = max(likely) >= (answer.get("threshold") or 0.0)
        return likely, answer["labels"][output.index(max(output))] if is_sure else None
    if kind == "labels":
        likely = [1.0 / (1.0 + math.exp(-value)) if value > -700.0 else 0.0 for value in output]
        return likely, [
            label for label, p in zip(answer["labels"], likely, strict=True) if p >= answer["thresholds"][label]
        ]
    if kind == "prototypes":
        return None, _nearest(output, answer)
    return None, answer["offset"] + answer["scale"] * output[0] if kind == "value" else None


def decode_windows(windows: Sequence[Mapping[str, Any]], text: str, answer: Mapping[str, Any]) -> Any:
    """The answer from windows on `text` with their outputs: the span, None if there is none, or the entities."""
    return (_span if kind_of(answer) == "span" else _entities)(windows, text, answer)


def _span(windows: Sequence[Mapping[str, Any]], text: str, answer: Mapping[str, Any]) -> dict[str, Any] | None:
    best, span, nothing = -math.inf, (0, 0), math.inf
    for window, counts in zip(windows, _counted(windows), strict=True):
        starts, ends = (window["outputs"][answer["outputs"][which]] for which in ("start", "end"))
        nothing = min(nothing, starts[0] + ends[0])
        offsets = window["offsets"]
        for first in counts:
            for last in range(first, min(first + answer["longest"], len(offsets))):
                if offsets[last] is not None and starts[first] + ends[last] > best:
                    best, span = starts[first] + ends[last], (offsets[first][0], offsets[last][1])
    if best == -math.inf or answer["no_answer"] is not None and nothing - best > answer["no_answer"]:
        return None
    return {"text": text[span[0] : span[1]], "start": span[0], "end": span[1]}


def _entities(windows: Sequence[Mapping[str, Any]], text: str, answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    tags: list[tuple[tuple[int, int], str]] = []
    places = [
        (window["offsets"][place], window["outputs"][answer["output"]][place])
        for window, counts in zip(windows, _counted(windows), strict=True)
        for place in counts
    ]
    places.sort(key=lambda one: one[0])
    for start, end in words_of(text):
        values = next((values for (first, _), values in places if start <= first < end), None)
        label = "O" if values is None else answer["labels"][values.index(max(values))]
        tags.append(((start, end), label))
    entities: list[dict[str, Any]] = []
    before = "O"
    for (start, end), tag in tags:
        if tag == "O":
            before = tag
            continue
        kind = tag[2:]
        if before == "O" or tag[0] in "BSU" or before[0] in "ESLU" or before[2:] != kind:
            entities.append({"label": kind, "start": start})
        entities[-1] |= {"end": end, "text": text[entities[-1]["start"] : end]}
        before = tag
    return [{name: one[name] for name in ("label", "text", "start", "end")} for one in entities]


def _counted(windows: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Places, in each window, of the pieces that count in it and in no other window."""
    sizes = [sum(place is not None for place in window["offsets"]) for window in windows]
    best: dict[int, tuple[float, int]] = {}
    for number, (window, size) in enumerate(zip(windows, sizes, strict=True)):
        for place in range(size):
            context = min(place, size - 1 - place) + 0.01 * size
            piece = window["start"] + place
            if piece not in best or context > best[piece][0]:
                best[piece] = context, number
    counted = []
    for number, (window, size) in enumerate(zip(windows, sizes, strict=True)):
        front = next((place for place, known in enumerate(window["offsets"]) if known is not None), 0)
        counted.append([front + place for place in range(size) if best[window["start"] + place][1] == number])
    return counted


def words_of(text: str) -> list[tuple[int, int]]:
    """Positions of the words: first character, and the one after the last."""
    words: list[tuple[int, int]] = []
    for piece in re.finditer(r"\S+", text):
        start, end = piece.span()
        inner = [place for place in range(start, end) if not _is_mark(text[place])]
        first, behind = (inner[0], inner[-1] + 1) if inner else (end, end)
        words += [(place, place + 1) for place in range(start, first)]
        for place in range(first, behind):
            alone = _is_cjk(text[place])
            if alone or place == first or _is_cjk(text[place - 1]):
                words.append((place, place + 1))
            else:
                words[-1] = (words[-1][0], place + 1)
        words += [(place, place + 1) for place in range(behind, end)]
    return words


def _is_mark(character: str) -> bool:
    return character.isascii() and not character.isalnum() or unicodedata.category(character).startswith("P")


def _is_cjk(character: str) -> bool:
    ranges = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F))
    more = ((0x2B740, 0x2B81F), (0x2B920, 0x2CEAF), (0x2F800, 0x2FA1F))
    return any(first <= ord(character) <= last for first, last in (*ranges, *more))


def _nearest(vector: Sequence[float], answer: Mapping[str, Any]) -> str | None:
    """The label of the nearest centroid; None: it is below the threshold, or leads the next by less than the margin."""
    cosines = [sum(a * b for a, b in zip(vector, row, strict=True)) for row in answer["centroids"]]
    *_, second, best = sorted([-math.inf, *cosines])
    if best < answer["threshold"] or best - second < answer["margin"]:
        return None
    return str(answer["labels"][cosines.index(best)])


def kind_of(answer: Mapping[str, Any]) -> str:
    """Kind of an answer; contracts of schema 1, which have no such field, are all about classes."""
    return str(answer.get("kind", "classes"))


def softmax(logits: Sequence[float]) -> list[float]:
    """Probabilities [C] of logits [C]."""
    powers = [math.exp(logit - max(logits)) for logit in logits]
    return [power / sum(powers) for power in powers]
