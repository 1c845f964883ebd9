"""Files of a network with random weights: `python -m mobilebert_tf.benchmarks.library.one_network ORDER.json`.

Runs in its own process, since TensorFlow does not free a conversion's memory, and BERT-large's takes 20 GB.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf import quiet

RECIPES = ("float32", "float16", "dynamic_int8", "static_int8")


def write(
    config: Mapping[str, Any],
    lengths: Sequence[int],
    recipes: Sequence[str],
    texts: Sequence[str],
    directory: Path,
    one_graph: bool = False,
) -> dict[str, int]:
    """Write RECIPE.tflite with a signature for each of the lengths, all of one graph if `one_graph` says so.

    Returns:
      The number of `parameters`.
    """
    quiet.start_tensorflow()
    import keras

    from mobilebert_tf.config import MobileBertConfig
    from mobilebert_tf.export.make.sources import Sources
    from mobilebert_tf.export.quantize.build import build
    from mobilebert_tf.export.recipes import RECIPES as KNOWN
    from mobilebert_tf.export.rewrite.rules import REWRITES
    from mobilebert_tf.models import ClassificationModel

    keras.utils.set_random_seed(0)
    model = ClassificationModel(MobileBertConfig(**config), 2)
    features = _features(texts, max(lengths), config["vocab_size"])
    model({name: values[:1] for name, values in features.items()})
    # A newly built norm is the identity and would be folded away, which never happens to a trained one.
    generator = np.random.default_rng(0)
    for variable in model.trainable_variables:
        if len(variable.shape) < 2:
            variable.assign_add(0.05 * generator.standard_normal(variable.shape).astype(np.float32))
    sources = Sources(model, lengths, tuple(REWRITES), features)
    for name in recipes:
        recipe = dataclasses.replace(KNOWN[name], one_graph=one_graph)
        source = sources.of(recipe)
        ranges = source.ranges if recipe.is_static else None
        # Without ranges it is not known whether float16 is wide enough, so nothing is computed in it.
        (directory / f"{name}.tflite").write_bytes(build(source.files, recipe, ranges, lengths))
    return {"parameters": sum(int(np.prod(one.shape)) for one in model.trainable_variables)}


def _features(texts: Sequence[str], length: int, words: int) -> dict[str, np.ndarray]:
    """Inputs [N, T] of texts; ids are taken modulo `words`, so that they fit a smaller word table."""
    from mobilebert_tf.checkpoints import shipped
    from mobilebert_tf.tasks import examples
    from mobilebert_tf.tasks.examples import Example
    from mobilebert_tf.tokenizer_files import read_tokenizer

    tokenizer = read_tokenizer(shipped.PLACE / "mobilebert_mini")
    assert tokenizer is not None
    features = examples.encode([Example(text) for text in texts], tokenizer, length)
    return {**features, "input_ids": (features["input_ids"] % words).astype(np.int32)}


if __name__ == "__main__":
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(json.dumps(write(directory=Path(order.pop("directory")), **order)))
