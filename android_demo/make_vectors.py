"""Golden vectors: what Python makes of texts and of outputs, for Kotlin to make the same.

    python android_demo/make_vectors.py

writes `core/src/test/resources/vectors.json`, which JUnit reads; a test of Python's holds the file to what this gives
now. Places are in code points. A text may be `repeat` and `times`, and of long ones there is only the checksum.
"""

from __future__ import annotations

import dataclasses
import json
import random
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf.added_tokens import AddedToken
from mobilebert_tf.benchmarks import stats
from mobilebert_tf.export.ship import check_answers
from mobilebert_tf.tasks.windows import locate
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Rules, Tokenizer

VECTORS = Path(__file__).parent / "core/src/test/resources/vectors.json"

TEXTS = (
    "",
    " ",
    "\t\n\r",
    "\u200b",
    "\ufeff\u0301",
    "\x00\x07\x7f\ufffd",
    "word",
    "UPPER lower MiXeD",
    "don't stop-me: now!",
    "a_b@c.de #tag $5.00 50% x=y^2 ~ `code` <b>",
    "snake##case ## #",
    "tab\there\nnew\r\nline",
    "no\u00a0break\u2003em\u3000wide",
    "line\u2028sep\u2029para\x0bvt\x0cff\x85nel",
    "zero\u200bwidth so\u00adft \u2060joiner \u200e\u200fmarks",
    "[CLS] [SEP] [MASK] [cls]",
    # Scripts.
    "Crème brûlée, naïve façade — Ångström's 5 € café",
    "Cafe\u0301 Zu\u0308rich re\u0301sume\u0301 \u0301lone a\u0301\u0323\u0302b",
    "Москва — столица России, основана в 1147 году. Ёлка Йод",
    "Ελλάδα και Οδυσσεύς ΆΜΜΟΣ ΣΑΣ σας ΐ",
    "اللغة العربيّة لُغَةٌ جميلةٌ، نعم؟",
    "עברית שָׁלוֹם עולם",
    "हिन्दी भाषा में प्रश्नोत्तर है। क़ ड़",
    "ภาษาไทยไม่มีช่องว่างระหว่างคำ",
    "中文文本和东京的日本語テキスト。ガギ か\u3099",
    "한국어 텍스트와 ㅎㅏㄴ글 값",
    "ქართული ენა, Հայերեն լեզու",
    "தமிழ் மொழி, తెలుగు భాష",
    "አማርኛ ቋንቋ። ខ្មែរ မြန်မာ",
    # Letters that lower-case in their own way.
    "İstanbul'da ISPARTA ışık ve ŞİŞLİ İİ",
    "ß STRASSE ẞ ŉ ǅ ǆ Ǆ",
    "K Å Ω (signs) ﬁ ﬀ",
    "ΑΣ ΑΣ. Σ ΣΑ",
    "\u1e9e\u0130\u0131\u017f",
    # Beyond 16 bits, and at the edges of classes.
    "emoji 😀 👨‍👩‍👧 🇩🇪 done",
    "𝐁old 𝔘nicode 𠀀𠀁 𪜀𫠠 𐐀𐐨",
    "\U0001f468\U0001f3fd x\U000e0041y \U000f0000z",
    "豈更 丽你 \u2f00\u3400\u9fff",
    "\u037e\u1fef\u0387 \u2126 \u212a",
    "\u302e\U0001d165x a\u302e\u0301\u0323b \U0001d15e\U0001d160",
    "𑄮𑄧 𝅘𝅥 𞤀𞤢",
    "Z\u0351\u036b\u0343\u036aa\u0321\u0353l\u0334g\u035bo",
    # Naughty ones.
    "''\"\"“”‘’«»—–…",
    "Robert'); DROP TABLE Students;--",
    "<script>alert(1)</script>",
    "￥１２３ ＡＢＣ ａｂｃ",
    "\u202eright-to-left\u202c",
    "Ω≈ç√∫˜µ≤≥÷ åß∂ƒ©˙∆˚¬…æ œ∑´®†¥¨ˆøπ",
    "̷̛ ̗̀",
    "１½Ⅷ②㈠ ٣ ३",
    "ﷺ ﷽",
    "¯\\_(ツ)_/¯ (╯°□°）╯︵ ┻━┻",
    "\ue000\uf8ff private",
    "\u0378\U0003fffd none",
)
LONG: tuple[tuple[str, int], ...] = (
    ("a", 100), ("a", 101), ("a", 200), ("a", 201), ("é", 201), ("e\u0301", 200), ("😀", 200), ("😀", 201), ("한", 67),
    ("the cat, sat. ", 20_000), ("中", 5_000), ("x", 100_000), ("\u200b", 100_000),
)  # fmt: skip
ADDED = ("<new>", "<Other>", "[END]", "the")
RULES = {
    "uncased": Rules(),
    "cased": Rules(lower_case=False, strip_accents=False),
    "accents kept": Rules(strip_accents=False, max_characters_per_word=100),
    "capitals kept": Rules(lower_case=False, split_cjk=False),
    "added tokens": Rules(),
}
WITH_ADDED = (
    "<new><NEW> a<new>b",
    "x <Other> y <other>",
    "tail[END]x [END] \t[END]",
    "The the THE theme",
    "[MASK] [mask]<new>",
)


