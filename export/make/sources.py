"""The float32 files that recipes are applied to, each with the ranges of its tensors."""

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


def lengths_of(recipe: Recipe, lengths: Sequence[int]) -> Sequence[int]:
    """Lengths of an export that files by this recipe have: only apps that run a file directly want several."""
    return lengths if recipe.target == TARGETS[0] else [max(lengths)]


class Source:
    """The float32 files of one network.

    Args:
      files: contents with one graph each, by its length T.
      measure: function that measures the ranges of a file's tensors.

    Attributes:
      files: the argument.
    """

    def __init__(self, files: Mapping[int, bytes], measure: Callable[[bytes], Ranges | None]):
        self.files = files
        self._measure = measure

    @functools.cached_property
    def ranges(self) -> Ranges | None:
        """Ranges by tensor, under the same names in all files; None: there are neither texts nor trained ranges."""
        return self._measure(self.files[max(self.files)])


class Sources:
    """The source of each recipe, converted when a recipe first needs it.

    If there is text, static files hold the network in units per channel (`rewrite.equalize`); so do the others if
    that leaves no multiplication in the network.

    Args:
      model: the model to convert.
      lengths: lengths T of the signatures.
      rewrites: names of the rewrites to apply.
      text: real examples [k, T]; None: there are none.
      trained: ranges that the model was fine-tuned with, used instead of ranges measured on the text; they hold for
        the model's own units, so with them the network is not equalized.
      equalizes: whether units per channel are wanted.
      threads: number of LiteRT's threads.
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
        self._made: dict[tuple[str, bool, bool], Source] = {}

    def of(self, recipe: Recipe) -> Source:
        """The source for this recipe.

        Raises:
          FailedError: the network cannot be converted.
        """
        equalized = self._equalizes and (recipe.is_static or self._is_free)
        key = recipe.target, equalized, recipe.one_graph
        if key not in self._made:
            self._made[key] = self._convert(recipe, self._peaks if equalized else None)
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
        """The rewrites except the one that joins layers."""
        return [name for name in self._rewrites if name != JOIN]

    def _convert(self, recipe: Recipe, peaks: Mapping[str, Peaks] | None) -> Source:
        lengths = lengths_of(recipe, self._lengths)
        # One graph for all lengths follows from the two that differ most.
        converted = sorted({min(lengths), max(lengths)}) if recipe.one_graph else lengths
        breaks = self._trained.breaks if self._trained else None
        files = convert_lengths(self._model, converted, self._rewrites, recipe.target, breaks, peaks)
        return Source(files, self._measure)

    def _measure(self, content: bytes) -> Ranges | None:
        measured = None if self._text is None else measure_ranges(content, self._text, self._threads)
        return self._trained.instead_of(measured, content) if self._trained else measured
