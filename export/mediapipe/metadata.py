"""Metadata that MediaPipe's TextClassifier and TextEmbedder need in a file: names of tensors, vocabulary, labels.

The description is a flatbuffer of MediaPipe's schema (`mediapipe/tasks/metadata/metadata_schema.fbs`, version 1.5.0),
stored in a buffer called TFLITE_METADATA; vocabulary and labels are a ZIP archive after the flatbuffer. It is written
here because no package that writes it can be installed beside TensorFlow 2.21: MediaPipe's writer works up to 0.10.21,
which needs NumPy 1, and tflite-support needs protobuf 3. A test compares the result with that of MediaPipe's writer.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers

from mobilebert_tf.errors import UsageError
from mobilebert_tf.litert import flatbuffer
from mobilebert_tf.litert.operators import read_operators
from mobilebert_tf.litert.runtime import PROBABILITIES
from mobilebert_tf.tasks.task import Task
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer

NAMES = {"input_ids": "ids", "input_mask": "mask", "segment_ids": "segment_ids"}
"""MediaPipe's names of a signature's inputs, by which it finds them in any order."""

VOCABULARY, LABELS = "vocab.txt", "labels.txt"

# Places of the fields in their tables, and values of the enumerations, as in the schema.
_NAME, _DESCRIPTION = 0, 1  # in every table below that has them
_FILE_TYPE = 2
_AXIS_LABELS, _VOCABULARY_FILE = 2, 5
_CONTENT_TYPE, _CONTENT, _FEATURE = 0, 1, 1
_UNIT_TYPE, _UNIT, _BERT_TOKENIZER = 0, 1, 4
_VOCAB_FILE = 0
_TENSOR_CONTENT, _TENSOR_FILES = 3, 6
_GRAPH_INPUTS, _GRAPH_OUTPUTS, _GRAPH_INPUT_UNITS = 2, 3, 5
_MODEL_GRAPHS, _MIN_PARSER_VERSION = 3, 7


def check_model(tokenizer: Tokenizer, task: Task) -> None:
    """Check that MediaPipe can give this model its input.

    Raises:
      UsageError: it cannot; the message says why in one line.
    """
    if task.answer_kind in ("value", "labels", "span", "entities"):
        raise UsageError(f"mediapipe: it has no task for --task={task.name}; leave mediapipe out of --recipes")
    if task.judges_pairs:
        raise UsageError("mediapipe: its TextClassifier judges one text at a time, this model judges pairs")
    if not tokenizer.rules.lower_case:
        raise UsageError("mediapipe: its tokenizer lower-cases every text, and this model is case-sensitive")
    if added := [token.content for token in tokenizer.added if token.content not in SPECIAL_TOKENS]:
        raise UsageError(f"mediapipe: its tokenizer splits {added[0]!r}, which is one token in this model")
    if "" in tokenizer.vocab:
        line = tokenizer.vocab.index("") + 1
        raise UsageError(
            f"mediapipe: line {line} of the vocabulary is empty; MediaPipe skips such lines, so ids would shift"
        )


def add_metadata(content: bytes, tokenizer: Tokenizer, task: Task) -> bytes:
    """The content of a file of one signature, with everything that MediaPipe needs packed into it.

    Args:
      content: content of a file with `input_ids`, `input_mask`, `segment_ids` [1, T] and `probabilities` [1, C], or,
        for TextEmbedder, `embedding` [1, H].
      tokenizer: tokenizer of the model.
      task: task of the model.

    Raises:
      UsageError: the file has several signatures or other tensors, or vocabulary or labels do not fit the network.
    """
    check_model(tokenizer, task)
    model = flatbuffer.read(content)
    if len(model.subgraphs) != 1 or len(model.signatureDefs) != 1:
        lengths = len(model.signatureDefs)
        raise UsageError(f"mediapipe: takes files of one signature, this one has {lengths}; choose one sequence length")
    (graph,), (signature,) = model.subgraphs, model.signatureDefs
    named = {one.tensorIndex: one.name.decode() for one in signature.inputs}
    inputs = [named.get(int(index), "") for index in graph.inputs]
    outputs = [one.name.decode() for one in signature.outputs]
    needed = PROBABILITIES if task.answer_kind == "classes" else task.outputs[0]
    if set(inputs) != set(NAMES) or outputs != [needed]:
        raise UsageError(
            f"mediapipe: needs the inputs {', '.join(NAMES)} and the output {needed}; "
            f"the file has {', '.join(inputs)} and {', '.join(outputs)}"
        )
    classes = int(graph.tensors[graph.outputs[0]].shape[-1])
    if task.answer_kind == "classes" and len(task.labels) != classes:
        raise UsageError(f"mediapipe: there are {len(task.labels)} labels, and the network has {classes} classes")
    rows = _table_rows(model, int(graph.inputs[inputs.index("input_ids")]))
    if rows is not None and tokenizer.size != rows:
        raise UsageError(
            f"mediapipe: the vocabulary has {tokenizer.size:,} pieces, the network's table {rows:,}; "
            "they belong to different models"
        )
    flatbuffer.add_metadata(model, "TFLITE_METADATA", describe(inputs, task))
    if oldest := read_operators(content).oldest_runtime:
        # The field has a fixed width; newer readers stop at the first zero.
        flatbuffer.add_metadata(model, "min_runtime_version", f"{oldest}.0".encode().ljust(16, b"\0"))
    return pack(flatbuffer.write(model), _packed(tokenizer, task))


def _packed(tokenizer: Tokenizer, task: Task) -> dict[str, str]:
    """The files to pack into a `.tflite` file: text by name."""
    return {VOCABULARY: tokenizer.lines, **({LABELS: _lines(task.labels)} if task.answer_kind == "classes" else {})}


def describe(inputs: Sequence[str], task: Task) -> bytes:
    """The metadata flatbuffer; `inputs` are the names of the inputs in the order of the file."""
    builder = flatbuffers.Builder(1024)
    descriptions = {
        "input_ids": "Ids of the word pieces: [CLS] text [SEP], then zeros.",
        "input_mask": "1 for a word piece, 0 for padding.",
        "segment_ids": "0: all belong to one text.",
    }
    tensors = [_tensor(builder, NAMES[name], descriptions[name]) for name in inputs]
    does = "Embeds a text."
    if task.answer_kind == "classes":
        does = "Classifies a text."
        labels = _file(builder, LABELS, "A label a line, in the order of the scores.", _AXIS_LABELS)
        answer = _tensor(builder, "probability", "Probability of each label.", [labels])
    else:
        answer = _tensor(builder, "embedding", "The text as a vector of unit length.")
    vocabulary = _file(builder, VOCABULARY, "A word piece a line; that of the first has id 0.", _VOCABULARY_FILE)
    options = _table(builder, {_VOCAB_FILE: _vector(builder, [vocabulary])})
    unit = _table(builder, {_UNIT: options}, {_UNIT_TYPE: _BERT_TOKENIZER})
    graph = _table(
        builder,
        {
            _GRAPH_INPUTS: _vector(builder, tensors),
            _GRAPH_OUTPUTS: _vector(builder, [answer]),
            _GRAPH_INPUT_UNITS: _vector(builder, [unit]),
        },
    )
    model = _table(
        builder,
        {
            _NAME: builder.CreateString("MobileBERT"),
            _DESCRIPTION: builder.CreateString(does),
            _MODEL_GRAPHS: _vector(builder, [graph]),
            # The version that introduced BertTokenizerOptions, the newest part of the schema in use here.
            _MIN_PARSER_VERSION: builder.CreateString("1.1.0"),
        },
    )
    builder.Finish(model, b"M001")
    return bytes(builder.Output())


def pack(content: bytes, files: Mapping[str, str]) -> bytes:
    """The content of a file followed by other files as a ZIP archive, uncompressed; always the same bytes."""
    stream = io.BytesIO(content)
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_STORED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text.encode())
    return stream.getvalue()


def read_packed(path: str | os.PathLike[str]) -> dict[str, str]:
    """Texts of the files packed into a `.tflite` file, by name; empty: there are none."""
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def check_packed(path: str | os.PathLike[str], tokenizer: Tokenizer, task: Task) -> None:
    """Raise UsageError if a file has another vocabulary or other labels packed into it; having none is no error."""
    packed = read_packed(path)
    for name, expected in _packed(tokenizer, task).items():
        if packed.get(name, expected) != expected:
            raise UsageError(f"{path}: the {name} packed into it differs from the one beside it; export it again")


def _table_rows(model: Any, ids: int) -> int | None:
    """Number of rows V of the table that the input with this index is looked up in; None: there is no such table."""
    (graph,), same = model.subgraphs, {ids}
    for operator, kind in zip(graph.operators, flatbuffer.kinds(model), strict=True):
        if int(operator.inputs[0]) not in same:
            continue
        if kind == "EMBEDDING_LOOKUP":
            return int(graph.tensors[operator.inputs[1]].shape[0])
        same.update(int(index) for index in operator.outputs if kind == "RESHAPE")
    return None


def _lines(values: Sequence[str]) -> str:
    return "".join(value + "\n" for value in values)


def _table(builder: Any, offsets: Mapping[int, int], numbers: Mapping[int, int] | None = None) -> int:
    """A flatbuffer table with fields that are offsets and fields of one byte, each by its place in the schema."""
    numbers = numbers or {}
    builder.StartObject(max([*offsets, *numbers], default=-1) + 1)
    for place, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(place, offset, 0)
    for place, number in numbers.items():
        builder.PrependUint8Slot(place, number, 0)
    return builder.EndObject()


def _vector(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _file(builder: Any, name: str, description: str, kind: int) -> int:
    offsets = {_NAME: builder.CreateString(name), _DESCRIPTION: builder.CreateString(description)}
    return _table(builder, offsets, {_FILE_TYPE: kind})


def _tensor(builder: Any, name: str, description: str, files: Sequence[int] = ()) -> int:
    content = _table(builder, {_CONTENT: _table(builder, {})}, {_CONTENT_TYPE: _FEATURE})
    offsets = {
        _NAME: builder.CreateString(name),
        _DESCRIPTION: builder.CreateString(description),
        _TENSOR_CONTENT: content,
    }
    if files:
        offsets[_TENSOR_FILES] = _vector(builder, files)
    return _table(builder, offsets)
