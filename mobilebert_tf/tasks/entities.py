"""Entities in a text, such as persons and places: every word has a label, and successive labels form an entity."""

from __future__ import annotations

import dataclasses
import os
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mobilebert_tf.config import Heads
from mobilebert_tf.data import bad_rows
from mobilebert_tf.data.conll import TAGS, TOKENS, Sentence, read_sentences
from mobilebert_tf.data.tables import is_json, is_table, read_table
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks import examples as texts_of_tables
from mobilebert_tf.tasks import metrics, tagging
from mobilebert_tf.tasks.classification import softmax
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.label_spelling import unseen
from mobilebert_tf.tasks.review import Review, review
from mobilebert_tf.tasks.tagging import OUTSIDE
from mobilebert_tf.tasks.task import Features, Outputs, Scores, Task, objects, without_numbers
from mobilebert_tf.tasks.windows import lay_out, locate
from mobilebert_tf.tokenization import Tokenizer, is_one_line

if TYPE_CHECKING:
    from mobilebert_tf.training.loop import Objective


@dataclasses.dataclass(frozen=True)
class Tagged(Example):
    """A sentence whose words are known."""

    words: tuple[tuple[int, int], ...] = ()
    """First character of each word, and the character after its last."""
    tags: tuple[str, ...] | None = None
    """Label of each word; None: unknown."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EntitiesTask(Task):
    """A file of labelled words. A word's label is the one that the network gives its first word piece.

    Source: Devlin et al. 2019, arXiv 1810.04805 §5.3.
    """

    labels: tuple[str, ...]
    """O and the labels of each kind in the scheme, such as B-person and I-person."""

    name: ClassVar[str] = "entities"
    outputs: ClassVar[tuple[str, ...]] = ("token_logits",)
    score_name: ClassVar[str] = "f1"
    agreement_name: ClassVar[str] = "same label"
    can_be_taught: ClassVar[bool] = True
    taught_by_token: ClassVar[bool] = True
    answer_kind: ClassVar[str] = "entities"
    has_labels: ClassVar[bool] = True
    targets: ClassVar[tuple[str, ...]] = ("token_label",)

    @classmethod
    def discover(cls, path: str | os.PathLike[str], **columns: Any) -> EntitiesTask:
        """The task of a training file, with the file's kinds of entities and labelling scheme.

        Raises:
          UsageError: the file is broken or has no entity.
        """
        draft = cls(labels=(), **columns)
        tags: set[str] = set()
        for sentence in read_sentences(path, columns=draft._columns):
            if _is_good(path, sentence):
                tags.update(sentence.tags or ())
        prefixes = sorted({tagging.parts(tag)[0] for tag in tags} - {OUTSIDE}, key="BIESLU".index)
        kinds = tagging.kinds(sorted(tags))
        if not kinds:
            raise UsageError(f"{path}: has no entity, every word is labelled O; is the label its last column?")
        labels = (OUTSIDE, *(f"{prefix}-{kind}" for kind in kinds for prefix in prefixes))
        return dataclasses.replace(draft, labels=labels)

    @property
    def heads(self) -> Heads:
        return Heads.of(["token_classifier"], len(self.labels))

    @property
    def stride(self) -> int:
        """Word pieces between the starts of successive windows on a text: half a window."""
        return max(1, (self.max_seq_length - 2) // 2)

    def read(self, path: str | os.PathLike[str], labelled: bool = True, every_row: bool = False) -> list[Example]:
        if not labelled and self._is_table_of_texts(path):
            return texts_of_tables.read_examples(path, [self.text_column], None, lambda *_: 0, every_row)
        examples: list[Example] = []
        for sentence in read_sentences(path, labelled, every_row, self._columns):
            if sentence.tags is not None:
                if not _is_good(path, sentence):
                    continue
                strange = next((tag for tag in sentence.tags if tag not in self.labels), None)
                if strange is not None:
                    bad_rows.refuse(
                        str(path),
                        sentence.line_of(sentence.tags.index(strange)),
                        f"{unseen(strange, self.labels)}; {bad_rows.FIX}",
                    )
                    continue
            examples.append(in_one_text(sentence))
        if not examples:
            raise UsageError(f"{path}: has no sentence that can be used")
        return examples

    @property
    def _columns(self) -> tuple[str, str]:
        """JSON names of the lists of words and of labels; unless flags name columns, the usual names come first."""
        words = f"{TOKENS},{self.text_column}" if self.text_column == Task.text_column else self.text_column
        tags = f"{TAGS},{self.label_column}" if self.label_column == Task.label_column else self.label_column
        return words, tags

    def column_fault(self, tables: Sequence[str], named: Collection[str]) -> str:
        if "text_pair_column" in named:
            return f"--text_pair_column: is for two texts, not for --task={self.name}; leave it out"
        name = next((name for name in ("text_column", "label_column") if name in named), None)
        if name is None or any(is_json(table) or self._is_table_of_texts(table) for table in tables):
            return ""
        place = "first is the word" if name == "text_column" else "last is the label"
        return f"--{name}: the columns of {tables[0]} have no names, the {place}; leave it out"

    def _is_table_of_texts(self, path: str | os.PathLike[str]) -> bool:
        """Whether a file is a table of texts, as for other tasks, and not of sentences divided into words."""
        if not is_table(path):
            return False
        try:
            _, first = next(read_table(path, [self.text_column], optional=[TOKENS]), (0, {}))
        except UsageError:
            return False
        return bool(first) and (first[TOKENS] is None or self.text_column != Task.text_column)

    def strata(self, examples: Sequence[Example]) -> list[tuple[Any, ...]]:
        """The kinds of entities in each sentence; sentences without entities form one stratum."""
        tags = [example.tags or () for example in examples if isinstance(example, Tagged)]
        return [tuple(tagging.kinds(sorted(set(of_sentence)))) or ("",) for of_sentence in tags]

    def row(self, example: Example) -> dict[str, Any]:
        assert isinstance(example, Tagged)
        words, tags = (column.split(",")[0] for column in self._columns)
        return {words: [example.text[start:end] for start, end in example.words], tags: list(example.tags or ())}

    def features(self, examples: Sequence[Example], tokenizer: Tokenizer) -> dict[str, np.ndarray]:
        """Inputs [R, T], one row per window; `examples` [n]; `word` int32 [R, T], the number of the word whose first
        word piece is here, if this window sees it best, else -1; if all are labelled also `label` [n], the entities,
        and `token_label` int32 [R, T], the number of the word's label or -1."""
        tagged = list(map(_tagged, examples))
        texts = locate([example.text for example in tagged], tokenizer)
        rows = lay_out(texts, None, self.max_seq_length, self.stride, tokenizer)
        word = np.full(rows.best_seen.shape, -1, np.int32)
        for row, number in enumerate(rows.row_example):
            seen = np.flatnonzero(rows.best_seen[row])
            own = _words_that_begin(texts[number].offsets, tagged[number].words)
            word[row, seen] = own[rows.starts[row] + seen - rows.first_piece[row]]
        features = {**rows.features, "word": word, "examples": objects(tagged)}
        if any(example.tags is None for example in tagged):
            return features
        numbers = {label: number for number, label in enumerate(self.labels)}
        features["label"] = objects([tuple(tagging.entities(example.tags or ())) for example in tagged])
        features["token_label"] = np.full_like(word, -1)
        for row, number in enumerate(rows.row_example):
            known = np.flatnonzero(word[row] >= 0)
            own = np.array([numbers[tag] for tag in tagged[number].tags or ()], np.int32)
            features["token_label"][row, known] = own[word[row, known]]
        return features

    def objective(self, predict: Callable[[Mapping[str, Any]], Any]) -> Objective:
        """Mean cross-entropy of the words' labels."""
        from mobilebert_tf.training import objectives

        return objectives.tokens(predict)

    def as_taught(self, teacher: Task, outputs: Outputs) -> Outputs:
        """The teacher's logits [R, T, C] in the order of these labels."""
        order = [teacher.labels.index(label) for label in self.labels]
        return {"token_logits": outputs["token_logits"][:, :, order]}

    def distance_from_teacher(
        self, output: Any, teacher: Mapping[str, Any], temperature: float, batch: Mapping[str, Any]
    ) -> Any:
        from mobilebert_tf.training import objectives

        return objectives.tokens_taught(output, teacher["token_logits"], temperature, batch["token_label"])

    def decode(self, outputs: Outputs, features: Features) -> list[dict[str, Any]]:
        """The entities of each text with their characters; an entity's probability is the lowest one of its words."""
        answers = []
        for example, (tags, likely) in zip(features["examples"], self._tagged(outputs, features), strict=True):
            entities = []
            for entity in tagging.entities(tags):
                start, end = example.words[entity.start][0], example.words[entity.end - 1][1]
                probability = float(likely[entity.start : entity.end].min())
                entities.append({
                    "label": entity.kind, "text": example.text[start:end], "start": start, "end": end,
                    "probability": probability,
                })  # fmt: skip
            answers.append({"entities": entities})
        return answers

    def predictions(self, examples: Sequence[Example], answers: Sequence[Mapping[str, Any]]) -> str:
        """One word per line with its true label, if known, and its predicted label, in the scheme of the true labels
        or else of training; a blank line after each text."""
        tagged = list(map(_tagged, examples))
        scheme = tagging.scheme_of([one.tags for one in tagged if one.tags is not None], self.labels)
        lines: list[str] = []
        for example, answer in zip(tagged, answers, strict=True):
            starts, ends = ({span[side]: n for n, span in enumerate(example.words)} for side in (0, 1))
            entities = [
                tagging.Entity(starts[one["start"]], ends[one["end"]] + 1, one["label"]) for one in answer["entities"]
            ]
            predicted = scheme.tags(entities, len(example.words))
            columns = [predicted] if example.tags is None else [example.tags, predicted]
            words = [example.text[start:end] for start, end in example.words]
            lines += map("\t".join, zip(words, *columns, strict=True))
            lines.append("")
        return "\n".join(lines) + "\n"

    def _tagged(self, outputs: Outputs, features: Features) -> list[tuple[list[str], np.ndarray]]:
        """The labels of each example's words and their probabilities; O for words without a word piece."""
        likely = softmax(outputs["token_logits"])
        best, confidence = likely.argmax(axis=-1), likely.max(axis=-1)
        best[without_numbers(outputs)] = self.labels.index(OUTSIDE)
        result = [([OUTSIDE] * len(one.words), np.ones(len(one.words))) for one in features["examples"]]
        for row, number in enumerate(features["row_example"]):
            tags, probabilities = result[number]
            for place in np.flatnonzero(features["word"][row] >= 0):
                word = features["word"][row, place]
                tags[word], probabilities[word] = self.labels[best[row, place]], confidence[row, place]
        return result

    def score(self, outputs: Outputs, features: Features) -> Scores:
        """Precision, recall and F1 of all entities (micro) and of each kind; both words and kind must be right."""
        names = tagging.kinds(self.labels)
        right, given, wanted = (np.zeros((len(features["label"]), len(names)), int) for _ in range(3))
        for number, ((tags, _), label) in enumerate(
            zip(self._tagged(outputs, features), features["label"], strict=True)
        ):
            predicted = set(tagging.entities(tags))
            for counts, group in ((right, predicted & set(label)), (given, predicted), (wanted, set(label))):
                for entity in group:
                    counts[number, names.index(entity.kind)] += 1
        totals = [counts.sum(axis=0) for counts in (right, given, wanted)]
        figures = {
            "examples": len(right),
            **_shares(*(total.sum() for total in totals)),
            "entities": int(totals[2].sum()),
            "by_class": metrics.by_class(names, *totals),
        }
        counts = np.stack([right.sum(axis=1), given.sum(axis=1) + wanted.sum(axis=1)], axis=1).astype(np.float64)
        return Scores(self.score_name, figures, counts, _f1)

    def review(self, outputs: Outputs, features: Features, examples: Sequence[Example]) -> Review:
        """Texts with extra or missing entities, by the highest probability of a label in one of these entities."""
        wanted: list[str] = []
        given: list[str] = []
        size, wrong = [], []
        for example, (tags, likely), label in zip(
            features["examples"], self._tagged(outputs, features), features["label"], strict=True
        ):
            predicted = tagging.entities(tags)
            differ = set(predicted) ^ set(label)
            size.append(max((float(likely[entity.start : entity.end].max()) for entity in differ), default=0.0))
            wrong.append(bool(differ))
            for names, entities in ((wanted, label), (given, predicted)):
                names.append(", ".join(_named(example, entity) for entity in sorted(entities)) or "no entity")
        return review(examples, wanted, given, np.array(size), np.array(wrong))

    def agreement(self, reference: Outputs, candidate: Outputs, features: Features) -> np.ndarray:
        """Share of a window's tokens with the same most likely label."""
        real = features["input_mask"] == 1
        same = reference["token_logits"].argmax(axis=-1) == candidate["token_logits"].argmax(axis=-1)
        return np.where(without_numbers(candidate), 0.0, (same & real).sum(axis=1) / real.sum(axis=1))


