"""Figures other than inference times: instructions, scores and fine-tuning steps."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mobilebert_tf import child_process, provenance
from mobilebert_tf.benchmarks import verdict
from mobilebert_tf.benchmarks.arm import environment as emulator
from mobilebert_tf.benchmarks.files import host
from mobilebert_tf.benchmarks.files.instructions import Counter, Emulated, Estimated
from mobilebert_tf.benchmarks.files.texts import Texts
from mobilebert_tf.benchmarks.peers import catalogue, workshop
from mobilebert_tf.benchmarks.peers.catalogue import LITERT, Variant
from mobilebert_tf.benchmarks.peers.environments import Environment
from mobilebert_tf.benchmarks.peers.workshop import Workshop
from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.benchmarks.stats import summarize
from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import FailedError, UsageError


def instructions(
    variants: Sequence[Variant], length: int, texts: Texts | None, directory: str | None
) -> dict[str, Any]:
    """Millions of instructions of each `.tflite` file at T and over texts, estimated if there is no emulator.

    Raises:
      UsageError: `directory` is given and holds no emulator.
    """
    counter: Counter = Estimated()
    where = "estimated"
    try:
        counter, where = Emulated(emulator.open_environment(directory), emulator.CORES[0], ()), "emulated"
    except UsageError:
        if directory is not None:
            raise
    files = [one for one in variants if one.peer.runtime == LITERT]
    rows, failed = [], []
    for variant in track(files, "counting", "files", len(files)):
        names = host.signatures_of(variant.path)
        try:
            counts, _ = counter(variant.path, list(names.values()))
        except (FailedError, UsageError) as error:
            failed.append({"name": variant.name, "reason": str(error)})
            continue
        million = dict(zip(names, counts, strict=True))
        row: dict[str, Any] = {"name": variant.name, "million": million[length], "million_of_lengths": million}
        if texts:
            shares = texts.shares(million)
            row["million_over_texts"] = sum(share * million[one] for one, share in shares.items())
        rows.append(row)
    return {"where": where, "core": emulator.CORES[0], "subjects": rows, "failed": failed}


def scores(
    variants: Sequence[Variant], made: Workshop, environments: Mapping[str, Environment], pairs: str,
    columns: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """Spearman's correlation between cosines of sentence embeddings and human ratings of pairs, of each file with any.

    Args:
      pairs: table of pairs with a rating.
      columns: names of its columns: both texts, and the rating.

    Raises:
      UsageError: the table is broken, or lacks a column.
    """
    if len(columns) != 3:
        raise UsageError(
            f"--pair_columns={','.join(columns)}: must be three comma-separated names, of both texts and of the label"
        )
    rows = []
    for variant in track([one for one in variants if one.peer.embeds], "scoring", "files"):
        if variant.peer.name == catalogue.VECTORS:
            teacher = str(catalogue.minilm(environments[catalogue.MINILM]))
            order = {"do": "score", "directory": str(variant.path.parent), "teacher": teacher, "pairs": pairs}
            metrics = workshop.ask_own(variant.peer.name, {**order, "columns": list(columns)})
        else:
            metrics = _evaluate(variant, pairs, columns)
        rows.append({"name": variant.name, "score": metrics["spearman"], "examples": metrics["examples"]})
    return {"name": "Spearman", "subjects": rows}


def _evaluate(variant: Variant, pairs: str, columns: Sequence[str]) -> dict[str, Any]:
    text, other, label = columns
    words = [sys.executable, "-m", "mobilebert_tf", "evaluate", f"--model={variant.path}", f"--input={pairs}", "--json"]
    words += [f"--text_column={text}", f"--text_pair_column={other}", f"--label_column={label}"]
    done = child_process.run(words)
    if done.returncode:
        raise UsageError(f"{pairs}: {child_process.last_words(done)}")
    metrics: dict[str, Any] = child_process.answer(variant.name, done)
    return metrics


def fine_tuning(subjects: Sequence[Subject], threads: int) -> dict[str, Any]:
    """Fine-tuning steps in the form of a result, with the same kind of verdict as files' times."""
    cores = provenance.machine()["cores"] or 1
    rows = [
        {
            "name": subject.name,
            **subject.details,
            "validity": verdict.of_host(subject.rounds, threads, cores, strict=False).describe(),
            "summary": dataclasses.asdict(summarize(subject.samples)),
            "rounds": list(subject.rounds),
        }
        for subject in subjects
    ]
    return {"unit": "s", "threads": threads, "batch_size": 16, "subjects": rows}
