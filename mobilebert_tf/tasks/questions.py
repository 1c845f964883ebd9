"""Questions on a passage: the answer is a part of the passage, or that the passage has no answer."""

from __future__ import annotations

import dataclasses
import heapq
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np

from mobilebert_tf.config import Heads
from mobilebert_tf.data.scripts import has_no_blanks
from mobilebert_tf.data.splitting import plain_text
from mobilebert_tf.data.squad import Answer, read_questions
from mobilebert_tf.fields import Finite, within
from mobilebert_tf.tasks import answer_text
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.review import Review, review
from mobilebert_tf.tasks.task import Features, Outputs, Scores, Task, objects, without_numbers
from mobilebert_tf.tasks.windows import Located, Rows, lay_out, locate
from mobilebert_tf.tokenization import Tokenizer

if TYPE_CHECKING:
    from mobilebert_tf.training.loop import Objective

NOTHING = -1e30
"""Score below every real one."""


@dataclasses.dataclass(frozen=True)
class Asked(Example):
    """A question (`text`) on a passage (`text_pair`)."""

    id: str = ""
    answers: tuple[Answer, ...] | None = None
    """Known answers; None: unknown; (): the passage has no answer."""


@dataclasses.dataclass(frozen=True)
class Span:
    """Part of a passage and its score as the answer."""

    start: int
    """First character."""
    end: int
    """The character after the last."""
    score: float
    """Start logit of its first word piece plus end logit of its last one."""


