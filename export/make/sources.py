"""The float files that recipes start from, each with the ranges of its tensors."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mobilebert_tf.export.aware.stored import Trained
from mobilebert_tf.export.quantize.build import convert_lengths
from mobilebert_tf.export.quantize.peaks import measure_peaks
from mobilebert_tf.export.quantize.ranges import Ranges, measure_ranges
from mobilebert_tf.export.recipes import TARGETS, Recipe
from mobilebert_tf.export.rewrite.equalize import Peaks, equalize, is_free
from mobilebert_tf.export.rewrite.read import read_network
from mobilebert_tf.export.rewrite.rules import JOIN, rewrite
from mobilebert_tf.models import TaskModel


class Source:
    """float32 files of one network.

    Args:
      files: with one graph each, by its length T.
      measure: finds the ranges of a file's tensors.

    Attributes:
      files: as given.
    """

    def __init__(self, files: Mapping[int, bytes], measure: Callable[[bytes], Ranges | None]):
        self.files = files
        self._measure = measure

    @functools.cached_property
    def ranges(self) -> Ranges | None:
        """Ranges of the tensors, named alike in all files; None: there is no text, and none were trained."""
        return self._measure(self.files[max(self.files)])


class Sources:
    """Converts when a recipe first asks for it.

    Where there is text, static files are of the network in units per channel (`rewrite.equalize`); others too if that
    leaves nothing to multiply.

    Args:
      model: what to convert.
      lengths: of the signatures, T.
      rewrites: names of those to apply.
      text: real examples [k, T]; None: there are none.
      trained: ranges that the model was fine-tuned with, in place of those of the text; they are of its own units.
      equalizes: whether units per channel are wanted.
      threads: of LiteRT.
    """

    def __init__(
        self,
        model: TaskModel,
        lengths: Sequence[int],
        rewrites: Sequence[str],
        text: Mapping[str, np.ndarray] | None,
        trained: Trained | None = None,
        equalizes: bool = True,
        threads: int = 1,
    ):
        self._model = model
        self._lengths = lengths
        self._rewrites = rewrites
        self._text = text
        self._trained = trained
        self._equalizes = equalizes and trained is None and text is not None
        self._threads = threads
        self._made: dict[tuple[str, bool], Source] = {}

    def of(self, recipe: Recipe) -> Source:
        """The source that this recipe is applied to.

        Raises:
          FailedError: the network cannot be converted.
        """
        equalized = self._equalizes and (recipe.is_static or self._is_free)
        key = recipe.target, equalized
        if key not in self._made:
            self._made[key] = self._convert(recipe.target, self._peaks if equalized else None)
        return self._made[key]

    @functools.cached_property
    def _peaks(self) -> dict[str, Peaks]:
        assert self._text is not None
        network = rewrite(read_network(self._model), max(self._lengths), self._apart)
        return measure_peaks(network, self._text)

    @functools.cached_property
    def _is_free(self) -> bool:
        return is_free(equalize(rewrite(read_network(self._model), max(self._lengths), self._apart), self._peaks))

    @property
    def _apart(self) -> list[str]:
        """The rewrites without the one that joins layers."""
        return [name for name in self._rewrites if name != JOIN]

    def _convert(self, target: str, peaks: Mapping[str, Peaks] | None) -> Source:
        # Only files of apps that run them themselves have several signatures.
        lengths = self._lengths if target == TARGETS[0] else [max(self._lengths)]
        breaks = self._trained.breaks if self._trained else None
        files = convert_lengths(self._model, lengths, self._rewrites, target, breaks, peaks)
        return Source(files, self._measure)

    def _measure(self, content: bytes) -> Ranges | None:
        measured = None if self._text is None else measure_ranges(content, self._text, self._threads)
        return self._trained.instead_of(measured, content) if self._trained else measured
