"""Origin of a `.tflite` file, read from the contract next to it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from mobilebert_tf import fields
from mobilebert_tf.errors import UsageError


def origin(path: Path) -> dict[str, Any]:
    """Recipe and model of a file that `export` wrote; each is None if unknown."""
    contract: dict[str, Any] = {}
    with contextlib.suppress(UsageError, FileNotFoundError):
        contract = fields.read_object(path.with_name(f"{path.stem}.contract.json"))
    recipe, model = contract.get("recipe"), contract.get("model")
    name = model.get("name") if isinstance(model, dict) else None
    return {"recipe": recipe if isinstance(recipe, str) else None, "model": name if isinstance(name, str) else None}
