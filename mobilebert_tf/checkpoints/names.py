"""The table of names of every weight: here, in Google's checkpoints and in Hugging Face's.

Shapes are this project's. Google stores the matrices of heads transposed, Hugging Face those of all dense layers.
All code that reads or writes checkpoints takes names, shapes and layouts from `weights`; nothing else in the package
knows a foreign name.

Source: google-research/mobilebert `modeling.py`, `run_pretraining.py`, `run_squad.py`;
transformers `modeling_mobilebert.py`, `modeling_bert.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from mobilebert_tf.config import Heads, MobileBertConfig


@dataclasses.dataclass(frozen=True)
class Weight:
    """One array of a model."""

    name: str
    """Path of the Keras variable."""
    shape: tuple[int, ...]
    google: str
    huggingface: str
    """Hugging Face's name, for encoder weights without their prefix, `mobilebert.` or `bert.`."""
    google_transposed: bool
    huggingface_transposed: bool
    part: str
    """Part of the model for a summary: embeddings, block_3, pooler, masked_words, ..."""

    @property
    def in_encoder(self) -> bool:
        return self.part in ("embeddings", "pooler") or self.part.startswith("block_")

    @property
    def size(self) -> int:
        """Number of elements."""
        count = 1
        for width in self.shape:
            count *= width
        return count


@dataclasses.dataclass(frozen=True)
class _Row:
    """A line of the table: a layer or an array, with its names in the three formats."""

    kind: str
    shape: tuple[int, ...]
    here: str
    google: str
    huggingface: str


# Arrays of each kind of layer: endings of their names here, at Google and at Hugging Face; whether Google and Hugging
# Face store them transposed; slice of the layer's widths that makes their shape.
_KINDS: dict[str, list[tuple[str, str, str, bool, bool, slice]]] = {
    "array": [("", "", "", False, False, slice(None))],
    "table": [("", "", ".weight", False, False, slice(None))],
    "turned table": [("", "", ".weight", False, True, slice(None))],
    "dense": [
        ("/kernel", "/kernel", ".weight", False, True, slice(0, 2)),
        ("/bias", "/bias", ".bias", False, False, slice(1, 2)),
    ],
    "norm": [
        ("/gamma", "/gamma", ".weight", False, False, slice(0, 1)),
        ("/beta", "/beta", ".bias", False, False, slice(0, 1)),
    ],
    "output": [
        ("/kernel", "output_weights", ".weight", True, True, slice(0, 2)),
        ("/bias", "output_bias", ".bias", False, False, slice(1, 2)),
    ],
}


def weights(config: MobileBertConfig, heads: Heads) -> tuple[Weight, ...]:
    """Every weight of this architecture with these heads, embeddings first."""
    result: list[Weight] = []

    def add(part: str, rows: Iterable[_Row]) -> None:
        for row in rows:
            for here, google, face, google_transposed, face_transposed, widths in _KINDS[row.kind]:
                result.append(
                    Weight(
                        name=row.here + here,
                        shape=row.shape[widths],
                        google=row.google + google,
                        huggingface=row.huggingface + face,
                        google_transposed=google_transposed,
                        huggingface_transposed=face_transposed,
                        part=part,
                    )
                )

    add("embeddings", _embeddings(config))
    for i in range(config.num_hidden_layers):
        add(f"block_{i}", _block(config, i))
    if config.classifier_activation:
        width = (config.hidden_size, config.hidden_size)
        add("pooler", [_Row("dense", width, "pooler", "bert/pooler/dense", "pooler.dense")])
    for head in heads.present:
        add(head, _HEADS[head](config, heads.labels))
    return tuple(result)


def _norm(config: MobileBertConfig) -> str:
    """Google's scope of a norm, which names its kind; Hugging Face's does not."""
    return "FakeLayerNorm" if config.normalization_type == "no_norm" else "LayerNorm"


def _embeddings(config: MobileBertConfig) -> Iterator[_Row]:
    hidden, word = config.hidden_size, config.embedding_size
    for table, rows, width in (
        ("word", config.vocab_size, word),
        ("position", config.max_position_embeddings, hidden),
        ("token_type", config.type_vocab_size, hidden),
    ):
        here = f"embeddings/{table.removeprefix('token_')}_table"
        name = f"{table}_embeddings"
        yield _Row("table", (rows, width), here, f"bert/embeddings/{name}", f"embeddings.{name}")
    if config.projects_embeddings:
        widths = (word * (3 if config.trigram_input else 1), hidden)
        name = "embedding_transformation"
        yield _Row("dense", widths, "embeddings/projection", f"bert/embeddings/{name}", f"embeddings.{name}")
    norm = f"bert/embeddings/{_norm(config)}"
    yield _Row("norm", (hidden,), "embeddings/norm", norm, "embeddings.LayerNorm")


