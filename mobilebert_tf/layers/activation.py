"""Activation functions by their configured name."""

from __future__ import annotations

import math

from keras import ops


def activate(name: str, x):
    """`hidden_act` of x, element by element.

    "gelu" is the exact form (Hugging Face), "gelu_tanh" the approximation that
    Google's BERT code uses under the same word.
    """
    if name == "relu":
        return ops.relu(x)
    if name == "relu6":
        return ops.relu6(x)
    if name == "gelu":
        return 0.5 * x * (1.0 + ops.erf(x / math.sqrt(2.0)))
    return 0.5 * x * (1.0 + ops.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * ops.power(x, 3))))
