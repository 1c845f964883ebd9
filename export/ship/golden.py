"""Texts with the answers of one `.tflite` file, by which other code, other runtimes and other machines are checked."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf.export.ship import check_answers, check_contract
from mobilebert_tf.export.ship.sentences import sentences
from mobilebert_tf.export.verify.examples import spread
from mobilebert_tf.litert.half import half_outputs
from mobilebert_tf.litert.runtime import TfliteModel
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.task import Features, Task
from mobilebert_tf.tokenization import Tokenizer

CANDIDATES = 6
"""Texts to choose each example from."""

FURTHER = 16
"""Texts on which other kernels are tried, besides the examples: those alone missed the largest difference by half."""

FOREIGN = "Crème brûlée in İSTANBUL, 東京 and Москва: 5 € – naïve? 🙂"
"""Accents, capitals without a lower case of their own, CJK, Cyrillic, signs; in every contract."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Window:
    """Part of a text."""

    ids: list[int]
    """With the special tokens, without padding."""
    segment_ids: list[int]
    offsets: list[list[int] | None]
    """First character of each id in the text that has windows, and the one behind the last, combining marks that the
    tokenizer drops included; null: it is not of it. Characters are Unicode's."""
    start: int
    """Number of the first piece of that text that is in the window."""
    signature: str
    outputs: dict[str, Any]
    """[ids], or [ids][C], by name."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Golden:
    """One example. All numbers of a contract have nine digits, which float32 has at most."""

    shows: str
    """Why it is there."""
    text: str
    text_b: str | None
    """null: the task is about one text."""
    ids: list[int] | None
    """After cutting, with the special tokens, without padding; null: there are windows."""
    segment_ids: list[int] | None
    """As many."""
    signature: str | None
    """The one to use for so many ids."""
    output: list[float] | None
    """What the file gave, by LiteRT on the machine in `made_by`, with one thread."""
    probabilities: list[float] | None
    """In the order of the labels; null: there are none."""
    answer: Any
    """The label, the labels, the value, the span or the entities, with their first character and the one behind the
    last; null: none of them, or the output itself is the answer."""
    windows: list[Window] | None = None
    """On the text, where it is cut into windows."""

    @property
    def values(self) -> Iterator[float]:
        """All that the file gave."""
        if self.windows is None:
            return iter(self.output or ())
        outputs = (output for window in self.windows for output in window.outputs.values())
        return (float(value) for output in outputs for value in np.ravel(output))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far the output of another runtime or processor may lie from that of an example, in any of its values.

    Where the two greatest values of an example lie further apart than twice this, the answer must be the same.
    """

    output: float
    """Three times `other_kernels`, and at least 1e-4 of `scale` (sums in another order), or 1e-2 of it if a runtime may
    compute in float16 or rounds activations to integers: there one rounding moves all that follows. An old runtime
    and emulated ARM processors lay 0.7 to 1.4 times as far from XNNPACK on this machine as LiteRT's own kernels."""
    scale: float
    """Largest value of any output of the examples."""
    in_float16: float | None
    """How far outputs move in float16 arithmetic, the most over the same texts; half as much again as this is allowed.
    null: the file does not allow it, or the machine in `made_by` could not try it."""
    other_kernels: float | None
    """How far outputs move when LiteRT runs the file by its own kernels, without XNNPACK: the most over the examples
    and 16 more texts. null: it cannot."""


def built_in(task: Task, tokenizer: Tokenizer) -> list[Example]:
    """Neutral sentences for this task, none of them anybody's data."""
    texts = sentences(tokenizer)
    if not task.judges_pairs:
        return [Example(text) for text in texts]
    return [Example(*pair) for pair in zip(texts, [*texts[1:], texts[0]], strict=True)]


def usable(texts: Sequence[Example], task: Task) -> list[Example]:
    """Texts that JSON can hold and that are not overly long."""

    def fits(text: str) -> bool:
        return len(text) <= 20 * task.max_seq_length and not any("\ud800" <= c <= "\udfff" for c in text)

    return [example for example in texts if fits(example.text) and fits(example.text_pair or "")]


