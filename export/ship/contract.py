"""`RECIPE.contract.json`: everything an app needs to know about `RECIPE.tflite`, and examples to test it with.

The classes below are the file, field by field: field names are the keys. An app splits the text into word pieces
(`text.tokenizer`, `text.vocabulary`), truncates them and puts them in order (`text.layout`), chooses the signature for
their number (`text.padding`), fills its inputs by name and runs it. `answer` says how to read the output
(`answer.output`): for classes, the position of the greatest value is that of the label. `check_answers.py` does
exactly this; `check_contract.py` checks every answer against `examples` and `tolerance`, which `golden.py` explains.
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
    """A file with one word piece per line; the number of the line, counted from 0, is its id."""

    size: int
    """Number of lines."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Padding:
    """Values that fill the inputs after the ids, up to the length of the signature."""

    least: int = 1
    """Least number of padding ids: the signature to choose is the shortest with length >= min(number of ids + least,
    max_ids), because the last id's result depends on padding that follows it. A text that fills the longest signature
    has no padding."""
    input_ids: int = 0
    input_mask: int = 0
    """Value for padding; the mask is 1 for every id."""
    segment_ids: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Windows:
    """Rules for cutting a text that is longer than the network into windows, each an input of its own in the layout.

    A window has as many pieces as there is room for; the next one begins `stride` pieces further on, until a window
    has the last piece. Each piece counts in one window only: the one with the greatest context, which is the number
    of the window's pieces before or after it, whichever is smaller, plus a hundredth of the number of the window's
    pieces; of equals the first window.
    """

    stride: int
    most_before: int
    """Most pieces of `text` that are kept if `text_b` is cut into windows; a longer `text` loses its end."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Text:
    """Rules that turn texts into ids."""

    tokenizer: dict[str, Any]
    """`kind` wordpiece is BERT's: control characters are removed; white space separates words; every punctuation
    character is a word, and with `split_cjk` every CJK character too; `lower_case` lower-cases; `strip_accents`
    removes combining marks after NFD. A word is split, from its start, into the longest pieces of the vocabulary,
    each after the first prefixed with ##; it is [UNK] if that fails or if it has more than `max_characters_per_word`
    characters."""
    vocabulary: Vocabulary
    special_tokens: dict[str, int]
    """Ids of the pieces that stand for no text."""
    layout: list[str]
    """Parts of the input in order: special tokens, `text` and, if the task takes two texts, `text_b`."""
    segment_ids: list[int]
    """Segment id of each part of the layout."""
    max_ids: int
    """Most ids, special tokens included: the length of the longest signature."""
    truncation: str = "longest_first"
    """longest_first: as long as there are more ids, the longer of the texts loses its last piece; of equally long ones
    `text_b`. windows: the last text of the layout is cut into `windows`."""
    windows: Windows | None = None
    padding: Padding = dataclasses.field(default_factory=Padding)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """Meaning of the output."""

    kind: str
    """classes: one value per label. labels: likewise, each label decided by itself. value: a number. vector: a vector
    of unit length; the dot product of two vectors, their cosine, is the similarity of their texts. prototypes: such a
    vector, whose nearest centroid names the label. span: part of `text_b`. entities: parts of `text`."""
    output: str | None
    """Name of the output, [1, C], or [1, T, C] for entities; null: there are several."""
    outputs: dict[str, str] | None
    """span: names of the outputs, [1, T], for `start` and `end`. A candidate is a first piece that counts in its window
    and a last piece, at most `longest` pieces in all; the candidate with the greatest sum of both values is the answer,
    from the first character of its first piece to the last of its last. The score of no answer is the sum of both
    values at [CLS], the least of all windows."""
    softmax: bool
    """Whether probabilities are the softmax of the output divided by `temperature`; false: the output holds them, or
    there are none. With kind `labels` each probability is 1 / (1 + exp(-value))."""
    labels: list[str] | None
    """Labels in the order of the values; null: the task has none."""
    labels_file: File | None
    """File with the same labels, one per line."""
    temperature: float
    offset: float
    scale: float
    """Scale of a value, which is offset + scale * output."""
    decision: str | None = "argmax"
    """argmax: the answer is the label with the greatest value, or none if there is a `threshold` and the probability is
    below it. nearest: the label of the centroid with the greatest cosine, if that is at least `threshold` and leads the
    next by at least `margin`; else none. thresholds: every label whose probability is at least its threshold. null:
    there are no labels."""
    centroids: list[list[float]] | None = None
    """[C][H], in the order of the labels."""
    threshold: float | None = None
    margin: float | None = None
    thresholds: dict[str, float] | None = None
    """Least probability at which a label is part of the answer, by label; null: the task has no such thresholds."""
    longest: int | None = None
    """Most word pieces of a span."""
    no_answer: float | None = None
    """Threshold for no answer: a span is not returned if the score of no answer exceeds its score by more than this;
    null: there is always an answer."""
    words: str | None = None
    """entities: rule for the words that have labels. bert: white space separates words; each punctuation character at
    the beginning or end of such a word is a word of its own, and so is a CJK character; a word's label is that of its
    first word piece. Successive words of one kind form an entity; a new one begins at B, S or U, after another
    kind, after E, S, L or U, and after O."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightCache:
    """Option to keep one packed copy of the weights for all signatures; without it XNNPACK packs one per signature."""

    kotlin: str
    """Argument of LiteRT's `CompiledModel.CpuOptions`: path of a file of the app's own, one for each `.tflite` file and
    processor. It is mapped into memory and reused by later starts; with `:memory:` there is no file."""
    flag: str
    """Flag of both programs named `benchmark_model`."""
    saves_bytes: int
    """Private memory saved, approximately: the bytes of the products' weights times the number of signatures less
    one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runtime:
    """Requirements and options of a runtime."""

    oldest: str
    """First TensorFlow Lite that has all its operators; earlier ones refuse the file. LiteRT is later than all."""
    float16_arithmetic: bool
    """Whether ARM processors with float16 arithmetic use it for what is float in the file. Others never do."""
    weight_cache: WeightCache | None
    """null: there is one graph."""
    one_graph: bool = False
    """Whether the signatures are lengths of one graph. An app that runs one sets the shape of all inputs to [1, T]
    first, unless it is that of the call before: `resizeInput` of an Interpreter, `resizeInputTensor` of a
    CompiledModel. All else, buffers too, is as with a graph for each."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contract:
    """The whole file."""

    schema: int = SCHEMA
    """Version of the format: fields may be added under the same number; a reader refuses a number it does not know."""
    file: File
    recipe: str
    description: str
    """Description of the recipe, in words."""
    task: str
    """classification, regression, multilabel, qa, entities, embedding or prototypes."""
    signatures: list[dict[str, Any]]
    """Signatures, shortest first: `name`; `length` T; `inputs` and `outputs`, each with `name`, `dtype`, `shape`."""
    text: Text
    answer: Answer
    runtime: Runtime
    tolerance: golden.Tolerance
    examples: list[golden.Golden]
    model: dict[str, Any]
    """`name` of the exported model, and `weights_sha256`."""
    made_by: dict[str, Any]
    """Command, commit, versions, date, and the machine that computed the outputs of the examples."""


