"""Splitting of paragraphs into sentences, in any script."""

from __future__ import annotations

import itertools
import re
import unicodedata

from icu4py.breakers import SentenceBreaker

_BRACKETS = "（「『《〈【〔〖［｛｢"
_OPENING = f"\"'“‘„«‹([¿¡{_BRACKETS}"
_CLOSING = "\"'”’“»›)]）」』》〉】〕〗］｝｣"
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|etc|al|approx|resp|fig|figs|eq|eqs|sec|ch|vol|no|nos|pp?|ed|eds|dr|mr|mrs|ms|prof|st|jr|sr"
    r"|inc|ltd|co|corp|gen|col|lt|sgt|rev|hon|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|ca|viz|def|dept|est|u\.s|u\.k)"
    r"|\b[^\W\d_\uac00-\ud7a3])\.$",
    re.IGNORECASE,
)
# In characters, with its point and the character before it. A search in whole sentences took longer
# than everything else here.
LONGEST_ABBREVIATION = 10

_BEFORE_NUMBER = re.compile(r"[.!?][\"'”’)\]]*\s+(?=[\"'“‘(\[]*[0-9])")
"""Possible ends that ICU does not see, because a small letter after the number may continue the sentence."""

_BLANK_ENDS = re.compile(r"(?<=[\u0e00-\u0eff])\s+(?=[\u0e00-\u0eff])|(?<=[\u0f0d\u0f0e])\s+")
"""Blanks that end a sentence or clause: the only sign of it in Thai and Lao, which have none between words; in Tibetan
the blank follows a stroke."""

_OPENED = f"“‘„‹«([{_BRACKETS}"
"""Marks that open the next sentence where no blank separates two; ICU leaves them at the end of the first."""


def split_sentences(paragraph: str) -> list[str]:
    """The sentences of a paragraph, in order; joined, they are the paragraph again.

    The rules are Unicode's (UAX 29, by ICU), corrected where they know no language: a sentence does not begin with
    a small letter, a point after a common abbreviation or a single letter (an initial) ends no sentence, and an end
    within ASCII text needs white space after it. Rules instead of a model are good enough for their purpose, the
    places where BERT's segments may begin and end.
    """
    sentences: list[str] = []
    start = 0
    for end in _possible_ends(paragraph):
        sentence = paragraph[start:end].strip()
        if not sentence or not _ends(paragraph, start, end):
            continue
        # German writes »so«: « closes if a blank follows it.
        opened = _OPENED.replace("«", "") if paragraph[end - 1].isspace() else _OPENED
        if sentence[-1] in opened and (without_opening := sentence.rstrip(opened)):
            end = paragraph.index(without_opening, start) + len(without_opening)
            sentence = without_opening
        sentences.append(sentence)
        start = end
    last = paragraph[start:].strip()
    sentences = [*sentences, last] if last else sentences
    if paragraph.isascii():
        return sentences
    return [part for sentence in sentences for part in _BLANK_ENDS.split(sentence)]


def _possible_ends(paragraph: str) -> list[int]:
    """The positions where ICU sees an end, or where a number may begin a sentence."""
    # The breaker's own positions count UTF-16 units.
    ends = list(itertools.accumulate(map(len, SentenceBreaker(paragraph, "en"))))[:-1]
    numbers = [match.end() for match in _BEFORE_NUMBER.finditer(paragraph)]
    return sorted({*ends, *numbers}) if numbers else ends


def _ends(paragraph: str, start: int, end: int) -> bool:
    """Whether the sentence that begins at `start` may end at `end`."""
    first = paragraph[end]
    if first in _OPENING or first == "»" and _opens(paragraph, end):
        first = paragraph[end : end + 4].lstrip(f"{_OPENING}»")[:1]
    if not _begins(first):
        return False
    last = paragraph[end - 1]
    if last == " ":
        last = paragraph[end - 2]
    elif first.isascii() and paragraph[start:end].rstrip(_CLOSING)[-1:].isascii() and not last.isspace():
        return False
    return last != "." or not _ABBREVIATION.search(paragraph[max(start, end - LONGEST_ABBREVIATION) : end].rstrip())


def _opens(paragraph: str, place: int) -> bool:
    """Whether the quotation mark at `place` opens, judged by the blanks around it."""
    return paragraph[place - 1].isspace() and not paragraph[place + 1 : place + 2].isspace()


def _begins(first: str) -> bool:
    """Whether a sentence may begin with a character: a letter that is not small, a number or a symbol.

    Georgian letters are small in Unicode, and yet begin sentences, since no capitals are used there.
    """
    kind = unicodedata.category(first or " ")
    return kind in ("Lu", "Lt", "Lo", "Nd", "Nl", "So") or kind == "Ll" and first.title() == first
