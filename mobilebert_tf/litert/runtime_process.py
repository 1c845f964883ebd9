"""A `.tflite` file in a process of its own: where LiteRT crashes on a damaged file, only that process ends.

    python -m mobilebert_tf.litert.runtime_process

reads questions and writes answers on its standard streams: a JSON object on a line, then the numbers it announces.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from mobilebert_tf import child_process, quiet
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.litert.runtime import TfliteModel
from mobilebert_tf.tasks.task import INPUTS, concatenated, take


class SeparateModel:
    """A `TfliteModel` in a process of its own, for files of `export` or from others.

    Args:
      path: the file.
      threads: number of threads of the interpreter.

    Raises:
      UsageError: as `TfliteModel`.
      FailedError: the runtime crashed on the file.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int = 1):
        self.path = Path(path)
        words = child_process.tied([sys.executable, "-m", "mobilebert_tf.litert.runtime_process"])
        values = child_process.environment()
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=values)
        weakref.finalize(self, _end, self._process)
        answer = self._ask({"path": str(path), "threads": threads})
        self.lengths: list[int] = answer["lengths"]
        """T of every signature, shortest first."""
        self.sizes: dict[str, int] = answer["sizes"]
        """C, the last size of each output."""

    def answer(self, features: Mapping[str, np.ndarray], show_progress: bool = False) -> dict[str, np.ndarray]:
        """float32 [R, ...] by output, for `input_ids`, `input_mask`, `segment_ids` [R, T].

        Raises:
          UsageError: a row has more tokens than the longest signature takes, or the runtime cannot run the file.
          FailedError: the runtime crashed on the file.
        """
        return self._outputs(features, {"show_progress": show_progress})

    def in_half(self, features: Mapping[str, np.ndarray], length: int) -> dict[str, np.ndarray]:
        """The outputs of `TfliteModel.run` in the signature of `length`, in float16 arithmetic.

        Raises:
          UsageError: the runtime cannot run the file in float16.
          FailedError: the runtime crashed on the file.
        """
        return self._outputs(features, {"half": length})

    def _outputs(self, features: Mapping[str, np.ndarray], how: Mapping[str, Any]) -> dict[str, np.ndarray]:
        inputs = np.stack([features[name] for name in INPUTS]).astype(np.int32)
        answer = self._ask({"shape": inputs.shape, **how}, inputs.tobytes())
        outputs = {}
        for name, shape in answer["shapes"].items():
            numbers = self._process.stdout.read(4 * int(np.prod(shape)))  # type: ignore[union-attr]
            outputs[name] = np.frombuffer(numbers, np.float32).reshape(shape)
        return outputs

    def _ask(self, question: Mapping[str, Any], numbers: bytes = b"") -> dict[str, Any]:
        asked, answered = self._process.stdin, self._process.stdout
        assert asked is not None and answered is not None
        try:
            asked.write(json.dumps(question).encode() + b"\n" + numbers)
            asked.flush()
        except BrokenPipeError:
            pass  # the process has ended; the reason is found below
        line = answered.readline()
        if not line:
            how = child_process.ending(self._process.wait())
            raise FailedError(f"{self.path}: the runtime crashed on it ({how}); the file is damaged, export it again")
        answer: dict[str, Any] = json.loads(line)
        if "wrong" in answer:
            raise UsageError(answer["wrong"])
        return answer


LEAST_ROWS = 64
"""Number of rows for which another process is worth its start."""


class SeparateModels:
    """A `SeparateModel` for each processor core, with a speed about proportional to their number.

    Every row is computed separately, so the answers are the same to the last bit. Processes start when there is work
    for them, and are kept.

    Args:
      path: the file.
      threads: number of threads of each interpreter.

    Raises:
      UsageError: as `TfliteModel`.
      FailedError: the runtime crashed on the file.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int = 1):
        self._path, self._threads = path, threads
        self._models = [SeparateModel(path, threads)]
        self._most = max(1, (os.cpu_count() or 1) // threads)
        self.lengths, self.sizes = self._models[0].lengths, self._models[0].sizes

    def answer(self, features: Mapping[str, np.ndarray], show_progress: bool = False) -> dict[str, np.ndarray]:
        """As `SeparateModel.answer`."""
        count = len(features["input_ids"])
        wanted = max(1, min(self._most, count // LEAST_ROWS))
        while len(self._models) < wanted:
            self._models.append(SeparateModel(self._path, self._threads))
        # Rows are dealt out in turn, since tables are often sorted by length.
        rows = [np.arange(first, count, wanted) for first in range(wanted)]

        def part(number: int) -> dict[str, np.ndarray]:
            own = take({name: features[name] for name in INPUTS}, rows[number])
            return self._models[number].answer(own, show_progress and number == 0)

        with concurrent.futures.ThreadPoolExecutor(wanted) as pool:
            parts = list(pool.map(part, range(wanted)))
        return take(concatenated(parts), np.argsort(np.concatenate(rows)))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def _serve(asked: IO[bytes], answered: IO[bytes]) -> None:
    """Answer the questions of a `SeparateModel` until its stream ends."""
    model: TfliteModel | None = None
    for line in iter(asked.readline, b""):
        question, numbers = json.loads(line), b""
        try:
            if model is None:
                model = TfliteModel(question["path"], question["threads"])
                answer: dict[str, Any] = {"lengths": model.lengths, "sizes": model.sizes}
            else:
                shape = question["shape"]
                inputs = np.frombuffer(asked.read(4 * int(np.prod(shape))), np.int32).reshape(shape)
                features = dict(zip(INPUTS, inputs, strict=True))
                if length := question.get("half"):
                    outputs = TfliteModel(model.path, float16=True).run(features, length)
                else:
                    outputs = model.answer(features, None, question["show_progress"])
                answer = {"shapes": {name: values.shape for name, values in outputs.items()}}
                numbers = b"".join(values.astype(np.float32).tobytes() for values in outputs.values())
        except (UsageError, RuntimeError, ValueError) as error:
            answer = {"wrong": str(error)}
        answered.write(json.dumps(answer).encode() + b"\n" + numbers)
        answered.flush()


def main() -> None:
    """Serve on the standard streams, and keep the output of native code out of them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, which ends this process
    answered = os.fdopen(os.dup(1), "wb")
    if not os.environ.get(quiet.DEBUG_VARIABLE):
        sys.stderr = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace")  # for the progress
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.dup2(2, 1)
    _serve(sys.stdin.buffer, answered)


if __name__ == "__main__":
    main()