def vocabulary() -> tuple[str, ...]:
    """Letters of the texts as pieces, some of them missing, some words whole, and four tokens at the end."""
    words = {part for text in (*TEXTS, "the cat sat") for form in (text, text.lower()) for part in form.split()}
    tokenizer = Tokenizer((*SPECIAL_TOKENS,))
    for rules in RULES.values():
        backend = dataclasses.replace(tokenizer, rules=rules).make_backend()
        for text in TEXTS:
            words |= {
                word for word, _ in backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(text))
            }
    letters = sorted({letter for word in words for letter in word if not letter.isspace()} - {"#"})
    drawn = random.Random(1)
    kept = [letter for letter in letters if letter.isascii() or drawn.random() < 0.9]
    whole = [word[: drawn.randrange(2, 6)] for word in sorted(words) if len(word) > 1 and word.isalpha()]
    pieces = [*SPECIAL_TOKENS, *kept, *whole, *(f"##{part}" for part in (*kept, *whole[::2]))]
    return tuple(dict.fromkeys(one for one in pieces if one not in ADDED)) + ADDED


def tokenizers() -> dict[str, Tokenizer]:
    """One for each set of rules, all with the same vocabulary."""
    pieces = vocabulary()
    first = len(pieces) - len(ADDED)
    flags: tuple[dict[str, bool], ...] = (
        {}, {"normalized": True}, {"single_word": True, "lstrip": True},
        {"rstrip": True, "normalized": True, "single_word": True},
    )  # fmt: skip
    added = [
        AddedToken(content, first + number, word_piece=False, **flags[number]) for number, content in enumerate(ADDED)
    ]
    added.append(AddedToken("[MASK]", pieces.index("[MASK]"), lstrip=True))
    made = {name: Tokenizer(pieces, rules) for name, rules in RULES.items()}
    return made | {"added tokens": Tokenizer(pieces, RULES["added tokens"], tuple(added))}


def _pieces(tokenizer: Tokenizer, text: str) -> list[list[int]]:
    """Ids, starts, ends, and ends with the marks that were dropped."""
    encoding, (located,) = tokenizer.encode(text), locate([text], tokenizer)
    starts, ends = ([place[side] for place in encoding.offsets] for side in (0, 1))
    return [encoding.ids, starts, ends, located.offsets[:, 1].tolist()]


def _texts() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name, tokenizer in tokenizers().items():
        for text in (*TEXTS, *(WITH_ADDED if name == "added tokens" else ())):
            rows.append({"tokenizer": name, "text": text, "pieces": _pieces(tokenizer, text)})
        for repeat, times in LONG:
            numbers = np.concatenate([np.array(row, "<i4") for row in _pieces(tokenizer, repeat * times)])
            rows.append(
                {"tokenizer": name, "repeat": repeat, "times": times, "count": len(numbers) // 4,
                 "crc": zlib.crc32(numbers.astype("<i4").tobytes())}
            )  # fmt: skip
    return rows


def text_contract(tokenizer: Tokenizer, max_ids: int, paired: bool, windows: dict[str, int] | None) -> dict[str, Any]:
    """`text` of a contract."""
    return {
        "tokenizer": tokenizer.stated_rules,
        "vocabulary": {"name": "vocab.txt", "bytes": len(tokenizer.lines.encode()), "sha256": tokenizer.vocab_sha256,
                       "size": tokenizer.size},
        "special_tokens": {token: tokenizer.id(token) for token in SPECIAL_TOKENS},
        "layout": ["[CLS]", "text", "[SEP]", *(["text_b", "[SEP]"] if paired else [])],
        "segment_ids": [0, 0, 0, *([1, 1] if paired else [])],
        "max_ids": max_ids,
        "truncation": "windows" if windows else "longest_first",
        "windows": windows,
        "padding": {"least": 1, "input_ids": 0, "input_mask": 0, "segment_ids": 0},
    }  # fmt: skip


