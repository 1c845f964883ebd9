"""Table for Kotlin of the tokenizer's treatment of each character of Unicode.

    python android_demo/make_characters.py

writes `core/src/main/resources/dev/mobilebert/core/characters.txt`. A phone's own tables would not do: each Android
has another version of Unicode, and the `tokenizers` library has three at once. So the library is asked about
every character, alone and beside others.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

import tokenizers
from tokenizers import models, normalizers, pre_tokenizers

TABLE = Path(__file__).parent / "core/src/main/resources/dev/mobilebert/core/characters.txt"

LINES = """\
# Made by android_demo/make_characters.py from tokenizers {tokenizers} and Unicode {unicode}; not to be edited.
# CLASS FIRST LAST      gone: dropped. space: separates words. cjk: a word of its own. punctuation: a word.
#                       accent: dropped by strip_accents. word: what single_word of an added token looks at.
#                       mark: belongs to the piece before it. sign, blank: what divides the words of entities.
# order FIRST LAST N    place among the marks behind a character
# decompose CHARACTER PARTS...
# lower FIRST LAST STEP DIFFERENCE, or lower CHARACTER = PARTS...
# Hangul is decomposed by its formula. All numbers but the place, the step and the difference are hexadecimal.
"""
HANGUL = range(0xAC00, 0xD7A4)
EARLY, LATE = "\U0001d165", "\u302e"
"""Marks with the places 216 and 224 that strip_accents leaves."""


def characters() -> Iterator[str]:
    """All that a text can have."""
    return (chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)


def _normalizer(**rules: bool) -> normalizers.BertNormalizer:
    off = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    return normalizers.BertNormalizer(**off | rules)


def classes_of(some: Iterable[str]) -> dict[str, list[str]]:
    """Which of these characters are in each class."""
    clean, cjk = _normalizer(clean_text=True).normalize_str, _normalizer(handle_chinese_chars=True).normalize_str
    strip, split = _normalizer(strip_accents=True).normalize_str, pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    backend = tokenizers.Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    backend.add_tokens([tokenizers.AddedToken("[T]", single_word=True, normalized=False)])
    classes: dict[str, list[str]] = {
        name: [] for name in ("gone", "space", "cjk", "punctuation", "accent", "word", "mark", "sign", "blank")
    }
    for character in some:
        between = f"a{character}a"
        cleaned = clean(between)
        category = unicodedata.category(character)
        tests = {
            "gone": cleaned == "aa",
            "space": cleaned == "a a",
            "cjk": cjk(character) != character,
            "punctuation": [part for part, _ in split(between)] == ["a", character, "a"],
            "accent": strip(character) == "",
            "word": backend.encode(f"{character}[T]", add_special_tokens=False).ids[-1:] != [1],
            "mark": category.startswith("M"),
            "sign": category.startswith("P") or character.isascii() and not character.isalnum(),
            "blank": re.fullmatch(r"\s", character) is not None,
        }
        for name, holds in tests.items():
            if holds:
                classes[name].append(character)
    return classes


def order_of(character: str) -> int:
    """Place of a mark in canonical order where the library moves it, else 0."""
    place = unicodedata.combining(character)
    if not place:
        return 0
    strip, decompose = _normalizer(strip_accents=True).normalize_str, normalizers.NFD().normalize_str
    if strip(character) == "":
        return place if strip(f"a{LATE}{character}{EARLY}") == f"a{EARLY}{LATE}" else 0
    if place > 216:
        return place if decompose(f"a{character}{EARLY}") == f"a{EARLY}{character}" else 0
    return place if place == 216 or decompose(f"a{LATE}{character}") == f"a{character}{LATE}" else 0


def decomposition_of(character: str) -> str:
    """NFD as the library has it."""
    return str(normalizers.NFD().normalize_str(character))


def lower_of(character: str) -> str:
    """Lower case as the library has it, which looks at no other character."""
    return str(_normalizer(lowercase=True).normalize_str(character))


def _ranges(some: Iterable[str]) -> Iterator[tuple[int, int]]:
    first = last = None
    for code in sorted(map(ord, some)):
        if last is not None and code == (0xE000 if last == 0xD7FF else last + 1):
            last = code
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = code
    if first is not None and last is not None:
        yield first, last


def _lower_lines(lower: dict[int, str]) -> Iterator[str]:
    """Runs of characters that lie one or two apart and move by the same difference."""
    runs: list[list[int]] = []
    for code, parts in lower.items():
        if len(parts) > 1:
            yield f"lower {code:x} = {' '.join(f'{ord(part):x}' for part in parts)}"
            continue
        difference = ord(parts) - code
        last = runs[-1] if runs else None
        if last and last[3] == difference and code - last[1] in (1, 2) and last[2] in (0, code - last[1]):
            last[1:3] = [code, code - last[1]]
        else:
            runs.append([code, code, 0, difference])
    yield from (f"lower {first:x} {last:x} {step or 1} {difference}" for first, last, step, difference in runs)


def table() -> str:
    """The whole file."""
    lines = [LINES.format(tokenizers=tokenizers.__version__, unicode=unicodedata.unidata_version).rstrip()]
    for name, some in classes_of(characters()).items():
        lines += [f"{name} {first:x} {last:x}" for first, last in _ranges(some)]
    orders: dict[int, list[str]] = {}
    for character in characters():
        if place := order_of(character):
            orders.setdefault(place, []).append(character)
    for place, some in sorted(orders.items()):
        lines += [f"order {first:x} {last:x} {place}" for first, last in _ranges(some)]
    lower = {}
    for character in characters():
        parts = decomposition_of(character)
        if parts != character and ord(character) not in HANGUL:
            lines.append(f"decompose {ord(character):x} {' '.join(f'{ord(part):x}' for part in parts)}")
        if (small := lower_of(character)) != character:
            lower[ord(character)] = small
    return "\n".join([*lines, *_lower_lines(lower)]) + "\n"


if __name__ == "__main__":
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text(table(), encoding="ascii")
    print(f"{TABLE}: {TABLE.stat().st_size} bytes")
