"""Translation of `config.json` of Hugging Face's `mobilebert` and `bert`, field by field, in both directions.

Source: transformers `configuration_mobilebert.py`, `configuration_bert.py`. A file may omit fields that have the
default of its class, so the defaults are part of the translation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mobilebert_tf.config import Heads, MobileBertConfig, Rate
from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import build
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.multilabel import MultilabelTask
from mobilebert_tf.tasks.regression import RegressionTask
from mobilebert_tf.tasks.task import Task

OURS = "mobilebert_tf"
"""Field in which this project stores settings that the foreign format cannot express, to read them back."""

FLOAT32_LEAST = -3.4028234663852886e38
"""Constant that Hugging Face adds to the scores of padded keys."""

ACTIVATIONS = {
    "relu": "relu",
    "relu6": "relu6",
    "gelu": "gelu",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
}

# Fields with the same name and meaning in both, with Hugging Face's defaults.
_SHARED: dict[str, dict[str, Any]] = {
    "mobilebert": dict(
        vocab_size=30522,
        embedding_size=128,
        trigram_input=True,
        hidden_size=512,
        intra_bottleneck_size=128,
        use_bottleneck=True,
        use_bottleneck_attention=False,
        key_query_shared_bottleneck=True,
        num_attention_heads=4,
        num_feedforward_networks=4,
        intermediate_size=512,
        normalization_type="no_norm",
        layer_norm_eps=1e-12,
        num_hidden_layers=24,
        max_position_embeddings=512,
        type_vocab_size=2,
        classifier_activation=True,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.1,
        initializer_range=0.02,
    ),
    "bert": dict(
        vocab_size=30522,
        hidden_size=768,
        num_attention_heads=12,
        intermediate_size=3072,
        layer_norm_eps=1e-12,
        num_hidden_layers=12,
        max_position_embeddings=512,
        type_vocab_size=2,
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.1,
        initializer_range=0.02,
    ),
}
_ACTIVATION = {"mobilebert": "relu", "bert": "gelu"}

# Fields that do not change what an encoder computes.
_HARMLESS = frozenset(
    "_name_or_path architectures model_type transformers_version torch_dtype dtype id2label label2id num_labels "
    "finetuning_task use_cache xla_device _num_labels tf_legacy_loss eos_token_ids total_flos language name "
    "gradient_checkpointing output_attentions output_hidden_states output_past return_dict use_return_dict "
    "torchscript use_bfloat16 pad_token_id bos_token_id eos_token_id sep_token_id cls_token_id mask_token_id "
    "unk_token_id decoder_start_token_id tokenizer_class tie_word_embeddings tie_encoder_decoder "
    "chunk_size_feed_forward task_specific_params prefix _attn_implementation _attn_implementation_autoset "
    "attn_implementation _commit_hash auto_map max_length min_length do_sample early_stopping num_beams "
    "num_beam_groups diversity_penalty temperature top_k top_p typical_p repetition_penalty length_penalty "
    "no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids num_return_sequences output_scores "
    "return_dict_in_generate forced_bos_token_id forced_eos_token_id remove_invalid_values "
    "exponential_decay_length_penalty suppress_tokens begin_suppress_tokens cross_attention_hidden_size "
    "directionality pooler_fc_size pooler_num_attention_heads pooler_num_fc_layers pooler_size_per_head "
    "pooler_type "
    f"{OURS}".split()
)
PROBLEMS = {"regression": RegressionTask.name, "multi_label_classification": MultilabelTask.name}
"""Names of tasks by `problem_type`, where that is not one class of several."""

# Fields that are accepted only with these values, which do not change what an encoder computes.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "position_embedding_type": ("absolute",),
    "is_decoder": (False,),
    "is_encoder_decoder": (False,),
    "add_cross_attention": (False,),
    "pruned_heads": ({}, None),
    "problem_type": (None, "single_label_classification", *PROBLEMS),
}


def from_huggingface(values: Mapping[str, Any], source: Path) -> MobileBertConfig:
    """The architecture that a `config.json` describes.

    The configuration records two deviations from Google's code: the norms of the embeddings and of the last
    feed-forward network have PyTorch's epsilon of 1e-5, and padded keys get float32's lowest number.

    Raises:
      UsageError: the model type is unknown, or a field is unknown or has a value that this project's encoder does not
        support.
    """
    kind = values.get("model_type")
    if not isinstance(kind, str) or kind not in _SHARED:
        raise UsageError(f"{source}: model_type is {kind!r}; this project supports mobilebert and bert")
    known = {*_SHARED[kind], *_HARMLESS, *_NEUTRAL, "hidden_act", "classifier_dropout", "true_hidden_size"}
    unknown = sorted(set(values) - known)
    if unknown:
        raise UsageError(
            f"{source}: field {unknown[0]!r} is unknown and may change what the model computes; "
            "remove it if it does not"
        )
    for name, neutral in _NEUTRAL.items():
        if name in values and values[name] not in neutral:
            known_values = ", ".join(repr(value) for value in neutral)
            raise UsageError(f"{source}: {name} is {values[name]!r}; supported: {known_values}")
    fields = {name: values.get(name, default) for name, default in _SHARED[kind].items()}
    activation = values.get("hidden_act", _ACTIVATION[kind])
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise UsageError(f"{source}: hidden_act is {activation!r}; choose from {', '.join(ACTIVATIONS)}")
    dropout: float | None = build(Rate | None, values.get("classifier_dropout"), f"{source}: classifier_dropout")
    if kind == "bert":
        width = fields["hidden_size"]
        fields |= dict(
            embedding_size=width,
            intra_bottleneck_size=width,
            trigram_input=False,
            use_bottleneck=False,
            key_query_shared_bottleneck=False,
            num_feedforward_networks=1,
            normalization_type="layer_norm",
            classifier_activation=True,
        )
    else:
        if fields["normalization_type"] == "layer_norm":
            fields["embedding_and_ffn_norm_eps"] = 1e-5
        if not fields["use_bottleneck"]:
            fields["intra_bottleneck_size"] = fields["hidden_size"]
        stated = values.get("true_hidden_size", fields["intra_bottleneck_size"])
        if stated != fields["intra_bottleneck_size"]:
            raise UsageError(
                f"{source}: true_hidden_size is {stated!r}, its other fields make it {fields['intra_bottleneck_size']}"
            )
    fields |= dict(
        hidden_act=ACTIVATIONS[activation],
        classifier_dropout_prob=fields["hidden_dropout_prob"] if dropout is None else dropout,
        mask_constant=FLOAT32_LEAST,
    )
    return MobileBertConfig.from_dict({**fields, **_kept(values, source)}, source=str(source))


def to_huggingface(
    config: MobileBertConfig, heads: Heads, labels: tuple[str, ...], task: Task | None = None
) -> dict[str, Any]:
    """The `config.json` of this architecture with these heads, and of the task that the model was fine-tuned for.

    Raises:
      UsageError: no model class of Hugging Face can hold this model.
    """
    kind = kind_of(config, heads)
    foreign = {own: foreign for foreign, own in reversed(ACTIVATIONS.items())}
    values: dict[str, Any] = {
        "architectures": [_class_name(kind, heads)],
        "model_type": kind,
        **{name: getattr(config, name) for name in _SHARED[kind]},
        "hidden_act": foreign[config.hidden_act],
        "classifier_dropout": config.classifier_dropout_prob,
        "pad_token_id": 0,
    }
    if kind == "mobilebert":
        # With the flag set, Hugging Face builds the shared bottleneck even where nothing reads it.
        values["key_query_shared_bottleneck"] = config.shares_query_key_bottleneck
        values["true_hidden_size"] = config.intra_bottleneck_size
    if labels:
        values["id2label"] = {str(i): label for i, label in enumerate(labels)}
        values["label2id"] = {label: i for i, label in enumerate(labels)}
    if task and (problem := {own: foreign for foreign, own in PROBLEMS.items()}.get(task.name)):
        values["problem_type"] = problem
    read_back = from_huggingface(values, Path("config.json"))
    lost = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != getattr(read_back, field.name)
    }
    return {**values, OURS: lost} if lost else values


def deviations(config: MobileBertConfig, heads: Heads, task: Task | None = None) -> list[str]:
    """Differences between the results of `transformers` and of this model, a sentence each."""
    sentences = []
    if isinstance(task, RegressionTask) and (task.offset, task.scale) != (0.0, 1.0):
        sentences.append(f"values are {task.offset:g} + {task.scale:g} x output here, and the output itself there")
    if isinstance(task, MultilabelTask) and task.thresholds:
        sentences.append(f"labels have thresholds of their own here ({task.tuning}), and 0.5 there")
    if isinstance(task, ClassificationTask) and task.tuning:
        sentences.append(f"probabilities have a {task.tuning} here, and there none")
    if kind_of(config, heads) == "bert" and not heads.present and not config.classifier_activation:
        sentences.append("this model has no pooler; load it with add_pooling_layer=False, or a random one is added")
    if config.normalization_type == "layer_norm" and kind_of(config, heads) == "mobilebert":
        if config.inner_norm_eps != 1e-5 and config.inner_norm_eps != config.layer_norm_eps:
            sentences.append(f"two norms of a block have epsilon {config.inner_norm_eps:g} here and 1e-05 there")
        elif config.inner_norm_eps != 1e-5:
            sentences.append(
                f"the norms of embeddings and last feed-forward network have epsilon {config.inner_norm_eps:g} "
                "here and 1e-05 there"
            )
    sentences += of_pooling(config, heads)
    if config.mask_mode == "replace":
        sentences.append(f"padded keys get a score of {config.mask_constant:g} here and probability 0 there")
    return sentences


def of_pooling(config: MobileBertConfig, heads: Heads) -> list[str]:
    """A sentence on a classifier that does not read the first token, as those of all other programs do; or none."""
    if "classifier" not in heads.present or config.classifier_pooling == "cls":
        return []
    if config.classifier_pooling == "mean":
        return ["the classifier reads the mean of the tokens here, and the first one there"]
    return ["the classifier reads the means of two texts here; nothing there has such a head, or loads it"]


def kind_of(config: MobileBertConfig, heads: Heads) -> str:
    """The model type of Hugging Face that holds this architecture. Raises UsageError if none does."""
    if not config.use_bottleneck and not config.trigram_input and config.num_feedforward_networks == 1:
        plain = config.normalization_type == "layer_norm" and config.embedding_size == config.hidden_size
        if plain and config.inner_norm_eps == config.layer_norm_eps:
            if not config.classifier_activation and {"classifier", "next_sentence"} & set(heads.present):
                raise UsageError("Hugging Face's bert always has a pooler under this head; this model has none")
            return "bert"
    same = config.use_bottleneck_attention or config.shares_query_key_bottleneck or not config.use_bottleneck
    if not same and config.intra_bottleneck_size != config.hidden_size:
        raise UsageError(
            "Hugging Face cannot hold IB-BERT: its query and key layers are as wide inside a block "
            f"({config.intra_bottleneck_size}) as their input, here they read the {config.hidden_size} between blocks; "
            "use --to=tf1 or --to=keras"
        )
    if not config.projects_embeddings:
        raise UsageError("Hugging Face's mobilebert always projects its embeddings; this model does not")
    return "mobilebert"


CLASSES: dict[tuple[str, ...], str] = {
    (): "Model",
    ("masked_words", "next_sentence"): "ForPreTraining",
    ("masked_words",): "ForMaskedLM",
    ("next_sentence",): "ForNextSentencePrediction",
    ("classifier",): "ForSequenceClassification",
    ("token_classifier",): "ForTokenClassification",
    ("answer_span",): "ForQuestionAnswering",
}


def _class_name(kind: str, heads: Heads) -> str:
    return {"mobilebert": "MobileBert", "bert": "Bert"}[kind] + CLASSES[heads.present]


def _kept(values: Mapping[str, Any], source: Path) -> Mapping[str, Any]:
    kept = values.get(OURS, {})
    if not isinstance(kept, Mapping):
        raise UsageError(f"{source}: field {OURS!r} is not an object")
    return kept
