"""One measuring process: tokenizes a text, or makes records of it, and prints JSON.

Run by `benchmarks.records`; by hand: python -m mobilebert_tf.benchmarks.library.one_records '{"files": ...}'
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf import quiet
from mobilebert_tf.benchmarks.files.load import busy_seconds
from mobilebert_tf.data import record_writer
from mobilebert_tf.data.documents import read_documents
from mobilebert_tf.data.sentences import split_sentences
from mobilebert_tf.tokenization import Tokenizer


def tokenize(files: Sequence[Path], vocab: str) -> dict[str, Any]:
    """Seconds that `Tokenizer.encode_batch` takes for all sentences of the text, in the chunks that records use."""
    tokenizer = Tokenizer.from_vocab(vocab)
    chunks = [
        [sentence for document in documents for paragraph in document for sentence in split_sentences(paragraph)]
        for _, documents in record_writer.chunks(read_documents(files))
    ]
    tokenizer.encode_batch(chunks[0])  # set-up work of the first call is not measured
    return _timed(lambda: {"pieces": sum(len(ids) for chunk in chunks for ids in tokenizer.encode_batch(chunk))})


def make_records(files: Sequence[Path], vocab: str, dupe_factor: int, workers: int) -> dict[str, Any]:
    """Seconds from the text to the finished files, including the start of the workers but not of TensorFlow."""
    quiet.start_tensorflow()
    tokenizer = Tokenizer.from_vocab(vocab)
    settings = record_writer.Settings(
        tokenizer=tokenizer,
        max_seq_length=128,
        max_predictions=20,
        dupe_factor=dupe_factor,
        masking="token",
        short_seq_prob=0.1,
        single_segment_prob=0.0,
        masked_lm_prob=0.15,
        seed=1,
    )

    def made() -> dict[str, int]:
        totals, _ = record_writer.write_shards(read_documents(files), settings, Path(scratch), 4, workers)
        return {"pieces": totals.pieces, "records": totals.examples}

    with tempfile.TemporaryDirectory() as scratch:
        return _timed(made)


def _timed(work: Callable[[], dict[str, int]]) -> dict[str, Any]:
    busy, own, wall = busy_seconds(), _own_seconds(), time.perf_counter()
    counts = work()
    seconds, own = time.perf_counter() - wall, _own_seconds() - own
    return {
        "samples": [round(seconds, 3)],
        "processor_seconds": round(own, 3),
        # Cores that other programs kept busy in the meantime.
        "foreign_cores": round(max(0.0, (busy_seconds() - busy - own) / seconds), 2),
        **counts,
    }


def _own_seconds() -> float:
    """Processor seconds of this process and of the workers that have ended."""
    ended = os.times()
    return time.process_time() + ended.children_user + ended.children_system


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    order["files"] = [Path(file) for file in order["files"]]
    print(json.dumps(make_records(**order) if "workers" in order else tokenize(**order)))