def write_contracts(
    directory: Path, recipes: Sequence[Recipe], variants: Sequence[Variant], task: Task,
    tokenizer: Tokenizer, shown: Sequence[Example], measured: Sequence[Example], model: dict[str, Any],
) -> None:  # fmt: skip
    """Write a contract beside each file in `directory` that passed its gate.

    Args:
      directory: directory of the files, with vocab.txt and, if the task has labels, labels.txt.
      recipes: recipes of all files.
      variants: results of the recipes, in the same order.
      task: exported task; its length is that of the longest signature.
      tokenizer: tokenizer of the task.
      shown: texts to choose examples from, which the contracts then contain verbatim; empty: built-in sentences.
      measured: further texts for measuring tolerances; contracts do not contain them.
      model: name and hash of the exported model.

    Raises:
      FailedError: a file's outputs for one of the examples are not finite.
    """
    answers: dict[str, Answer] = {}
    files: dict[str, golden.File] = {}
    for variant in variants:
        if not variant.passed:
            continue
        path = directory / str(variant.file)
        signatures = check_contract.read_signatures(check_contract.load(path))
        text, answer = rules(directory, [one["name"] for one in signatures[0]["outputs"]], task, tokenizer)
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
        one_graph = recipe.one_graph or len(file.contract["signatures"]) == 1
        rounds = bool(variant.half) or any(rule.activations != "float" for rule in recipe.rules)
        contract = Contract(
            file=described(file.path),
            recipe=variant.name,
            description=variant.description,
            task=task.name,
            signatures=file.contract["signatures"],
            text=text,
            answer=answers[variant.name],
            runtime=Runtime(
                oldest=str(variant.oldest_runtime),
                float16_arithmetic=bool(variant.half),
                weight_cache=None if one_graph else _weight_cache(file.path),
                one_graph=one_graph and len(file.contract["signatures"]) > 1,
            ),
            tolerance=file.tolerance(examples, measured, rounds, bool(variant.half)),
            examples=examples,
            model=model,
            made_by=made_by,
        )
        if not all(math.isfinite(value) for example in examples for value in example.values):
            raise FailedError(
                f"recipe {recipe.name}: gives values that are not finite for one of the texts of its contract, which "
                "are not among those it was compared on; leave this recipe out"
            )
        atomic.write_text(directory / f"{variant.name}{CONTRACT}", _as_json(contract))