def _layouts(tokenizer: Tokenizer) -> list[dict[str, Any]]:
    rows = []
    for max_ids, sizes in ((8, [3]), (8, [6]), (8, [7]), (8, [40]), (8, [0]), (9, [3, 3]), (9, [10, 2]), (9, [2, 10]),
                           (9, [10, 10]), (9, [5, 4]), (10, [9, 8]), (10, [0, 30]), (3, [5, 5])):  # fmt: skip
        text = text_contract(tokenizer, max_ids, len(sizes) == 2, None)
        parts = [list(range(10 * place + 10, 10 * place + 10 + size)) for place, size in enumerate(sizes)]
        ids, segment_ids = check_answers.lay_out(parts, text)
        rows.append({"text": text, "parts": parts, "ids": ids, "segment_ids": segment_ids})
    return rows


PASSAGES = (
    "", "\u200b", "one", "The café Zu\u0308rich, हिन्दी में 東京 😀 done.", " ".join("abcdefghijklmnopqrst"),
    "Ann Lee-Smith of U.N. 东京 (Paris) isn't \"here\", हिन्दी... ok!", "😀😀 x\u0301\u0323y 한국어 — end",
)  # fmt: skip


def _windows(tokenizer: Tokenizer) -> list[dict[str, Any]]:
    """Windows on passages, and what is read out of outputs that were drawn for them."""
    drawn = random.Random(2)
    rows = []
    for paired, (max_ids, stride, most) in ((p, r) for p in (True, False) for r in ((40, 9, 3), (12, 3, 4), (9, 9, 3))):
        for passage in PASSAGES:
            text = text_contract(tokenizer, max_ids, paired, {"stride": stride, "most_before": most if paired else 0})
            question = "what is it here" if paired else None
            encoding = tokenizer.encode(passage)
            before = [tokenizer.encode(question).ids] if question else []
            made = check_answers.lay_out_windows([*before, encoding.ids], encoding.offsets, passage, text)
            windows = [dict(zip(("ids", "segment_ids", "offsets", "start"), one, strict=True)) for one in made]
            answers = _spans(windows, passage, drawn) if paired else _entities(windows, passage, drawn)
            rows.append({"text": text, "before": question, "passage": passage, "windows": windows, "answers": answers})
    return rows


def _logit(drawn: random.Random) -> float:
    """A value that float32 has; often equal to another one."""
    return drawn.randrange(-9, 10) / 2


def _spans(windows: list[dict[str, Any]], passage: str, drawn: random.Random) -> list[dict[str, Any]]:
    rows = []
    for longest, no_answer in ((30, None), (2, None), (1, 0.0), (30, -1.0), (3, 2.5)):
        answer = {
            "kind": "span",
            "output": None,
            "outputs": {"start": "s", "end": "e"},
            "longest": longest,
            "no_answer": no_answer,
        }
        outputs = [{name: [_logit(drawn) for _ in one["ids"]] for name in ("s", "e")} for one in windows]
        run = [{**one, "outputs": output} for one, output in zip(windows, outputs, strict=True)]
        rows.append({"answer": answer, "outputs": outputs, "said": check_answers.decode_windows(run, passage, answer)})
    return rows


def _entities(windows: list[dict[str, Any]], passage: str, drawn: random.Random) -> list[dict[str, Any]]:
    rows = []
    for labels in (
        ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"],
        ["O", "B-X", "I-X", "E-X", "S-X", "I-Y", "E-Y"],
        ["O", "B-X", "I-X", "L-X", "U-X"],
    ):
        answer = {"kind": "entities", "output": "t", "labels": labels, "words": "bert"}
        outputs = [{"t": [[_logit(drawn) for _ in labels] for _ in one["ids"]]} for one in windows]
        run = [{**one, "outputs": output} for one, output in zip(windows, outputs, strict=True)]
        rows.append({"answer": answer, "outputs": outputs, "said": check_answers.decode_windows(run, passage, answer)})
    return rows


