"""Model -> float32 files, one per sequence length -> the content of one file with all lengths, by a recipe."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Mapping, Sequence

from mobilebert_tf import quiet
from mobilebert_tf.export.convert.converter import convert
from mobilebert_tf.export.convert.signatures import write_saved_model
from mobilebert_tf.export.quantize.quantizer import quantize
from mobilebert_tf.export.quantize.ranges import Ranges
from mobilebert_tf.export.recipes import TARGETS, Recipe
from mobilebert_tf.export.rewrite.equalize import Peaks
from mobilebert_tf.export.rewrite.norms import Breaks
from mobilebert_tf.export.rewrite.rules import REWRITES
from mobilebert_tf.litert import flatbuffer
from mobilebert_tf.litert.half import HALF_LARGEST
from mobilebert_tf.litert.one_graph import share_graph
from mobilebert_tf.models import TaskModel


def convert_lengths(
    model: TaskModel,
    lengths: Sequence[int],
    rewrites: Sequence[str] = tuple(REWRITES),
    target: str = TARGETS[0],
    breaks: Breaks | None = None,
    peaks: Mapping[str, Peaks] | None = None,
) -> dict[int, bytes]:
    """float32 files with one graph each, by its length T; `breaks` and `peaks` as in `rewrite`.

    Lengths are converted separately so that their tensors have the same names: ranges calibrated for one length then
    hold for all. `build` merges constants of equal content again.

    Raises:
      FailedError: the converter refused.
    """
    longest = max(lengths)
    return {length: convert_length(model, length, longest, rewrites, target, breaks, peaks) for length in lengths}


def convert_length(
    model: TaskModel,
    length: int,
    longest: int,
    rewrites: Sequence[str],
    target: str,
    breaks: Breaks | None,
    peaks: Mapping[str, Peaks] | None,
) -> bytes:
    """The float32 file of one length, with its tables cut to the longest; other arguments as in `convert_lengths`."""
    with tempfile.TemporaryDirectory() as saved_model:
        with quiet.native_stderr_hidden():
            write_saved_model(model, length, longest, saved_model, rewrites, target, breaks, peaks)
        gc.collect()  # frees the traced and saved graph, because the converter needs as much memory again
        return convert(saved_model)


def build(
    files: Mapping[int, bytes], recipe: Recipe, ranges: Ranges | None, lengths: Sequence[int] | None = None
) -> bytes:
    """The content of a file by `recipe`, with a signature for each length.

    Args:
      files: result of `convert_lengths`; for one graph of several lengths the shortest and the longest are enough.
      recipe: precision of the operators.
      ranges: ranges of the tensors, measured on one of the files; None: no text was given.
      lengths: lengths T of the signatures; None: those of the files.

    Raises:
      FailedError: the quantizer refused.
    """
    lengths = sorted(files) if lengths is None else lengths
    if recipe.one_graph and len(lengths) > 1:
        ends = {length: quantize(files[length], recipe, ranges) for length in (min(lengths), max(lengths))}
        model = share_graph({length: flatbuffer.read(content) for length, content in ends.items()}, lengths)
    else:
        model = flatbuffer.merge(flatbuffer.read(quantize(files[length], recipe, ranges)) for length in lengths)
    flatbuffer.use_asymmetric_inputs(model)
    flatbuffer.set_versions(model)
    if allows_half(recipe, ranges):
        flatbuffer.mark_half(model)
    return flatbuffer.write(model)


def allows_half(recipe: Recipe, ranges: Ranges | None) -> bool:
    """Whether float operations of the file may run in float16: the recipe allows it and no value is too large."""
    return recipe.half and ranges is not None and ranges.largest <= HALF_LARGEST
