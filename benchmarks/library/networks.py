"""Files of networks with random weights, for comparisons of size and speed; each is made in its own process."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf import child_process


def write(
    name: str,
    config: Mapping[str, Any],
    lengths: Sequence[int],
    recipes: Sequence[str],
    texts: Sequence[str],
    directory: Path,
    one_graph: bool = False,
) -> dict[str, Any]:
    """Write RECIPE.tflite of a network, with one signature per length; return its number of `parameters`.

    Args:
      name: name of the network in messages.
      config: its shape, under the keys of published configurations.
      recipes: names from `one_network.RECIPES`.
      texts: calibration texts for static files.
      one_graph: whether all lengths share one graph.

    Raises:
      FailedError: the process died.
    """
    order: dict[str, Any] = {"config": config, "lengths": list(lengths), "recipes": list(recipes), "texts": list(texts)}
    return ask(f"{__package__}.one_network", name, {**order, "directory": str(directory), "one_graph": one_graph})


def ask(module: str, name: str, order: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON that a module of this package prints when run on an order. Raises FailedError: the process died."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "order.json"
        path.write_text(json.dumps(order), encoding="utf-8")
        answer: dict[str, Any] = child_process.answer(
            name, child_process.run([sys.executable, "-m", module, str(path)])
        )
        return answer
