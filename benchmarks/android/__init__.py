"""Latency on Android devices: `adb`, both tools named `benchmark_model`, and the demo app's own benchmark."""