def _weight_cache(path: Path) -> WeightCache:
    return WeightCache(
        kotlin="xnnPackWeightCachePath",
        flag="--xnnpack_weight_cache_file_path",
        saves_bytes=saved_by_cache(path.read_bytes()),
    )


def rules(directory: Path, outputs: Sequence[str], task: Task, tokenizer: Tokenizer) -> tuple[Text, Answer]:
    """The parts of a contract that follow from the task, its files in `directory`, and the names of the outputs."""
    return _text(directory, task, tokenizer), _answer(directory, outputs, task)


def _answer(directory: Path, outputs: Sequence[str], task: Task) -> Answer:
    several = len(outputs) > 1
    output = None if several else outputs[0]
    return Answer(
        kind=task.answer_kind,
        output=output,
        outputs=dict(zip(("start", "end"), task.outputs, strict=True)) if several else None,
        softmax=output == LOGITS and task.answer_kind == "classes",
        labels=list(task.labels) if task.has_labels else None,
        labels_file=described(directory / "labels.txt") if task.has_labels else None,
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
        # Threshold and temperature apply to logits: a file that ends in a softmax of its own has neither.
        return {"threshold": task.threshold if task.threshold and output == LOGITS else None}
    if not isinstance(task, PrototypesTask):
        return {}
    return {"centroids": [list(row) for row in task.centroids], "threshold": task.threshold, "margin": task.margin}


def _text(directory: Path, task: Task, tokenizer: Tokenizer) -> Text:
    paired, windows = task.judges_pairs, _windows(task)
    vocabulary = described(directory / "vocab.txt")
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


def described(path: Path) -> File:
    """Name, size and hash of a file."""
    content = path.read_bytes()
    return File(name=path.name, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def _as_json(contract: Contract) -> str:
    """The contract as JSON, with each list of numbers on one line."""
    text = json.dumps(dataclasses.asdict(contract), indent=2, ensure_ascii=False, allow_nan=False)
    return re.sub(r"\[\n\s+(-?\d[^\[\]{}\"]*?)\n\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"