def _block(config: MobileBertConfig, i: int) -> Iterator[_Row]:
    hidden, inner, wide = config.hidden_size, config.intra_bottleneck_size, config.intermediate_size
    for kind, shape, here, google, face in _block_rows(config, hidden, inner, wide):
        google = google.replace("NORM", _norm(config))
        yield _Row(kind, shape, f"block_{i}/{here}", f"bert/encoder/layer_{i}/{google}", f"encoder.layer.{i}.{face}")


def _block_rows(config: MobileBertConfig, hidden: int, inner: int, wide: int) -> Iterator[tuple]:
    """Rows of a block's weights, with names relative to the block: kind, widths, here, Google, Hugging Face."""
    yield from _bottleneck(config.use_bottleneck, hidden, inner, "input_bottleneck", "input")
    yield from _bottleneck(config.shares_query_key_bottleneck, hidden, inner, "query_key_bottleneck", "attention")
    narrow = config.use_bottleneck_attention
    query_width = inner if narrow or config.shares_query_key_bottleneck else hidden
    value_width = inner if narrow else hidden
    for name, width in (("query", query_width), ("key", query_width), ("value", value_width)):
        yield "dense", (width, inner), f"attention/{name}", f"attention/self/{name}", f"attention.self.{name}"
    yield "dense", (inner, inner), "attention_output/dense", "attention/output/dense", "attention.output.dense"
    yield "norm", (inner,), "attention_output/norm", "attention/output/NORM", "attention.output.LayerNorm"
    last = config.num_feedforward_networks - 1
    for j in range(last + 1):
        # The last network of a block is the one that BERT also has, and has BERT's names.
        google, face = ("", "") if j == last else (f"ffn_layer_{j}/", f"ffn.{j}.")
        here = f"feedforward_{j}"
        yield (
            "dense",
            (inner, wide),
            f"{here}/intermediate",
            f"{google}intermediate/dense",
            f"{face}intermediate.dense",
        )
        yield "dense", (wide, inner), f"{here}/output/dense", f"{google}output/dense", f"{face}output.dense"
        yield "norm", (inner,), f"{here}/output/norm", f"{google}output/NORM", f"{face}output.LayerNorm"
    if config.use_bottleneck:
        name, google, face = "output_bottleneck", "output/bottleneck", "output.bottleneck"
        yield "dense", (inner, hidden), f"{name}/dense", f"{google}/dense", f"{face}.dense"
        yield "norm", (hidden,), f"{name}/norm", f"{google}/NORM", f"{face}.LayerNorm"


def _bottleneck(present: bool, hidden: int, inner: int, here: str, there: str) -> Iterator[tuple]:
    if present:
        yield "dense", (hidden, inner), f"{here}/dense", f"bottleneck/{there}/dense", f"bottleneck.{there}.dense"
        yield "norm", (inner,), f"{here}/norm", f"bottleneck/{there}/NORM", f"bottleneck.{there}.LayerNorm"


def _masked_words(config: MobileBertConfig, labels: int) -> Iterator[_Row]:
    hidden, extra = config.hidden_size, config.hidden_size - config.embedding_size
    google, face = "cls/predictions", "cls.predictions"
    transform = (f"{google}/transform", f"{face}.transform")
    yield _Row("dense", (hidden, hidden), "masked_words/dense", f"{transform[0]}/dense", f"{transform[1]}.dense")
    # This norm is a LayerNorm in every configuration.
    yield _Row("norm", (hidden,), "masked_words/norm", f"{transform[0]}/LayerNorm", f"{transform[1]}.LayerNorm")
    yield _Row("array", (config.vocab_size,), "masked_words/bias", f"{google}/output_bias", f"{face}.bias")
    if extra:
        shape = (config.vocab_size, extra)
        yield _Row("turned table", shape, "masked_words/extra_table", f"{google}/extra_output_weights", f"{face}.dense")


def _head(here: str, google: str, face: str, width: int | None = None):
    def rows(config: MobileBertConfig, labels: int) -> Iterator[_Row]:
        read = config.classifier_width if here == "classifier" else config.hidden_size
        yield _Row("output", (read, width or labels), f"{here}/dense", google, face)

    return rows


_HEADS = {
    "masked_words": _masked_words,
    "next_sentence": _head("next_sentence", "cls/seq_relationship/", "cls.seq_relationship", 2),
    "classifier": _head("classifier", "", "classifier"),
    "token_classifier": _head("token_classifier", "", "classifier"),
    "answer_span": _head("answer_span", "cls/squad/", "qa_outputs", 2),
}
