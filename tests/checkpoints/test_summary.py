"""Sizes and costs of the published configurations, and the output of `model info`."""

import pytest

from mobilebert_tf import cli
from mobilebert_tf.checkpoints.conversion import WORLDS
from mobilebert_tf.checkpoints.names import weights
from mobilebert_tf.checkpoints.summary import multiply_accumulates, parameters_by_part
from mobilebert_tf.config import Heads, MobileBertConfig

from .conftest import ARCHITECTURES, HEAD_SETS, random_checkpoint


# From the released configurations by arithmetic: weights, scores, context and the trigram's
# projection, in thousand millions to four digits.
@pytest.mark.parametrize(
    "preset, costs",
    [
        ("mobilebert", (2.693, 8.682, 11.98)),
        ("mobilebert_tiny", (1.535, 5.209, 7.348)),
        ("ib_bert_large", (37.87, 118.5, 161.2)),
        ("bert_base", (11.17, 35.33, 48.32)),
        ("bert_large", (39.46, 123.2, 167.5)),
    ],
)
def test_multiply_accumulates(preset, costs):
    config = MobileBertConfig.preset(preset)
    table = weights(config, Heads())
    for length, cost in zip((128, 384, 512), costs, strict=True):
        assert float(f"{multiply_accumulates(config, table, length) / 1e9:.4g}") == cost


def test_parameters_by_part():
    table = weights(MobileBertConfig.preset("mobilebert"), HEAD_SETS["pretraining"])
    assert parameters_by_part(table) == {
        "embeddings": 4_368_128,
        "blocks": 24 * 842_240,
        "masked_words": 12_014_650,
        "next_sentence": 1_026,
    }


@pytest.mark.parametrize("world", WORLDS)
def test_what_is_shown(world, tmp_path, capsys):
    WORLDS[world](random_checkpoint(ARCHITECTURES["with_pooler"], HEAD_SETS["classifier"]), tmp_path)
    assert cli.run(["model", "info", str(tmp_path), "--sequence_length=16"]) == 0
    shown = capsys.readouterr().out
    for said in ("embeddings", "blocks", "pooler", "heads         classifier; labels label 0, label 1, label 2"):
        assert said in shown
    assert "for 16 word pieces" in shown and "unknown: no run.json" in shown
    assert cli.run(["model", "info", str(tmp_path / "absent")]) == 2