def _tagged(example: Example) -> Tagged:
    """The example, divided into words if it is a plain text."""
    return example if isinstance(example, Tagged) else Tagged(example.text, words=words_of(example.text))


def _named(example: Tagged, entity: tagging.Entity) -> str:
    return f"{example.text[example.words[entity.start][0] : example.words[entity.end - 1][1]]} {entity.kind}"


def in_one_text(sentence: Sentence) -> Tagged:
    """The sentence as one text, its words separated by blanks."""
    words, place = [], 0
    for word in sentence.words:
        words.append((place, place + len(word)))
        place += len(word) + 1
    return Tagged(" ".join(sentence.words), words=tuple(words), tags=sentence.tags)


def words_of(text: str) -> tuple[tuple[int, int], ...]:
    """The words of a plain text: the first character of each, and the character after its last.

    White space separates words. At the start or end of a piece between blanks, each punctuation mark is a word of its
    own; inside, it belongs to the word ("U.S", "don't", "well-known"). Each CJK character is a word.
    """
    words: list[tuple[int, int]] = []
    for piece in re.finditer(r"\S+", text):
        start, end = piece.span()
        while start < end and _is_punctuation(text[start]):
            words.append((start, start + 1))
            start += 1
        trailing = []
        while end > start and _is_punctuation(text[end - 1]):
            trailing.append((end - 1, end))
            end -= 1
        word_start = start
        for place in range(start, end):
            if _is_cjk(text[place]):
                words += [(word_start, place)] if word_start < place else []
                words.append((place, place + 1))
                word_start = place + 1
        words += [(word_start, end)] if word_start < end else []
        words += trailing[::-1]
    return tuple(words)


