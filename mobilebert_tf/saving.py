"""Support for Keras's `save`, `load_model` and `clone_model`, of a model alone or inside another model."""

from __future__ import annotations

import dataclasses
from typing import Any

from mobilebert_tf.config import MobileBertConfig

PACKAGE = "mobilebert_tf"
"""Package under which Keras knows these classes, so that files are read without `custom_objects`."""


class Configured:
    """A model whose first argument is a `MobileBertConfig`, with the methods that Keras needs to build it again.

    Attributes:
      config: configuration of the network.
      seed: seed of dropout.
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
