"""The paragraphs of English in a docstring, without code, tables, headings and markup."""

from __future__ import annotations

import inspect
import re

MIN_WORDS = 6
MIN_CHARACTERS = 40
MIN_LETTERS = 0.8
"""Minimum share of letters among all characters but spaces: formulas, signatures and tables have fewer."""

_FENCED = re.compile(r"^[ \t]*(```|~~~).*?(^[ \t]*\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_UNDERLINE = re.compile(r"([-=~^*#\"'`+.:_])\1{2,}$")
_TABLE = re.compile(r"[|+]|={3,}\s+={3,}|-{3,}\s+-{3,}")
_DIRECTIVE = re.compile(r"\.\.(\s|$)|:[\w -]+:(\s|$)|@\w+\b|\[\d+\]\s|[Rr]eferences?:?$")
_BULLET = re.compile(r"(?:[-*+•]|\(?\d{1,2}[.)]|\(?[a-z]\))\s+")
# `axis: The axis ...`, `x (int): The ...`, `x -- the ...`, and NumPy's `x : array_like, optional`.
_ITEM = re.compile(
    r"`{0,2}\*{0,2}[A-Za-z_][\w.]*`{0,2}(?:,\s*`{0,2}\*{0,2}\w+`{0,2})*\s*(?:\([^()]*\))?(?::| --)\s+(?=\S)"
)
_NUMPY_ITEM = re.compile(r"\*{0,2}[A-Za-z_]\w*\*{0,2}(?:,\s*\*{0,2}\w+\*{0,2})*\s+:\s")

_INLINE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r":[a-z][\w:+-]*:`[~!.]?([^`<]*?)(?:\s*<[^>`]*>)?`"), r"\1"),  # :func:`open`, :ref:`text <place>`
    (re.compile(r"`([^`<]+?)\s*<[^>`]*>`_{1,2}"), r"\1"),
    (re.compile(r"\[([^\]]+)\]\((?:[^()]|\([^()]*\))*\)"), r"\1"),
    (re.compile(r"\s*\[(?:\d+|[A-Z]\w+\d+)\]_?"), ""),
    (re.compile(r"`{1,2}[~!.]?([^`]+)`{1,2}_{0,2}"), r"\1"),
    (re.compile(r"\*\*([^*\s](?:[^*]*[^*\s])?)\*\*"), r"\1"),
    (re.compile(r"(?<![\w*])\*([^*\s](?:[^*]*[^*\s])?)\*(?![\w*])"), r"\1"),
    (re.compile(r"::$"), ":"),
    (re.compile(r"\s+"), " "),
)
_NOT_PROSE = re.compile(r"https?://|www\.|>>>|[{}|\\$<>=]|__|\w\(.*\w=|\bCopyright\b|\?\?|\.\.\.\s\w")
_FUNCTION_WORDS = frozenset(
    "the a an of is are to in and for be this that with or as it on by if from not which when will can".split()
)


def paragraphs(docstring: str) -> list[str]:
    """The paragraphs of running English in a docstring, each as one line without inline markup.

    Kept: descriptions, notes, the text of list items and of parameters. Dropped:
    doctests, fenced and indented code, tables, headings, directives, field lists and
    anything too short or with too few letters to be a sentence.
    """
    text = _FENCED.sub("\n", inspect.cleandoc(docstring))
    prose = []
    code_deeper_than: int | None = None
    for block in re.split(r"\n[ \t]*\n", text):
        lines = [line.rstrip() for line in block.split("\n") if line.strip()]
        if not lines:
            continue
        indent = _indent(lines[0])
        if code_deeper_than is not None and indent > code_deeper_than:
            continue
        code_deeper_than = None
        if _DIRECTIVE.match(lines[0].lstrip()):
            code_deeper_than = indent
            continue
        if sum(bool(_TABLE.search(line)) for line in lines) > 1:
            continue
        if lines[-1].endswith("::"):
            code_deeper_than = min(_indent(line) for line in lines)
        prose += [p for p in map(_plain, _join(lines)) if is_prose(p)]
    return prose


def is_prose(paragraph: str) -> bool:
    """Whether a line reads like English sentences rather than a signature, a heading or a formula."""
    if len(paragraph) < MIN_CHARACTERS or not paragraph[0].isalpha() or not paragraph.isprintable():
        return False
    if paragraph[-1] not in ".!?:)\"'" or _NOT_PROSE.search(paragraph):
        return False
    words = paragraph.lower().split()
    letters = sum(map(str.isalpha, paragraph))
    spaces = len(words) - 1
    return (
        len(words) >= MIN_WORDS
        and letters >= MIN_LETTERS * (len(paragraph) - spaces)
        and any(word in _FUNCTION_WORDS for word in words)
    )


def _join(lines: list[str]) -> list[str]:
    """The paragraphs in the lines of a block: an item or a change of indentation begins a new one."""
    joined: list[list[str]] = []
    indent, in_item = -1, False
    for number, line in enumerate(lines):
        line_indent, words = _indent(line), line.strip()
        if words.startswith((">>>", "$ ", "%")):
            break  # after a doctest, the rest of the block is its output
        if _UNDERLINE.fullmatch(words):
            if joined and number and not in_item:
                joined.pop()  # the heading above it
            indent = -1
            continue
        if _NUMPY_ITEM.match(words) or words.endswith("::") and len(words.split()) < 3:
            indent, in_item = -1, False
            continue
        marker = _BULLET.match(words) or _ITEM.match(words)
        if marker:
            words, in_item = words[marker.end() :], True
            joined.append([words])
        elif joined and indent >= 0 and (line_indent == indent or in_item and line_indent > indent):
            joined[-1].append(words)
            continue
        else:
            in_item = False
            joined.append([words])
        indent = line_indent
    return [" ".join(part) for part in joined]


def _plain(paragraph: str) -> str:
    for pattern, replacement in _INLINE:
        paragraph = pattern.sub(replacement, paragraph)
    paragraph = paragraph.strip()
    return paragraph[:1].upper() + paragraph[1:]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
