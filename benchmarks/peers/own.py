"""This project's static vectors for the comparison, in a process of their own: `python -m ...peers.own ORDER.json`.

An order has `do` and `directory`, the directory of the files:

    vectors   write static vectors of the word pieces of `teacher`, and a file that computes their mean over a text
    score     Spearman's correlation between cosines of static vectors and human ratings of `pairs`
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf import quiet

INPUTS = ("input_ids", "input_mask", "segment_ids")
VECTORS = "static_vectors"


def vectors(teacher: str, length: int, directory: Path) -> None:
    """Write the table of vectors, and a file that maps the usual inputs to a text's mean vector of unit length."""
    quiet.start_tensorflow()
    import tensorflow as tf

    from mobilebert_tf.benchmarks.library.baselines import static_of

    _, table = static_of(teacher)
    words = tf.constant(table.astype(np.float32))
    kinds = [tf.TensorSpec([1, length], tf.int32, name=name) for name in INPUTS]

    @tf.function(input_signature=kinds)
    def embed(input_ids: Any, input_mask: Any, segment_ids: Any) -> dict[str, Any]:
        # Segments have no effect; they are inputs so that the file can be timed on the same inputs as others.
        counts = tf.cast(input_mask + 0 * segment_ids, tf.float32)[:, :, None]
        mean = tf.reduce_sum(tf.gather(words, input_ids) * counts, axis=1) / tf.reduce_sum(counts, axis=1)
        return {"embedding": tf.math.l2_normalize(mean, axis=1)}

    module = tf.Module()
    module.embed, module.words = embed, words
    with tempfile.TemporaryDirectory() as saved, quiet.native_stderr_hidden():
        tf.saved_model.save(module, saved, signatures={"serving_default": embed})
        content = tf.lite.TFLiteConverter.from_saved_model(saved).convert()
    (directory / f"{VECTORS}.tflite").write_bytes(content)
    np.save(directory / f"{VECTORS}.npy", table.astype(np.float32))


def score(directory: Path, teacher: str, pairs: str, columns: Sequence[str]) -> dict[str, float]:
    """Metrics of a table of pairs, Spearman's correlation between cosines of static vectors and labels among them."""
    from mobilebert_tf.tasks.embedding import EmbeddingTask
    from mobilebert_tf.tokenizer_files import read_tokenizer

    text, other, label = columns
    task = EmbeddingTask(text_column=text, text_pair_column=other, label_column=label)
    tokenizer = read_tokenizer(Path(teacher))
    assert tokenizer is not None
    features = task.features(task.read(pairs), tokenizer)
    table, unknown = np.load(directory / f"{VECTORS}.npy"), tokenizer.id("[UNK]")
    special = {tokenizer.id(one) for one in ("[CLS]", "[SEP]", "[PAD]")} | {unknown}
    rows = []
    for ids in features["input_ids"]:
        known = [number for number in ids.tolist() if number not in special]
        mean = table[known].mean(axis=0) if known else np.zeros(table.shape[1], np.float32)
        rows.append(mean / max(float(np.linalg.norm(mean)), 1e-9))
    return dict(task.score({"embedding": np.stack(rows)}, features).all)


def main(path: str) -> dict[str, Any]:
    """Carry out the order in a file; return the answer to print."""
    order = json.loads(Path(path).read_text(encoding="utf-8"))
    do, directory = order.pop("do"), Path(order.pop("directory"))
    if do == "score":
        return score(directory, **order)
    vectors(directory=directory, **order)
    return {}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
