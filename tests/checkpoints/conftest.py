"""Small models of every kind, in which all weights differ."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf.checkpoints.checkpoint import Architecture, Checkpoint
from mobilebert_tf.checkpoints.names import weights
from mobilebert_tf.config import HEADS, Heads, MobileBertConfig
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.questions import QuestionsTask
from mobilebert_tf.tasks.task import Task
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Rules, Tokenizer

VOCAB = (*SPECIAL_TOKENS, *"abcdefghijklmnopqrstuvwxyz", *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz"))

SMALL = dict(
    vocab_size=len(VOCAB),
    embedding_size=8,
    hidden_size=16,
    intra_bottleneck_size=8,
    intermediate_size=12,
    num_attention_heads=2,
    num_hidden_layers=2,
    max_position_embeddings=20,
)
BERT = {**SMALL, "embedding_size": 16, "intra_bottleneck_size": 16}

ARCHITECTURES = {
    "mobilebert": MobileBertConfig.preset("mobilebert", **SMALL),
    "mobilebert_tiny": MobileBertConfig.preset("mobilebert_tiny", **SMALL),
    "mobilebert_without_opt": MobileBertConfig.preset("mobilebert_without_opt", **SMALL),
    "with_pooler": MobileBertConfig.preset("mobilebert", **SMALL, classifier_activation=True),
    "one_feedforward": MobileBertConfig.preset("mobilebert", **SMALL, num_feedforward_networks=1),
    "bert": MobileBertConfig.preset("bert_base", **BERT),
    "ib_bert": MobileBertConfig.preset("ib_bert_large", **{**SMALL, "intra_bottleneck_size": 24}),
}
HEAD_SETS = {
    "bare": Heads(),
    "pretraining": Heads.of(["masked_words", "next_sentence"]),
    "masked_words": Heads.of(["masked_words"]),
    "next_sentence": Heads.of(["next_sentence"]),
    "classifier": Heads.of(["classifier"], 3),
    "token_classifier": Heads.of(["token_classifier"], 5),
    "answer_span": Heads.of(["answer_span"]),
}
assert set(HEADS) == {name for heads in HEAD_SETS.values() for name in heads.present}


def random_checkpoint(config: MobileBertConfig, heads: Heads, seed: int = 0) -> Checkpoint:
    """A checkpoint with random weights that exists only in memory."""
    table = weights(config, heads)
    random = np.random.default_rng(seed)
    arrays = {weight.name: random.standard_normal(weight.shape, np.float32) for weight in table}
    labels = tuple(f"label {i}" for i in range(heads.labels))
    task: Task | None = None
    if "classifier" in heads.present:
        task = ClassificationTask(labels, max_seq_length=18, text_column="words")
    elif "answer_span" in heads.present:
        task = QuestionsTask(max_seq_length=18, doc_stride=5, text_column="asked")
    pieces = tuple(itertools.islice(itertools.chain(VOCAB, (f"word{i}" for i in itertools.count())), config.vocab_size))
    tokenizer = Tokenizer(pieces, Rules(lower_case=False, strip_accents=False, max_characters_per_word=77))
    architecture = Architecture(config, labels, tokenizer, task)
    return Checkpoint(Path("memory"), "keras", architecture, heads, (), table, lambda weight: arrays[weight.name])


@pytest.fixture
def make():
    return random_checkpoint


def assert_same(one: Checkpoint, other: Checkpoint) -> None:
    """Compare every tensor bit for bit, and everything beside the tensors."""
    assert [w.name for w in one.weights] == [w.name for w in other.weights]
    for weight in one.weights:
        first, second = one.read(weight), other.read(weight)
        assert first.dtype == second.dtype == np.float32 and first.tobytes() == second.tobytes(), weight.name
    assert one.heads == other.heads
    for field in dataclasses.fields(Architecture):
        assert getattr(one.architecture, field.name) == getattr(other.architecture, field.name), field.name
