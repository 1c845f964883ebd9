"""The architecture of one network: every preset, and every checkpoint, has a `MobileBertConfig`.

Field names are those of the published `config.json` files, so that the same
names mean the same thing here, in Google's release and in Hugging Face's.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec

from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import Finite, check, one_of, within

ACTIVATIONS = ("relu", "relu6", "gelu", "gelu_tanh")
NORMALIZATIONS = ("layer_norm", "no_norm")
MASK_MODES = ("add", "replace")
POOLINGS = ("cls", "mean", "pair")

Width = Annotated[int, within(1, 10**7)]
Depth = Annotated[int, within(1, 1000)]
"""A file with a larger depth is broken; widths and tables may be larger."""
Rate = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Positive = Annotated[float, msgspec.Meta(gt=0, le=1e6)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class MobileBertConfig:
    """One encoder of the BERT family, from BERT-large to MobileBERT-TINY.

    Source: paper §3 and appendix; field names and values from the released
    `google-research/mobilebert/config/*.json`.

    Raises:
      UsageError: a value is unknown, or widths and heads do not fit together.
    """

    vocab_size: Width = 30522
    """V, rows of the word table."""
    embedding_size: Width = 128
    """Width of the word table, before the projection to `hidden_size`."""
    trigram_input: bool = True
    """Whether the next, this and the previous word vector are concatenated before the projection."""
    hidden_size: Width = 512
    """H, width between blocks, and of the position and token-type tables."""
    intra_bottleneck_size: Width = 128
    """I, width inside a block. Equal to `hidden_size` if there is no bottleneck."""
    use_bottleneck: bool = True
    use_bottleneck_attention: bool = False
    """Whether query, key and value all read the bottlenecked input (MobileBERT-TINY)."""
    key_query_shared_bottleneck: bool = True
    """Whether query and key read a second H -> I projection of the block's input, which they share."""
    num_attention_heads: Width = 4
    num_feedforward_networks: Depth = 4
    """FFNs per block, the last one included."""
    intermediate_size: Width = 512
    hidden_act: Annotated[str, one_of(*ACTIVATIONS)] = "relu"
    """relu, relu6, gelu (exact, Hugging Face's) or gelu_tanh (Google's)."""
    normalization_type: Annotated[str, one_of(*NORMALIZATIONS)] = "no_norm"
    layer_norm_eps: Positive = 1e-12
    embedding_and_ffn_norm_eps: Positive | None = None
    """Epsilon of the embedding norm and of the last FFN's norm if it differs from that of the others:
    Hugging Face leaves these two at 1e-5. None: `layer_norm_eps`."""
    num_hidden_layers: Depth = 24
    max_position_embeddings: Width = 512
    type_vocab_size: Width = 2
    classifier_activation: bool = False
    """Whether the pooled output is tanh(dense([CLS])); otherwise it is the [CLS] vector itself."""
    classifier_pooling: Annotated[str, one_of(*POOLINGS)] = "cls"
    """The part of the last feature map that a classifier reads. cls: [CLS], as in the paper. mean: the mean of the real
    tokens, for students of a teacher whose sentence embeddings are means: their [CLS] never learnt to represent a text.
    pair: for two texts, the means u and v of their tokens, |u - v| and u v, concatenated (arXiv 1705.02364)."""
    hidden_dropout_prob: Rate = 0.0
    attention_probs_dropout_prob: Rate = 0.1
    classifier_dropout_prob: Rate = 0.1
    initializer_range: Positive = 0.02
    mask_mode: Annotated[str, one_of(*MASK_MODES)] = "add"
    """add: scores + constant on padded keys. replace: scores of padded keys *become*
    the constant (Google's code since its quantisation-aware release)."""
    mask_constant: Finite = -10000.0

    def __post_init__(self) -> None:
        check(self, "config")
        if not self.use_bottleneck and self.intra_bottleneck_size != self.hidden_size:
            raise UsageError(
                f"config: without a bottleneck intra_bottleneck_size ({self.intra_bottleneck_size}) "
                f"must equal hidden_size ({self.hidden_size})"
            )
        if self.embedding_size > self.hidden_size:
            raise UsageError(
                f"config: embedding_size ({self.embedding_size}) must not be above hidden_size ({self.hidden_size}), "
                "which words are predicted from"
            )
        if self.intra_bottleneck_size % self.num_attention_heads:
            raise UsageError(
                f"config: {self.num_attention_heads} heads do not divide the width "
                f"inside a block, intra_bottleneck_size={self.intra_bottleneck_size}"
            )

    @property
    def head_size(self) -> int:
        """D, width of one attention head."""
        return self.intra_bottleneck_size // self.num_attention_heads

    @property
    def classifier_width(self) -> int:
        """Width of the vector that a classifier reads."""
        return (4 if self.classifier_pooling == "pair" else 1) * self.hidden_size

    @property
    def inner_norm_eps(self) -> float:
        """Epsilon of the embedding norm and of the last FFN's norm."""
        return self.layer_norm_eps if self.embedding_and_ffn_norm_eps is None else self.embedding_and_ffn_norm_eps

    @property
    def projects_embeddings(self) -> bool:
        """Whether word vectors pass through a dense layer to reach `hidden_size`."""
        return self.trigram_input or self.embedding_size != self.hidden_size

    @property
    def shares_query_key_bottleneck(self) -> bool:
        """Whether query and key read a bottleneck of their own; `use_bottleneck_attention` takes precedence."""
        return self.use_bottleneck and self.key_query_shared_bottleneck and not self.use_bottleneck_attention

    @classmethod
    def preset(cls, name: str, **changes: Any) -> MobileBertConfig:
        """The configuration called `name`, with `changes` to single fields.

        Raises:
          UsageError: there is no such preset or field.
        """
        if name not in PRESETS:
            near = difflib.get_close_matches(name, PRESETS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(PRESETS)}"
            raise UsageError(f"no preset is called {name!r}; {hint}")
        return cls.from_dict({**PRESETS[name], **changes}, source=f"preset {name}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], source: str = "config") -> MobileBertConfig:
        """The configuration with these fields; the others have their defaults.

        Raises:
          UsageError: a field is unknown, or a value is out of range.
        """
        if not isinstance(values, Mapping):
            raise UsageError(f"{source}: is not a JSON object")
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise UsageError(f"{source}: unknown field {unknown[0]!r}; known fields: {', '.join(sorted(known))}")
        try:
            return cls(**values)
        except UsageError as error:
            raise UsageError(f"{source}: {str(error).removeprefix('config: ')}") from None

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"


HEADS = ("masked_words", "next_sentence", "classifier", "token_classifier", "answer_span")


@dataclasses.dataclass(frozen=True)
class Heads:
    """The heads on an encoder: names from `HEADS` in that order; none for a bare encoder."""

    present: tuple[str, ...] = ()
    labels: int = 0
    """C, the number of classes of the classifier or token classifier."""

    @classmethod
    def of(cls, names: Iterable[str], labels: int = 0) -> Heads:
        """The heads called `names`, in the order of `HEADS`."""
        present = set(names)
        return cls(tuple(name for name in HEADS if name in present), labels)

    def __str__(self) -> str:
        return ", ".join(name.replace("_", " ") for name in self.present) or "none"


# Values of the released JSON files, and those that the files leave to their code's defaults.
_BERT = dict(
    trigram_input=False,
    use_bottleneck=False,
    key_query_shared_bottleneck=False,
    num_feedforward_networks=1,
    hidden_act="gelu_tanh",
    normalization_type="layer_norm",
    classifier_activation=True,
    hidden_dropout_prob=0.1,
)
_BERT_BASE = dict(
    _BERT,
    embedding_size=768,
    hidden_size=768,
    intra_bottleneck_size=768,
    num_attention_heads=12,
    intermediate_size=3072,
    num_hidden_layers=12,
)
_IB_BERT_LARGE = dict(
    intra_bottleneck_size=1024,
    intermediate_size=4096,
    key_query_shared_bottleneck=False,
    num_feedforward_networks=1,
    hidden_act="gelu_tanh",
    normalization_type="layer_norm",
    classifier_activation=True,
    hidden_dropout_prob=0.1,
)
# The demo's teacher and student keep the proportions of the paper's: the same width between
# blocks, wide blocks in the teacher and thin ones in the student, equally many heads. The published
# deviation of 0.02 suits wide layers: at these widths attention would start uniform, and stay so
# for many hundreds of steps, with nothing in it to transfer.
_DEMO = dict(
    embedding_size=64, hidden_size=128, num_hidden_layers=4, max_position_embeddings=128, initializer_range=0.06
)

PRESETS: dict[str, dict[str, Any]] = {
    "ib_bert_large": _IB_BERT_LARGE,
    "mobilebert": {},
    "mobilebert_tiny": dict(
        use_bottleneck_attention=True, key_query_shared_bottleneck=False, num_feedforward_networks=2
    ),
    "mobilebert_without_opt": dict(hidden_act="gelu_tanh", normalization_type="layer_norm"),
    # For plain BERT teachers of this width between blocks, such as all-MiniLM-L6-v2. Heads are 32 wide: with narrower
    # ones kernels are slow, and float16 is coarse. Chosen by benchmarks/studies/shape.json.
    "mobilebert_mini": dict(
        hidden_size=384,
        intra_bottleneck_size=128,
        num_attention_heads=4,
        intermediate_size=512,
        num_feedforward_networks=2,
        num_hidden_layers=6,
        classifier_pooling="mean",
    ),
    "bert_base": _BERT_BASE,
    "bert_large": dict(
        _BERT,
        embedding_size=1024,
        hidden_size=1024,
        intra_bottleneck_size=1024,
        num_attention_heads=16,
        intermediate_size=4096,
    ),
    "demo_teacher": dict(_IB_BERT_LARGE, **_DEMO) | dict(intra_bottleneck_size=192, intermediate_size=768),
    "demo_student": dict(_DEMO, intra_bottleneck_size=64, num_feedforward_networks=2, intermediate_size=192),
    "debug_teacher": dict(_IB_BERT_LARGE)
    | dict(
        embedding_size=16,
        hidden_size=32,
        intra_bottleneck_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        max_position_embeddings=64,
    ),
    "debug_student": dict(
        embedding_size=16,
        hidden_size=32,
        intra_bottleneck_size=16,
        intermediate_size=32,
        num_feedforward_networks=2,
        num_hidden_layers=2,
        max_position_embeddings=64,
    ),
}
