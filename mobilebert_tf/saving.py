"""Keras's own ways with a model: `save`, `load_model`, `clone_model`, alone or inside of another model."""

from __future__ import annotations

import dataclasses
from typing import Any

from mobilebert_tf.config import MobileBertConfig

PACKAGE = "mobilebert_tf"
"""Under which Keras knows these classes, so that files are read without `custom_objects`."""


class Configured:
    """A model whose first argument is a `MobileBertConfig`: what Keras needs to make it again.

    Attributes:
      config: of the network.
      seed: of dropout.
    """

    config: MobileBertConfig
    seed: int
    name: str

    @property
    def settings(self) -> dict[str, Any]:
        """The constructor's other arguments, by name."""
        return {"seed": self.seed}

    def get_config(self) -> dict[str, Any]:
        return {"config": dataclasses.asdict(self.config), **self.settings, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        values = dict(config)
        return cls(MobileBertConfig.from_dict(values.pop("config")), **values)  # type: ignore[call-arg]
