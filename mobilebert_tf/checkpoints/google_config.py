"""Translation of `bert_config.json` of Google's releases of MobileBERT and BERT, in both directions.

Source: `BertConfig` in google-research/mobilebert `modeling.py`; fields that a file omits have that class's defaults.
Field names are the same as this project's; only the name of the activation differs, since Google's "gelu" is the tanh
approximation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mobilebert_tf.checkpoints.huggingface_config import OURS, of_pooling
from mobilebert_tf.config import HEADS, Heads, MobileBertConfig
from mobilebert_tf.errors import UsageError

_DEFAULTS: dict[str, Any] = dict(
    embedding_size=None,
    trigram_input=False,
    hidden_size=768,
    intra_bottleneck_size=None,
    use_bottleneck=False,
    use_bottleneck_attention=False,
    key_query_shared_bottleneck=False,
    num_attention_heads=12,
    num_feedforward_networks=1,
    intermediate_size=3072,
    hidden_act="gelu",
    normalization_type="layer_norm",
    num_hidden_layers=12,
    max_position_embeddings=512,
    type_vocab_size=16,
    classifier_activation=True,
    hidden_dropout_prob=0.1,
    attention_probs_dropout_prob=0.1,
    initializer_range=0.02,
)
_ACTIVATIONS = {"relu": "relu", "relu6": "relu6", "gelu": "gelu_tanh"}
_MANUAL_EPSILON = 1e-6
"""Epsilon of `manual_layer_norm`, which is otherwise a LayerNorm."""
# Fields in the files of multilingual and cased BERT models that no code reads.
_HARMLESS = (
    "directionality",
    "pooler_fc_size",
    "pooler_num_attention_heads",
    "pooler_num_fc_layers",
    "pooler_size_per_head",
    "pooler_type",
)


def from_google(values: Mapping[str, Any], source: Path) -> MobileBertConfig:
    """The architecture that a `bert_config.json` describes.

    Raises:
      UsageError: `vocab_size` is missing, or a field is unknown or out of range.
    """
    unknown = sorted(set(values) - {*_DEFAULTS, *_HARMLESS, "vocab_size", OURS})
    if unknown:
        raise UsageError(
            f"{source}: field {unknown[0]!r} is unknown and may change what the model computes; "
            "remove it if it does not"
        )
    if "vocab_size" not in values:
        raise UsageError(f"{source}: lacks vocab_size, so it is not a configuration of BERT or MobileBERT")
    fields = {**_DEFAULTS, **{name: value for name, value in values.items() if name not in (*_HARMLESS, OURS)}}
    for width in ("embedding_size", "intra_bottleneck_size"):
        if fields[width] is None:
            fields[width] = fields["hidden_size"]
    if not isinstance(fields["hidden_act"], str) or fields["hidden_act"] not in _ACTIVATIONS:
        raise UsageError(f"{source}: hidden_act is {fields['hidden_act']!r}; choose from {', '.join(_ACTIVATIONS)}")
    fields["hidden_act"] = _ACTIVATIONS[fields["hidden_act"]]
    if fields["normalization_type"] == "manual_layer_norm":
        fields |= dict(normalization_type="layer_norm", layer_norm_eps=_MANUAL_EPSILON)
    kept = values.get(OURS, {})
    if not isinstance(kept, Mapping) or not isinstance(kept.get("config", {}), Mapping):
        raise UsageError(f"{source}: field {OURS!r} is not an object")
    heads = kept.get("heads", [])
    if not isinstance(heads, list) or any(head not in HEADS for head in heads):
        raise UsageError(f"{source}: {OURS} names unknown heads: {heads!r}")
    return MobileBertConfig.from_dict({**fields, **kept.get("config", {})}, source=str(source))


def heads_kept(values: Mapping[str, Any]) -> Heads | None:
    """The heads that this project recorded in the file; Google's names cannot tell two kinds of heads apart."""
    kept = values.get(OURS, {}).get("heads")
    return Heads.of(kept) if isinstance(kept, list) else None


def deviations(config: MobileBertConfig, heads: Heads) -> list[str]:
    """Differences between the results of Google's code and of this configuration, a sentence each."""
    sentences = of_pooling(config, heads)
    if config.hidden_act == "gelu":
        sentences.append("gelu is exact here and the tanh approximation there")
    epsilons = {config.layer_norm_eps, config.inner_norm_eps} - {1e-12, _MANUAL_EPSILON}
    if config.normalization_type == "layer_norm" and epsilons:
        sentences.append(f"LayerNorms have epsilon {max(epsilons):g} here and 1e-12 there")
    return sentences


def to_google(config: MobileBertConfig, heads: Heads) -> dict[str, Any]:
    """The `bert_config.json` of this architecture; `mobilebert_tf` has settings that Google's fields cannot express."""
    foreign = {own: foreign for foreign, own in _ACTIVATIONS.items()}
    values = {name: getattr(config, name) for name in ("vocab_size", *_DEFAULTS)}
    values["hidden_act"] = foreign.get(config.hidden_act, "gelu")
    read_back = from_google(values, Path("bert_config.json"))
    lost = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != getattr(read_back, field.name)
    }
    return {**values, OURS: {"heads": list(heads.present), **({"config": lost} if lost else {})}}
