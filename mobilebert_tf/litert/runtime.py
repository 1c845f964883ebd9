"""A `.tflite` file run by LiteRT. Needs no TensorFlow."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf import atomic, quiet
from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import UsageError, first_line
from mobilebert_tf.litert.compiled import CompiledFile
from mobilebert_tf.litert.one_graph import shape_in
from mobilebert_tf.litert.refusals import REFUSALS
from mobilebert_tf.tasks.task import INPUTS, PER_TOKEN, real_only

LOGITS = "logits"
"""Name of a classifier's output in every signature: float32 [1, C]."""

PROBABILITIES = "probabilities"
"""Name of a classifier's output in files for MediaPipe, which end in the softmax."""

OUTPUTS = (LOGITS, PROBABILITIES, "score", "embedding", *PER_TOKEN)
"""Names of the outputs of files: of every kind of task, and of files for MediaPipe."""


class TfliteModel:
    """A file written by `export`, ready to run.

    Args:
      path: the file.
      threads: number of threads of the interpreter.
      weight_cache: XNNPACK's weight cache, as in `CompiledFile`: one packed copy of the weights for all signatures.
      float16: compute float parts in float16.

    Raises:
      UsageError: the file is missing, is not a `.tflite` file, or has no signature
        with the named inputs and one of the OUTPUTS.
    """

    outputs: tuple[str, ...] = ()
    """Names of the outputs of the file."""

    def __init__(self, path: str | os.PathLike[str], threads: int = 1, weight_cache: str = "", float16: bool = False):
        self.path = Path(path)
        check_is_tflite(self.path)
        if weight_cache or float16:
            interpreter: Any = CompiledFile(self.path, threads, weight_cache, float16)
        else:
            interpreter = load_interpreter(self.path, threads)
        self._runners: dict[int, Any] = {}
        try:
            self._find_runners(interpreter)
        except REFUSALS as error:
            raise UsageError(f"{self.path}: LiteRT cannot read it ({first_line(error)}); export it again") from None
        if not self._runners:
            raise UsageError(
                f"{self.path}: no signature has the inputs {', '.join(INPUTS)} and one of the outputs "
                f"{', '.join(OUTPUTS)}; `mobilebert-tf export` writes such files"
            )

    def _find_runners(self, interpreter: Any) -> None:
        for name, signature in interpreter.get_signature_list().items():
            outputs = tuple(one for one in OUTPUTS if one in signature["outputs"])
            if set(signature["inputs"]) == set(INPUTS) and outputs:
                self.outputs = outputs
                runner = interpreter.get_signature_runner(name)
                ids = runner.get_input_details()[INPUTS[0]]
                self._runners[shape_in(name, ids["shape"], ids["shape_signature"])[-1]] = runner

    @property
    def sizes(self) -> dict[str, int]:
        """C, the last size of each output."""
        details = next(iter(self._runners.values())).get_output_details()
        return {name: int(details[name]["shape"][-1]) for name in self.outputs}

    @property
    def lengths(self) -> list[int]:
        """T of every signature, shortest first."""
        return sorted(self._runners)

    def choose_length(self, real: int, width: int) -> int:
        """T of the shortest signature for `real` tokens of features that are `width` long.

        Raises:
          UsageError: no signature is that long.
        """
        if min(real + 1, width) > self.lengths[-1]:
            raise UsageError(
                f"{self.path}: takes at most {self.lengths[-1]} word pieces, a text has {real}; "
                "make shorter features or export with larger --sequence_lengths"
            )
        return shortest_that_fits(self.lengths, real, width)

    def answer(
        self, features: Mapping[str, np.ndarray], length: int | None = None, show_progress: bool = False
    ) -> dict[str, np.ndarray]:
        """Outputs as of the Keras model, float32 [R, ...] by name, for `input_ids`, `input_mask`, `segment_ids` [R, T].

        Each row runs in the signature chosen by `choose_length`, or in that of `length`. For a file that returns
        probabilities, the logits are their logarithms, which have the same softmax.

        Raises:
          UsageError: a row has more tokens than the longest signature takes.
        """
        values = self.run(features, length, show_progress)
        if PROBABILITIES in values:
            values[LOGITS] = np.log(np.maximum(values.pop(PROBABILITIES), np.finfo(np.float32).tiny))
        return values

    def run(
        self, features: Mapping[str, np.ndarray], length: int | None = None, show_progress: bool = False
    ) -> dict[str, np.ndarray]:
        """The outputs of the file unchanged, logits or probabilities; else the same as `answer`.

        Raises:
          UsageError: a row has more tokens than the longest signature takes, or the runtime cannot run the file.
        """
        mask = features["input_mask"]
        numbers: Iterable[int] = range(len(mask))
        if show_progress:
            numbers = track(numbers, f"running {self.path.name}", "texts", len(mask))
        rows: dict[str, list[np.ndarray]] = {name: [] for name in self.outputs}
        for row in numbers:
            # Up to the last real token: a mask may have holes.
            real = int(np.flatnonzero(mask[row])[-1]) + 1
            chosen = length or self.choose_length(real, mask.shape[1])
            inputs = {name: fit(features[name][row : row + 1], chosen) for name in INPUTS}
            try:
                answer = real_only(self._runners[chosen](**inputs), mask[row : row + 1])
            except REFUSALS as error:
                raise UsageError(f"{self.path}: LiteRT cannot run it ({first_line(error)}); export it again") from None
            for name in self.outputs:
                rows[name].append(answer[name][0])
        return {name: np.stack(values) for name, values in rows.items()}


def outputs_of(content: bytes, features: Mapping[str, np.ndarray], threads: int = 1) -> dict[str, np.ndarray]:
    """The result of `TfliteModel.answer` for a file with this content, as an app would get it."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.tflite"
        with atomic.naming(path):
            path.write_bytes(content)
        return TfliteModel(path, threads).answer(features)


def shortest_that_fits(lengths: Sequence[int], real: int, width: int) -> int:
    """The first of ascending `lengths` for `real` tokens of features that are `width` long.

    One padding token is kept where the features have any: the embedding of the last
    real token includes its successor (the trigram), and [PAD] differs from no token.
    """
    return next(length for length in lengths if length >= min(real + 1, width))


def fit(values: np.ndarray, length: int) -> np.ndarray:
    """The values [n, T] as int32, cut or padded with zeros to [n, length]."""
    values = values[:, :length].astype(np.int32)
    return np.pad(values, [(0, 0), (0, length - values.shape[1])])


def load_interpreter(path: str | os.PathLike[str], threads: int) -> Any:
    """A LiteRT interpreter for the file at `path`. Raises UsageError if it is not a usable `.tflite` file."""
    from ai_edge_litert.interpreter import Interpreter

    check_is_tflite(path)
    with quiet.native_stderr_hidden():
        try:
            interpreter = Interpreter(str(path), num_threads=threads)
            interpreter.allocate_tensors()
            return interpreter
        except REFUSALS as error:
            refused = error  # raised outside this block: inside it, an exception would make LiteRT's output show
    raise UsageError(f"{path}: LiteRT cannot load it ({first_line(refused)}); the file may be cut short")


def check_is_tflite(path: str | os.PathLike[str]) -> None:
    """Raise UsageError unless `path` is a file that begins like a `.tflite` file."""
    try:
        with open(path, "rb") as file:
            head = file.read(8)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise UsageError(f"{path}: is a directory, a .tflite file is needed") from None
    if head[4:8] != b"TFL3":
        raise UsageError(f"{path}: is not a .tflite file")