def _is_punctuation(character: str) -> bool:
    """Whether BERT counts a character as punctuation: ASCII other than letters and digits, and Unicode punctuation."""
    return character.isascii() and not character.isalnum() or unicodedata.category(character).startswith("P")


_CJK = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip
"""CJK blocks of the `tokenizers` library. Source: `BertNormalizer`."""


def _is_cjk(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in _CJK)


def _words_that_begin(offsets: np.ndarray, words: Sequence[tuple[int, int]]) -> np.ndarray:
    """The number of the word that each piece with these offsets [k, 2] begins, or -1: [k]."""
    firsts = np.full(len(offsets), -1, np.int32)
    if not len(words) or not len(offsets):
        return firsts
    bounds = np.array(words)
    owner = np.searchsorted(bounds[:, 0], offsets[:, 0], side="right") - 1
    inside = (owner >= 0) & (offsets[:, 0] < bounds[np.maximum(owner, 0), 1])
    new = np.concatenate([[True], owner[1:] != owner[:-1]])
    return np.where(inside & new, owner, -1).astype(np.int32)


def _is_good(path: str | os.PathLike[str], sentence: Sentence) -> bool:
    """Whether all labels of a sentence are valid. Raises UsageError: one is not, and bad rows are not skipped."""
    for place, tag in enumerate(sentence.tags or ()):
        problem = "" if is_one_line(tag) else f"the label {tag!r} has a line break; replace it"
        try:
            tagging.parts(tag)
        except UsageError as error:
            problem = str(error)
        if problem:
            bad_rows.refuse(str(path), sentence.line_of(place), problem)
            return False
    return True


def _shares(right: int, given: int, wanted: int) -> dict[str, float]:
    return {
        "f1": _f1(np.array([[right, given + wanted]])),
        "precision": float(right / given) if given else 0.0,
        "recall": float(right / wanted) if wanted else 0.0,
    }


def _f1(counts: np.ndarray) -> float:
    """Micro F1 of examples with these counts [n, 2]: right entities, and given plus wanted entities."""
    right, given_and_wanted = counts.sum(axis=0)
    return float(2 * right / given_and_wanted) if given_and_wanted else 0.0
