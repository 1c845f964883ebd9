"""Multiply-adds of a file, counted by hand from the configuration."""

from mobilebert_tf.export.choose.search import parts_of
from mobilebert_tf.export.quantize import build
from mobilebert_tf.export.recipes import RECIPES
from mobilebert_tf.litert.multiply_adds import multiply_adds

from .test_rewrite import model


def test_products_by_their_numbers() -> None:
    """Dense layers by `parts_of`, which test_search.py checks by hand; the head; attention, which stays in float."""
    lengths = [5, 7]
    files = build.convert_lengths(model("student"), lengths)
    for graph, length in enumerate(lengths):
        dense = sum(part.products for part in parts_of(files[length])) + 12 * 3
        # Two heads of width 4: scores and weighted values, for all rows of block 1 and one row of block 2.
        attention = 2 * 2 * 4 * length * (length + 1)
        exact, int8 = (
            multiply_adds(build.build(files, RECIPES[name], None), graph) for name in ("float32", "dynamic_int8")
        )
        assert exact == {"float": dense + attention, "integer": 0}
        assert int8 == {"float": attention, "integer": dense}
