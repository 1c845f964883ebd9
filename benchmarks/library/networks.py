"""Files of networks with random weights, made in processes of their own: what is compared by size and speed alone."""

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
) -> dict[str, Any]:
    """Write RECIPE.tflite of a network with a signature for each length; the answer has its number of `parameters`.

    Args:
      name: of the network, in messages.
      config: its shape, by the names of published configurations.
      recipes: of `one_network.RECIPES`.
      texts: that static files are calibrated on.

    Raises:
      FailedError: the process died.
    """
    order = {"config": config, "lengths": list(lengths), "recipes": list(recipes), "texts": list(texts)}
    return ask(f"{__package__}.one_network", name, {**order, "directory": str(directory)})


def ask(module: str, name: str, order: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of a module of this package that is run on an order. Raises FailedError: it died."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "order.json"
        path.write_text(json.dumps(order), encoding="utf-8")
        found: dict[str, Any] = child_process.answer(name, child_process.run([sys.executable, "-m", module, str(path)]))
        return found
