"""Measurements of `.tflite` files: host latency, instructions on ARM, kernels, means over texts."""
