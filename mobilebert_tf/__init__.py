"""MobileBERT from raw text to a verified `.tflite` file.

The names below are the library's surface; everything else is an implementation
detail. They load on first use, because TensorFlow takes seconds to import and
`mobilebert-tf --help` should not.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Keras reads this once, when it is imported; the network runs on no other backend.
os.environ["KERAS_BACKEND"] = "tensorflow"

if TYPE_CHECKING:
    from mobilebert_tf.config import MobileBertConfig
    from mobilebert_tf.encoder import MobileBertEncoder
    from mobilebert_tf.model_directory import (
        LoadedModel,
        load_model_directory,
        load_model_for,
        save_model_directory,
    )
    from mobilebert_tf.tasks.examples import Example
    from mobilebert_tf.tasks.inference import keras_outputs
    from mobilebert_tf.tasks.task import Scores, Task
    from mobilebert_tf.tokenization import Tokenizer

_HOME = {
    "Example": "mobilebert_tf.tasks.examples",
    "LoadedModel": "mobilebert_tf.model_directory",
    "MobileBertConfig": "mobilebert_tf.config",
    "MobileBertEncoder": "mobilebert_tf.encoder",
    "Scores": "mobilebert_tf.tasks.task",
    "Task": "mobilebert_tf.tasks.task",
    "Tokenizer": "mobilebert_tf.tokenization",
    "keras_outputs": "mobilebert_tf.tasks.inference",
    "load_model_directory": "mobilebert_tf.model_directory",
    "load_model_for": "mobilebert_tf.model_directory",
    "save_model_directory": "mobilebert_tf.model_directory",
}

__all__ = [
    "Example",
    "LoadedModel",
    "MobileBertConfig",
    "MobileBertEncoder",
    "Scores",
    "Task",
    "Tokenizer",
    "keras_outputs",
    "load_model_directory",
    "load_model_for",
    "save_model_directory",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'mobilebert_tf' has no attribute {name!r}")
    from mobilebert_tf import quiet

    with quiet.nothing_collected():
        return getattr(importlib.import_module(_HOME[name]), name)
