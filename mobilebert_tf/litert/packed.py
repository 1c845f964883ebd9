"""Weights that XNNPACK packs for its kernels at load time: once per signature, or once for all with a cache."""

from __future__ import annotations

from mobilebert_tf.litert import flatbuffer


def saved_by_cache(content: bytes) -> int:
    """Approximate bytes of private memory that a weight cache saves: the packed products of all signatures but one.

    Packed int8 weights are as large as those in the file. Where a file stores float16 or int4 and computes in a
    wider type, more than this is saved.
    """
    model = flatbuffer.read(content)
    sizes = []
    for graph in model.subgraphs:
        produced = {int(i): operator for operator in graph.operators for i in operator.outputs}
        size = 0
        for operator, kind in zip(graph.operators, flatbuffer.kinds(model, graph), strict=True):
            if kind != "FULLY_CONNECTED":
                continue
            weights = int(operator.inputs[1])
            # Weights stored in float16 are first widened to float32 by an operator.
            source = int(produced[weights].inputs[0]) if weights in produced else weights
            data = model.buffers[graph.tensors[source].buffer].data
            size += 0 if data is None else len(data)
        sizes.append(size)
    return sum(sizes) - max(sizes)