def _answers() -> list[dict[str, Any]]:
    drawn = random.Random(3)
    labels = ["bad", "fine", "good"]
    base = {"output": "logits", "labels": labels, "temperature": 1.0, "offset": 0.0, "scale": 1.0}
    kinds: list[dict[str, Any]] = [
        {
            **base,
            "kind": "classes",
            "decision": "argmax",
            "softmax": softmax,
            "temperature": temperature,
            "threshold": threshold,
        }
        for softmax, temperature, threshold in (
            (True, 1.0, None),
            (True, 2.5, 0.6),
            (True, 0.3, 0.9),
            (False, 1.0, None),
        )
    ]
    kinds.append(
        {
            **base,
            "kind": "labels",
            "decision": "thresholds",
            "softmax": False,
            "thresholds": {"bad": 0.5, "fine": 0.2, "good": 0.9},
        }
    )
    kinds.append({**base, "kind": "value", "labels": None, "softmax": False, "offset": 2.5, "scale": 1.25})
    kinds.append({**base, "kind": "vector", "labels": None, "softmax": False})
    rows_of_centroids = [[0.6, 0.8, 0.0], [0.0, 0.6, 0.8], [1.0, 0.0, 0.0]]
    kinds += [
        {
            **base,
            "kind": "prototypes",
            "decision": "nearest",
            "softmax": False,
            "centroids": rows_of_centroids,
            "threshold": threshold,
            "margin": margin,
        }
        for threshold, margin in ((0.0, 0.0), (0.7, 0.1))
    ]
    fixed = [
        [0.0, 0.0, 0.0],
        [1.0, 1.0, -1.0],
        [1000.0, -1000.0, 0.0],
        [-1000.0, -999.0, -1000.0],
        [0.0, 1.3862943649291992, 2.1972246170043945],
    ]
    rows = []
    for answer in kinds:
        for output in (*fixed, *([_logit(drawn) for _ in labels] for _ in range(8))):
            output = output[:1] if answer["kind"] == "value" else output
            probabilities, said = check_answers.decode(output, answer)
            rows.append({"answer": answer, "output": output, "probabilities": probabilities, "said": said})
    return rows


def _signatures(tokenizer: Tokenizer) -> dict[str, Any]:
    signatures = [{"name": f"t{length}", "length": length, "inputs": [], "outputs": []} for length in (16, 32, 48)]
    text = text_contract(tokenizer, 48, False, None)
    counts = [2, 15, 16, 17, 31, 32, 33, 47, 48]
    names = [check_answers.choose_signature(signatures, count, text)["name"] for count in counts]
    return {"text": text, "signatures": signatures, "counts": counts, "names": names}


def _latency() -> list[dict[str, Any]]:
    drawn = random.Random(4)
    rows = []
    for count in (1, 2, 5, 50, 101):
        times = [drawn.randrange(1, 4000) / 64 for _ in range(count)]
        p50, p90, p99 = np.percentile(times, [50, 90, 99]).tolist()
        rows.append({"times": times, "mean": float(np.mean(times)), "p50": p50, "p90": p90, "p99": p99})
    return rows


def _intervals() -> list[dict[str, Any]]:
    drawn = random.Random(5)
    rows = []
    for count in (1, 5, 6, 8, 9, 25, 101):
        medians = [drawn.randrange(1, 4000) / 64 for _ in range(count)]
        summary = stats.summarize([[median] for median in medians])
        rows.append({"medians": medians, "low": summary.low, "high": summary.high})
    return rows


def vectors() -> dict[str, Any]:
    """All of them."""
    made = tokenizers()
    return {
        "vocabulary": list(vocabulary()),
        "rules": {name: tokenizer.stated_rules for name, tokenizer in made.items()},
        "texts": _texts(),
        "layouts": _layouts(made["uncased"]),
        "windows": _windows(made["uncased"]),
        "signatures": _signatures(made["uncased"]),
        "answers": _answers(),
        "latency": _latency(),
        "intervals": _intervals(),
    }


def as_json() -> str:
    """With a line for each vector."""
    lines = []
    for name, value in vectors().items():
        rows = (
            [json.dumps(row, ensure_ascii=True, separators=(",", ":")) for row in value]
            if isinstance(value, list)
            else None
        )
        if rows is None:
            lines.append(f'"{name}":{json.dumps(value, separators=(",", ":"))}')
        else:
            lines.append(f'"{name}":[' + ("," if name == "vocabulary" else ",\n").join(rows) + "]")
    return "{" + ",\n".join(lines) + "}\n"


if __name__ == "__main__":
    VECTORS.parent.mkdir(parents=True, exist_ok=True)
    VECTORS.write_text(as_json(), encoding="ascii")
    print(f"{VECTORS}: {VECTORS.stat().st_size} bytes")