@dataclasses.dataclass(frozen=True)
class Found:
    """Candidate answers to one question."""

    spans: tuple[Span, ...]
    """The best parts of the passage, best first, without duplicates."""
    nothing: float
    """Score of "no answer": that of [CLS], the lowest of all windows."""

    @property
    def lead(self) -> float:
        """Score of "no answer" minus that of the best span."""
        return self.nothing - (self.spans[0].score if self.spans else NOTHING)


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuestionsTask(Task):
    """A table of questions, their passages and the answers in these.

    A passage that is too long is read in several windows, each a row of the network's inputs. Source: arXiv 1606.05250,
    1806.03822; google-research/bert `run_squad.py`.
    """

    max_seq_length: Annotated[int, within(8, 100_000)] = 384
    text_column: str = "question"
    text_pair_column: str | None = "context"
    label_column: str = "answers"
    doc_stride: Annotated[int, within(1, 100_000)] = 128
    """Word pieces between the starts of successive windows on a passage."""
    max_question_length: Annotated[int, within(1, 100_000)] = 64
    """Maximum length of a question in word pieces; longer ones are cut."""
    max_answer_length: Annotated[int, within(1, 100_000)] = 30
    """Maximum length of an answer in word pieces."""
    has_unanswered: bool = False
    """Whether a passage may lack the answer, as in SQuAD 2.0."""
    null_threshold: Finite = 0.0
    """Lead of "no answer" over the best span above which a question is left unanswered."""

    name: ClassVar[str] = "qa"
    outputs: ClassVar[tuple[str, ...]] = ("start_logits", "end_logits")
    score_name: ClassVar[str] = "f1"
    agreement_name: ClassVar[str] = "same answer"
    can_be_taught: ClassVar[bool] = True
    taught_by_token: ClassVar[bool] = True
    tunes_answers: ClassVar[bool] = True
    answer_kind: ClassVar[str] = "span"
    targets: ClassVar[tuple[str, ...]] = ("span",)

    @classmethod
    def discover(cls, path: str | os.PathLike[str], **columns: Any) -> QuestionsTask:
        """The task of a training table, which may have questions without an answer.

        Raises:
          UsageError: the table is broken.
        """
        draft = cls(**columns)
        questions = read_questions(path, draft._columns, labelled=True)
        return dataclasses.replace(draft, has_unanswered=any(not question.answers for question in questions))

    @property
    def heads(self) -> Heads:
        return Heads.of(["answer_span"])

    @property
    def question_room(self) -> int:
        """Number of word pieces of a question that are read; it leaves at least as many for the passage."""
        return min(self.max_question_length, (self.max_seq_length - 3) // 2)

    @property
    def _columns(self) -> dict[str, str]:
        return {
            "question": self.text_column,
            "context": self.text_pair_column or "context",
            "answers": self.label_column,
        }

    def read(self, path: str | os.PathLike[str], labelled: bool = True, every_row: bool = False) -> list[Example]:
        return [
            Asked(question.question, question.context, id=question.id, answers=question.answers)
            for question in read_questions(path, self._columns, labelled, every_row)
        ]

    def strata(self, examples: Sequence[Example]) -> list[tuple[Any, ...]]:
        """The stratum of each question: answered or unanswered."""
        return [("answered" if e.answers else "unanswered",) for e in examples if isinstance(e, Asked)]

    def side_key(self, example: Example) -> str:
        """The passage: all its questions are on the same side."""
        return plain_text(example.text_pair or "")

    def row(self, example: Example) -> dict[str, Any]:
        assert isinstance(example, Asked)
        answers = {
            "text": [answer.text for answer in example.answers or ()],
            "answer_start": [answer.start for answer in example.answers or ()],
        }
        cells = {"question": example.text, "context": example.text_pair, "answers": answers}
        return {"id": example.id, **{self._columns[name]: value for name, value in cells.items()}}

    def features(self, examples: Sequence[Example], tokenizer: Tokenizer) -> dict[str, np.ndarray]:
        """Inputs [R, T], one row per window; `examples` [n]; if all are labelled also `label` [n], the texts of the
        answers, and `span` int32 [R, 2], the first and last word piece of the first answer, zero where the window lacks
        it."""
        questions = tokenizer.encode_batch([example.text for example in examples])
        before = [np.array(ids[: self.question_room], np.int32) for ids in questions]
        passages = locate([example.text_pair or "" for example in examples], tokenizer)
        rows = lay_out(passages, before, self.max_seq_length, self.doc_stride, tokenizer)
        features = {**rows.features, "examples": objects(examples)}
        answers = [example.answers if isinstance(example, Asked) else None for example in examples]
        if any(accepted is None for accepted in answers):
            return features
        features["label"] = objects([tuple(answer.text for answer in accepted or ()) for accepted in answers])
        return features | {
            "span": self._spans(examples, [accepted or () for accepted in answers], passages, rows, tokenizer)
        }

    def _spans(
        self,
        examples: Sequence[Example],
        answers: Sequence[tuple[Answer, ...]],
        passages: Sequence[Located],
        rows: Rows,
        tokenizer: Tokenizer,
    ) -> np.ndarray:
        """The `span` of `features`, int32 [R, 2]."""
        firsts = [accepted[0].text if accepted else "" for accepted in answers]
        wanted = dict(zip(firsts, tokenizer.encode_batch(firsts), strict=True))
        spans = np.zeros((len(rows.row_example), 2), np.int32)
        places = [
            _place(passage, example.text_pair or "", answer[0], wanted[answer[0].text]) if answer else None
            for passage, example, answer in zip(passages, examples, answers, strict=True)
        ]
        for row, number in enumerate(rows.row_example):
            place = places[number]
            if place is None:
                continue
            shift = int(rows.first_piece[row] - rows.starts[row])
            first, last = place[0] + shift, place[1] + shift
            pieces = np.flatnonzero(rows.offsets[row, :, 1])  # of the passage
            if len(pieces) and pieces[0] <= first and last <= pieces[-1]:  # the window has the whole answer
                spans[row] = first, last
        return spans

    def objective(self, predict: Callable[[Mapping[str, Any]], Any]) -> Objective:
        """Mean cross-entropy of the first and the last word piece."""
        from mobilebert_tf.training import objectives

        return objectives.span(predict)

    def distance_from_teacher(
        self, output: Any, teacher: Mapping[str, Any], temperature: float, batch: Mapping[str, Any]
    ) -> Any:
        from mobilebert_tf.training import objectives

        return objectives.span_taught(output, teacher, temperature, batch["input_mask"])

    def found(self, outputs: Outputs, features: Features, most: int = 1) -> list[Found]:
        """The best `most` parts of each passage, and the score of "no answer"."""
        starts, ends = (outputs[name].astype(np.float64) for name in self.outputs)
        passage = features["offsets"][:, :, 1] > features["offsets"][:, :, 0]
        candidates: list[dict[tuple[int, int], float]] = [{} for _ in features["examples"]]
        nothing = np.full(len(candidates), np.inf)
        for row, number in enumerate(features["row_example"]):
            nothing[number] = np.fmin(nothing[number], starts[row, 0] + ends[row, 0])
            offsets, known = features["offsets"][row], candidates[number]
            allowed = passage[row] & features["best_seen"][row]
            for first, last, score in self._best_pairs(starts[row], ends[row], allowed, passage[row], most):
                place = int(offsets[first, 0]), int(offsets[last, 1])
                known[place] = max(score, known.get(place, NOTHING))
        return [
            Found(tuple(Span(*place, score) for place, score in _largest(known, most)), float(null))
            for known, null in zip(candidates, nothing, strict=True)
        ]

    def _best_pairs(
        self, start: np.ndarray, end: np.ndarray, may_start: np.ndarray, passage: np.ndarray, most: int
    ) -> Iterator[tuple[int, int, float]]:
        """The best `most` valid pairs of a first and a last word piece, with their scores, by logits [T]."""
        longest = min(self.max_answer_length, len(start))
        lasts = np.arange(len(start))[:, None] + np.arange(longest)
        inside = lasts < len(start)
        lasts = np.minimum(lasts, len(start) - 1)
        with np.errstate(invalid="ignore"):
            scores = start[:, None] + end[lasts]
        scores = np.where(inside & may_start[:, None] & passage[lasts] & np.isfinite(scores), scores, NOTHING)
        flat = scores.reshape(-1)
        chosen = [int(flat.argmax())] if most == 1 else np.argsort(-flat, kind="stable")[:most].tolist()
        for place in chosen:
            if flat[place] > NOTHING:
                first, length = divmod(place, longest)
                yield first, first + length, float(flat[place])

    def decode(self, outputs: Outputs, features: Features) -> list[dict[str, Any]]:
        """The answer to each question as a part of its passage ("" for no answer), with the next best ones."""
        return [
            self._said(example, found)
            for example, found in zip(features["examples"], self.found(outputs, features, N_BEST), strict=True)
        ]

    def predictions(self, examples: Sequence[Example], answers: Sequence[Mapping[str, Any]]) -> str:
        """The answers by the questions' ids, "" for no answer, in the form that SQuAD's official script reads."""
        ids = [one.id if isinstance(one, Asked) else str(number) for number, one in enumerate(examples)]
        return json.dumps(dict(zip(ids, (one["answer"] for one in answers), strict=True)), ensure_ascii=False) + "\n"

    def _said(self, example: Example, found: Found) -> dict[str, Any]:
        context = example.text_pair or ""
        scores = [span.score for span in found.spans] + ([found.nothing] if self.has_unanswered else [])
        likely = np.exp(np.array(scores) - max(scores, default=0.0))
        likely /= max(likely.sum(), 1e-300)
        candidates = [
            {"answer": context[span.start : span.end], "start": span.start, "end": span.end, "probability": float(p)}
            for span, p in zip(found.spans, likely, strict=False)
        ]
        none = {"answer": "", "start": None, "end": None, "probability": float(likely[-1]) if len(likely) else 1.0}
        best = candidates[0] if self.is_answered(found) else none
        lead = {"no_answer_lead": found.lead} if self.has_unanswered and found.spans else {}
        id = {"id": example.id} if isinstance(example, Asked) and example.id else {}
        return {**id, **best, **lead, "others": [other for other in candidates if other is not best][:SHOWN]}

    def is_answered(self, found: Found) -> bool:
        """Whether the best part of the passage is given as the answer."""
        return bool(found.spans) and not (self.has_unanswered and found.lead > self.null_threshold)

    def score(self, outputs: Outputs, features: Features) -> Scores:
        """Exact matches and F1 of words by SQuAD's official rules, for all questions and for those with and without an
        answer.

        Passages in a script without blanks are scored by characters, by MLQA's rules.
        """
        given = [
            example.text_pair[found.spans[0].start : found.spans[0].end] if self.is_answered(found) else ""
            for example, found in zip(features["examples"], self.found(outputs, features), strict=True)
        ]
        label, rules = features["label"], _rules(features)
        f1, exact = (
            np.array([answer_text.best(rule, text, wanted) for text, wanted in zip(given, label, strict=True)])
            for rule in (rules.f1, rules.exact)
        )
        broken = np.zeros(len(label), bool)
        broken[features["row_example"][without_numbers(outputs)]] = True
        f1[broken], exact[broken] = 0.0, 0.0
        answered = np.array([any(map(answer_text.plain, wanted)) for wanted in label])
        figures: dict[str, Any] = {"examples": len(label), "f1": float(f1.mean()), "exact": float(exact.mean())}
        if not answered.all():
            for name, some in (("answered", answered), ("unanswered", ~answered)):
                if some.any():
                    figures |= {f"{name}_f1": float(f1[some].mean()), f"{name}_exact": float(exact[some].mean())}
            figures["unanswered"] = int((~answered).sum())
        return Scores(self.score_name, figures, f1)

    def review(self, outputs: Outputs, features: Features, examples: Sequence[Example]) -> Review:
        """Answers that match none of the labelled ones, by their probability."""
        answers = self.decode(outputs, features)
        given, wanted = [answer["answer"] for answer in answers], features["label"]
        same = _rules(features).exact
        exact = [answer_text.best(same, text, accepted) for text, accepted in zip(given, wanted, strict=True)]
        likely = np.array([answer["probability"] for answer in answers])
        shown = [next(iter(accepted), "") or "no answer" for accepted in wanted]
        return review(examples, shown, [text or "no answer" for text in given], likely, np.array(exact) < 1.0)

    def tuned(self, outputs: Outputs, features: Features) -> QuestionsTask:
        """The task with the threshold that gives the highest F1; unchanged unless only some of these have answers."""
        label = features["label"]
        unanswered = np.array([not any(map(answer_text.plain, wanted)) for wanted in label])
        if not self.has_unanswered or unanswered.all() or not unanswered.any():
            return self
        candidates, f1 = self.found(outputs, features), _rules(features).f1
        best_f1 = np.array([
            answer_text.best(f1, example.text_pair[candidate.spans[0].start : candidate.spans[0].end], wanted)
            if candidate.spans
            else 0.0
            for example, candidate, wanted in zip(features["examples"], candidates, label, strict=True)
        ])  # fmt: skip
        leads = np.array([candidate.lead for candidate in candidates])
        # Questions are answered one after another, surest answers first: each answer adds its F1, or costs one point
        # if its question has no answer.
        order = np.argsort(leads, kind="stable")
        sums = unanswered.sum() + np.concatenate([[0], np.cumsum(np.where(unanswered, -1.0, best_f1)[order])])
        count = int(np.flatnonzero(sums >= sums.max() - 1e-9)[0])
        borders = np.concatenate([[leads[order[0]] - 1.0], leads[order]])
        next_border = borders[count + 1] if count < len(leads) else borders[-1] + 1.0
        return dataclasses.replace(self, null_threshold=float(np.clip((borders[count] + next_border) / 2, -1e6, 1e6)))

    @property
    def tuning(self) -> str:
        return f"threshold for no answer {self.null_threshold:.3g}" if self.has_unanswered else ""

    def agreement(self, reference: Outputs, candidate: Outputs, features: Features) -> np.ndarray:
        """One where both networks choose the same part of the window, or both choose none."""
        real = features["input_mask"] == 1
        followed = np.pad(real[:, 1:], [(0, 0), (0, 1)])  # excludes the last token, [SEP]
        passages = (features["segment_ids"] == 1) & followed
        reference_spans, candidate_spans = (
            [
                self._decided(outputs["start_logits"][row], outputs["end_logits"][row], inside)
                for row, inside in enumerate(passages)
            ]
            for outputs in (reference, candidate)
        )
        same = np.array([expected == actual for expected, actual in zip(reference_spans, candidate_spans, strict=True)])
        return (same & ~without_numbers(candidate)).astype(np.float64)

    def _decided(self, start: np.ndarray, end: np.ndarray, inside: np.ndarray) -> tuple[int, int] | None:
        best = next(self._best_pairs(start.astype(np.float64), end.astype(np.float64), inside, inside, 1), None)
        if best is None or self.has_unanswered and start[0] + end[0] - best[2] > self.null_threshold:
            return None
        return best[:2]


N_BEST = 20
"""Number of best parts of a passage over which probabilities are normalised."""

SHOWN = 3
"""Number of other answers that are shown."""


def _rules(features: Features) -> answer_text.Rules:
    return answer_text.Rules.of(example.text_pair or "" for example in features["examples"])


def words_around(text: str, start: int, end: int) -> tuple[int, int]:
    """Start and end of the words, separated by white space, that contain these characters.

    In scripts without blanks such a word would be a clause or the whole passage, so each of their characters and
    punctuation marks also ends a word.
    """
    while start > 0 and not _ends_word(text[start - 1]):
        start -= 1
    while end < len(text) and not _ends_word(text[end]):
        end += 1
    return start, end


def _ends_word(character: str) -> bool:
    """Whether a character ends a word: separators of `run_squad.py`, letters and signs of scripts without blanks."""
    return character in " \t\r\n\u202f" or has_no_blanks(character) or character in _WIDE_SIGNS


_WIDE_SIGNS = frozenset("\u3000、。，．：；？！（）［］｛｝「」『』【】〔〕〖〗《》〈〉・～")


def _place(passage: Located, text: str, answer: Answer, wanted: Sequence[int]) -> tuple[int, int] | None:
    """The first and last word piece of an answer in its passage; None: the tokenizer drops all of the answer."""
    begin, end = words_around(text, answer.start, answer.start + len(answer.text))
    inside = np.flatnonzero((passage.offsets[:, 1] > begin) & (passage.offsets[:, 0] < end))
    if not len(inside):
        return None
    first, last, size = int(inside[0]), int(inside[-1]), len(wanted)
    starts = range(first, last - size + 2) if size else ()
    same = [start for start in starts if passage.ids[start : start + size].tolist() == wanted]
    # Annotators mark "1895" in "(1895-1943).", and a number may occur twice between two blanks: the nearest is taken.
    # Source: `_improve_answer_span`, which takes the first.
    start = min(same, key=lambda piece: abs(passage.offsets[piece, 0] - answer.start), default=None)
    return (first, last) if start is None else (start, start + size - 1)


def _largest(known: Mapping[tuple[int, int], float], most: int) -> list[tuple[tuple[int, int], float]]:
    return heapq.nsmallest(most, known.items(), key=lambda item: (-item[1], item[0]))
