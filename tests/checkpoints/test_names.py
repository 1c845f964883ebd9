"""The table of names against the models here, and against a published list of names."""

import ast
import lzma
from pathlib import Path

import pytest

from mobilebert_tf.checkpoints.names import weights
from mobilebert_tf.config import Heads, MobileBertConfig
from mobilebert_tf.models import build_model

from .conftest import ARCHITECTURES, HEAD_SETS

LIST = Path(__file__).parents[1] / "golden" / "mobilebert_checkpoint_map.tsv.xz"


@pytest.mark.parametrize("heads", HEAD_SETS.values(), ids=HEAD_SETS)
@pytest.mark.parametrize("config", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_the_table_has_every_variable(config, heads):
    model = build_model(config, heads)
    assert model.heads == heads
    table = weights(config, heads)
    assert len({weight.name for weight in table}) == len(table)
    assert {weight.name: weight.shape for weight in table} == {
        variable.path: tuple(variable.shape) for variable in model.trainable_weights
    }


def test_published_names_and_shapes():
    """The 1119 tensors of the released MobileBERT, by name and shape in Google's and Hugging Face's files."""
    with lzma.open(LIST, "rt") as file:
        rows = [line.rstrip("\n").split("\t") for line in file][1:]
    published = {(tf1, face, tuple(ast.literal_eval(s)), tuple(ast.literal_eval(t))) for tf1, s, face, t, _ in rows}
    assert len(published) == 1119
    here = set()
    for weight in weights(MobileBertConfig.preset("mobilebert"), Heads.of(["masked_words", "next_sentence"])):
        google = weight.shape[::-1] if weight.google_transposed else weight.shape
        face = weight.shape[::-1] if weight.huggingface_transposed else weight.shape
        here.add((weight.google, ("mobilebert." if weight.in_encoder else "") + weight.huggingface, google, face))
    assert here == published


@pytest.mark.parametrize(
    "preset, heads, arrays",
    [
        # From the published configurations: 24 variables in a block of the teacher, 30 of TINY.
        ("ib_bert_large", ["masked_words", "next_sentence"], 593),
        ("mobilebert_tiny", ["masked_words", "next_sentence"], 735),
        ("mobilebert", ["answer_span"], 7 + 24 * 46 + 2),
    ],
)
def test_published_counts(preset, heads, arrays):
    assert len(weights(MobileBertConfig.preset(preset), Heads.of(heads))) == arrays


def test_googles_norm_scope_says_its_kind():
    def norms(**changes):
        table = weights(MobileBertConfig.preset("mobilebert", **changes), Heads.of(["masked_words"]))
        return {weight.google.split("/")[-2] for weight in table if weight.google.endswith("gamma")}

    # The head for masked words has a LayerNorm in every configuration.
    assert norms() == {"FakeLayerNorm", "LayerNorm"}
    assert norms(normalization_type="layer_norm") == {"LayerNorm"}
