"""Latency on a device: `adb`, both tools named `benchmark_model`, and the demo app's own benchmark."""
