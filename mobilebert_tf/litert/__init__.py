"""Tools for `.tflite` files: running them, reading and writing their bytes, and judging their operators and costs."""