@dataclasses.dataclass(frozen=True)
class File:
    """A `.tflite` file that examples are made with."""

    path: Path
    contract: Mapping[str, Any]
    """Its contract as far as it is known: signatures, text, answer."""
    task: Task
    tokenizer: Tokenizer

    def answer(self, interpreter: Any, shows: str, example: Example) -> Golden:
        """An example with what the file says to it."""
        features = self.task.features([example], self.tokenizer)
        if self.contract["text"]["windows"]:
            return self._of_windows(interpreter, shows, example, features)
        count = int(features["input_mask"].sum())
        ids, segment_ids = (features[name][0, :count].tolist() for name in ("input_ids", "segment_ids"))
        signature = check_answers.choose_signature(self.contract["signatures"], count, self.contract["text"])
        values = check_contract.run(interpreter, signature, ids, segment_ids, self.contract)
        output = [float(f"{value:.9g}") for value in values]
        probabilities, said = check_answers.decode(output, self.contract["answer"])
        return Golden(
            shows=shows,
            text=example.text,
            text_b=example.text_pair,
            ids=ids,
            segment_ids=segment_ids,
            signature=signature["name"],
            output=output,
            probabilities=probabilities and [float(f"{value:.9g}") for value in probabilities],
            answer=said,
        )

    def _of_windows(self, interpreter: Any, shows: str, example: Example, features: Features) -> Golden:
        made, start = [], 0
        for row in range(len(features["input_ids"])):
            count = int(features["input_mask"][row].sum())
            ids, segment_ids = (features[name][row, :count].tolist() for name in ("input_ids", "segment_ids"))
            places = features["offsets"][row, :count]
            inside = places[:, 1] > places[:, 0]
            signature = check_answers.choose_signature(self.contract["signatures"], count, self.contract["text"])
            outputs = check_contract.run_all(interpreter, signature, ids, segment_ids, self.contract)
            made.append(
                Window(
                    ids=ids,
                    segment_ids=segment_ids,
                    offsets=[place.tolist() if known else None for place, known in zip(places, inside, strict=True)],
                    start=start,
                    signature=signature["name"],
                    outputs={name: rounded(values) for name, values in outputs.items()},
                )
            )
            start += min(int(inside.sum()), self.contract["text"]["windows"]["stride"])
        windows = [dataclasses.asdict(window) for window in made]
        return Golden(
            shows=shows,
            text=example.text,
            text_b=example.text_pair,
            ids=None,
            segment_ids=None,
            signature=None,
            output=None,
            probabilities=None,
            answer=check_answers.decode_windows(windows, example.text_pair or example.text, self.contract["answer"]),
            windows=made,
        )

    def answers(self, texts: Sequence[tuple[str, Example]]) -> list[Golden]:
        """The examples with these reasons and texts."""
        interpreter = check_contract.load(self.path)
        return [self.answer(interpreter, shows, example) for shows, example in texts]

    def tolerance(self, examples: Sequence[Golden], pool: Sequence[Example], rounds: bool, in_half: bool) -> Tolerance:
        """How far other kernels may lie from these examples.

        Args:
          examples: of this file.
          pool: further texts to try both kernels on.
          rounds: whether kernels may round what others compute in float32.
          in_half: whether some may compute in float16.
        """
        from ai_edge_litert.interpreter import OpResolverType

        scale = max(abs(value) for example in examples for value in example.values)
        texts = [*(Example(one.text, one.text_b) for one in examples), *spread(pool, FURTHER)]
        try:
            plain = check_contract.load(
                self.path, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            )
            moved = self._largest_difference(check_contract.load(self.path), plain, texts)
        except check_contract.RefusedError:
            moved = None
        half = self._moved_by_half(texts) if in_half else None
        allowed = max((1e-2 if rounds else 1e-4) * scale, 3 * (moved or 0.0), 1.5 * (half or 0.0))
        return Tolerance(
            output=float(f"{allowed:.3g}"), scale=scale, in_float16=_three(half), other_kernels=_three(moved)
        )

    def _moved_by_half(self, texts: Sequence[Example]) -> float | None:
        features = self.task.features(texts, self.tokenizer)
        length = max(one["length"] for one in self.contract["signatures"])
        found = half_outputs(self.path, features, length)
        if found is None:
            return None
        usual = TfliteModel(self.path).run(features, length)
        return max(float(np.abs(found[name] - values).max()) for name, values in usual.items())

    def _largest_difference(self, first: Any, second: Any, texts: Sequence[Example]) -> float:
        """Between any outputs of two interpreters."""
        pairs = ((self.answer(first, "", text).values, self.answer(second, "", text).values) for text in texts)
        return max(abs(a - b) for one, other in pairs for a, b in zip(one, other, strict=True))

    def choose(self, pool: Sequence[Example]) -> list[tuple[str, Example]]:
        """Texts that show what can go wrong, each with what it shows: one for each length, one that is cut, one
        without a word, those beyond ASCII. Of several for one purpose the one that the file decides most clearly.

        Args:
          pool: texts that may stand in a contract, of `built_in` or `usable`.
        """
        interpreter = check_contract.load(self.path)

        def clarity(example: Example) -> float:
            if self.task.answer_kind != "classes":
                return 0.0
            second, best = sorted(self.answer(interpreter, "", example).values)[-2:]
            return best - second

        return [(shows, max(spread(few, CANDIDATES), key=clarity)) for shows, few in self._purposes(pool)]

    def _purposes(self, pool: Sequence[Example]) -> Iterator[tuple[str, list[Example]]]:
        """What an example is to show, and the texts that do."""
        longest = self.contract["text"]["max_ids"]
        counts = self._counts(pool)
        least = 1
        for signature in self.contract["signatures"]:
            most = longest if signature["length"] == longest else signature["length"] - 1
            fitting = [one for one, count in zip(pool, counts, strict=True) if least <= count <= most]
            yield f"{least} to {most} ids", fitting or [self._joined(pool, least, most)]
            least = most + 1
        cut = [one for one, count in zip(pool, counts, strict=True) if count > longest]
        yield f"cut to {longest} ids", cut or [self._joined(pool, longest + 1, longest + 8)]
        yield "no word", [Example("", pool[0].text_pair)]
        if foreign := [one for one in pool if not (one.text + (one.text_pair or "")).isascii()]:
            yield "not ASCII", foreign
        yield "not ASCII, built in", [Example(FOREIGN, FOREIGN if self._is_paired else None)]

    @property
    def _is_paired(self) -> bool:
        return self.task.judges_pairs

    def _counts(self, examples: Sequence[Example]) -> list[int]:
        """Ids of each before cutting, special tokens included."""
        first = self.tokenizer.encode_batch([one.text for one in examples])
        second = self.tokenizer.encode_batch([one.text_pair or "" for one in examples])
        special = 3 if self._is_paired else 2
        return [len(a) + len(b) + special for a, b in zip(first, second, strict=True)]

    def _joined(self, pool: Sequence[Example], least: int, most: int) -> Example:
        """Several texts in one, where none is as long."""
        if not self._is_paired:
            return Example(self._beginning([one.text for one in pool], least - 2, most - 2))
        firsts, seconds = [one.text for one in pool], [one.text_pair or "" for one in pool]
        half = (most - 3) // 2
        if windows := self.contract["text"]["windows"]:
            half = min(half, windows["most_before"])
            first = self._beginning(firsts, min(1, half), half)
            left = 3 + len(self.tokenizer.encode(first).ids)
            return Example(first, self._beginning(seconds, least - left, most - left))
        second = self._beginning(seconds, min(1, half), half)
        left = 3 + len(self.tokenizer.encode(second).ids)
        return Example(self._beginning(firsts, least - left, most - left), second)

    def _beginning(self, texts: Sequence[str], least: int, most: int) -> str:
        """As much of the texts as has from `least` to `most` word pieces, best to the end of a word."""
        words = itertools.islice(itertools.cycle(" ".join(texts).split() or ["a"]), most + 1)
        text = " ".join(words)
        ends = [match.end() for match in re.finditer(r"\S+", text)]
        for places in (ends, range(1, ends[0] + 1)):
            pieces = self.tokenizer.encode_batch([text[:place] for place in places])
            fitting = [place for place, ids in zip(places, pieces, strict=True) if least <= len(ids) <= most]
            if fitting:
                return text[: fitting[-1]]
        return " ".join(["a"] * least)


def _three(value: float | None) -> float | None:
    """With three digits."""
    return None if value is None else float(f"{value:.3g}")


def rounded(values: Any) -> Any:
    """Numbers in lists, with nine digits each."""
    return [rounded(value) for value in values] if isinstance(values, list) else float(f"{values:.9g}")
