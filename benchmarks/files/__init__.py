"""Measurements of `.tflite` files: host latency, instructions on ARM, kernels, the mean over texts."""
