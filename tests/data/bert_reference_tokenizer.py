"""BERT's uncased tokenizer, written from its published rules using only `unicodedata`.

Rules (google-research/bert `tokenization.py` and its README): drop control characters and
the replacement character, white space becomes a space, CJK ideographs are words of their own,
lower-case, decompose and drop combining marks, split at punctuation, then greedy
longest match from the left, "[UNK]" for a word that cannot be matched.
"""

import unicodedata

CJK = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


def is_punctuation(c: str) -> bool:
    ascii_ranges = ((33, 47), (58, 64), (91, 96), (123, 126))
    return any(a <= ord(c) <= b for a, b in ascii_ranges) or unicodedata.category(c)[0] == "P"


def words(text: str) -> list[str]:
    clean = []
    for c in text:
        if c in "\t\n\r" or unicodedata.category(c) == "Zs":
            clean.append(" ")
        elif c not in "\0\ufffd" and unicodedata.category(c) not in ("Cc", "Cf"):
            clean.append(f" {c} " if any(a <= ord(c) <= b for a, b in CJK) else c)
    split: list[str] = []
    for word in "".join(clean).split():
        word = "".join(c for c in unicodedata.normalize("NFD", word.lower()) if unicodedata.category(c) != "Mn")
        current = ""
        for c in word:
            if is_punctuation(c):
                split += [current, c]
                current = ""
            else:
                current += c
        split.append(current)
    return [word for piece in split for word in piece.split()]


def pieces(word: str, vocab: set[str], longest: int) -> list[str]:
    if len(word) > longest:
        return ["[UNK]"]
    matched, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocab:
                matched.append(piece)
                start = end
                break
        else:
            return ["[UNK]"]
    return matched


def tokenize(text: str, vocab: set[str], longest: int = 200) -> list[str]:
    return [piece for word in words(text) for piece in pieces(word, vocab, longest)]
