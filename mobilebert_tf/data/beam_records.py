"""Writing the pretraining examples of documents to sharded TFRecord files, by an Apache Beam pipeline.

Needs the extra `beam`. The workers may be on other machines, so they read text and write records
in a staging place that both sides can reach: `--temp_location` of Beam's options, else a
folder in the output directory.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import logging
import os
import shlex
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions, StandardOptions
from apache_beam.runners.runner import PipelineState
from apache_beam.transforms.combiners import TupleCombineFn

from mobilebert_tf import atomic, quiet
from mobilebert_tf.data import record_writer
from mobilebert_tf.data.lost_text import Lost
from mobilebert_tf.data.progress import track
from mobilebert_tf.data.record_writer import Settings, Totals
from mobilebert_tf.errors import FailedError, UsageError

LOCAL_RUNNER = "FnApiRunner"
"""The runner in this process. Beam's DirectRunner uses it too, but first tries to download Prism."""


def read_options(text: str) -> PipelineOptions:
    """Beam's options from one string, split as a shell would. The runner defaults to the local one.

    Raises:
      UsageError: Beam does not know an option, a value or the runner.
    """
    stderr = io.StringIO()
    try:
        # argparse writes usage and reason before it exits.
        with quiet.python_warnings_unlogged(), contextlib.redirect_stderr(stderr):
            options = PipelineOptions(shlex.split(text))
            known, named = options.get_all_options(), options.get_all_options(retain_unknown_options=True)
            standard = options.view_as(StandardOptions)
            if not standard.runner:
                # Runners outside of Python have options that only they know; the local one has none.
                unknown = sorted(named.keys() - known.keys())
                if unknown or text.strip()[:1] not in ("", "-"):
                    raise ValueError(f"Apache Beam does not know {', '.join(unknown) or text}")
                standard.runner = LOCAL_RUNNER
            beam.Pipeline(options=options)  # finds the runner, which raises if an option is missing
    except SystemExit:
        raise UsageError(f"--beam_options={text}: {stderr.getvalue().strip().split('error: ')[-1]}") from None
    except (ValueError, ImportError, AttributeError, TypeError) as error:
        raise UsageError(f"--beam_options={text}: {error}") from None
    return options


def write_shards(
    documents: Iterable[list[str]], settings: Settings, directory: Path, shards: int, options: PipelineOptions
) -> tuple[Totals, dict[str, dict[str, int]]]:
    """Write the same records as `record_writer.write_shards`, to files of the same names, in another order.

    Returns:
      The totals, and bytes and number of examples of each file.

    Raises:
      UsageError: there are fewer examples than files, the documents or the staging place cannot be used.
      FailedError: a worker failed.
    """
    quiet.start_tensorflow()
    if not os.environ.get(quiet.DEBUG_VARIABLE):
        logging.getLogger("apache_beam").setLevel(logging.CRITICAL)  # a failure is reported once, by its exception
    record_writer.clear(directory)
    with _staging(directory, options) as place:
        paths = _stage(documents, place)
        totals = _run(paths, settings, place, shards, options)
        record_writer.require_enough(totals.examples, shards)
        return totals, _fetch(place, directory, shards)


@contextlib.contextmanager
def _staging(directory: Path, options: PipelineOptions) -> Iterator[str]:
    place = str(directory.absolute() / record_writer.STAGING)
    shared = options.view_as(GoogleCloudOptions).temp_location
    try:
        if shared:
            place = FileSystems.join(shared, f"mobilebert-tf-records-{uuid.uuid4().hex}")
        FileSystems.mkdirs(place)
    except (OSError, ValueError) as error:
        raise UsageError(f"{shared or place}: the chunks cannot be staged there ({error})") from None
    try:
        yield place
    finally:
        FileSystems.delete([place])


def _stage(documents: Iterable[list[str]], place: str) -> list[str]:
    """Write each chunk to a file; returns the paths.

    Which documents make up a chunk shows only in a pass over the whole text, since chunks continue from file
    to file, and compressed text can only be read from its beginning. The driver therefore reads it once, with
    one chunk in memory; that takes a few hundredths of the time of making the records.
    """
    paths = []
    for number, chunk in track(record_writer.chunks(documents), "staging", "chunk"):
        paths.append(FileSystems.join(place, f"chunk-{number:08d}.json"))
        with FileSystems.create(paths[-1]) as file:
            file.write(json.dumps((number, chunk)).encode())
    return paths


def _run(paths: list[str], settings: Settings, place: str, shards: int, options: PipelineOptions) -> Totals:
    pipeline = beam.Pipeline(options=options)
    outputs = (
        pipeline
        | "Chunks" >> beam.Create(paths)
        | "Spread" >> beam.Reshuffle()
        | "MakeRecords" >> beam.FlatMap(_make_records, settings).with_outputs("totals", main="records")
    )
    files = FileSystems.join(place, "records")
    outputs.records | "Write" >> beam.io.WriteToTFRecord(files, file_name_suffix=".tfrecord", num_shards=shards)
    (
        outputs.totals
        | "Add" >> beam.CombineGlobally(TupleCombineFn(*[sum] * len(_numbers(Totals()))))
        | "ToJson" >> beam.Map(json.dumps)
        | "WriteTotals" >> beam.io.WriteToText(FileSystems.join(place, "totals.json"), shard_name_template="")
    )
    try:
        state = pipeline.run().wait_until_finish()
    except Exception as error:  # a worker or a runner may raise anything
        raise FailedError(f"the Beam pipeline failed: {_last_line(error)}") from error
    if state != PipelineState.DONE:
        raise FailedError(f"the Beam pipeline ended as {state}; the runner's own log says why")
    with FileSystems.open(FileSystems.join(place, "totals.json")) as file:
        examples, random_next, pieces, *lost = json.load(file)
        return Totals(examples, random_next, pieces, Lost(*lost))


def _make_records(path: str, settings: Settings) -> Iterator[Any]:
    """The records of the chunk in `path`, and as output "totals" the counts for `Totals`. Runs on a worker."""
    with FileSystems.open(path) as file:
        chunk = json.load(file)
    chunk_records = record_writer.make_records(settings, chunk)
    totals = Totals(len(chunk_records.records), chunk_records.random_next, chunk_records.pieces, chunk_records.lost)
    yield beam.pvalue.TaggedOutput("totals", _numbers(totals))
    yield from chunk_records.records


def _numbers(totals: Totals) -> tuple[int, ...]:
    """The totals as plain numbers, which Beam can add up."""
    return totals.examples, totals.random_next, totals.pieces, *dataclasses.astuple(totals.lost)


def _fetch(place: str, directory: Path, shards: int) -> dict[str, dict[str, int]]:
    """Move the files to their place, all or none; each is read again in full, with its checksums."""
    import tensorflow as tf

    files = {}
    with contextlib.ExitStack() as stack:
        for name in record_writer.shard_names(shards):
            aside = stack.enter_context(atomic.write_aside(directory / name))
            with FileSystems.open(FileSystems.join(place, name)) as source, open(aside, "wb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
            examples = tf.data.TFRecordDataset(str(aside)).reduce(0, lambda count, _: count + 1)
            files[name] = {"bytes": aside.stat().st_size, "examples": int(examples)}
    return files


def _last_line(error: BaseException) -> str:
    """The last line of an error: Beam gives a worker's failure as a whole traceback, which ends with the reason."""
    return ([line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__])[-1]
