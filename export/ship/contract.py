"""`RECIPE.contract.json`: all that an app has to know of `RECIPE.tflite`, and examples to try it with.

The classes below are the file, field by field: their names are the keys. An app follows it so. Make word pieces
of the text (`text.tokenizer`, `text.vocabulary`), cut them and put them in order (`text.layout`), take the signature
for so many (`text.padding`), fill its inputs by their names, run it; what the output (`answer.output`) means is in
`answer`: of classes the greatest value is at the place of its label. `check_answers.py` does just this;
`check_contract.py` holds every answer to `examples` and `tolerance`, which `golden.py` explains.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf import atomic, provenance
from mobilebert_tf.errors import FailedError
from mobilebert_tf.export.recipes import Recipe
from mobilebert_tf.export.ship import check_contract, golden
from mobilebert_tf.export.ship.verify_directory import CONTRACT, SCHEMA
from mobilebert_tf.exported import Variant
from mobilebert_tf.litert.packed import saved_by_cache
from mobilebert_tf.litert.runtime import LOGITS
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.entities import EntitiesTask
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.multilabel import HALF, MultilabelTask
from mobilebert_tf.tasks.prototypes import PrototypesTask
from mobilebert_tf.tasks.questions import QuestionsTask
from mobilebert_tf.tasks.regression import RegressionTask
from mobilebert_tf.tasks.task import Task
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class File:
    """A file beside the contract."""

    name: str
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vocabulary(File):
    """A word piece a line; the number of the line, from 0 on, is its id."""

    size: int
    """Lines."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Padding:
    """What fills the inputs after the ids, up to the length of the signature."""

    least: int = 1
    """The signature to take is the shortest with length >= min(number of ids + least, max_ids): a last id that has
    padding after it sees it. A text that fills the longest signature has none."""
    input_ids: int = 0
    input_mask: int = 0
    """The mask is 1 for every id."""
    segment_ids: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Windows:
    """How a text is cut that is longer than the network: each window is an input of its own, in the layout.

    A window has as many pieces as there is room for; the next one begins `stride` pieces further on, until one has the
    last piece. A piece counts where it has most pieces of its window on its poorer side, a hundredth of the number of
    the window's pieces added; of equals in the first.
    """

    stride: int
    most_before: int
    """Pieces of `text` that are kept where the windows are those of `text_b`; longer ones lose their end."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Text:
    """How texts become ids."""

    tokenizer: dict[str, Any]
    """`kind` wordpiece is BERT's: control characters go; white space separates words, every punctuation character is
    one, with `split_cjk` every CJK character too; `lower_case`; `strip_accents` takes combining marks away after
    NFD. A word is split into the longest pieces of the vocabulary from its start on, those after the first with ##
    before them; it is [UNK] if that fails or it has more than `max_characters_per_word`."""
    vocabulary: Vocabulary
    special_tokens: dict[str, int]
    """Ids of the pieces that stand for no text."""
    layout: list[str]
    """What follows what: special tokens, `text` and, if the task is about two, `text_b`."""
    segment_ids: list[int]
    """Of each part of the layout."""
    max_ids: int
    """Most ids, special tokens included: the length of the longest signature."""
    truncation: str = "longest_first"
    """longest_first: while there are more, the longer of the texts loses its last piece; of equally long ones `text_b`.
    windows: the last text of the layout is cut into `windows`."""
    windows: Windows | None = None
    padding: Padding = dataclasses.field(default_factory=Padding)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What the output means."""

    kind: str
    """classes: a value for each label. labels: likewise, each judged by itself. value: a number. vector: of unit
    length; the sum of the products of two vectors' values, their cosine, says how alike their texts are. prototypes:
    such a vector, whose nearest centroid names the label. span: part of `text_b`. entities: parts of `text`."""
    output: str | None
    """Name of the output, [1, C], or [1, T, C] for entities; null: there are several."""
    outputs: dict[str, str] | None
    """span: the outputs, [1, T], of `start` and `end`. Of all pairs of a first piece that counts in its window and a
    last one, no more than `longest` pieces, the one with the greatest sum is the answer: from the first character of
    the first to the last of the last. The score of no answer is the sum of both at [CLS], the least of all windows."""
    softmax: bool
    """Whether probabilities are the softmax of it, divided by `temperature`; else it has them itself, or there are
    none. Of `labels` each is 1 / (1 + exp(-value))."""
    labels: list[str] | None
    """In the order of the values; null: they are no classes."""
    labels_file: File | None
    """Has them too, one a line."""
    temperature: float
    offset: float
    scale: float
    """A value is offset + scale times the output."""
    decision: str | None = "argmax"
    """argmax: the label with the greatest value is the answer, or none of them where its probability is below
    `threshold`, if there is one. nearest: that of the centroid with the greatest cosine,
    if it is at least `threshold` and leads the next by `margin`; else none of them. thresholds: every label whose
    probability is at least its threshold. null: there are no labels."""
    centroids: list[list[float]] | None = None
    """[C][H], in the order of the labels."""
    threshold: float | None = None
    margin: float | None = None
    thresholds: dict[str, float] | None = None
    """Least probability, by label, with which it is an answer; null: there is none."""
    longest: int | None = None
    """Most word pieces of a span."""
    no_answer: float | None = None
    """A span is no answer if the score of none leads its own by more than this; null: there always is one."""
    words: str | None = None
    """entities: which words have labels. bert: white space separates them; punctuation at the beginning or the end of
    such a piece is a word for each character, a CJK character is a word, and a word's label is that of its first word
    piece. Successive words make an entity: it begins with B or S, behind another kind, behind E or S, or with I or E
    behind O."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightCache:
    """Way to keep one packed copy of the weights for all signatures: XNNPACK else packs them once for each."""

    kotlin: str
    """Argument of LiteRT's `CompiledModel.CpuOptions`: a file of the app's own, one for each `.tflite` file and
    processor. It is mapped, and shared with later starts; `:memory:` does without a file."""
    flag: str
    """Of both programs named `benchmark_model`."""
    saves_bytes: int
    """Private memory that it saves, about: the weights of products times the signatures but one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runtime:
    """What the file asks of a runtime."""

    oldest: str
    """The first TensorFlow Lite that has its operators; those before refuse it. LiteRT is later than all."""
    float16_arithmetic: bool
    """Whether ARM processors that can compute in float16 what is float in the file. Others never do."""
    weight_cache: WeightCache | None
    """null: there is one signature."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contract:
    """The whole file."""

    schema: int = SCHEMA
    """Fields may be added under the same number; a reader refuses another one."""
    file: File
    recipe: str
    description: str
    """Of the recipe, in words."""
    task: str
    """classification, regression, multilabel, qa, entities, embedding or prototypes."""
    signatures: list[dict[str, Any]]
    """Shortest first: `name`; `length` T; `inputs` and `outputs`, each with `name`, `dtype` and `shape`."""
    text: Text
    answer: Answer
    runtime: Runtime
    tolerance: golden.Tolerance
    examples: list[golden.Golden]
    model: dict[str, Any]
    """`name` of what was exported, and `weights_sha256`."""
    made_by: dict[str, Any]
    """Command, commit, versions, date; and the machine that the outputs of the examples are from."""


def write_contracts(
    directory: Path, recipes: Sequence[Recipe], variants: Sequence[Variant], task: Task,
    tokenizer: Tokenizer, shown: Sequence[Example], measured: Sequence[Example], model: dict[str, Any],
) -> None:  # fmt: skip
    """Write a contract beside each file in `directory` that passed its gate.

    Args:
      directory: has vocab.txt and, for classes, labels.txt too.
      recipes: of all files.
      variants: what each became.
      task: as exported: its length is that of the longest signature.
      tokenizer: of the task.
      shown: texts to choose examples from, which the contracts then hold word for word; none: built-in sentences.
      measured: further texts to find tolerances with; no contract holds them.
      model: name and hash of what was exported.

    Raises:
      FailedError: a file gives no numbers for one of the examples.
    """
    text = _text(directory, task, tokenizer)
    answers: dict[str, Answer] = {}
    files: dict[str, golden.File] = {}
    for variant in variants:
        if not variant.passed:
            continue
        path = directory / str(variant.file)
        signatures = check_contract.read_signatures(check_contract.load(path))
        answer = _answer(directory, signatures, task)
        known = {"signatures": signatures, "text": dataclasses.asdict(text), "answer": dataclasses.asdict(answer)}
        files[variant.name], answers[variant.name] = golden.File(path, known, task, tokenizer), answer
    if not files:
        return
    pool = golden.usable(shown, task) or golden.built_in(task, tokenizer)
    measured = golden.usable(measured, task) or pool
    texts = max(files.values(), key=lambda file: len(file.contract["signatures"])).choose(pool)
    made_by = provenance.describe()
    for recipe, variant in zip(recipes, variants, strict=True):
        if variant.name not in files:
            continue
        file = files[variant.name]
        examples = file.answers(texts)
        rounds = bool(variant.half) or any(rule.activations != "float" for rule in recipe.rules)
        contract = Contract(
            file=_file(file.path),
            recipe=variant.name,
            description=variant.description,
            task=task.name,
            signatures=file.contract["signatures"],
            text=text,
            answer=answers[variant.name],
            runtime=Runtime(
                oldest=str(variant.oldest_runtime),
                float16_arithmetic=bool(variant.half),
                weight_cache=_weight_cache(file.path) if len(file.contract["signatures"]) > 1 else None,
            ),
            tolerance=file.tolerance(examples, measured, rounds, bool(variant.half)),
            examples=examples,
            model=model,
            made_by=made_by,
        )
        if not all(math.isfinite(value) for example in examples for value in example.values):
            raise FailedError(
                f"recipe {recipe.name}: gives values that are not finite for one of the texts of its contract, which "
                "are beside those it was compared on; leave this recipe out"
            )
        atomic.write_text(directory / f"{variant.name}{CONTRACT}", _as_json(contract))


def _weight_cache(path: Path) -> WeightCache:
    return WeightCache(
        kotlin="xnnPackWeightCachePath",
        flag="--xnnpack_weight_cache_file_path",
        saves_bytes=saved_by_cache(path.read_bytes()),
    )


def _answer(directory: Path, signatures: Sequence[dict[str, Any]], task: Task) -> Answer:
    several = len(signatures[0]["outputs"]) > 1
    output = None if several else signatures[0]["outputs"][0]["name"]
    return Answer(
        kind=task.answer_kind,
        output=output,
        outputs=dict(zip(("start", "end"), task.outputs, strict=True)) if several else None,
        softmax=output == LOGITS and task.answer_kind == "classes",
        labels=list(task.labels) if task.has_labels else None,
        labels_file=_file(directory / "labels.txt") if task.has_labels else None,
        temperature=task.temperature if isinstance(task, ClassificationTask) and output == LOGITS else 1.0,
        offset=task.offset if isinstance(task, RegressionTask) else 0.0,
        scale=task.scale if isinstance(task, RegressionTask) else 1.0,
        decision={"classes": "argmax", "labels": "thresholds", "prototypes": "nearest"}.get(task.answer_kind),
        **_bounds(task, output),
    )


def _bounds(task: Task, output: str | None) -> dict[str, Any]:
    if isinstance(task, MultilabelTask):
        return {"thresholds": dict(zip(task.labels, task.thresholds or [HALF] * len(task.labels), strict=True))}
    if isinstance(task, QuestionsTask):
        no_answer = task.null_threshold if task.has_unanswered else None
        return {"longest": task.max_answer_length, "no_answer": no_answer}
    if isinstance(task, EntitiesTask):
        return {"words": "bert"}
    if isinstance(task, ClassificationTask):
        # As the temperature, it is of the logits: a file that ends in a softmax of its own has neither.
        return {"threshold": task.threshold if task.threshold and output == LOGITS else None}
    if not isinstance(task, PrototypesTask):
        return {}
    return {"centroids": [list(row) for row in task.centroids], "threshold": task.threshold, "margin": task.margin}


def _text(directory: Path, task: Task, tokenizer: Tokenizer) -> Text:
    paired, windows = task.judges_pairs, _windows(task)
    vocabulary = _file(directory / "vocab.txt")
    return Text(
        tokenizer=tokenizer.stated_rules,
        vocabulary=Vocabulary(**dataclasses.asdict(vocabulary), size=tokenizer.size),
        special_tokens={token: tokenizer.id(token) for token in SPECIAL_TOKENS},
        layout=["[CLS]", "text", "[SEP]", *(["text_b", "[SEP]"] if paired else [])],
        segment_ids=[0, 0, 0, *([1, 1] if paired else [])],
        max_ids=task.max_seq_length,
        truncation="windows" if windows else "longest_first",
        windows=windows,
    )


def _windows(task: Task) -> Windows | None:
    if isinstance(task, QuestionsTask):
        return Windows(stride=task.doc_stride, most_before=task.question_room)
    return Windows(stride=task.stride, most_before=0) if isinstance(task, EntitiesTask) else None


def _file(path: Path) -> File:
    content = path.read_bytes()
    return File(name=path.name, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def _as_json(contract: Contract) -> str:
    """With lists of numbers on one line each."""
    text = json.dumps(dataclasses.asdict(contract), indent=2, ensure_ascii=False, allow_nan=False)
    return re.sub(r"\[\n\s+(-?\d[^\[\]{}\"]*?)\n\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"
