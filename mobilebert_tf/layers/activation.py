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
        return 0.5 * x * (1.0 + ops.erf(x * math.sqrt(0.5)))
    # 0.5 (1 + tanh(y)) is sigmoid(2 y), two passes over x fewer. A power for the cube would cost six
    # times all the rest.
    slope = 2.0 * math.sqrt(2.0 / math.pi)
    return x * ops.sigmoid(x * (slope + 0.044715 * slope * (x * x)))
