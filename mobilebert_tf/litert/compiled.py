"""A `.tflite` file in LiteRT's CompiledModel, which has options that the Interpreter lacks in Python.

XNNPACK packs weights for its kernels when a file is loaded, once for each signature. With a weight cache it packs them
only once: in memory, or in a file that is mapped and shared by several processes and by later starts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf import quiet
from mobilebert_tf.errors import UsageError, first_line
from mobilebert_tf.litert import one_graph
from mobilebert_tf.litert.refusals import REFUSALS

FORCE_FLOAT16 = 0x4
"""XNNPACK's flag of that name."""

IN_MEMORY = ":memory:"
"""Path of a weight cache without a file."""


class CompiledFile:
    """The signatures of a file, with the methods that LiteRT's Interpreter has for them.

    Args:
      path: the file.
      threads: number of threads of the runtime.
      weight_cache: file of XNNPACK's weight cache, written if missing; or IN_MEMORY; empty: none. A cache file
        belongs to one `.tflite` file on one kind of processor.
      float16: compute float parts in float16, emulated where the processor has no such arithmetic.

    Raises:
      UsageError: LiteRT cannot load the file.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int = 1, weight_cache: str = "", float16: bool = False):
        from ai_edge_litert.compiled_model import CompiledModel, CpuOptions, HardwareAccelerator, Options

        processor = CpuOptions(
            num_threads=threads,
            xnnpack_flags=FORCE_FLOAT16 if float16 else None,
            xnnpack_weight_cache_path=weight_cache,
        )
        options = Options(hardware_accelerators=HardwareAccelerator.CPU, cpu_options=processor)
        self._any_shapes = one_graph.any_shapes_of(Path(path))
        with quiet.native_stderr_hidden():
            try:
                self._model = CompiledModel.from_file(str(path), options=options)
                return
            except REFUSALS as error:
                refused = error
        raise UsageError(f"{path}: LiteRT cannot load it ({first_line(refused)}); the file may be cut short")

    def get_signature_list(self) -> dict[str, dict[str, list[str]]]:
        """Names of inputs and outputs by signature."""
        signatures: dict[str, dict[str, list[str]]] = self._model.get_signature_list()
        return signatures

    def get_signature_runner(self, name: str) -> CompiledSignature:
        """A callable for one signature."""
        return CompiledSignature(self._model, name, self._any_shapes)


class CompiledSignature:
    """A signature that is called with its inputs by name and returns its outputs by name.

    Args:
      model: LiteRT's CompiledModel.
      name: name of the signature.
      any_shapes: result of `one_graph.any_shapes` for the file.
    """

    def __init__(self, model: Any, name: str, any_shapes: Mapping[str, list[int]]):
        self._model, self._index = model, model.get_signature_index(name)
        signature = model.get_signature_list()[name]
        self._inputs, self._outputs = signature["inputs"], signature["outputs"]
        self._given = _details(model.get_input_tensor_details(name))
        self._found = _details(model.get_output_tensor_details(name))
        for end, about in (*self._given.items(), *self._found.items()):
            # With the names of an interpreter's fields.
            about["shape_signature"] = np.array(any_shapes.get(end, about["shape"]), np.int32)
            about["shape"] = np.array(one_graph.shape_in(name, about["shape"], any_shapes.get(end, [])), np.int32)
        if any_shapes:
            # For the size of the buffers alone: a run gives the graph the length of its buffers.
            for end in self._inputs:
                model.resize_input_tensor_by_name(name, end, self._given[end]["shape"].tolist())
        self._input_buffers = model.create_input_buffers(self._index)
        self._output_buffers = model.create_output_buffers(self._index)

    def get_input_details(self) -> dict[str, dict[str, Any]]:
        """Name, dtype and shape of each input."""
        return self._given

    def get_output_details(self) -> dict[str, dict[str, Any]]:
        """Name, dtype and shape of each output."""
        return self._found

    def __call__(self, **values: np.ndarray) -> dict[str, np.ndarray]:
        for buffer, name in zip(self._input_buffers, self._inputs, strict=True):
            buffer.write(np.ascontiguousarray(values[name], self._given[name]["dtype"]))
        self._model.run_by_index(self._index, self._input_buffers, self._output_buffers)
        outputs = {}
        for buffer, name in zip(self._output_buffers, self._outputs, strict=True):
            shape = self._found[name]["shape"]
            # Copied, since the next call overwrites the buffer.
            outputs[name] = buffer.read(int(np.prod(shape)), self._found[name]["dtype"]).reshape(shape).copy()
        return outputs


def _details(tensors: Any) -> dict[str, dict[str, Any]]:
    return {
        name: {**about, "dtype": np.dtype(about["dtype"]).type, "shape": np.array(about["shape"], np.int32)}
        for name, about in tensors.items()
    }
