"""`.tflite` files by themselves: running them, reading and writing their bytes, what their operators mean and cost."""
