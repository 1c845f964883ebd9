"""A small file whose signatures share one graph, as `export --one_graph` writes it, for tests of benchmarks."""

from pathlib import Path

from mobilebert_tf.litert import flatbuffer, one_graph

from ..export.test_one_graph import both
from ..export.test_rewrite import model


def shared_graph(directory: Path, per_token: bool = False) -> Path:
    """A classifier with signatures for 4, 5, 8 and 9 tokens; `per_token`: its only output has values for each token."""
    _, path = both(model("student"), "float32", directory)
    if per_token:
        file = flatbuffer.read(path.read_bytes())
        graph = file.subgraphs[0]
        results = [int(index) for operator in graph.operators for index in operator.outputs]
        rows = next(i for i in results if list(graph.tensors[i].shapeSignature) == [one_graph.ANY, 12])
        graph.outputs = [rows]
        for definition in file.signatureDefs:
            (output,) = definition.outputs
            output.name, output.tensorIndex = b"token_logits", rows
        path.write_bytes(flatbuffer.write(file))
    return path
