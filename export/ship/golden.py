"""Example texts with the answers of one `.tflite` file, to check other code, other runtimes and other machines."""

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
"""Number of texts to choose each example from."""

FURTHER = 16
"""Number of texts, besides the examples, on which other kernels are tried: with the examples alone the largest
difference was underestimated by half."""

FOREIGN = "Crème brûlée in İSTANBUL, 東京 and Москва: 5 € – naïve? 🙂"
"""Text in every contract: accents, capitals without a lower-case letter of their own, CJK, Cyrillic, symbols."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Window:
    """One window of a text, with its outputs."""

    ids: list[int]
    """Ids with the special tokens, without padding."""
    segment_ids: list[int]
    offsets: list[list[int] | None]
    """Position of each id in the text that is cut into windows: its first character and the one after its last, in
    Unicode characters, including combining marks that the tokenizer drops; null: the id is not from that text."""
    start: int
    """Number of the first piece of that text that is in the window."""
    signature: str
    outputs: dict[str, Any]
    """Outputs [ids] or [ids][C], by name."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Golden:
    """One example. All numbers have nine digits, the most that float32 needs."""

    shows: str
    """Purpose of the example."""
    text: str
    text_b: str | None
    """Second text; null: the task takes one text."""
    ids: list[int] | None
    """Ids after truncation, with the special tokens, without padding; null: there are windows."""
    segment_ids: list[int] | None
    """Segment ids, one per id."""
    signature: str | None
    """Name of the signature for this number of ids."""
    output: list[float] | None
    """Output of the file in LiteRT on the machine in `made_by`, with one thread."""
    probabilities: list[float] | None
    """Probabilities in the order of the labels; null: there are none."""
    answer: Any
    """The label, the labels, the value, the span or the entities, the last two with their first character and the one
    after their last; null: no label or span was found, or the output itself is the answer."""
    windows: list[Window] | None = None
    """Windows on the text; null: it is not cut into windows."""

    @property
    def values(self) -> Iterator[float]:
        """All values of the file's outputs."""
        if self.windows is None:
            return iter(self.output or ())
        outputs = (output for window in self.windows for output in window.outputs.values())
        return (float(value) for output in outputs for value in np.ravel(output))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tolerance:
    """Largest deviation of another runtime's or processor's output from that of an example, in any of its values.

    If the two greatest values of an example differ by more than twice this, the answer must be the same.
    """

    output: float
    """The tolerance: three times `other_kernels`, and at least 1e-4 of `scale` (sums in another order), or 1e-2 of it
    if a runtime may compute in float16 or rounds activations to integers, where one rounding moves everything after
    it. An old runtime and emulated ARM processors were 0.7 to 1.4 times as far from XNNPACK on this machine as
    LiteRT's own kernels."""
    scale: float
    """Largest absolute value of any output of the examples."""
    in_float16: float | None
    """Largest change of an output in float16 arithmetic, over the same texts; `output` is at least 1.5 times this.
    null: the file does not allow float16, or the machine in `made_by` could not try it."""
    other_kernels: float | None
    """Largest change of an output when LiteRT runs the file with its own kernels, without XNNPACK, over the examples
    and 16 more texts. null: it cannot."""


