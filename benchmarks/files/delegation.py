"""Number of a loaded file's operators that a delegate runs."""

from __future__ import annotations

from typing import Any


def delegation(interpreter: Any) -> dict[str, Any] | None:
    """Number of nodes of the first graph and of those that XNNPACK runs; None: the runtime does not report it.

    LiteRT lists a delegate's nodes after the nodes that they replace. The replaced nodes are found by walking back
    from a delegate node's outputs to its inputs.
    """
    try:
        nodes = interpreter._get_ops_details()
    except (AttributeError, ValueError, RuntimeError):
        return None
    plain = [node for node in nodes if node["op_name"] != "DELEGATE"]
    producers = {int(result): position for position, node in enumerate(plain) for result in node["outputs"]}
    taken: set[int] = set()
    partitions = [node for node in nodes if node["op_name"] == "DELEGATE"]
    for node in partitions:
        inputs = {int(index) for index in node["inputs"]}
        waiting = [int(index) for index in node["outputs"]]
        while waiting:
            tensor = waiting.pop()
            position = producers.get(tensor)
            if tensor in inputs or position is None or position in taken:
                continue
            taken.add(position)
            waiting += [int(index) for index in plain[position]["inputs"]]
    return {"delegate": "XNNPACK", "delegated": len(taken), "nodes": len(plain), "partitions": len(partitions)}
