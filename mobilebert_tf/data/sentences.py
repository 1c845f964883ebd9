"""Where one sentence of English ends and the next begins."""

from __future__ import annotations

import re

# A sentence ends with . ! or ?, closing quotes and brackets, white space, and then
# something that can begin one. What stands before the point decides the rest.
_END = re.compile(r"[.!?][\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-Z0-9])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|etc|al|approx|resp|fig|figs|eq|eqs|sec|ch|vol|no|nos|pp?|ed|eds|dr|mr|mrs|ms|prof|st|jr|sr"
    r"|inc|ltd|co|corp|gen|col|lt|sgt|rev|hon|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|ca|viz|def|dept|est|u\.s|u\.k)"
    r"|\b[A-Za-z])\.$",
    re.IGNORECASE,
)
# With its point and what stands before it. Searching whole sentences took longer than all else here.
LONGEST_ABBREVIATION = 10


def split_sentences(paragraph: str) -> list[str]:
    """The sentences of a paragraph, in order; together they are the paragraph again.

    Rules, not a model: a point after a common abbreviation or a single letter (an
    initial) ends nothing. Good enough for what it serves, the places where BERT's
    segments may begin and end.
    """
    sentences = []
    start = 0
    for match in _END.finditer(paragraph):
        sentence = paragraph[start : match.end()].rstrip()
        if _ABBREVIATION.search(sentence[-LONGEST_ABBREVIATION:]):
            continue
        sentences.append(sentence)
        start = match.end()
    last = paragraph[start:].strip()
    return [*sentences, last] if last else sentences
