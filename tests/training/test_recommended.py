"""The default settings of fine-tuning: rates by the model's size, epochs by the table's."""

import pytest

from mobilebert_tf.checkpoints.names import weights
from mobilebert_tf.config import Heads, MobileBertConfig
from mobilebert_tf.training.recommended import finetuning


@pytest.mark.parametrize(
    "preset, rate",
    [("bert_large", 2.7e-5), ("bert_base", 5e-5), ("mobilebert", 1.0e-4), ("mobilebert_mini", 2.6e-4)],
)
def test_rates_are_those_of_the_docstring(preset: str, rate: float) -> None:
    blocks = sum(w.size for w in weights(MobileBertConfig.preset(preset), Heads()) if w.part.startswith("block_"))
    assert finetuning(blocks, 10_000, 32).learning_rate == pytest.approx(rate, rel=0.02)


@pytest.mark.parametrize("examples, batch_size, epochs", [(67_349, 32, 3.0), (3_668, 32, 3.0), (410, 32, 23.5),
                                                          (410, 8, 5.9), (64, 32, 100.0), (1, 32, 100.0)])  # fmt: skip
def test_a_small_table_is_passed_more_often(examples: int, batch_size: int, epochs: float) -> None:
    """At least 300 steps: 410 examples in batches of 32 are 12.8 steps an epoch, so 23.5 epochs."""
    assert finetuning(10**7, examples, batch_size).epochs == epochs


@pytest.mark.parametrize("examples, share", [(10_000, 1.0), (512, 1.0), (128, 0.5), (8, 0.125)])
def test_few_rows_move_a_network_less_where_its_head_has_begun(examples: int, share: float) -> None:
    whole = finetuning(85_000_000, examples, 32).learning_rate
    assert whole == 5e-5
    assert finetuning(85_000_000, examples, 32, head_begins_well=True).learning_rate == pytest.approx(
        share * whole, rel=0.03
    )


def test_rates_have_two_digits() -> None:
    assert finetuning(123_456, 100, 32).learning_rate == 1.3e-3