def built_in(task: Task, tokenizer: Tokenizer) -> list[Example]:
    """Neutral sentences in the form of this task's examples, taken from nobody's data."""
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
    """A `.tflite` file that computes the answers of examples."""

    path: Path
    contract: Mapping[str, Any]
    """The known part of its contract: signatures, text, answer."""
    task: Task
    tokenizer: Tokenizer

    def answer(self, interpreter: Any, shows: str, example: Example) -> Golden:
        """An example with the file's outputs and answer."""
        features = self.task.features([example], self.tokenizer)
        if self.contract["text"]["windows"]:
            return self._of_windows(interpreter, shows, example, features)
        count = int(features["input_mask"].sum())
        ids, segment_ids = (features[name][0, :count].tolist() for name in ("input_ids", "segment_ids"))
        signature = check_answers.choose_signature(self.contract["signatures"], count, self.contract["text"])
        values = check_contract.run(interpreter, signature, ids, segment_ids, self.contract)
        output = [float(f"{value:.9g}") for value in values]
        probabilities, decoded = check_answers.decode(output, self.contract["answer"])
        return Golden(
            shows=shows,
            text=example.text,
            text_b=example.text_pair,
            ids=ids,
            segment_ids=segment_ids,
            signature=signature["name"],
            output=output,
            probabilities=probabilities and [float(f"{value:.9g}") for value in probabilities],
            answer=decoded,
        )

    def _of_windows(self, interpreter: Any, shows: str, example: Example, features: Features) -> Golden:
        windows_of_text, start = [], 0
        for row in range(len(features["input_ids"])):
            count = int(features["input_mask"][row].sum())
            ids, segment_ids = (features[name][row, :count].tolist() for name in ("input_ids", "segment_ids"))
            places = features["offsets"][row, :count]
            inside = places[:, 1] > places[:, 0]
            signature = check_answers.choose_signature(self.contract["signatures"], count, self.contract["text"])
            outputs = check_contract.run_all(interpreter, signature, ids, segment_ids, self.contract)
            windows_of_text.append(
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
        windows = [dataclasses.asdict(window) for window in windows_of_text]
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
            windows=windows_of_text,
        )

    def answers(self, texts: Sequence[tuple[str, Example]]) -> list[Golden]:
        """The examples for these pairs of purpose and text."""
        interpreter = check_contract.load(self.path)
        return [self.answer(interpreter, shows, example) for shows, example in texts]

    def tolerance(self, examples: Sequence[Golden], pool: Sequence[Example], rounds: bool, in_half: bool) -> Tolerance:
        """The tolerance for other kernels' deviation from these examples.

        Args:
          examples: examples of this file.
          pool: further texts to run with both kernels.
          rounds: whether kernels may round values that others compute in float32.
          in_half: whether some kernels may compute in float16.
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
        half = half_outputs(self.path, features, length)
        if half is None:
            return None
        exact = TfliteModel(self.path).run(features, length)
        return max(float(np.abs(half[name] - values).max()) for name, values in exact.items())

    def _largest_difference(self, first: Any, second: Any, texts: Sequence[Example]) -> float:
        """Largest difference between any outputs of two interpreters on these texts."""
        pairs = ((self.answer(first, "", text).values, self.answer(second, "", text).values) for text in texts)
        return max(abs(a - b) for one, other in pairs for a, b in zip(one, other, strict=True))

    def choose(self, pool: Sequence[Example]) -> list[tuple[str, Example]]:
        """Texts that show what can go wrong, each with its purpose: one per length, one that is truncated, one without
        a word, some beyond ASCII. Of several texts for one purpose, the file's clearest decision is taken.

        Args:
          pool: texts that contracts may contain, from `built_in` or `usable`.
        """
        interpreter = check_contract.load(self.path)

        def clarity(example: Example) -> float:
            if self.task.answer_kind != "classes":
                return 0.0
            second, best = sorted(self.answer(interpreter, "", example).values)[-2:]
            return best - second

        return [(shows, max(spread(few, CANDIDATES), key=clarity)) for shows, few in self._purposes(pool)]

    def _purposes(self, pool: Sequence[Example]) -> Iterator[tuple[str, list[Example]]]:
        """Each purpose of an example, with the texts that serve it."""
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
        """Number of ids of each example before truncation, special tokens included."""
        first = self.tokenizer.encode_batch([one.text for one in examples])
        second = self.tokenizer.encode_batch([one.text_pair or "" for one in examples])
        special = 3 if self._is_paired else 2
        return [len(a) + len(b) + special for a, b in zip(first, second, strict=True)]

    def _joined(self, pool: Sequence[Example], least: int, most: int) -> Example:
        """One text of `least` to `most` ids, joined from several, for when the pool has none of that length."""
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
        """The beginning of the joined texts with `least` to `most` word pieces, at the end of a word if possible."""
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
    """The value rounded to three digits."""
    return None if value is None else float(f"{value:.3g}")


def rounded(values: Any) -> Any:
    """Numbers, or nested lists of numbers, rounded to nine digits."""
    return [rounded(value) for value in values] if isinstance(values, list) else float(f"{values:.9g}")
