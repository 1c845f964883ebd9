"""Weights that XNNPACK packs for its kernels when a file is loaded: once a signature, or once for all with a cache."""

from __future__ import annotations

from mobilebert_tf.litert import flatbuffer


def saved_by_cache(content: bytes) -> int:
    """Bytes of private memory that a weight cache saves, about: the packed products of all signatures but one.

    Packed weights of int8 have the size of those in the file. Where a file keeps float16 or int4 and computes in
    something wider, more is saved than this.
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
            # Stored in float16 they are made float32 first.
            source = int(produced[weights].inputs[0]) if weights in produced else weights
            data = model.buffers[graph.tensors[source].buffer].data
            size += 0 if data is None else len(data)
        sizes.append(size)
    return sum(sizes) - max(sizes)
